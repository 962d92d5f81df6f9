/*
 * monitor_gdb.c - what GDB gets on the wire for what it sends.
 *
 * links: kernel/monitor/gdb.c kernel/monitor/gdb_packet.c kernel/monitor/gdb_regs.c
 *   kernel/monitor/gdb_query.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "kernel/monitor/gdb_packet.h"
#include "tests/fake/gdb_guest.h"
#include "tests/host/machine.h"

static char wire[65536];
static size_t wire_length;

static void put(const void *bytes, size_t count)
{
	assert_true(wire_length + count < sizeof(wire));
	memcpy(wire + wire_length, bytes, count);
	wire_length += count;
	wire[wire_length] = 0;
}

static size_t room(void) { return sizeof(wire) - wire_length - 1; }

static void command(const char *line, void (*write)(void *ctx, const char *text, size_t n), void *ctx)
{
	write(ctx, line, strlen(line));
	write(ctx, "!", 1);
}

static void type(const char *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		gdb_byte((uint8_t)bytes[i]);
}

static void frame(const char *text, size_t length, char *to)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < length; i++)
		sum = (uint8_t)(sum + (uint8_t)text[i]);
	to[0] = '$';
	memcpy(to + 1, text, length);
	sprintf(to + 1 + length, "#%02x", sum);
}

/* What is inside the answer to @packet. */
static const char *ask_bytes(const char *packet, size_t length)
{
	static char inside[16384], framed[16384];

	frame(packet, length, framed);
	wire_length = 0;
	wire[0] = 0;
	type(framed, length + 4);

	const char *from = strchr(wire, '$'), *to = from ? strrchr(wire, '#') : NULL;

	if (!from)
		return "";
	snprintf(inside, sizeof(inside), "%.*s", (int)(to - from - 1), from + 1);
	return inside;
}

static const char *ask(const char *packet) { return ask_bytes(packet, strlen(packet)); }

static int connect(void **state)
{
	static const struct gdb_line line = { put, room, command };

	(void)state;
	fake_reset();
	gdb_init(&line);
	wire_length = 0;
	return 0;
}

static int attach(void **state)
{
	connect(state);
	assert_non_null(strstr(ask("qSupported:multiprocess+;swbreak+;hwbreak+"), "multiprocess+"));
	assert_int_equal(strncmp(ask("?"), "T02", 3), 0);
	return 0;
}

static void stop(enum debug_why why, unsigned vcpu)
{
	fake.stop = (struct debug_stop){ .why = why, .vcpu = vcpu };
	fake.held = why != DEBUG_ENDED;
	fake.fresh = true;
	wire_length = 0;
	wire[0] = 0;
	gdb_look();
}

static void a_good_packet_is_acknowledged_and_a_torn_one_asked_for_again(void **state)
{
	(void)state;
	type("$qC#b4", 6);
	assert_int_equal(wire[0], '+');
	wire_length = 0;
	type("$qC#b5", 6);
	assert_string_equal(wire, "-");
	wire_length = 0;
	type("$q$qC#b4", 8); /* the first lost its end */
	assert_int_equal(wire[0], '+');

	char again[256];

	snprintf(again, sizeof(again), "%s", strchr(wire, '$'));
	wire_length = 0;
	type("-", 1);
	assert_string_equal(wire, again);
}

static void without_acks_nothing_is_acknowledged(void **state)
{
	(void)state;
	assert_string_equal(ask("QStartNoAckMode"), "OK");
	assert_string_equal(ask("qsThreadInfo"), "l");
	assert_int_equal(wire[0], '$');
	ask("qSupported"); /* another GDB, which knows nothing of that */
	assert_int_equal(wire[0], '+');
}

static void a_packet_too_long_is_refused_and_the_next_is_understood(void **state)
{
	(void)state;
	type("$", 1);
	for (unsigned i = 0; i < GDB_PACKET_MAX + 100; i++)
		type("a", 1);
	wire_length = 0;
	type("#00", 3);
	assert_string_equal(wire, "-");
	assert_string_equal(ask("qsThreadInfo"), "l");
}

static void who_connects_finds_the_first_that_may_be_debugged_and_it_is_held(void **state)
{
	(void)state;
	assert_true(fake.held && fake.attached);
	assert_string_equal(ask("qfThreadInfo"), "mp1.1,p1.2");
	assert_string_equal(ask("qC"), "QCp1.1");
	assert_non_null(strstr(ask("?"), "thread:p1.1;"));
}

