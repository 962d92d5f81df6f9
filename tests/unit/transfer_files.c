/*
 * transfer_files.c - files of guests from the network: fetched in turn when the network is there, once for
 * all who name the same, and a failure keeps only that guest from starting. And gdb's line over TCP.
 *
 * links: kernel/net/files.c kernel/net/fetch.c kernel/net/store.c kernel/net/http_response.c kernel/net/tftp.c
 * links: kernel/net/gdb_tcp.c kernel/base/url.c kernel/base/net_use.c kernel/base/cfg_lex.c kernel/base/sha256.c
 * links: kernel/base/net_addr.c tests/fake/stream.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>

#include "tests/fake/test.h"

#include "kernel/base/config.h"
#include "kernel/net/fetch.h"
#include "kernel/net/files.h"
#include "kernel/net/gdb_tcp.h"
#include "tests/fake/stream.h"
#include "tests/host/machine.h"

#define URL "http://10.0.2.2/image"

static struct config cfg;
static struct net_addr server;

static void guest(const char *name, const char *kernel, const char *initrd)
{
	struct guest_config *g = &cfg.guests[cfg.guest_count++];

	snprintf(g->name, sizeof(g->name), "%s", name);
	CHECK(net_file_read(kernel, &g->kernel) == NULL);
	if (initrd)
		CHECK(net_file_read(initrd, &g->initrd) == NULL);
}

static void begin(void)
{
	fake_net_reset();
	memset(&cfg, 0, sizeof(cfg));
	cfg.tain.fetch_limit = 1 << 20;
	CHECK_INT(net_addr_parse("10.0.2.2", &server), 0);
	fake_name_addr = &server;
	files_start(&cfg);
}

static void turn(void)
{
	files_poll();
	fetch_poll();
}

/* The server's answer to the fetch that is under way. */
static void answer(const char *body)
{
	char text[200];

	turn();
	CHECK(fake_outgoing != NULL);
	fake_connected(fake_outgoing);
	snprintf(text, sizeof(text), "HTTP/1.1 %s\r\nContent-Length: %u\r\n\r\n%s", body ? "200 OK" : "404 x",
		 body ? (unsigned)strlen(body) : 0, body ? body : "");
	fake_send_text(fake_outgoing, text);
	turn();
	fake_outgoing = NULL;
}

static enum files_state look(const char *name)
{
	const char *why;

	return files_look(name, &why);
}

TEST(a_guest_waits_for_all_its_files_and_others_share_them)
{
	begin();
	guest("a", URL, "http://10.0.2.2/initrd");
	guest("b", URL, NULL);
	CHECK_INT(look("a"), FILES_NOT_ASKED);
	CHECK(files_ask("a"));
	CHECK_INT(look("a"), FILES_COMING);
	answer("kernel");
	CHECK_INT(look("a"), FILES_COMING);
	CHECK_INT(look("b"), FILES_HERE); /* it names the same */
	CHECK(!files_ask("b"));
	answer("initrd");
	CHECK_INT(look("a"), FILES_HERE);
	CHECK(cfg.guests[1].kernel.size == 6 && memcmp(cfg.guests[1].kernel.data, "kernel", 6) == 0);
	turn();
	CHECK(fake_outgoing == NULL);
}

TEST(a_failure_is_that_guests_and_may_be_tried_again)
{
	const char *why;

	begin();
	guest("a", URL, NULL);
	guest("b", "http://10.0.2.2/other", NULL);
	CHECK(files_ask("a") && files_ask("b"));
	answer(NULL);
	CHECK_INT(files_look("a", &why), FILES_FAILED);
	assert_string_equal(why, "404: the server has no such file");
	answer("x");
	CHECK_INT(look("b"), FILES_HERE);
	CHECK(files_ask("a"));
	answer("y");
	CHECK_INT(look("a"), FILES_HERE);
}

TEST(a_hash_is_each_guests_own)
{
	const char *why;

	begin();
	guest("a", URL " sha256=0000000000000000000000000000000000000000000000000000000000000000", NULL);
	guest("b", URL, NULL);
	CHECK(files_ask("a") && files_ask("b"));
	answer("abc");
	CHECK_INT(files_look("a", &why), FILES_FAILED);
	assert_string_equal(why, "its SHA-256 is not the one that was given");
	answer("abc");
	CHECK_INT(look("b"), FILES_HERE);
	CHECK_INT(look("a"), FILES_FAILED); /* what came for b is not a's */
}

TEST(nothing_is_asked_for_without_a_network)
{
	begin();
	guest("a", URL, NULL);
	fake_up = false;
	CHECK(files_ask("a"));
	for (unsigned i = 0; i < 10; i++) {
		fake_time_us += FETCH_QUIET_US;
		turn();
	}
	CHECK_INT(look("a"), FILES_COMING);
	fake_up = true;
	answer("late");
	CHECK_INT(look("a"), FILES_HERE);
}

TEST(an_empty_file_is_no_file)
{
	begin();
	guest("a", URL, NULL);
	CHECK(files_ask("a"));
	answer("");
	CHECK_INT(look("a"), FILES_FAILED);
}

/* ---- records that change ---- */

