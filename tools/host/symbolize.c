/*
 * symbolize.c - tain symbolize TAIN.ELF LOG: the log again, with function and line behind each
 * kernel address.
 *
 * Invariants
 *   - Only addresses of the kernel's image are looked up (ffffffff8...); all else is copied.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/host/commands.h"

#define LOG_MAX   ((size_t)64 << 20)
#define WHERE_MAX 512

/* addr2line's answer for @address; empty if it has none. */
static void where_is(const char *elf, const char *address, char where[WHERE_MAX])
{
	int pipe_fd[2], status;
	ssize_t got = 0, n;
	pid_t child;

	where[0] = 0;
	if (pipe(pipe_fd))
		return;
	child = fork();
	if (child == 0) {
		dup2(pipe_fd[1], STDOUT_FILENO);
		close(pipe_fd[0]);
		close(pipe_fd[1]);
		execlp("addr2line", "addr2line", "-f", "-p", "-s", "-e", elf, address,
		       (char *)NULL);
		_exit(127);
	}
	close(pipe_fd[1]);
	while (child > 0 && got < WHERE_MAX - 1 &&
	       (n = read(pipe_fd[0], where + got, (size_t)(WHERE_MAX - 1 - got))) > 0)
		got += n;
	close(pipe_fd[0]);
	where[got] = 0;
	where[strcspn(where, "\n")] = 0;
	if (child > 0)
		waitpid(child, &status, 0);
	if (where[0] == '?')
		where[0] = 0;
}

/* The length of an address of the image at @s: 16 hex digits from ffffffff8 on; else 0. */
static size_t address_at(const char *s)
{
	size_t skip = s[0] == '0' && s[1] == 'x' ? 2 : 0, n = 0;

	while (isxdigit((unsigned char)s[skip + n]))
		n++;
	return n == 16 && strncasecmp(s + skip, "ffffffff8", 9) == 0 ? skip + n : 0;
}

static void print_line(const char *elf, char *line)
{
	char where[WHERE_MAX], address[24];

	fputs(line, stdout);
	for (char *s = line; *s; s++) {
		size_t n = (s == line || !isalnum((unsigned char)s[-1])) ? address_at(s) : 0;

		if (!n)
			continue;
		snprintf(address, sizeof(address), "%.*s", (int)n, s);
		where_is(elf, address, where);
		if (where[0])
			printf("  %s", where);
		s += n - 1;
	}
	putchar('\n');
}

int cmd_symbolize(int argc, char **argv)
{
	size_t bytes;
	uint8_t *elf = read_whole(argv[0], LOG_MAX, &bytes);
	char *log, *line, *rest;

	(void)argc;
	if (!elf)
		return 1;
	if (bytes < 4 || memcmp(elf, "\177ELF", 4)) {
		fprintf(stderr, "tain: %s: not an ELF file\n", argv[0]);
		free(elf);
		return 1;
	}
	free(elf);
	log = (char *)read_whole(argv[1], LOG_MAX, &bytes);
	if (!log)
		return 1;
	log[bytes] = 0;
	rest = log;
	while ((line = strsep(&rest, "\n")) && (rest || *line)) {
		line[strcspn(line, "\r")] = 0;
		print_line(argv[0], line);
	}
	free(log);
	return 0;
}
