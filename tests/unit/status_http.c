/*
 * status_http.c - the status pages: requests in any pieces, refusals that say why, bounds in clients,
 * bytes and time; nothing but the ranges given is spoken to.
 *
 * links: kernel/net/http_request.c kernel/net/http_server.c kernel/net/text.c
 * links: kernel/base/net_addr.c kernel/base/net_use.c kernel/base/cfg_lex.c kernel/base/url.c tests/fake/stream.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/fake/test.h"

#include "kernel/net/http_request.h"
#include "kernel/net/http_server.h"
#include "tests/fake/stream.h"

static unsigned big_bytes;

static void render_small(struct text *t) { text_puts(t, "hello"); }
static void render_big(struct text *t)
{
	for (unsigned i = 0; i < big_bytes; i++)
		text_put(t, "x", 1);
}

static const struct http_page pages[] = {
	{ "/", "text/html", render_small },
	{ "/big", "text/plain", render_big },
	{ NULL, NULL, NULL },
};

static struct net_service_config service;

static void begin(const char *text)
{
	fake_net_reset();
	CHECK(net_service_read(text, false, &service) == NULL);
	CHECK_INT(http_server_start(&service, pages), 0);
}

/* What comes back for one request, and the connection is at its end. */
static const char *ask(const char *request)
{
	struct stream *s = fake_connect(80, "10.0.0.9");

	CHECK(s != NULL);
	fake_send_text(s, request);
	CHECK_INT(s->state, FAKE_CLOSED);
	return fake_out(s);
}

static bool starts(const char *text, const char *with) { return strncmp(text, with, strlen(with)) == 0; }

TEST(a_page_is_answered_with_its_length_and_the_connection_ends)
{
	begin("80");
	const char *got = ask("GET / HTTP/1.1\r\nHost: tain\r\n\r\n");

	CHECK(starts(got, "HTTP/1.1 200 OK\r\n"));
	CHECK(strstr(got, "Content-Length: 5\r\n") != NULL);
	CHECK(strstr(got, "Connection: close\r\n") != NULL);
	CHECK(strstr(got, "\r\n\r\nhello") != NULL);
}

TEST(head_gets_the_length_and_no_body)
{
	begin("80");
	const char *got = ask("HEAD / HTTP/1.1\r\n\r\n");

	CHECK(strstr(got, "Content-Length: 5\r\n") != NULL);
	assert_string_equal(strstr(got, "\r\n\r\n"), "\r\n\r\n");
}

TEST(what_is_not_served_is_refused_with_its_status)
{
	char *line = malloc(3000);

	begin("80");
	CHECK(starts(ask("GET /nothing HTTP/1.1\r\n\r\n"), "HTTP/1.1 404 "));
	CHECK(starts(ask("POST / HTTP/1.1\r\n\r\n"), "HTTP/1.1 405 "));
	CHECK(strstr(ask("DELETE / HTTP/1.1\r\n\r\n"), "Allow: GET, HEAD\r\n") != NULL);
	CHECK(starts(ask("GET / HTTP/2.0\r\n\r\n"), "HTTP/1.1 505 "));
	CHECK(starts(ask("GET /\r\n\r\n"), "HTTP/1.1 400 "));
	CHECK(starts(ask("GET  / HTTP/1.1\r\n\r\n"), "HTTP/1.1 400 "));
	CHECK(starts(ask("G(T / HTTP/1.1\r\n\r\n"), "HTTP/1.1 400 "));
	CHECK(starts(ask("GET nothing HTTP/1.1\r\n\r\n"), "HTTP/1.1 400 "));
	CHECK(starts(ask("GET / HTTP/1.1\r\nno colon\r\n\r\n"), "HTTP/1.1 400 "));
	CHECK(starts(ask("GET / HTTP/1.1\r\n folded: x\r\n\r\n"), "HTTP/1.1 400 "));
	CHECK(starts(ask("GET / HTTP/1.1\r\nName : x\r\n\r\n"), "HTTP/1.1 400 "));
	memset(line, 'a', 2999);
	line[2999] = 0;
	memcpy(line, "GET /", 5);
	CHECK(starts(ask(line), "HTTP/1.1 414 "));
	memcpy(line, "GET / HTTP/1.1\r\nA:", 18);
	CHECK(starts(ask(line), "HTTP/1.1 431 "));
	free(line);
}

