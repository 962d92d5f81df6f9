/*
 * transfer_fetch.c - files from the network: whole and checked or not at all, by HTTP and by TFTP,
 * whatever is lost, doubled, too long, or silent; and no memory stays of what failed.
 *
 * links: kernel/net/fetch.c kernel/net/store.c kernel/net/http_response.c kernel/net/tftp.c kernel/base/url.c
 * links: kernel/base/sha256.c kernel/base/net_addr.c tests/fake/stream.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>

#include "tests/fake/test.h"

#include "kernel/machine/port.h"
#include "kernel/net/fetch.h"
#include "kernel/net/tftp.h"
#include "kernel/base/url.h"
#include "tests/fake/stream.h"
#include "tests/host/machine.h"

#define LIMIT (UINT64_C(16) << 20)

static struct net_addr server;
static struct fetched got;
static bool ended;
static char reason[128];
static uint64_t pages_before;

static void on_done(void *ctx, const struct fetched *file, const char *why)
{
	(void)ctx;
	CHECK(!ended);
	ended = true;
	if (file)
		got = *file;
	snprintf(reason, sizeof(reason), "%s", why ? why : "");
}

static void begin_sha(const char *url, const uint8_t *sha)
{
	const char *why = NULL;

	fake_net_reset();
	CHECK_INT(net_addr_parse("10.0.2.2", &server), 0);
	fake_name_addr = &server;
	ended = false;
	got.bytes = NULL;
	pages_before = page_count(PAGE_KERNEL);
	CHECK_INT(fetch_begin(&(struct fetch_want){ url, LIMIT, sha }, on_done, NULL, &why), 0);
	fetch_poll();
}

static void begin(const char *url) { begin_sha(url, NULL); }

static void free_file(void)
{
	for (uint64_t i = 0; i < (got.size + PAGE_SIZE - 1) / PAGE_SIZE; i++)
		page_free(ptr_to_hpa(got.bytes + i * PAGE_SIZE), PAGE_KERNEL);
}

/* It ended with @why ("": well), and what it left is exactly the file. */
static void ends(const char *why)
{
	fetch_poll();
	CHECK(ended);
	assert_string_equal(reason, why);
	if (!*why)
		free_file();
	CHECK_INT(page_count(PAGE_KERNEL), pages_before);
}

static void http(const char *answer)
{
	begin("http://files/image");
	fake_connected(fake_outgoing);
	fake_send_text(fake_outgoing, answer);
	fake_finish(fake_outgoing);
}

TEST(a_file_of_known_length_arrives_by_http)
{
	begin("http://files:8080/a/b?c=d");
	assert_string_equal(fake_name, "files");
	CHECK_INT(fake_outgoing->port, 8080);
	fake_connected(fake_outgoing);
	CHECK(strncmp(fake_out(fake_outgoing), "GET /a/b?c=d HTTP/1.1\r\nHost: files:8080\r\n", 41) == 0);
	fake_send_text(fake_outgoing, "HTTP/1.1 200 OK\r\nContent-Le");
	fake_send_text(fake_outgoing, "ngth: 5\r\n\r\nhe");
	fake_send_text(fake_outgoing, "llo");
	fetch_poll();
	CHECK(ended && got.size == 5 && memcmp(got.bytes, "hello", 5) == 0);
	ends("");
}

TEST(a_large_file_arrives_whole_and_only_its_pages_stay)
{
	char *block = malloc(1 << 20);

	begin("http://files/image");
	fake_connected(fake_outgoing);
	fake_send_text(fake_outgoing, "HTTP/1.0 200 OK\r\n\r\n"); /* no length: it grows */
	for (unsigned i = 0; i < 5; i++) {
		memset(block, 'a' + (int)i, 1 << 20);
		fake_send(fake_outgoing, block, (1 << 20) - 1);
	}
	fake_finish(fake_outgoing);
	fetch_poll();
	CHECK_INT(got.size, 5 * ((1 << 20) - 1));
	for (unsigned i = 0; i < 5; i++)
		CHECK(got.bytes[i * ((1 << 20) - 1)] == 'a' + i && got.bytes[(i + 1) * ((1 << 20) - 1) - 1] == 'a' + i);
	free(block);
	ends("");
}

