/*
 * replay.c - logs of the real code for the model in frozen.pml: linked with spin's search, which
 * follows each of them. usage of the search: FROZEN_LOG=FILE pan; "accepted: N of M" and the
 * numbers of those that were not come at the end.
 *
 * A line of FILE: the watched entries' first states, the entries that the two faults want, events.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST  5 /* numbers before the events */
#define EVENTS 400
#define LOGS   4096

static struct {
	int number[FIRST + EVENTS + 1]; /* 0 ends the events */
	int length, accepted;
} logs[LOGS];
static int count = -1;

static void tell(void)
{
	int accepted = 0;

	for (int i = 0; i < count; i++) {
		accepted += logs[i].accepted;
		if (!logs[i].accepted)
			printf("not accepted: log %d\n", i + 1);
	}
	printf("accepted: %d of %d\n", accepted, count);
}

static void give_up(const char *why)
{
	fprintf(stderr, "replay: %s\n", why);
	exit(2);
}

static void read_line(char *line)
{
	int n = 0;

	if (count == LOGS)
		give_up("too many logs");
	for (char *word = strtok(line, " \n"); word; word = strtok(NULL, " \n")) {
		if (n == FIRST + EVENTS)
			give_up("a log is too long");
		logs[count].number[n++] = atoi(word);
	}
	if (n < FIRST)
		give_up("a log without its beginning");
	logs[count++].length = n;
}

static void read_all(void)
{
	static char line[8 * (FIRST + EVENTS)];
	const char *path = getenv("FROZEN_LOG");
	FILE *file = path ? fopen(path, "r") : NULL;

	if (!file)
		give_up("FROZEN_LOG names no file");
	count = 0;
	while (fgets(line, sizeof(line), file))
		read_line(line);
	fclose(file);
	atexit(tell);
}

int log_count(void)
{
	if (count < 0)
		read_all();
	return count;
}

int log_first(int which, int what) { return logs[which].number[what]; }
int log_next(int which, int at) { return logs[which].number[FIRST + at]; }
void log_accepted(int which) { logs[which].accepted = 1; }