static void the_closed_one_is_refused_with_the_reason(void **state)
{
	char why[100];

	connect(state);
	ask("qSupported:multiprocess+");
	assert_string_equal(ask("vAttach;2"), "E.closed has secrets");
	assert_int_equal(gdb_choose(&fake_guest[1], why, sizeof(why)), -EACCES);
	assert_string_equal(why, "closed has secrets");
	fake_guest[0].state = GUEST_STOPPED;
	assert_string_equal(ask("?"), "W00"); /* closed is the only one that runs */
	assert_true(machine_logged("gdb: there is nothing to debug: closed has secrets"));
	assert_int_equal(strncmp(ask("g"), "E.", 2), 0);
}

/* In hexadecimal, as text for GDB's screen. */
static bool said(const char *text)
{
	char hex[400] = "$O";

	for (size_t i = 0; text[i]; i++)
		sprintf(hex + 2 + 2 * i, "%02x", (uint8_t)text[i]);
	return strstr(wire, hex) != NULL;
}

static void who_finds_nothing_is_told_why_before_the_answer(void **state)
{
	(void)state;
	assert_string_equal(ask("qTStatus"), "");
	assert_false(said("tain: "));
	fake_guest[0].state = GUEST_STOPPED;
	ask("qSupported:multiprocess+");
	ask("?");
	ask("qTStatus");
	assert_true(said("tain: there is nothing to debug: closed has secrets\n"));
	assert_string_equal(strrchr(wire, '$'), "$#00");
	ask("!"); /* an extended one attaches by hand */
	assert_string_equal(ask("qTStatus"), "");
	assert_null(strstr(wire, "$O"));
}

static void registers_are_read_and_written_in_the_order_of_the_description(void **state)
{
	(void)state;
	/* rax, rbx, rcx: 64 bits, little-endian, of vCPU 0 */
	assert_int_equal(strncmp(ask("g"), "000000000100000003000000010000000100000001000000", 48), 0);
	assert_string_equal(ask("p10"), "1000000001000000"); /* rip */
	assert_string_equal(ask("Hgp1.2"), "OK");
	assert_string_equal(ask("p10"), "1000000002000000");
	assert_string_equal(ask("P10=efbeadde00000000"), "OK");
	assert_int_equal(fake.regs[1].r[VCPU_RIP], 0xdeadbeef);
	assert_string_equal(ask("p10"), "efbeadde00000000");
	assert_string_equal(ask("pff"), "E01");

	char all[4096] = "G";

	strcat(all, ask("g"));
	memcpy(all + 1, "7700000000000000", 16);
	assert_string_equal(ask(all), "OK");
	assert_int_equal(fake.regs[1].r[VCPU_RAX], 0x77);
	assert_int_equal(fake.regs[1].r[VCPU_RIP], 0xdeadbeef);
}

/* The number that the description gives a register, or -1. */
static int number_of(const char *name)
{
	char want[40], request[64];
	static char xml[20000];
	const char *at;

	xml[0] = 0;
	do {
		snprintf(request, sizeof(request), "qXfer:features:read:target.xml:%zx,3f0", strlen(xml));
		strcat(xml, ask(request) + 1);
	} while (strcmp(xml + strlen(xml) - 9, "</target>") != 0);
	snprintf(want, sizeof(want), "<reg name=\"%s\"", name);
	at = strstr(xml, want);
	return at ? atoi(strstr(at, "regnum=") + 8) : -1;
}

static void rare_registers_are_asked_for_one_by_one(void **state)
{
	char request[40];
	int dr2 = number_of("dr2"), usual = number_of("dr7") + 1;

	(void)state;
	assert_true(usual > 0 && dr2 >= usual);
	snprintf(request, sizeof(request), "%02x00000001000000", VCPU_DR2);
	assert_null(strstr(ask("g"), request));
	snprintf(request, sizeof(request), "p%x", (unsigned)dr2);
	assert_int_equal(strtoul(ask(request), NULL, 16) >> 56, VCPU_DR2);
	snprintf(request, sizeof(request), "P%x=efbeadde00000000", (unsigned)dr2);
	assert_string_equal(ask(request), "OK");
	assert_int_equal(fake.regs[0].r[VCPU_DR2], 0xdeadbeef);
	for (const char *const *name = (const char *const[]){ "gdtr_limit", "tr", "ds_base", "cs_access", NULL }; *name;
	     name++)
		assert_true(number_of(*name) >= usual);
}

