/*
 * console_remote.c - the console over TCP: nothing runs before the secret, wrong ones cost time, one
 * session at a time, and a session that ends in the middle leaves nothing behind.
 *
 * links: kernel/net/remote.c kernel/net/text.c kernel/base/net_addr.c kernel/base/net_use.c kernel/base/cfg_lex.c kernel/base/url.c
 * links: tests/fake/stream.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/fake/test.h"

#include "kernel/net/remote.h"
#include "tests/fake/stream.h"
#include "tests/host/machine.h"

static struct net_service_config service;
static const char secret[NET_SECRET_MAX + 1] = "correct horse battery";

static void later(uint64_t us)
{
	fake_time_us += us;
	remote_poll();
}

/* Nobody is there, and no pause stands. */
static void begin(void)
{
	fake_net_reset();
	CHECK(net_service_read("2323 from 10.0.0.0/8", true, &service) == NULL);
	CHECK_INT(remote_start(&service, secret), 0);
	fake_time_us += 100 * REMOTE_PAUSE_US;
}

static struct stream *logged_in(void)
{
	struct stream *s = fake_connect(2323, "10.0.0.1");

	CHECK(s != NULL);
	fake_send_text(s, "correct horse battery\r\n");
	CHECK(strstr(fake_out(s), "welcome") != NULL);
	fake_out_clear(s);
	return s;
}

static void leave(struct stream *s)
{
	fake_finish(s);
	CHECK_INT(s->state, FAKE_CLOSED);
}

TEST(a_line_is_the_monitors_only_behind_the_secret)
{
	struct stream *s;

	begin();
	s = fake_connect(2323, "10.0.0.1");
	CHECK(strstr(fake_out(s), "not encrypted") != NULL || strstr(fake_out(s), "encrypted") != NULL);
	fake_send_text(s, "exit 0\n");
	CHECK(remote_line() == NULL);
	CHECK(strstr(fake_out(s), "tain>") == NULL);
	later(2 * REMOTE_PAUSE_US);
	fake_send_text(s, "correct horse battery\nguests --json\nversion\n");
	assert_string_equal(remote_line(), "guests --json");
	remote_write(NULL, "[]\n", 3);
	fake_out_clear(s);
	remote_end();
	assert_string_equal(fake_out(s), "[]\ntain> ");
	remote_poll(); /* what was typed ahead comes in its turn */
	assert_string_equal(remote_line(), "version");
	remote_end();
	leave(s);
}

TEST(what_is_nearly_the_secret_is_not_it)
{
	static const char *const wrong[] = { "", "correct horse batter", "correct horse batteryy",
					     "Correct horse battery", "correct horse battery ",
					     "0123456789012345678901234567890123456789012345678901234567890123456789" };

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct stream *s;

		begin();
		s = fake_connect(2323, "10.0.0.1");
		fake_send_text(s, wrong[i]);
		fake_send_text(s, "\n");
		later(200 * REMOTE_PAUSE_US);
		CHECK(strstr(fake_out(s), "welcome") == NULL);
		fake_lose(s);
	}
	begin();
	leave(logged_in());
}

TEST(wrong_secrets_cost_more_and_more_time_over_connections)
{
	struct stream *s;
	uint64_t pause = REMOTE_PAUSE_US;

	begin();
	leave(logged_in()); /* the count of wrong ones begins anew */
	s = fake_connect(2323, "10.0.0.1");
	for (unsigned i = 0; i < REMOTE_TRIES; i++, pause *= 2) {
		fake_send_text(s, "wrong wrong wrong\ncorrect horse battery\n");
		later(pause - 1000);
		CHECK(strstr(fake_out(s), "wrong") == NULL);
		CHECK(fake_connect(2323, "10.0.0.1") == NULL);
		s->held_used = 0; /* what was sent into the pause is not kept for the test */
		later(2000);
		CHECK(strstr(fake_out(s), "wrong\n") != NULL);
		fake_out_clear(s);
	}
	CHECK_INT(s->state, FAKE_CLOSED);
	CHECK(fake_connect(2323, "10.0.0.1") != NULL); /* the pause is over */
	CHECK(fake_connect(2323, "10.0.0.1") == NULL);
}