TEST(chunks_are_put_together)
{
	http("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0A;x=y\r\n0123456789\r\n0\r\nT: x\r\n\r\n");
	fetch_poll();
	CHECK(got.size == 13 && memcmp(got.bytes, "abc0123456789", 13) == 0);
	ends("");
}

TEST(an_answer_before_the_answer_is_passed_over)
{
	http("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
	ends("");
}

TEST(what_is_not_the_whole_file_is_refused)
{
	static const char *const pairs[][2] = {
		{ "HTTP/1.1 404 Not Found\r\n\r\n", "404: the server has no such file" },
		{ "HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n", "the server sends us elsewhere (a redirect)" },
		{ "HTTP/1.1 403 no\r\n\r\n", "the server does not allow it" },
		{ "HTTP/1.1 500 oh\r\n\r\n", "the server has failed" },
		{ "HTTP/1.1 206 part\r\n\r\n", "the server refuses" },
		{ "SSH-2.0-x\r\n", "the server does not speak HTTP/1" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "the connection ended in the middle" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "larger than fetch_limit" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "a length that is none" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n", "a length that is none" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "a length that is none" },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "a transfer coding that was not asked for" },
		{ "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", "a content coding that was not asked for" },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
		  "both a length and chunks" },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "a chunk's size that is none" },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", "a chunk is longer than its size" },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n", "the connection ended in the middle" },
		{ "", "the connection ended in the middle" },
	};

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		http(pairs[i][0]);
		ends(pairs[i][1]);
	}
}

TEST(a_file_without_announced_length_is_bounded_too)
{
	char *block = calloc(1, 1 << 20);

	begin("http://files/image");
	fake_connected(fake_outgoing);
	fake_send_text(fake_outgoing, "HTTP/1.0 200 OK\r\n\r\n");
	for (unsigned i = 0; i < 17; i++)
		fake_send(fake_outgoing, block, 1 << 20);
	free(block);
	ends("larger than fetch_limit");
}