static void the_description_comes_in_pieces_and_is_whole(void **state)
{
	char xml[16384] = "", request[64];
	const char *piece;

	(void)state;
	do {
		snprintf(request, sizeof(request), "qXfer:features:read:target.xml:%zx,1f0",
			 strlen(xml));
		piece = ask(request);
		assert_true(*piece == 'm' || *piece == 'l');
		strcat(xml, piece + 1);
	} while (*piece == 'm');
	assert_non_null(strstr(xml, "<architecture>i386:x86-64</architecture>"));
	assert_non_null(strstr(xml, "<reg name=\"rip\" bitsize=\"64\" type=\"code_ptr\" regnum=\"16\"/>"));
	assert_non_null(strstr(xml, "name=\"xmm15\""));
	assert_string_equal(xml + strlen(xml) - 9, "</target>");
}

static void a_guest_outside_long_mode_has_the_other_description(void **state)
{
	connect(state);
	fake.regs[0].r[VCPU_EFER] = 0;
	fake_guest[0].vm = (struct vm *)&fake;
	ask("qSupported");
	assert_non_null(strstr(ask("qXfer:features:read:target.xml:0,ff"), "<architecture>i386<"));
	assert_string_equal(ask("p8"), "10000000"); /* eip */
}

static void memory_is_read_and_written(void **state)
{
	(void)state;
	memcpy(fake.memory, "\x11\x22}#$*", 6);
	assert_string_equal(ask("m400000,6"), "11227d23242a");
	assert_string_equal(ask("m0,4"), "E14");
	assert_string_equal(ask("m400fff,8"), "00"); /* as far as it goes */
	assert_string_equal(ask("M400001,2:abcd"), "OK");
	assert_int_equal(fake.memory[1], 0xab);
	assert_int_equal(fake.memory[2], 0xcd);
	assert_string_equal(ask("M400001,2:ab"), "E01");
	assert_string_equal(ask("M0,1:ab"), "E14");
	assert_string_equal(ask_bytes("X400000,4:}\x03}\x04z\0", 16), "OK");
	assert_memory_equal(fake.memory, "#$z\0", 4);
	ask("x400000,4");
	assert_non_null(strstr(wire, "$b}\x03}\x04z"));
}

static void points_are_put_in_and_out(void **state)
{
	(void)state;
	assert_string_equal(ask("Z0,400010,1"), "OK");
	assert_string_equal(ask("Z1,400020,1"), "OK");
	assert_string_equal(ask("Z2,400030,8"), "OK");
	assert_string_equal(ask("Z3,400030,8"), ""); /* not on this CPU */
	assert_string_equal(ask("Z4,400040,4"), "OK");
	assert_int_equal(fake.points, 4);
	assert_int_equal(fake.point[2].kind, DEBUG_WRITE);
	assert_int_equal(fake.point[3].length, 4);
	assert_string_equal(ask("Z0,0,1"), "E14");
	assert_string_equal(ask("z0,400010,1"), "OK");
	assert_string_equal(ask("z0,400010,1"), "E14");
	assert_int_equal(fake.points, 3);
}

static void going_on_is_answered_by_the_next_stop(void **state)
{
	(void)state;
	assert_string_equal(ask("vCont?"), "vCont;c;C;s;S");
	assert_string_equal(ask("vCont;c:p1.-1"), "");
	assert_int_equal(fake.step, DEBUG_NO_STEP);
	assert_int_equal(strncmp(ask("m400000,1"), "E.", 2), 0); /* it runs */
	stop(DEBUG_BREAK, 1);
	assert_non_null(strstr(wire, "$T05"));
	assert_non_null(strstr(wire, "10:1000000002000000;")); /* rip of vCPU 1 */
	assert_non_null(strstr(wire, "swbreak:;thread:p1.2;"));
	wire_length = 0;
	wire[0] = 0;
	gdb_look();
	assert_string_equal(wire, ""); /* once */

	ask("vCont;s:p1.2;c:p1.-1");
	assert_int_equal(fake.step, 1);
	assert_true(fake.others);
	stop(DEBUG_STEP, 1);
	ask("vCont;s:p1.1");
	assert_int_equal(fake.step, 0);
	assert_false(fake.others);
	stop(DEBUG_STEP, 0);
	ask("c400100");
	assert_int_equal(fake.regs[0].r[VCPU_RIP], 0x400100);
}