TEST(during_a_pause_nobody_else_may_try)
{
	struct stream *s;

	begin();
	s = fake_connect(2323, "10.0.0.1");
	fake_send_text(s, "wrong wrong wrong\n");
	fake_lose(s);
	CHECK(fake_connect(2323, "10.0.0.2") == NULL);
	fake_time_us += 100 * REMOTE_PAUSE_US;
	leave(logged_in());
}

TEST(strangers_and_second_sessions_are_refused)
{
	struct stream *s;

	begin();
	CHECK(fake_connect(2323, "11.0.0.1") == NULL);
	s = logged_in();
	CHECK(fake_connect(2323, "10.0.0.2") == NULL);
	leave(s);
	leave(logged_in());
}

TEST(a_silent_session_ends)
{
	struct stream *s;

	begin();
	s = fake_connect(2323, "10.0.0.1");
	later(REMOTE_LOGIN_US + 1);
	CHECK_INT(s->state, FAKE_CLOSED);
	s = logged_in();
	later(REMOTE_IDLE_US - 1);
	CHECK_INT(s->state, FAKE_OPEN);
	later(2);
	CHECK_INT(s->state, FAKE_CLOSED);
}

/* The command goes on until it looks; what it prints goes nowhere, and nobody takes its place before. */
TEST(who_goes_while_a_command_runs_interrupts_it)
{
	struct stream *s;

	begin();
	s = logged_in();
	fake_send_text(s, "wait x\n");
	CHECK(remote_line() != NULL && !remote_interrupts());
	fake_lose(s);
	CHECK(remote_interrupts());
	remote_write(NULL, "x", 1);
	CHECK(fake_connect(2323, "10.0.0.1") == NULL);
	remote_end();
	CHECK(remote_line() == NULL && !remote_interrupts());
	s = logged_in();
	assert_string_equal(fake_out(s), "");
	fake_send_text(s, "wait y\n");
	fake_send_text(s, "\x03");
	CHECK(remote_interrupts());
	remote_end();
	leave(s);
}

TEST(an_end_behind_the_last_line_still_gets_its_answer)
{
	struct stream *s;

	begin();
	s = logged_in();
	fake_send_text(s, "version\n");
	fake_finish(s);
	CHECK_INT(s->state, FAKE_OPEN);
	remote_write(NULL, "0.1\n", 4);
	remote_end();
	assert_string_equal(fake_out(s), "0.1\n");
	CHECK_INT(s->state, FAKE_CLOSED);
	s = logged_in();
	fake_send_text(s, "quit\n");
	CHECK_INT(s->state, FAKE_CLOSED);
}

TEST(long_output_waits_for_room_and_is_cut_at_the_bound)
{
	static char block[1 << 16];
	struct stream *s;

	begin();
	s = logged_in();
	s->window = 100;
	fake_send_text(s, "log\n");
	memset(block, 'a', sizeof(block));
	for (unsigned i = 0; i < 20; i++)
		remote_write(NULL, block, sizeof(block));
	remote_end();
	for (unsigned i = 0; i < 2000; i++) {
		fake_open_window(s, 1000);
		remote_poll();
	}
	CHECK(s->out_used <= REMOTE_OUT_MAX && s->out_used > REMOTE_OUT_MAX - 2 * sizeof(block));
	CHECK(strstr(fake_out(s), "aaa\n[the rest is cut]\ntain> ") != NULL);
	leave(s);
}

TEST(a_line_too_long_runs_in_no_part)
{
	struct stream *s;

	begin();
	s = logged_in();
	for (unsigned i = 0; i < REMOTE_LINE_MAX + 1; i++)
		fake_send_text(s, "x");
	CHECK(strstr(fake_out(s), "error: the line is too long") != NULL);
	CHECK(remote_line() == NULL);
	fake_send_text(s, "vex\brsion\r\n");
	assert_string_equal(remote_line(), "version");
	remote_end();
	leave(s);
}

