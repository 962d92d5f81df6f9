/*
 * syslog.c - lines of the log as messages of RFC 5424. Contract: syslog.h.
 *
 * There is no wall clock to trust, so TIMESTAMP is NILVALUE and the receiver stamps; the element
 * "meta" carries sequenceId, by which losses show, and sysUpTime in hundredths of a second.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/net/syslog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/machine/console.h"
#include "kernel/machine/time.h"
#include "kernel/net/stream.h"

#define FACILITY_LOCAL0 16u
#define LINES_A_ROUND   8u
#define LINE_BYTES      600u
#define SETTLE_US       UINT64_C(300000) /* the first lines wait for the answer to "who has" */
#define SETTLE_LINES    2u
#define AGAIN_US        UINT64_C(100000) /* after a refusal */
#define SEQUENCE_MAX    UINT32_C(0x7fffffff)

static struct {
	struct datagram *port;
	struct net_addr server;
	uint16_t server_port;
	uint64_t at; /* of the log */
	char line[LINE_BYTES];
	size_t length; /* of a line that is complete but not sent, or not complete yet */
	bool complete;
	uint32_t sequence;
	uint64_t first_us, next_us;
	struct syslog_counts counts;
} out;

/* ---- the message ---- */

/* The severities of RFC 5424 behind the words with which the log marks its levels. */
static const struct {
	const char *label;
	unsigned severity;
} levels[] = { { "error: ", 3 }, { "warning: ", 4 }, { "debug: ", 7 }, { "trace: ", 7 } };

#define SEVERITY_INFO 6u

/* "[    1.234567] " at *line: the hundredths of seconds; *line moves behind. 0: no such stamp. */
static uint64_t take_stamp(const char **line)
{
	char *end;
	uint64_t seconds, hundredths;

	if (**line != '[')
		return 0;
	seconds = strtoull(*line + 1, &end, 10);
	if (*end != '.')
		return 0;
	hundredths = strtoull(end + 1, &end, 10) / 10000;
	if (*end != ']')
		return 0;
	*line = end[1] == ' ' ? end + 2 : end + 1;
	return seconds * 100 + hundredths;
}

static unsigned take_severity(const char **line)
{
	for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
		size_t n = strlen(levels[i].label);

		if (strncmp(*line, levels[i].label, n) == 0) {
			*line += n;
			return levels[i].severity;
		}
	}
	return SEVERITY_INFO;
}

size_t syslog_message(const char *line, uint32_t sequence, char message[SYSLOG_MESSAGE_MAX])
{
	uint64_t up = take_stamp(&line);
	unsigned severity = take_severity(&line);
	int n = snprintf(message, SYSLOG_MESSAGE_MAX,
			 "<%u>1 - tain tain - - [meta sequenceId=\"%u\" sysUpTime=\"%llu\"] %s",
			 FACILITY_LOCAL0 * 8 + severity, sequence, (unsigned long long)up, line);
	size_t length = n < SYSLOG_MESSAGE_MAX ? (size_t)n : SYSLOG_MESSAGE_MAX - 1;

	for (size_t i = 0; i < length; i++)
		if (message[i] < ' ' || message[i] > '~')
			message[i] = message[i] == '\t' ? ' ' : '?';
	return length;
}

/* ---- from the log to the wire ---- */

/* The next line of the log into out.line; false: there is no whole one. */
static bool next_line(void)
{
	char c;

	while (!out.complete) {
		uint64_t before = out.at;

		if (log_read(&out.at, &c, 1) == 0)
			return false;
		if (out.at - before > 1 && before) {
			out.counts.lost_bytes += out.at - before - 1;
			out.length = (size_t)snprintf(out.line, sizeof(out.line),
						      "warning: %llu bytes of the log came too fast",
						      (unsigned long long)(out.at - before - 1));
			out.complete = true; /* the rest of a torn line is no loss to speak of */
		} else if (c == '\n') {
			out.complete = true;
		} else if (out.length + 1 < LINE_BYTES) {
			out.line[out.length++] = c;
		}
	}
	out.line[out.length] = 0;
	return true;
}

static bool send_line(void)
{
	char message[SYSLOG_MESSAGE_MAX];
	size_t n = syslog_message(out.line, out.sequence, message);

	if (datagram_send(out.port, &out.server, out.server_port, message, n) != 0) {
		out.counts.refused++;
		out.next_us = time_us() + AGAIN_US;
		return false;
	}
	out.counts.sent++;
	out.sequence = out.sequence == SEQUENCE_MAX ? 1 : out.sequence + 1;
	out.length = 0;
	out.complete = false;
	return true;
}

/* How many lines may go now: few while nobody may know yet where the server is. */
static unsigned allowance(uint64_t now)
{
	if (!out.first_us)
		out.first_us = now;
	if (now - out.first_us >= SETTLE_US)
		return LINES_A_ROUND;
	return out.counts.sent < SETTLE_LINES ? SETTLE_LINES : 0;
}

bool syslog_poll(void)
{
	uint64_t now = time_us();

	if (!out.port || !stream_is_up() || now < out.next_us)
		return false;

	unsigned lines = allowance(now);

	while (lines && next_line() && send_line())
		lines--;
	return !lines && now - out.first_us >= SETTLE_US;
}

bool syslog_quiet(void) { return !out.port || (!out.complete && out.at == log_end()); }

int syslog_start(const struct net_addr *server, uint16_t port)
{
	memset(&out, 0, sizeof(out));
	out.server = *server;
	out.server_port = port;
	out.sequence = 1;
	return datagram_open(&out.port, NULL, NULL);
}

void syslog_counts(struct syslog_counts *counts) { *counts = out.counts; }