TEST(a_query_and_the_form_for_proxies_reach_the_same_page)
{
	begin("80");
	CHECK(starts(ask("GET /?a=b HTTP/1.0\n\n"), "HTTP/1.1 200 "));
	CHECK(starts(ask("GET http://tain/ HTTP/1.1\r\n\r\n"), "HTTP/1.1 200 "));
	CHECK(starts(ask("GET http://tain HTTP/1.1\r\n\r\n"), "HTTP/1.1 200 "));
	CHECK(starts(ask("\r\n\r\nGET / HTTP/1.1\r\n\r\n"), "HTTP/1.1 200 "));
}

TEST(a_request_may_come_byte_by_byte)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n";
	struct stream *s;

	begin("80");
	s = fake_connect(80, "10.0.0.9");
	for (const char *c = request; *c; c++) {
		CHECK_INT(s->state, FAKE_OPEN);
		fake_send(s, c, 1);
	}
	CHECK_INT(s->state, FAKE_CLOSED);
	CHECK(starts(fake_out(s), "HTTP/1.1 200 "));
}

TEST(a_request_has_an_end_however_many_fields_it_has)
{
	struct stream *s;

	begin("80");
	s = fake_connect(80, "10.0.0.9");
	fake_send_text(s, "GET / HTTP/1.1\r\n");
	for (unsigned i = 0; i < 10000 && s->state == FAKE_OPEN; i++)
		fake_send_text(s, "A: b\r\n");
	CHECK(starts(fake_out(s), "HTTP/1.1 431 "));
}

TEST(an_answer_waits_for_room_and_arrives_whole)
{
	struct stream *s;

	begin("80");
	big_bytes = 300000;
	s = fake_connect(80, "10.0.0.9");
	s->window = 1000;
	fake_send_text(s, "GET /big HTTP/1.1\r\n\r\n");
	while (s->state == FAKE_OPEN) {
		CHECK(s->out_used < 400000);
		fake_open_window(s, 1460);
	}
	CHECK_INT(s->state, FAKE_CLOSED);
	CHECK_INT(strlen(strstr(fake_out(s), "\r\n\r\n") + 4), 300000);
}

TEST(a_page_beyond_the_bound_is_refused_not_cut)
{
	begin("80");
	big_bytes = HTTP_PAGE_MAX + 1;
	CHECK(starts(ask("GET /big HTTP/1.1\r\n\r\n"), "HTTP/1.1 503 "));
}

TEST(only_so_many_at_once_and_the_slow_ones_go)
{
	struct http_counts before, after;
	struct stream *s[HTTP_CLIENTS];

	begin("80");
	http_server_counts(&before);
	for (unsigned i = 0; i < HTTP_CLIENTS; i++)
		CHECK((s[i] = fake_connect(80, "10.0.0.9")) != NULL);
	CHECK(fake_connect(80, "10.0.0.9") == NULL);
	fake_send_text(s[0], "GET / HT");
	fake_time_us += 9000000;
	http_server_poll();
	CHECK_INT(s[0]->state, FAKE_OPEN);
	fake_time_us += 2000000;
	http_server_poll();
	for (unsigned i = 0; i < HTTP_CLIENTS; i++)
		CHECK_INT(s[i]->state, FAKE_ABORTED);
	CHECK(starts(ask("GET / HTTP/1.1\r\n\r\n"), "HTTP/1.1 200 "));
	http_server_counts(&after);
	CHECK_INT(after.dropped - before.dropped, HTTP_CLIENTS + 1);
	CHECK_INT(after.answered - before.answered, 1);
}

TEST(who_takes_nothing_of_the_answer_goes_too)
{
	struct stream *s;

	begin("80");
	big_bytes = 100000;
	s = fake_connect(80, "10.0.0.9");
	s->window = 10;
	fake_send_text(s, "GET /big HTTP/1.1\r\n\r\n");
	fake_time_us += 15000000;
	fake_open_window(s, 10);
	fake_time_us += 15000000;
	http_server_poll();
	CHECK_INT(s->state, FAKE_OPEN);
	fake_time_us += 6000000;
	http_server_poll();
	CHECK_INT(s->state, FAKE_ABORTED);
}