static void a_watchpoint_says_where(void **state)
{
	(void)state;
	ask("c");
	fake.stop = (struct debug_stop){ .why = DEBUG_WATCH, .kind = DEBUG_ACCESS, .address = 0x1234 };
	fake.held = fake.fresh = true;
	gdb_look();
	assert_non_null(strstr(wire, "awatch:1234;"));
}

static void an_interrupt_holds_a_guest_that_runs_and_only_such_a_one(void **state)
{
	unsigned before = fake.holds;

	(void)state;
	type("\x03", 1);
	assert_int_equal(fake.holds, before);
	ask("c");
	type("\x03", 1);
	assert_true(fake.held);
	gdb_look();
	assert_non_null(strstr(wire, "$T02"));
}

static void an_end_is_told_with_its_reason(void **state)
{
	(void)state;
	ask("c");
	fake.stop = (struct debug_stop){ .why = DEBUG_ENDING, .text = "triple fault" };
	fake.held = fake.fresh = true;
	gdb_look();
	assert_non_null(strstr(wire, "$O")); /* the text, in hex */
	assert_non_null(strstr(wire, "747269706c65206661756c74"));
	assert_non_null(strstr(wire, "$T0b"));
	ask("c");
	stop(DEBUG_ENDED, 0);
	assert_non_null(strstr(wire, "$W00;process:1#"));
	assert_false(fake.attached);
	assert_string_equal(ask("g"), "E.no guest is attached");
}

static void detach_kill_and_run(void **state)
{
	(void)state;
	assert_string_equal(ask("D;1"), "OK");
	assert_false(fake.held);
	assert_int_equal(strncmp(ask("vAttach;1"), "T02", 3), 0);
	assert_string_equal(ask("vKill;1"), "OK");
	assert_int_equal(fake.stops, 1);
	fake_guest[0].state = GUEST_STOPPED;
	assert_int_equal(strncmp(ask("vRun;6f70656e"), "T02", 3), 0); /* "open" */
	assert_true(fake.holds_start || fake.held);
	assert_int_equal(strncmp(ask("vRun;7878"), "E.no guest 'xx'", 15), 0);
}

static void monitor_runs_a_command_of_the_console(void **state)
{
	(void)state;
	ask("qRcmd,6869"); /* "hi" */
	assert_non_null(strstr(wire, "$O6869#"));
	assert_non_null(strstr(wire, "$O21#"));
	assert_non_null(strstr(wire, "$OK#"));
}

static void what_is_not_known_gets_an_empty_answer(void **state)
{
	(void)state;
	assert_string_equal(ask("vMustReplyEmpty"), "");
	assert_string_equal(ask("qTStatus"), "");
	assert_string_equal(ask("jThreads"), "");
	assert_string_equal(ask(""), "");
	assert_string_equal(ask("Hgp1.9"), "E01");
	assert_string_equal(ask("Tp1.2"), "OK");
	assert_string_equal(ask("Tp2.1"), "E01");
}

#define C(test) cmocka_unit_test_setup(test, connect)
#define A(test) cmocka_unit_test_setup(test, attach)

int main(void)
{
	const struct CMUnitTest tests[] = {
		C(a_good_packet_is_acknowledged_and_a_torn_one_asked_for_again),
		C(without_acks_nothing_is_acknowledged),
		C(a_packet_too_long_is_refused_and_the_next_is_understood),
		A(who_connects_finds_the_first_that_may_be_debugged_and_it_is_held),
		C(the_closed_one_is_refused_with_the_reason),
		C(who_finds_nothing_is_told_why_before_the_answer),
		C(rare_registers_are_asked_for_one_by_one),
		A(registers_are_read_and_written_in_the_order_of_the_description),
		A(the_description_comes_in_pieces_and_is_whole),
		C(a_guest_outside_long_mode_has_the_other_description),
		A(memory_is_read_and_written),
		A(points_are_put_in_and_out),
		A(going_on_is_answered_by_the_next_stop),
		A(a_watchpoint_says_where),
		A(an_interrupt_holds_a_guest_that_runs_and_only_such_a_one),
		A(an_end_is_told_with_its_reason),
		A(detach_kill_and_run),
		A(monitor_runs_a_command_of_the_console),
		A(what_is_not_known_gets_an_empty_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
