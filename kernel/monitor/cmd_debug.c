/*
 * cmd_debug.c - the debugger commands of the console: hold, break, step, continue, set.
 *
 * Invariants
 *   - A guest that stops at a point is told of in one line, `tain: NAME: vCPU N stopped ...`, also when
 *     nobody waits for it; unless a debugger is attached, who hears it instead.
 *   - What is refused leaves the guest as it was.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/machine/console.h"
#include "kernel/monitor/command.h"
#include "kernel/monitor/look.h"
#include "kernel/monitor/monitor.h"

#define STEPS_MAX 100000u
#define STEP_US   UINT64_C(10000000)

typedef unsigned long long ull;

/* ------------------------------------------------------------------ stops */

/* "vCPU 0 stopped at 0x1000: breakpoint 0x1000". Returns @buf. */
static const char *stop_text(struct guest *g, const struct debug_stop *s, char *buf, size_t size)
{
	struct vcpu_regs r;
	char at[40] = "";

	if (s->why == DEBUG_ENDED) {
		snprintf(buf, size, "has ended: %s", s->text);
		return buf;
	}
	if (debug_regs(g, s->vcpu, &r) == 0)
		snprintf(at, sizeof(at), " at 0x%llx", (ull)r.r[VCPU_RIP]);
	switch (s->why) {
	case DEBUG_BREAK:
		snprintf(buf, size, "vCPU %u stopped%s: breakpoint 0x%llx", s->vcpu, at, (ull)s->address);
		break;
	case DEBUG_WATCH:
		snprintf(buf, size, "vCPU %u stopped%s: %s point 0x%llx", s->vcpu, at,
			 debug_kind_name(s->kind), (ull)s->address);
		break;
	case DEBUG_STEP:
		snprintf(buf, size, "vCPU %u stopped%s: step", s->vcpu, at);
		break;
	case DEBUG_ENDING:
		snprintf(buf, size, "vCPU %u stopped%s: it is about to end: %s", s->vcpu, at, s->text);
		break;
	case DEBUG_ASKED:
	case DEBUG_ENDED:
	default:
		snprintf(buf, size, "vCPU %u stopped%s%s%s", s->vcpu, at, s->text[0] ? ": " : "", s->text);
	}
	return buf;
}

void debug_report(void)
{
	struct debug_stop s;
	char text[300];

	for (unsigned i = 0; i < guest_count(); i++) {
		struct guest *g = guest_at(i);

		/* How a guest ended is told by its own line. */
		if (debug_attached(g) || !debug_stop_take(g, &s) || s.why == DEBUG_ENDED)
			continue;
		console_printf("tain: %s: %s\n", g->config->name, stop_text(g, &s, text, sizeof(text)));
	}
}

/* ------------------------------------------------------------------ hold and go */

/* The guest of word 0, which may be debugged; NULL with the reason noted. */
static struct guest *debuggee(struct call *c)
{
	struct guest *g = look_guest(c, 0);
	char why[200];

	if (!g || debug_allowed(g, why, sizeof(why)) == 0)
		return g;
	command_fail(c, "%s", why);
	return NULL;
}

static struct guest *held_guest(struct call *c)
{
	struct guest *g = debuggee(c);

	if (g && !debug_held(g)) {
		command_fail(c, "%s runs: `hold %s` first", g->config->name, g->config->name);
		return NULL;
	}
	return g;
}

static int cmd_hold(struct call *c)
{
	struct guest *g = debuggee(c);
	struct debug_stop s;
	char text[300];
	int err;

	if (!g)
		return -1;
	err = debug_hold(g);
	if (err)
		return command_fail(c, "%s could not be held (error %d)", g->config->name, err);
	if (debug_stop_take(g, &s))
		out_printf(c->out, "%s: %s\n", g->config->name, stop_text(g, &s, text, sizeof(text)));
	return 0;
}

struct stop_wait {
	struct guest *g;
	struct debug_stop stop;
	bool came;
};

static bool stop_came(void *arg)
{
	struct stop_wait *w = arg;

	w->came = w->came || debug_stop_take(w->g, &w->stop);
	return w->came || guest_ended(w->g);
}

/* Until it stops: what it stopped for is printed. */
static int wait_for_stop(struct call *c, struct guest *g, uint64_t us)
{
	struct stop_wait w = { .g = g };
	enum wait_end end = monitor_wait(stop_came, &w, us);
	char text[300];

	if (end == WAIT_INTERRUPTED)
		return command_fail(c, "interrupted");
	if (!w.came && guest_ended(g))
		return command_fail(c, "%s has ended: %s", g->config->name, g->reason);
	if (!w.came)
		return command_fail(c, "%s has not stopped", g->config->name);
	out_printf(c->out, "%s: %s\n", g->config->name, stop_text(g, &w.stop, text, sizeof(text)));
	return w.stop.why == DEBUG_ENDED ? command_fail(c, "%s has ended", g->config->name) : 0;
}