TEST(a_line_ends_with_lf_cr_or_both)
{
	struct stream *s;

	begin();
	s = logged_in(); /* CR LF */
	fake_send_text(s, "one\r");
	assert_string_equal(remote_line(), "one");
	remote_end();
	remote_poll();
	fake_send_text(s, "\ntwo\nthree\r\r\n");
	assert_string_equal(remote_line(), "two");
	remote_end();
	remote_poll();
	assert_string_equal(remote_line(), "three");
	fake_out_clear(s);
	remote_end();
	remote_poll();
	assert_string_equal(fake_out(s), "tain> tain> "); /* an empty line */
	leave(s);
}

/* ---- guests beside the commands ---- */

static struct {
	const char *text; /* what is left of what it printed */
	char typed[200];
	unsigned count, room;
	bool over, left;
} far;

static size_t far_read(void *ctx, char *to, size_t size)
{
	size_t n = far.text ? strlen(far.text) : 0;

	CHECK(ctx == &far && size >= 512);
	n = n < size ? n : size;
	memcpy(to, far.text ? far.text : "", n);
	far.text = far.text ? far.text + n : NULL;
	return n;
}

static bool far_type(void *ctx, uint8_t key)
{
	CHECK(ctx == &far);
	if (far.count == far.room)
		return false;
	far.typed[far.count++] = (char)key;
	return true;
}

static bool far_over(void *ctx) { return ctx == &far && far.over; }

static void far_left(void *ctx)
{
	CHECK(ctx == &far);
	far.left = true;
}

static const struct remote_source far_console = { far_read, far_type, far_over, NULL, &far };
static const struct remote_source far_lines = { far_read, NULL, NULL, far_left, &far };

static void far_prints(const char *text) { far.text = text; }

/* A session that a command has attached. */
static struct stream *attached(void)
{
	struct stream *s;

	begin();
	memset(&far, 0, sizeof(far));
	far.room = sizeof(far.typed) - 1;
	s = logged_in();
	fake_send_text(s, "console g\n");
	remote_attach(&far_console, "g");
	remote_end();
	assert_string_equal(fake_out(s), "[console of g: Ctrl-] or a line ~. leaves]\n");
	fake_out_clear(s);
	return s;
}

TEST(keys_are_the_guests_until_one_leaves)
{
	struct stream *s = attached();

	fake_send_text(s, "ls\x03~\r\nroot~.\n~x\n~~\n~.\nversion\n");
	assert_string_equal(far.typed, "ls\x03~\rroot~.\r~x\r~~\r");
	assert_string_equal(fake_out(s), "\n[console of g: left]\ntain> tain> ");
	assert_string_equal(remote_line(), "version");
	remote_end();
	leave(s);
	s = attached();
	fake_send_text(s, "a\x1d\nversion\n");
	assert_string_equal(far.typed, "a");
	assert_string_equal(remote_line(), "version");
	remote_end();
	leave(s);
}

TEST(keys_wait_until_the_guest_has_room)
{
	struct stream *s = attached();

	far.room = 2;
	fake_send_text(s, "abc~d\n");
	assert_string_equal(far.typed, "ab");
	far.room = 4;
	later(1000);
	assert_string_equal(far.typed, "abc~");
	far.room = 100;
	later(1000);
	assert_string_equal(far.typed, "abc~d\r");
	fake_send_text(s, "~"); /* may be the beginning of the end */
	assert_string_equal(far.typed, "abc~d\r");
	far.room = far.count;
	fake_send_text(s, "e");
	far.room += 1;
	later(1000);
	far.room += 1;
	later(1000);
	assert_string_equal(far.typed, "abc~d\r~e");
	leave(s);
}