#define HASH_ABC " sha256=ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void define_anew(unsigned index, const char *kernel)
{
	static struct guest_config record;

	memset(&record, 0, sizeof(record));
	snprintf(record.name, sizeof(record.name), "%s", cfg.guests[index].name);
	CHECK(net_file_read(kernel, &record.kernel) == NULL);
	files_take_over(&cfg.guests[index], &record);
}

TEST(a_new_record_keeps_what_a_hash_vouches_for)
{
	uint64_t pages = page_count(PAGE_KERNEL);

	begin();
	guest("a", URL HASH_ABC, NULL);
	guest("b", "http://10.0.2.2/other", NULL);
	CHECK(files_ask("a"));
	answer("abc");
	CHECK_INT(page_count(PAGE_KERNEL), pages + 1);
	define_anew(1, URL HASH_ABC); /* shared */
	CHECK(cfg.guests[1].kernel.data == cfg.guests[0].kernel.data && look("b") == FILES_HERE);
	define_anew(0, URL HASH_ABC);
	CHECK(look("a") == FILES_HERE && cfg.guests[0].kernel.size == 3);
	define_anew(0, URL); /* it may be another one by now */
	CHECK_INT(look("a"), FILES_NOT_ASKED);
	CHECK_INT(page_count(PAGE_KERNEL), pages + 1);
	define_anew(1, URL);
	CHECK_INT(page_count(PAGE_KERNEL), pages); /* nobody names it any more */
}

TEST(what_comes_for_a_record_that_is_gone_goes_back)
{
	uint64_t pages = page_count(PAGE_KERNEL);

	begin();
	guest("a", URL, NULL);
	CHECK(files_ask("a"));
	turn();
	define_anew(0, "http://10.0.2.2/new");
	answer("old one");
	CHECK_INT(look("a"), FILES_NOT_ASKED);
	CHECK_INT(page_count(PAGE_KERNEL), pages);
	CHECK(files_ask("a"));
	turn();
	define_anew(0, URL); /* and its failure is not the new one's */
	CHECK(files_ask("a"));
	answer(NULL);
	CHECK_INT(look("a"), FILES_COMING);
	answer("fine");
	CHECK_INT(look("a"), FILES_HERE);
	define_anew(0, "http://10.0.2.2/new");
	CHECK_INT(page_count(PAGE_KERNEL), pages);
}

/* ---- gdb's line ---- */

static struct net_service_config service;

static void gdb_begin(void)
{
	fake_net_reset();
	CHECK(net_service_read("1234 from 10.0.0.0/8", true, &service) == NULL);
	CHECK_INT(gdb_tcp_start(&service), 0);
}

TEST(gdbs_bytes_come_and_go_one_connection_at_a_time)
{
	struct stream *s;

	gdb_begin();
	CHECK(fake_connect(1234, "11.0.0.1") == NULL);
	CHECK_INT(gdb_tcp_connection(), 0);
	s = fake_connect(1234, "10.0.0.1");
	CHECK(s && gdb_tcp_connection() != 0);
	CHECK(fake_connect(1234, "10.0.0.1") == NULL);
	fake_send_text(s, "ab");
	CHECK_INT(gdb_tcp_get(), 'a');
	CHECK_INT(gdb_tcp_get(), 'b');
	CHECK_INT(gdb_tcp_get(), -1);
	gdb_tcp_put("xyz", 3);
	assert_string_equal(fake_out(s), "xyz");
	fake_lose(s);
	CHECK_INT(gdb_tcp_connection(), 0);
	gdb_tcp_put("lost", 4);
	CHECK(fake_connect(1234, "10.0.0.1") != NULL);
	CHECK_INT(gdb_tcp_get(), -1);
}

TEST(gdbs_bytes_wait_in_bounds)
{
	static uint8_t block[3000];
	struct stream *s;
	unsigned got = 0;

	gdb_begin();
	s = fake_connect(1234, "10.0.0.1");
	for (unsigned i = 0; i < 4; i++)
		fake_send(s, block, sizeof(block));
	CHECK_INT(s->held_used, 12000 - GDB_TCP_IN);
	for (unsigned i = 0; i < 5; i++) {
		while (gdb_tcp_get() >= 0)
			got++;
		gdb_tcp_poll();
	}
	CHECK_INT(got, 12000);
	s->window = 0;
	CHECK_INT(gdb_tcp_room(), GDB_TCP_OUT);
	for (unsigned i = 0; i < 30; i++)
		gdb_tcp_put(block, sizeof(block));
	CHECK(gdb_tcp_room() < sizeof(block));
	fake_open_window(s, SIZE_MAX);
	CHECK_INT(gdb_tcp_room(), GDB_TCP_OUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guest_waits_for_all_its_files_and_others_share_them),
		cmocka_unit_test(a_failure_is_that_guests_and_may_be_tried_again),
		cmocka_unit_test(a_hash_is_each_guests_own),
		cmocka_unit_test(nothing_is_asked_for_without_a_network),
		cmocka_unit_test(an_empty_file_is_no_file),
		cmocka_unit_test(a_new_record_keeps_what_a_hash_vouches_for),
		cmocka_unit_test(what_comes_for_a_record_that_is_gone_goes_back),
		cmocka_unit_test(gdbs_bytes_come_and_go_one_connection_at_a_time),
		cmocka_unit_test(gdbs_bytes_wait_in_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
