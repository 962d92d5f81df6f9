/*
 * log_syslog.c - the log by syslog: messages as RFC 5424 wants them, no line lost or sent twice while
 * the network comes and goes, and what the log itself dropped is said.
 *
 * links: kernel/net/syslog.c kernel/base/net_addr.c tests/fake/stream.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>

#include "tests/fake/test.h"

#include "kernel/machine/console.h"
#include "kernel/net/syslog.h"
#include "tests/fake/stream.h"

/* ---- a log of the test's own: the newest @kept bytes of what was written ---- */

static char text[1 << 16];
static uint64_t end, kept;

static void say(const char *line)
{
	memcpy(text + end, line, strlen(line));
	end += strlen(line);
	text[end++] = '\n';
}

uint64_t log_end(void) { return end; }

size_t log_read(uint64_t *pos, char *buf, size_t max)
{
	if (end - *pos > kept)
		*pos = end - kept;
	size_t n = end - *pos < max ? end - *pos : max;

	memcpy(buf, text + *pos, n);
	*pos += n;
	return n;
}

static void begin(void)
{
	struct net_addr server;

	fake_net_reset();
	end = 0;
	kept = sizeof(text);
	CHECK_INT(net_addr_parse("10.0.2.2", &server), 0);
	CHECK_INT(syslog_start(&server, 514), 0);
}

static const char *message(unsigned index)
{
	static char copy[SYSLOG_MESSAGE_MAX + 1];
	struct fake_datagram *f = &fake_sent[index % 64];

	memcpy(copy, f->bytes, f->count);
	copy[f->count] = 0;
	return copy;
}

static void rounds(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		fake_time_us += 100000;
		(void)syslog_poll();
	}
}

TEST(a_line_becomes_a_message_of_rfc_5424)
{
	begin();
	say("[   12.345678] Tain 0.1");
	say("[   13.000000] warning: tain.cfg:3: what");
	say("[   14.000000] error: bad");
	say("[   15.000000] debug: \x01 odd \xff");
	say("no stamp");
	rounds(6);
	CHECK_INT(fake_sent_count, 5);
	assert_string_equal(message(0),
			    "<134>1 - tain tain - - [meta sequenceId=\"1\" sysUpTime=\"1234\"] Tain 0.1");
	assert_string_equal(message(1), "<132>1 - tain tain - - [meta sequenceId=\"2\" sysUpTime=\"1300\"] "
					"tain.cfg:3: what");
	assert_string_equal(message(2), "<131>1 - tain tain - - [meta sequenceId=\"3\" sysUpTime=\"1400\"] bad");
	assert_string_equal(message(3),
			    "<135>1 - tain tain - - [meta sequenceId=\"4\" sysUpTime=\"1500\"] ? odd ?");
	assert_string_equal(message(4), "<134>1 - tain tain - - [meta sequenceId=\"5\" sysUpTime=\"0\"] no stamp");
	CHECK_INT(fake_sent[0].port, 514);
}

TEST(lines_from_before_the_network_come_first)
{
	begin();
	fake_up = false;
	for (unsigned i = 0; i < 20; i++) {
		char line[40];

		snprintf(line, sizeof(line), "[    0.%06u] line %u", i, i);
		say(line);
	}
	rounds(5);
	CHECK_INT(fake_sent_count, 0);
	fake_up = true;
	rounds(10);
	CHECK_INT(fake_sent_count, 20);
	CHECK(strstr(message(0), "] line 0") != NULL);
	CHECK(strstr(message(19), "sequenceId=\"20\"") != NULL);
	CHECK(strstr(message(19), "] line 19") != NULL);
}

/* lwIP keeps three datagrams while it asks who has the address. */
TEST(the_first_burst_is_small)
{
	begin();
	for (unsigned i = 0; i < 50; i++)
		say("x");
	(void)syslog_poll();
	CHECK_INT(fake_sent_count, 2);
	CHECK(!syslog_poll());
	CHECK_INT(fake_sent_count, 2);
	fake_time_us += 300000;
	CHECK(syslog_poll());
	CHECK_INT(fake_sent_count, 10);
}

TEST(a_refused_line_is_sent_again_and_once)
{
	struct syslog_counts c;

	begin();
	say("one");
	fake_datagram_error = -ENOMEM;
	rounds(3);
	CHECK_INT(fake_sent_count, 0);
	fake_datagram_error = 0;
	rounds(3);
	CHECK_INT(fake_sent_count, 1);
	syslog_counts(&c);
	CHECK_INT(c.sent, 1);
	CHECK(c.refused >= 1);
}

TEST(half_a_line_waits_for_its_end)
{
	begin();
	memcpy(text, "half", 4);
	end = 4;
	rounds(5);
	CHECK_INT(fake_sent_count, 0);
	say(" and whole");
	rounds(5);
	CHECK_INT(fake_sent_count, 1);
	CHECK(strstr(message(0), "] half and whole") != NULL);
}

TEST(what_the_log_dropped_is_said)
{
	struct syslog_counts c;

	begin();
	say("first");
	rounds(5);
	kept = 40;
	fake_up = false;
	for (unsigned i = 0; i < 100; i++)
		say("0123456789012345678");
	fake_up = true;
	rounds(5);
	syslog_counts(&c);
	CHECK(c.lost_bytes >= 100 * 20 - 60);
	CHECK(strstr(message(1), "<132>1 ") && strstr(message(1), "bytes of the log came too fast"));
	CHECK(strstr(message(fake_sent_count - 1), "] 0123456789012345678") != NULL);
}

TEST(a_long_line_is_cut_to_one_message)
{
	char line[1000];

	begin();
	memset(line, 'a', sizeof(line) - 1);
	line[sizeof(line) - 1] = 0;
	say(line);
	rounds(5);
	CHECK_INT(fake_sent_count, 1);
	CHECK(fake_sent[0].count < SYSLOG_MESSAGE_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_becomes_a_message_of_rfc_5424),
		cmocka_unit_test(lines_from_before_the_network_come_first),
		cmocka_unit_test(the_first_burst_is_small),
		cmocka_unit_test(a_refused_line_is_sent_again_and_once),
		cmocka_unit_test(half_a_line_waits_for_its_end),
		cmocka_unit_test(what_the_log_dropped_is_said),
		cmocka_unit_test(a_long_line_is_cut_to_one_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