TEST(a_wrong_sha256_refuses_the_file_and_the_right_one_does_not)
{
	/* of "abc": FIPS 180-4's own example */
	uint8_t sha[SHA256_BYTES] = { 0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
				      0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
				      0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad };

	for (unsigned wrong = 0; wrong < 2; wrong++) {
		sha[31] ^= (uint8_t)wrong;
		begin_sha("http://files/image", sha);
		fake_connected(fake_outgoing);
		fake_send_text(fake_outgoing, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
		ends(wrong ? "its SHA-256 is not the one that was given" : "");
	}
}

TEST(sha256_of_long_and_odd_texts)
{
	/* FIPS 180-4 examples: two blocks; a million times 'a', in odd pieces */
	static const char two[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
	static const uint8_t of_two[4] = { 0x24, 0x8d, 0x6a, 0x61 }, of_million[4] = { 0xcd, 0xc7, 0x6e, 0x5c };
	uint8_t out[SHA256_BYTES], piece[997];
	struct sha256 s;

	sha256_init(&s);
	sha256_update(&s, two, strlen(two));
	sha256_final(&s, out);
	CHECK(memcmp(out, of_two, 4) == 0 && out[31] == 0xc1);
	memset(piece, 'a', sizeof(piece));
	sha256_init(&s);
	for (unsigned left = 1000000; left;) {
		unsigned n = left < sizeof(piece) ? left : sizeof(piece);

		sha256_update(&s, piece, n);
		left -= n;
	}
	sha256_final(&s, out);
	CHECK(memcmp(out, of_million, 4) == 0 && out[31] == 0xd0);
}

TEST(silence_has_an_end)
{
	begin("http://files/image");
	fake_time_us += FETCH_QUIET_US + 1;
	ends("no answer from the server");
	begin("http://files/image");
	fake_connected(fake_outgoing);
	fake_send_text(fake_outgoing, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe");
	fake_time_us += FETCH_QUIET_US + 1;
	ends("no answer from the server");
	begin("http://files/image");
	fake_lose(fake_outgoing);
	ends("no connection: refused or no answer");
}

TEST(a_name_that_nobody_knows_ends_it)
{
	const char *why;

	fake_net_reset();
	ended = false;
	pages_before = page_count(PAGE_KERNEL);
	CHECK_INT(fetch_begin(&(struct fetch_want){ "http://nobody/x", LIMIT, NULL }, on_done, NULL, &why), 0);
	CHECK_INT(fetch_begin(&(struct fetch_want){ "http://b/x", LIMIT, NULL }, on_done, NULL, &why), -EBUSY);
	fetch_poll();
	ends("the server's name is not known");
}

TEST(it_waits_for_the_network_and_not_for_ever)
{
	const char *why;

	fake_net_reset();
	fake_up = false;
	ended = false;
	pages_before = page_count(PAGE_KERNEL);
	CHECK_INT(fetch_begin(&(struct fetch_want){ "http://a/x", LIMIT, NULL }, on_done, NULL, &why), 0);
	fetch_poll();
	CHECK(!ended && !fake_outgoing);
	fake_time_us += FETCH_QUIET_US + 1;
	ends("the network is not up");
}

TEST(who_gives_up_is_told)
{
	begin("http://files/image");
	fake_connected(fake_outgoing);
	fake_send_text(fake_outgoing, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe");
	fetch_cancel();
	ends("given up");
}

/* ---- TFTP ---- */

static const struct fake_datagram *last(void) { return &fake_sent[(fake_sent_count - 1) % 64]; }

static void data(unsigned block, const char *fill, size_t count, uint16_t port)
{
	static uint8_t packet[2000];

	packet[0] = 0;
	packet[1] = 3;
	packet[2] = (uint8_t)(block >> 8);
	packet[3] = (uint8_t)block;
	memset(packet + 4, *fill, count);
	CHECK(fake_datagram("10.0.2.2", port, packet, count + 4));
}

static void last_is_ack(unsigned block)
{
	CHECK_INT(last()->count, 4);
	CHECK_INT(last()->bytes[1], 4);
	CHECK_INT(last()->bytes[2] << 8 | last()->bytes[3], block);
}

TEST(tftp_asks_with_options_and_takes_what_is_granted)
{
	static const char request[] = "\0\1dir/file\0octet\0blksize\0001428\0tsize\0000";
	static const char oack[] = "\0\6tsize\0002000\0blksize\0001428";

	begin("tftp://10.0.2.2/dir/file");
	CHECK_INT(last()->port, 69);
	CHECK_INT(last()->count, sizeof(request));
	CHECK(memcmp(last()->bytes, request, sizeof(request)) == 0);
	CHECK(fake_datagram("10.0.2.2", 7000, oack, sizeof(oack)));
	last_is_ack(0);
	CHECK_INT(last()->port, 7000);
	data(1, "a", 1428, 7000);
	last_is_ack(1);
	data(1, "x", 1428, 7000); /* doubled: acknowledged again, taken once */
	last_is_ack(1);
	data(3, "x", 1428, 7000); /* out of turn */
	data(2, "x", 572, 7001);  /* a stranger */
	last_is_ack(1);
	data(2, "b", 572, 7000);
	last_is_ack(2);
	fetch_poll();
	CHECK(got.size == 2000 && got.bytes[0] == 'a' && got.bytes[1427] == 'a' && got.bytes[1428] == 'b');
	ends("");
}

TEST(tftp_of_a_server_without_options_goes_by_512)
{
	begin("tftp://10.0.2.2/f");
	data(1, "a", 512, 7000);
	data(2, "b", 0, 7000);
	last_is_ack(2);
	fetch_poll();
	CHECK_INT(got.size, 512);
	ends("");
}

TEST(tftp_sends_again_what_was_lost)
{
	unsigned sent;

	begin("tftp://10.0.2.2/f");
	sent = fake_sent_count;
	fake_time_us += 1100000;
	fetch_poll();
	CHECK_INT(fake_sent_count, sent + 1);
	CHECK_INT(last()->bytes[1], 1);
	data(1, "a", 512, 7000);
	fake_time_us += 1100000;
	fetch_poll();
	last_is_ack(1);
	CHECK_INT(last()->port, 7000);
	fake_time_us += FETCH_QUIET_US;
	ends("no answer from the server");
}

TEST(tftp_is_bounded_too)
{
	begin("tftp://10.0.2.2/f");
	for (unsigned i = 1; i * UINT64_C(512) <= LIMIT + 512; i++)
		data(i & 0xffff, "a", 512, 7000);
	ends("larger than fetch_limit");
}

/* The wrap itself, beside the bound of a fetch. */
static uint64_t sink_bytes;
static bool sink_begin(void *ctx, uint64_t length) { (void)ctx, (void)length; return true; }
static bool sink_body(void *ctx, const uint8_t *b, size_t n) { (void)ctx, (void)b; sink_bytes += n; return true; }

TEST(the_number_of_a_block_wraps)
{
	const struct http_sink sink = { sink_begin, sink_body, NULL };
	uint8_t packet[516] = { 0, 3 };
	struct tftp t;

	sink_bytes = 0;
	tftp_init(&t, "f", &sink);
	for (unsigned i = 1; i <= 70000; i++) {
		packet[2] = (uint8_t)(i >> 8);
		packet[3] = (uint8_t)i;
		CHECK(tftp_received(&t, packet, i == 70000 ? 100 : 516));
	}
	CHECK_INT(t.state, TFTP_DONE);
	CHECK_INT(sink_bytes, 69999 * UINT64_C(512) + 96);
}

TEST(tftp_says_what_the_server_said)
{
	begin("tftp://10.0.2.2/f");
	CHECK(fake_datagram("10.0.2.2", 7000, "\0\5\0\1No such file\x01", 18));
	ends("the server says error 1: No such file?");
	begin("tftp://10.0.2.2/f");
	CHECK(fake_datagram("10.0.2.2", 7000, "\0\6tsize\00099999999999", 20));
	ends("larger than fetch_limit");
	begin("tftp://10.0.2.2/f");
	CHECK(fake_datagram("10.0.2.2", 7000, "\0\6blksize\00099999", 16));
	CHECK_INT(last()->bytes[1], 5);
	ends("the server grants an option that makes no sense");
	begin("tftp://10.0.2.2/f");
	CHECK(fake_datagram("10.0.2.2", 7000, "\0\6tsize\00010", 11));
	data(1, "a", 3, 7000);
	ends("its length is not the one that was announced");
}

TEST(urls_are_taken_apart_or_refused)
{
	static const char *const bad[] = { "", "file:///x", "http:/x/y", "http://", "http:///x", "http://a",
					   "http://a/", "http://a:0/x", "http://a:65536/x", "http://a:/x",
					   "http://a:8x/x", "http://u@a/x", "http://a/x y", "http://a/x\r\ny",
					   "http://[::1/x", "http://[a]/x", "http://[10.0.0.1]/x",
					   "http://a/x#y", "tftp://a/", "http://a?x/y", "HTTP://a/x" };
	struct url u = { .port = 7 };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK(url_parse(bad[i], &u) != NULL);
	CHECK_INT(u.port, 7);
	CHECK(url_parse("tftp://10.0.2.2/a/b", &u) == NULL);
	CHECK(u.scheme == URL_TFTP && u.port == 69);
	assert_string_equal(u.path, "a/b");
	CHECK(url_parse("http://[fe80::1]:81/x", &u) == NULL);
	CHECK(u.scheme == URL_HTTP && u.port == 81);
	assert_string_equal(u.host, "fe80::1");
	assert_string_equal(u.path, "/x");
}

static int setup(void **state)
{
	(void)state;
	machine_start(UINT64_C(256) << 20, 1);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_of_known_length_arrives_by_http),
		cmocka_unit_test(a_large_file_arrives_whole_and_only_its_pages_stay),
		cmocka_unit_test(chunks_are_put_together),
		cmocka_unit_test(an_answer_before_the_answer_is_passed_over),
		cmocka_unit_test(what_is_not_the_whole_file_is_refused),
		cmocka_unit_test(a_file_without_announced_length_is_bounded_too),
		cmocka_unit_test(a_wrong_sha256_refuses_the_file_and_the_right_one_does_not),
		cmocka_unit_test(sha256_of_long_and_odd_texts),
		cmocka_unit_test(silence_has_an_end),
		cmocka_unit_test(a_name_that_nobody_knows_ends_it),
		cmocka_unit_test(it_waits_for_the_network_and_not_for_ever),
		cmocka_unit_test(who_gives_up_is_told),
		cmocka_unit_test(tftp_asks_with_options_and_takes_what_is_granted),
		cmocka_unit_test(tftp_of_a_server_without_options_goes_by_512),
		cmocka_unit_test(tftp_sends_again_what_was_lost),
		cmocka_unit_test(tftp_is_bounded_too),
		cmocka_unit_test(the_number_of_a_block_wraps),
		cmocka_unit_test(tftp_says_what_the_server_said),
		cmocka_unit_test(urls_are_taken_apart_or_refused),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