static int cmd_continue(struct call *c)
{
	struct guest *g = debuggee(c);
	uint64_t us = 0;

	if (!g)
		return -1;
	if (c->argc == 2 && (!command_seconds(c->argv[1], &us) || us == 0))
		return command_fail(c, "expected: continue NAME [SECONDS]");
	if (!debug_held(g) && c->argc == 1)
		return command_fail(c, "%s runs", g->config->name);
	if (debug_go(g, DEBUG_NO_STEP, true) != 0)
		return command_fail(c, "%s could not go on", g->config->name);
	return c->argc == 2 ? wait_for_stop(c, g, us) : 0;
}

/* step NAME [COUNT] [VCPU] */
static int cmd_step(struct call *c)
{
	struct guest *g = held_guest(c);
	const struct debug_stop *last;
	uint64_t count = 1;
	unsigned vcpu;

	if (!g || (c->argc > 1 && !look_number(c, c->argv[1], &count)))
		return -1;
	if (count == 0 || count > STEPS_MAX)
		return command_fail(c, "expected: 1 to %u steps", STEPS_MAX);
	last = debug_last_stop(g);
	vcpu = last ? last->vcpu : 0;
	if (c->argc > 2 && !look_vcpu(c, g, c->argv[2], &vcpu))
		return -1;
	for (uint64_t i = 0; i < count; i++) {
		struct stop_wait w = { .g = g };

		if (debug_go(g, vcpu, false) != 0)
			return command_fail(c, "%s could not go on", g->config->name);
		if (monitor_wait(stop_came, &w, STEP_US) != WAIT_DONE || !w.came)
			return command_fail(c, "%s has not come to the end of step %llu",
					    g->config->name, (ull)i + 1);
		if (w.stop.why != DEBUG_STEP || i + 1 == count) {
			char text[300];

			out_printf(c->out, "%s: %s\n", g->config->name,
				   stop_text(g, &w.stop, text, sizeof(text)));
			break;
		}
	}
	return 0;
}

/* ------------------------------------------------------------------ break */

static const struct {
	const char *word;
	enum debug_kind kind;
	bool has_length;
} kinds[] = {
	{ "sw", DEBUG_SOFTWARE, false },
	{ "hw", DEBUG_HARDWARE, false },
	{ "write", DEBUG_WRITE, true },
	{ "access", DEBUG_ACCESS, true },
};

static int list_points(struct call *c, const struct guest *g)
{
	const struct debug_point *p;

	out_table(c->out);
	for (unsigned i = 0; (p = debug_point_at(g, i)); i++) {
		out_row(c->out);
		out_number(c->out, "number", p->number);
		out_hex(c->out, "address", p->address);
		out_text(c->out, "kind", debug_kind_name(p->kind));
		out_number(c->out, "length", p->length);
	}
	out_end(c->out);
	return 0;
}

/* 0 stands for all. */
static int delete_points(struct call *c, struct guest *g, uint64_t number)
{
	const struct debug_point *p;
	unsigned gone = 0;

	for (unsigned i = 0; (p = debug_point_at(g, i));) {
		if (number && p->number != number) {
			i++;
			continue;
		}
		if (debug_point_remove(g, p->kind, p->address, p->length) != 0)
			return command_fail(c, "point %u could not be taken out", p->number);
		gone++;
	}
	return gone || !number ? 0 : command_fail(c, "no point %llu", (ull)number);
}

static int add_point(struct call *c, struct guest *g, uint64_t address)
{
	uint64_t length = 1;
	size_t k = 0;
	int at = 2;

	if (c->argc > at) {
		while (k < ARRAY_LEN(kinds) && strcmp(c->argv[at], kinds[k].word) != 0)
			k++;
		if (k == ARRAY_LEN(kinds))
			return command_fail(c, "expected: break %s", c->row->usage);
		at++;
	}
	if (kinds[k].has_length && c->argc > at && !look_number(c, c->argv[at++], &length))
		return -1;
	if (c->argc > at)
		return command_fail(c, "expected: break %s", c->row->usage);
	switch (debug_point_add(g, 0, kinds[k].kind, address, (unsigned)length)) {
	case 0:
		return 0;
	case -ENOSPC:
		return command_fail(c, "no room for it: the CPU has four debug registers");
	case -EINVAL:
		return command_fail(c, "1, 2, 4 or 8 bytes, aligned to their number");
	case -EFAULT:
		return command_fail(c, "no memory at 0x%llx that could hold a breakpoint", (ull)address);
	default:
		return command_fail(c, "it could not be set");
	}
}

static int break_command(struct call *c, struct guest *g)
{
	uint64_t value;

	if (c->argc == 1)
		return list_points(c, g);
	if (strcmp(c->argv[1], "delete") == 0) {
		if (c->argc == 2)
			return delete_points(c, g, 0);
		return look_number(c, c->argv[2], &value) ? delete_points(c, g, value) : -1;
	}
	return look_number(c, c->argv[1], &value) ? add_point(c, g, value) : -1;
}