TEST(what_the_guest_prints_comes_as_it_is_and_waits_for_the_wire)
{
	static char much[5001];
	struct stream *s = attached();
	unsigned asked = fake_soon;

	far_prints("login: ");
	later(1000);
	assert_string_equal(fake_out(s), "login: ");
	CHECK(fake_soon > asked);
	fake_out_clear(s);
	memset(much, 'x', sizeof(much) - 1);
	far_prints(much);
	s->window = 10;
	for (unsigned i = 0; i < 10; i++)
		later(1000);
	CHECK(strlen(far.text) >= 5000 - 2048); /* the rest stays with the guest */
	fake_open_window(s, SIZE_MAX);
	for (unsigned i = 0; i < 10; i++)
		later(1000);
	CHECK_INT(s->out_used, 5000);
	fake_out_clear(s);
	far_prints("bye");
	far.over = true;
	later(1000);
	later(1000);
	assert_string_equal(fake_out(s), "bye\n[console of g: it has ended]\ntain> ");
	leave(s);
}

TEST(an_attached_session_ends_like_any_other)
{
	struct stream *s = attached();

	later(REMOTE_IDLE_US + 2);
	CHECK_INT(s->state, FAKE_CLOSED);
	fake_lose(attached());
	s = logged_in(); /* and the next one is not attached */
	fake_send_text(s, "version\n");
	assert_string_equal(remote_line(), "version");
	remote_attach(&far_console, "g");
	fake_lose(s);
	remote_end();
	s = logged_in();
	far_prints("not for this one");
	later(1000);
	assert_string_equal(fake_out(s), "");
	leave(s);
}

TEST(lines_come_over_the_prompt_and_between_those_of_a_command)
{
	struct stream *s;

	begin();
	memset(&far, 0, sizeof(far));
	s = logged_in();
	fake_send_text(s, "follow all\n");
	remote_follow(&far_lines);
	remote_end();
	fake_out_clear(s);
	far_prints("g| one\n");
	later(1000);
	assert_string_equal(fake_out(s), "\rg| one\ntain> ");
	fake_out_clear(s);
	fake_send_text(s, "wait g\n");
	far_prints("g| two\n");
	later(1000);
	remote_write(NULL, "half", 4);
	far_prints("g| three\n");
	later(1000);
	remote_write(NULL, " a line\n", 8);
	later(1000);
	remote_end();
	later(1000);
	assert_string_equal(fake_out(s), "g| two\nhalf a line\ng| three\ntain> ");
	CHECK(!far.left);
	leave(s);
	CHECK(far.left);
}

TEST(following_ends_when_it_is_asked_for)
{
	struct stream *s;

	begin();
	memset(&far, 0, sizeof(far));
	s = logged_in();
	fake_send_text(s, "follow all\n");
	remote_follow(&far_lines);
	remote_end();
	fake_send_text(s, "follow off\n");
	remote_follow(NULL);
	CHECK(far.left);
	remote_end();
	fake_out_clear(s);
	far_prints("g| one\n");
	later(1000);
	assert_string_equal(fake_out(s), "");
	leave(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_the_monitors_only_behind_the_secret),
		cmocka_unit_test(what_is_nearly_the_secret_is_not_it),
		cmocka_unit_test(wrong_secrets_cost_more_and_more_time_over_connections),
		cmocka_unit_test(during_a_pause_nobody_else_may_try),
		cmocka_unit_test(strangers_and_second_sessions_are_refused),
		cmocka_unit_test(a_silent_session_ends),
		cmocka_unit_test(who_goes_while_a_command_runs_interrupts_it),
		cmocka_unit_test(an_end_behind_the_last_line_still_gets_its_answer),
		cmocka_unit_test(long_output_waits_for_room_and_is_cut_at_the_bound),
		cmocka_unit_test(a_line_too_long_runs_in_no_part),
		cmocka_unit_test(a_line_ends_with_lf_cr_or_both),
		cmocka_unit_test(keys_are_the_guests_until_one_leaves),
		cmocka_unit_test(keys_wait_until_the_guest_has_room),
		cmocka_unit_test(what_the_guest_prints_comes_as_it_is_and_waits_for_the_wire),
		cmocka_unit_test(an_attached_session_ends_like_any_other),
		cmocka_unit_test(lines_come_over_the_prompt_and_between_those_of_a_command),
		cmocka_unit_test(following_ends_when_it_is_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
