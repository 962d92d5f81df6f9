/*
 * base_config_fetched.c - a configuration from the network: guests and `start` alone come that way, all of a
 * file or nothing of it.
 *
 * links: kernel/base/config*.c kernel/base/net_*.c kernel/base/url.c kernel/base/cfg_lex.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <string.h>

#include "tests/fake/test.h"

#include "kernel/base/config.h"

static struct config stick, more;
static const char *busy_name;
static unsigned taken, replaced;

static void stick_is(const char *text)
{
	config_defaults(&stick);
	config_parse(&stick, text, strlen(text));
	CHECK_INT(stick.message_count, 0);
	busy_name = NULL;
	taken = replaced = 0;
}

static void fetch(const char *text)
{
	config_defaults(&more);
	config_parse_fetched(&more, "rack7.cfg", &stick, text, strlen(text));
}

static bool busy(const char *name) { return busy_name && strcmp(name, busy_name) == 0; }

static void take(struct guest_config *place, const struct guest_config *record, bool replaces)
{
	*place = *record;
	taken++;
	replaced += replaces;
}

static const char *refused(void)
{
	static char why[CONFIG_REASON_BYTES];

	return config_merge_check(&stick, &more, busy, why);
}

static const char base[] = "[tain]\nstart = a\nconfig = tftp://10.0.2.2/rack7.cfg\n"
			   "[vm a]\nimage = \\a\nmemory = 16M\n[vm b]\nimage = \\b\n";

TEST(the_stick_says_where_it_is)
{
	stick_is(base);
	assert_string_equal(stick.tain.config_file.path, "tftp://10.0.2.2/rack7.cfg");
	CHECK(stick.tain.config_file.remote && !stick.tain.config_file.has_sha256);
	stick_is("[tain]\nconfig = http://h/x "
		 "sha256=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\n");
	CHECK(stick.tain.config_file.has_sha256 && stick.tain.config_file.sha256[0] == 0x9f);
	config_defaults(&stick);
	config_parse(&stick, "[tain]\nconfig = \\tain\\more.cfg\n", 31);
	CHECK_INT(stick.message_count, 1);
	CHECK(!stick.tain.config_file.path[0]);
}

TEST(a_module_may_be_a_url)
{
	stick_is("[tain]\nmodule = http://h/m.bin\nupdate = tftp://h/u.bin\n");
	CHECK_INT(stick.tain.module, MODULE_FILE);
	CHECK(stick.tain.module_file.remote && stick.tain.update_file.remote);
	static const char wrong[] = "[tain]\nmodule = ftp://h/m.bin\nupdate = http://h\n";

	config_defaults(&stick);
	config_parse(&stick, wrong, sizeof(wrong) - 1);
	CHECK_INT(stick.message_count, 2);
	CHECK_INT(stick.tain.module, MODULE_AUTO);
	CHECK(!stick.tain.module_file.path[0] && !stick.tain.update_file.path[0]);
}

TEST(guests_are_added_and_replaced_and_the_others_stay)
{
	stick_is(base);
	fetch("[tain]\nstart = c, b\n[vm a]\nimage = http://h/a\nmemory = 32M\n[td c]\nfirmware = tftp://h/c\n");
	CHECK(refused() == NULL);
	config_merge(&stick, &more, take);
	CHECK_INT(stick.guest_count, 3);
	CHECK(taken == 2 && replaced == 1);
	CHECK(config_guest(&stick, "a")->memory == 32u << 20);
	CHECK(config_guest(&stick, "a")->image.remote);
	CHECK(config_guest(&stick, "c")->kind == GUEST_TD);
	assert_string_equal(config_guest(&stick, "b")->image.path, "\\b");
	CHECK_INT(stick.tain.start_count, 2);
	assert_string_equal(stick.tain.start[0], "c");
	assert_string_equal(stick.tain.start[1], "b"); /* of the stick */
}