static int cmd_break(struct call *c)
{
	struct guest *g = debuggee(c);
	bool was_held;
	int err;

	if (!g || look_begin(c, g, &was_held))
		return -1;
	err = break_command(c, g);
	look_end(g, was_held);
	return err;
}

/* ------------------------------------------------------------------ set */

static int set_register(struct call *c, struct guest *g, int reg, uint64_t value)
{
	unsigned vcpu = 0;

	if (c->argc == 4 && !look_vcpu(c, g, c->argv[3], &vcpu))
		return -1;
	switch (debug_set_reg(g, vcpu, (enum vcpu_reg)reg, value)) {
	case 0:
		return 0;
	case -ENODATA:
		return command_fail(c, "vCPU %u waits for its start-up", vcpu);
	case -EINVAL:
		return command_fail(c, "%s cannot be 0x%llx", debug_reg_name((enum vcpu_reg)reg),
				    (ull)value);
	default:
		return command_fail(c, "%s cannot be written", debug_reg_name((enum vcpu_reg)reg));
	}
}

/* VALUE or VALUE:BYTES */
static bool memory_value(struct call *c, char *word, uint64_t *value, uint64_t *bytes)
{
	char *colon = strchr(word, ':');

	*bytes = 8;
	if (colon) {
		*colon = 0;
		if (!look_number(c, colon + 1, bytes))
			return false;
	}
	if (*bytes == 1 || *bytes == 2 || *bytes == 4 || *bytes == 8)
		return look_number(c, word, value);
	command_fail(c, "a value has 1, 2, 4 or 8 bytes");
	return false;
}

static int set_memory(struct call *c, struct guest *g, bool linear)
{
	uint64_t at, value, bytes;
	size_t done;

	if (c->argc != 4)
		return command_fail(c, "expected: set NAME mem|gva ADDRESS VALUE[:BYTES]");
	if (!look_number(c, c->argv[2], &at) || !memory_value(c, c->argv[3], &value, &bytes))
		return -1;
	done = linear ? debug_write(g, 0, at, &value, bytes)
		      : debug_write_phys(g, (gpa_t){ at }, &value, bytes);
	return done == bytes ? 0 : command_fail(c, "nothing to write at 0x%llx", (ull)(at + done));
}

static int set_command(struct call *c, struct guest *g)
{
	bool linear = strcmp(c->argv[1], "gva") == 0;
	int reg = look_reg_by_name(c->argv[1]);
	uint64_t value;

	if (linear || strcmp(c->argv[1], "mem") == 0)
		return set_memory(c, g, linear);
	if (reg < 0)
		return command_fail(c, "'%.20s' is no register, nor mem or gva", c->argv[1]);
	return look_number(c, c->argv[2], &value) ? set_register(c, g, reg, value) : -1;
}

static int cmd_set(struct call *c)
{
	struct guest *g = debuggee(c);
	bool was_held;
	int err;

	if (!g || look_begin(c, g, &was_held))
		return -1;
	err = set_command(c, g);
	look_end(g, was_held);
	return err;
}

/* clang-format off */
const struct command debug_commands[] = {
	{ "hold", "NAME", "stop all vCPUs of a guest where they are", cmd_hold, 1, 1, COMPLETE_GUEST,
	  COMMAND_VERDICT, "    Plain guests and debug TDs; `continue` lets it go on." },
	{ "continue", "NAME [SECONDS]", "let a guest that stands still go on", cmd_continue, 1, 2,
	  COMPLETE_GUEST, COMMAND_VERDICT,
	  "    SECONDS: wait until it stops again (at a breakpoint, say), as long at most." },
	{ "step", "NAME [COUNT] [VCPU]", "one or more instructions of a vCPU; the others stand still",
	  cmd_step, 1, 3, COMPLETE_GUEST, COMMAND_VERDICT, NULL },
	{ "break", "NAME [ADDRESS [sw|hw|write LEN|access LEN]] | NAME delete [NUMBER]",
	  "set a breakpoint or watchpoint, list them, take them out", cmd_break, 1, 4, COMPLETE_GUEST,
	  COMMAND_JSON | COMMAND_VERDICT,
	  "    sw: INT3 in the guest's memory (the usual); the others take one of four debug registers.\n"
	  "    ADDRESS is linear. A guest that stops is told of in a line `tain: NAME: vCPU N stopped`." },
	{ "set", "NAME REGISTER VALUE [VCPU] | NAME mem|gva ADDRESS VALUE[:BYTES]",
	  "write a register or memory of a guest", cmd_set, 3, 4, COMPLETE_GUEST, COMMAND_VERDICT,
	  "    mem: by guest-physical address, gva: by linear. `setfield` writes metadata of debug TDs." },
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
/* clang-format on */