TEST(who_goes_away_in_the_middle_leaves_room)
{
	begin("80");
	big_bytes = 100000;
	for (unsigned i = 0; i < 5 * HTTP_CLIENTS; i++) {
		struct stream *s = fake_connect(80, "10.0.0.9");

		CHECK(s != NULL);
		s->window = 10;
		fake_send_text(s, i & 1 ? "GET /big HTTP/1.1\r\n\r\n" : "GET /b");
		if (i & 2)
			fake_lose(s);
		else
			fake_finish(s);
		fake_lose(s);
	}
}

TEST(strangers_are_not_spoken_to)
{
	begin("80 from 10.0.0.0/24, fd00::/8");
	CHECK(fake_connect(80, "10.0.1.9") == NULL);
	CHECK(fake_connect(80, "fe80::1") == NULL);
	CHECK(fake_connect(80, "10.0.0.9") != NULL);
	CHECK(fake_connect(80, "fd12::1") != NULL);
}

static const char *service_says(const char *text, bool needed)
{
	struct net_service_config s = { .port = 7 };
	const char *why = net_service_read(text, needed, &s);

	CHECK(why == NULL || s.port == 7);
	return why ? why : "";
}

TEST(a_service_is_read_whole_or_not_at_all)
{
	static const char *const bad[] = { "",	      "0",	      "65536",	   "80x",
					   "80 10.0.0.1", "80 from",     "80 from x", "off off",
					   "80 from 10.0.0.0/33", "from 10.0.0.1" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK(*service_says(bad[i], false));
	CHECK(*service_says("80", true));
	CHECK(!*service_says("80", false));
	CHECK(!*service_says("off", true));
	CHECK(!*service_says("80 from 10.0.0.1 ::1", true));
	CHECK(*service_says("80 from 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 2.2.2.2",
			    true));
}

TEST(an_endpoint_is_an_address_and_perhaps_a_port)
{
	static const char *const bad[] = { "", ":", ":514", "[", "[]", "[::1", "[::1]x", "10.0.0.1:",
					   "10.0.0.1:0", "10.0.0.1:99999", "name", "[10.0.0.1]:x" };
	struct net_addr a;
	char text[NET_ADDR_TEXT];
	uint16_t port = 514;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK(net_endpoint_read(bad[i], &a, &port) != NULL);
	CHECK(net_endpoint_read("10.0.2.2", &a, &port) == NULL && port == 514);
	CHECK(net_endpoint_read("10.0.2.2:5140", &a, &port) == NULL && port == 5140);
	CHECK(net_endpoint_read("[fd00::1]:99", &a, &port) == NULL && port == 99);
	assert_string_equal(net_addr_text(&a, text, sizeof(text)), "fd00::1");
	CHECK(net_endpoint_read("fd00::2", &a, &port) == NULL && port == 99);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_is_answered_with_its_length_and_the_connection_ends),
		cmocka_unit_test(head_gets_the_length_and_no_body),
		cmocka_unit_test(what_is_not_served_is_refused_with_its_status),
		cmocka_unit_test(a_query_and_the_form_for_proxies_reach_the_same_page),
		cmocka_unit_test(a_request_may_come_byte_by_byte),
		cmocka_unit_test(a_request_has_an_end_however_many_fields_it_has),
		cmocka_unit_test(an_answer_waits_for_room_and_arrives_whole),
		cmocka_unit_test(a_page_beyond_the_bound_is_refused_not_cut),
		cmocka_unit_test(only_so_many_at_once_and_the_slow_ones_go),
		cmocka_unit_test(who_takes_nothing_of_the_answer_goes_too),
		cmocka_unit_test(who_goes_away_in_the_middle_leaves_room),
		cmocka_unit_test(strangers_are_not_spoken_to),
		cmocka_unit_test(a_service_is_read_whole_or_not_at_all),
		cmocka_unit_test(an_endpoint_is_an_address_and_perhaps_a_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