TEST(without_start_the_sticks_stays_and_an_empty_one_is_none)
{
	stick_is(base);
	fetch("[vm c]\nimage = http://h/c\n");
	CHECK(refused() == NULL);
	config_merge(&stick, &more, take);
	CHECK_INT(stick.tain.start_count, 1);
	fetch("[tain]\nstart =\n");
	CHECK(refused() == NULL);
	config_merge(&stick, &more, take);
	CHECK_INT(stick.tain.start_count, 0);
}

TEST(what_the_stick_alone_decides_is_a_mistake)
{
	static const char *const keys[] = { "console = com1", "baud = 9600", "log = debug", "module = soft",
					    "update = \\x", "script = \\x", "gdb = off", "bringup = on",
					    "crash = reboot", "watchdog = 0", "net = off", "http = 80",
					    "remote = 2323 from 10.0.0.1", "secret = 0123456789ab",
					    "gdb_net = off", "syslog = 10.0.0.1", "uplink = lan",
					    "fetch_limit = 1M", "tdx_memory = all", "config = http://h/x" };
	char text[100];

	stick_is(base);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		snprintf(text, sizeof(text), "[tain]\n%s\n[vm c]\nimage = http://h/c\n", keys[i]);
		fetch(text);
		CHECK_INT(more.message_count, 1);
		CHECK_INT(more.messages[0].line, 2);
		CHECK(strstr(more.messages[0].text, "not taken from the network") != NULL);
		assert_string_equal(refused(), "1 mistake");
	}
}

TEST(one_mistake_refuses_all_of_it)
{
	stick_is(base);
	fetch("[vm c]\nimage = http://h/c\n[vm d]\nmemory = 1\nvcpus = 0\n");
	assert_string_equal(refused(), "2 mistakes");
	CHECK(strstr(more.guests[1].refusal, "rack7.cfg:4: memory") != NULL);
	fetch("[tain]\nstart = nobody\n");
	assert_string_equal(refused(), "1 mistake");
	fetch("no form at all\n");
	assert_string_equal(refused(), "1 mistake");
	fetch("");
	CHECK(refused() == NULL);
}

TEST(a_guest_that_runs_is_not_defined_anew)
{
	stick_is(base);
	fetch("[vm c]\nimage = http://h/c\n[vm b]\nimage = http://h/b\n");
	busy_name = "b";
	assert_string_equal(refused(), "it defines b anew, which is running");
	busy_name = "a";
	CHECK(refused() == NULL);
}

TEST(there_is_room_for_so_many)
{
	static char text[64 * 40];
	size_t n = 0;

	stick_is(base);
	for (unsigned i = 0; i < CONFIG_GUESTS_MAX - 2; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "[vm x%u]\nimage = http://h/c\n", i);
	fetch(text);
	CHECK(refused() == NULL);
	snprintf(text + n, sizeof(text) - n, "[vm b]\nimage = http://h/c\n");
	fetch(text);
	CHECK(refused() == NULL); /* it has its place already */
	snprintf(text + n, sizeof(text) - n, "[vm y]\nimage = http://h/c\n");
	fetch(text);
	assert_string_equal(refused(), "together there would be more than 64 guests");
}

TEST(a_strange_name_stays_printable)
{
	stick_is(base);
	config_defaults(&more);
	config_parse_fetched(&more, "a\033[2Jb-and-a-name-that-is-far-too-long-for-a-message", &stick, "x", 1);
	assert_string_equal(more.name, "a?[2Jb-and-a-name-that-is-far-t");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_stick_says_where_it_is),
		cmocka_unit_test(a_module_may_be_a_url),
		cmocka_unit_test(guests_are_added_and_replaced_and_the_others_stay),
		cmocka_unit_test(without_start_the_sticks_stays_and_an_empty_one_is_none),
		cmocka_unit_test(what_the_stick_alone_decides_is_a_mistake),
		cmocka_unit_test(one_mistake_refuses_all_of_it),
		cmocka_unit_test(a_guest_that_runs_is_not_defined_anew),
		cmocka_unit_test(there_is_room_for_so_many),
		cmocka_unit_test(a_strange_name_stays_printable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
