/*
 * gdb.c - the session: packets that look into a guest, stop it and let it go.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/log.h"
#include "kernel/monitor/gdb_room.h"

struct gdb_session gdb;

#define EFER_LMA    BIT64(10)
#define SIGNAL_INT  2
#define SIGNAL_TRAP 5
#define SIGNAL_SEGV 11
#define PIECE       1024 /* bytes of memory or of text in one packet */

/* ---- answers ---- */

static void send(const struct gdb_out *o)
{
	gdb.sent_length = gdb_frame(o, gdb.sent);
	gdb.line.put(gdb.sent, gdb.sent_length);
}

void gdb_ok(void) { gdb_put(&gdb.out, "OK"); }

void gdb_error(const char *fmt, ...)
{
	char text[240];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	gdb.out.length = 0;
	gdb.out.overflow = false;
	gdb_put(&gdb.out, "E.%s", text);
}

void gdb_say(const char *text, size_t length)
{
	static struct gdb_out o;
	char frame[2 * (2 * PIECE + 8)];

	while (length) {
		size_t part = length < PIECE ? length : PIECE;

		if (gdb.line.room() < sizeof(frame))
			return; /* rather less text than a torn answer */
		o.length = 0;
		o.overflow = false;
		gdb_put(&o, "O");
		gdb_put_bytes(&o, text, part);
		gdb.line.put(frame, gdb_frame(&o, frame));
		text += part;
		length -= part;
	}
}

/* ---- guests and vCPUs by number ---- */

unsigned gdb_process_of(const struct guest *g)
{
	for (unsigned i = 0; i < guest_count(); i++)
		if (guest_at(i) == g)
			return i + 1;
	return 0;
}

struct guest *gdb_guest_of(int64_t process)
{
	return process >= 1 && process <= guest_count() ? guest_at((unsigned)process - 1) : NULL;
}

void gdb_put_thread(unsigned vcpu)
{
	if (gdb.multiprocess)
		gdb_put(&gdb.out, "p%x.%x", gdb_process_of(gdb.guest), vcpu + 1);
	else
		gdb_put(&gdb.out, "%x", vcpu + 1);
}

bool gdb_vcpu_of(const struct gdb_thread *t, unsigned *vcpu)
{
	if (!gdb.guest || (t->process > 0 && gdb_guest_of(t->process) != gdb.guest))
		return false;
	if (t->thread > (int64_t)gdb.guest->config->vcpus)
		return false;
	*vcpu = t->thread > 0 ? (unsigned)t->thread - 1 : gdb.vcpu;
	return true;
}

/* ---- attaching ---- */

void gdb_forget(void)
{
	gdb.guest = NULL;
	gdb.going = false;
	gdb.has_regs = gdb.has_fpu = false;
}

static void choose_arch(void)
{
	struct vcpu_regs r;

	gdb.arch = &gdb_arch_64;
	/* A TD is in 64-bit mode but for its first instructions. */
	if (gdb.guest->vm && !debug_regs(gdb.guest, 0, &r) && !(r.r[VCPU_EFER] & EFER_LMA))
		gdb.arch = &gdb_arch_32;
}

bool gdb_attach(struct guest *g)
{
	char why[160];
	int err = debug_allowed(g, why, sizeof(why));

	if (!err)
		err = debug_attach(g, false);
	if (!err)
		err = debug_hold(g);
	if (err == -ESRCH || err == -EACCES) {
		log_warn("gdb: refused: %s", why);
		gdb_error("%s", why);
		return false;
	}
	if (err) {
		gdb_error("%s cannot be held (%d)", g->config->name, -err);
		return false;
	}
	if (gdb.guest && gdb.guest != g)
		debug_detach(gdb.guest);
	gdb_forget();
	gdb.guest = g;
	gdb.vcpu = 0;
	choose_arch();
	return true;
}

/* The one that was chosen, or the first that may be debugged; NULL: none, *why says why not. */
static struct guest *candidate(char *why, size_t why_size)
{
	snprintf(why, why_size, "no guest runs");
	if (gdb.chosen)
		return debug_allowed(gdb.chosen, why, why_size) ? NULL : gdb.chosen;
	for (unsigned i = 0; i < guest_count(); i++) {
		struct guest *g = guest_at(i);

		if (g->state == GUEST_RUNNING && !debug_allowed(g, why, why_size))
			return g;
	}
	return NULL;
}

/* ---- stops ---- */

static const uint8_t signals[] = {
	[DEBUG_ASKED] = SIGNAL_INT,  [DEBUG_BREAK] = SIGNAL_TRAP,  [DEBUG_WATCH] = SIGNAL_TRAP,
	[DEBUG_STEP] = SIGNAL_TRAP, [DEBUG_ENDING] = SIGNAL_SEGV,
};

static const struct gdb_state *state(bool fpu)
{
	static struct gdb_state s;
	bool same = gdb.has_regs && gdb.regs_of == gdb.vcpu;

	if (!same) {
		gdb.has_regs = debug_regs(gdb.guest, gdb.vcpu, &gdb.regs) == 0;
		gdb.has_fpu = false;
		gdb.regs_of = gdb.vcpu;
	}
	if (fpu && gdb.has_regs && !gdb.has_fpu)
		gdb.has_fpu = debug_fpu(gdb.guest, gdb.vcpu, &gdb.fpu) == 0;
	s.regs = gdb.has_regs ? &gdb.regs : NULL;
	s.fpu = gdb.has_fpu ? &gdb.fpu : NULL;
	return &s;
}

static void put_expedited(unsigned n)
{
	gdb_put(&gdb.out, "%02x:", n);
	gdb_reg_put(&gdb.out, gdb.arch, n, state(false));
	gdb_put(&gdb.out, ";");
}

static void put_reason(const struct debug_stop *s)
{
	if (s->why == DEBUG_WATCH)
		gdb_put(&gdb.out, "%s:%llx;", s->kind == DEBUG_ACCESS ? "awatch" : "watch",
			(unsigned long long)s->address);
	else if (s->why == DEBUG_BREAK && s->kind == DEBUG_SOFTWARE && gdb.swbreak)
		gdb_put(&gdb.out, "swbreak:;");
	else if (s->why == DEBUG_BREAK && s->kind == DEBUG_HARDWARE && gdb.hwbreak)
		gdb_put(&gdb.out, "hwbreak:;");
}

void gdb_put_stop(const struct debug_stop *s)
{
	if (s->why == DEBUG_ENDED) {
		gdb_put(&gdb.out, "W00");
		if (gdb.multiprocess)
			gdb_put(&gdb.out, ";process:%x", gdb_process_of(gdb.guest));
		return;
	}
	gdb.vcpu = s->vcpu < gdb.guest->config->vcpus ? s->vcpu : 0;
	gdb_put(&gdb.out, "T%02x", signals[s->why]);
	put_expedited(gdb.arch->rip);
	put_expedited(gdb.arch->rsp);
	put_expedited(gdb.arch->rbp);
	put_reason(s);
	gdb_put(&gdb.out, "thread:");
	gdb_put_thread(gdb.vcpu);
	gdb_put(&gdb.out, ";");
}

void gdb_look(void)
{
	struct debug_stop s;

	if (gdb.busy || !gdb.guest || !gdb.going || !debug_stop_take(gdb.guest, &s))
		return;
	gdb.going = gdb.has_regs = gdb.has_fpu = false;
	gdb.last = s;
	if (s.text[0]) {
		char text[sizeof(s.text) + 80];
		int n = snprintf(text, sizeof(text), "tain: %s %s %s\n", gdb.guest->config->name,
				 s.why == DEBUG_ENDING  ? "is held before it ends:"
				 : s.why == DEBUG_ENDED ? "has ended:"
							: "is held:",
				 s.text);

		gdb_say(text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
	}
	gdb.out.length = 0;
	gdb.out.overflow = false;
	gdb_put_stop(&s);
	if (s.why == DEBUG_ENDED) {
		debug_detach(gdb.guest);
		gdb_forget();
	}
	send(&gdb.out);
}

static void go(unsigned step, bool others)
{
	int err;

	gdb.has_regs = gdb.has_fpu = false;
	err = debug_go(gdb.guest, step, others);
	if (err) {
		gdb_error("%s cannot go on (%d)", gdb.guest->config->name, -err);
		return;
	}
	gdb.going = gdb.silent = true;
}

/* ---- packets ---- */

bool gdb_find_guest(void)
{
	char why[160];
	struct guest *g;

	if (gdb.guest && !debug_hold(gdb.guest)) { /* a GDB went away without a word */
		choose_arch();
		gdb.has_regs = gdb.has_fpu = false;
		return true;
	}
	gdb_forget();
	if (gdb.extended && !gdb.chosen) /* `attach` and `run` are next */
		return false;
	g = candidate(why, sizeof(why));
	if (!g) /* gdb 13 waits for ever after an error here: gdb_say_why() tells it */
		log_warn("gdb: there is nothing to debug: %s", why);
	return g && gdb_attach(g);
}

void gdb_say_why(void)
{
	char why[160], text[200];

	if (gdb.guest || gdb.extended || candidate(why, sizeof(why)))
		return;
	gdb_say(text, (size_t)snprintf(text, sizeof(text), "tain: there is nothing to debug: %s\n", why));
}

static void p_why(struct gdb_scan *s)
{
	(void)s;
	if (!gdb_find_guest()) {
		gdb.out.length = 0;
		gdb_put(&gdb.out, "W00");
		return;
	}
	if (!debug_stop_take(gdb.guest, &gdb.last)) {
		const struct debug_stop *last = debug_last_stop(gdb.guest);

		gdb.last = last ? *last : (struct debug_stop){ .why = DEBUG_ASKED };
	}
	gdb_put_stop(&gdb.last);
}

static void p_extended(struct gdb_scan *s)
{
	(void)s;
	gdb.extended = true;
	gdb_ok();
}

static void p_thread(struct gdb_scan *s)
{
	struct gdb_thread t;
	unsigned vcpu;

	s->at += s->at < s->end; /* 'g' or 'c': actions name their threads */
	if (!gdb_scan_thread(s, &t) || !gdb_vcpu_of(&t, &vcpu)) {
		gdb_put(&gdb.out, "E01");
		return;
	}
	gdb.vcpu = vcpu;
	gdb_ok();
}

static void p_alive(struct gdb_scan *s)
{
	struct gdb_thread t;
	unsigned vcpu;

	if (gdb_scan_thread(s, &t) && gdb_vcpu_of(&t, &vcpu))
		gdb_ok();
	else
		gdb_put(&gdb.out, "E01");
}

static void p_read_regs(struct gdb_scan *s)
{
	(void)s;
	for (unsigned n = 0; n < gdb_regs_usual(gdb.arch); n++)
		gdb_reg_put(&gdb.out, gdb.arch, n, state(true));
}

static bool write_reg(struct gdb_scan *s, unsigned n)
{
	enum vcpu_reg reg = gdb_reg_source(gdb.arch, n);
	uint8_t bytes[16];
	uint64_t value = 0;

	if (!gdb_scan_bytes(s, bytes, gdb_reg_bytes(gdb.arch, n)))
		return false;
	if (reg == VCPU_REG_COUNT)
		return true; /* x87 and SSE registers are only shown */
	memcpy(&value, bytes, gdb_reg_bytes(gdb.arch, n));
	if (state(false)->regs && gdb.regs.r[reg] == value)
		return true;
	gdb.has_regs = false;
	return debug_set_reg(gdb.guest, gdb.vcpu, reg, value) == 0;
}

static void p_write_regs(struct gdb_scan *s)
{
	for (unsigned n = 0; n < gdb_regs_usual(gdb.arch); n++)
		if (!write_reg(s, n)) {
			gdb_error("register %u was refused", n);
			return;
		}
	gdb_ok();
}

static void p_read_reg(struct gdb_scan *s)
{
	uint64_t n;

	if (!gdb_scan_hex(s, &n) || n >= gdb.arch->count)
		gdb_put(&gdb.out, "E01");
	else
		gdb_reg_put(&gdb.out, gdb.arch, (unsigned)n, state(true));
}

static void p_write_reg(struct gdb_scan *s)
{
	uint64_t n;

	if (!gdb_scan_hex(s, &n) || n >= gdb.arch->count || !gdb_scan_text(s, "="))
		gdb_put(&gdb.out, "E01");
	else if (gdb_reg_source(gdb.arch, (unsigned)n) == VCPU_REG_COUNT)
		gdb_error("this register can only be read");
	else if (write_reg(s, (unsigned)n))
		gdb_ok();
	else
		gdb_error("the register was refused");
}

/* "ADDRESS,LENGTH". */
static bool scan_range(struct gdb_scan *s, uint64_t *at, uint64_t *length)
{
	return gdb_scan_hex(s, at) && gdb_scan_text(s, ",") && gdb_scan_hex(s, length);
}

static void read_memory(struct gdb_scan *s, bool binary)
{
	static uint8_t bytes[GDB_PACKET_MAX / 2];
	uint64_t at, length;
	size_t done;

	if (!scan_range(s, &at, &length)) {
		gdb_put(&gdb.out, "E01");
		return;
	}
	if (length > sizeof(bytes) - 16)
		length = sizeof(bytes) - 16;
	done = debug_read(gdb.guest, gdb.vcpu, at, bytes, (size_t)length);
	if (!done && length) {
		gdb_put(&gdb.out, GDB_EFAULT);
	} else if (binary) {
		gdb_put(&gdb.out, "b");
		gdb_put_raw(&gdb.out, bytes, done);
	} else {
		gdb_put_bytes(&gdb.out, bytes, done);
	}
}

static void p_read(struct gdb_scan *s) { read_memory(s, false); }
static void p_read_binary(struct gdb_scan *s) { read_memory(s, true); }

static void write_memory(struct gdb_scan *s, bool binary)
{
	static uint8_t bytes[GDB_PACKET_MAX];
	uint64_t at, length;

	if (!scan_range(s, &at, &length) || !gdb_scan_text(s, ":") || length > sizeof(bytes) ||
	    (binary && (uint64_t)(s->end - s->at) != length) ||
	    (!binary && !gdb_scan_bytes(s, bytes, (size_t)length))) {
		gdb_put(&gdb.out, "E01");
		return;
	}
	if (binary)
		memcpy(bytes, s->at, (size_t)length);
	gdb.has_regs = false;
	if (debug_write(gdb.guest, gdb.vcpu, at, bytes, (size_t)length) == length)
		gdb_ok();
	else
		gdb_put(&gdb.out, GDB_EFAULT);
}

static void p_write(struct gdb_scan *s) { write_memory(s, false); }
static void p_write_binary(struct gdb_scan *s) { write_memory(s, true); }

/* "TYPE,ADDRESS,KIND" */
static bool scan_point(struct gdb_scan *s, enum debug_kind *kind, uint64_t *at, uint64_t *length)
{
	static const enum debug_kind kinds[] = { DEBUG_SOFTWARE, DEBUG_HARDWARE, DEBUG_WRITE,
						 DEBUG_ACCESS /* read: not on this CPU */, DEBUG_ACCESS };
	uint64_t type;

	if (!gdb_scan_hex(s, &type) || !gdb_scan_text(s, ",") || !scan_range(s, at, length) ||
	    type >= ARRAY_LEN(kinds) || type == 3)
		return false;
	*kind = kinds[type];
	return true;
}

static void point_answer(int err)
{
	switch (err) {
	case 0:
		gdb_ok();
		break;
	case -ENOSPC:
		gdb_error("no debug register is left");
		break;
	case -EINVAL:
		gdb_error("a watchpoint is 1, 2, 4 or 8 bytes, aligned");
		break;
	default:
		gdb_put(&gdb.out, GDB_EFAULT);
		break;
	}
}

static void p_insert(struct gdb_scan *s)
{
	enum debug_kind kind;
	uint64_t at, length;

	if (scan_point(s, &kind, &at, &length)) /* else: an empty answer, not supported */
		point_answer(debug_point_add(gdb.guest, gdb.vcpu, kind, at,
					     length > 8 ? 16 : (unsigned)length));
}

static void p_remove(struct gdb_scan *s)
{
	enum debug_kind kind;
	uint64_t at, length;

	if (scan_point(s, &kind, &at, &length))
		point_answer(debug_point_remove(gdb.guest, kind, at,
						length > 8 ? 16 : (unsigned)length));
}

/* An address to go on at. */
static bool move_to(struct gdb_scan *s)
{
	uint64_t at;

	return s->at == s->end || !gdb_scan_hex(s, &at) ||
	       debug_set_reg(gdb.guest, gdb.vcpu, VCPU_RIP, at) == 0;
}

static void p_continue(struct gdb_scan *s)
{
	if (move_to(s))
		go(DEBUG_NO_STEP, true);
	else
		gdb_error("the address was refused");
}

static void p_step(struct gdb_scan *s)
{
	if (move_to(s))
		go(gdb.vcpu, false);
	else
		gdb_error("the address was refused");
}

static void p_can_go(struct gdb_scan *s)
{
	(void)s;
	gdb_put(&gdb.out, "vCont;c;C;s;S");
}

/* ";ACTION[:THREAD]" again and again; the first that fits a thread counts. */
static void p_go(struct gdb_scan *s)
{
	unsigned step = DEBUG_NO_STEP;
	bool others = false;

	while (gdb_scan_text(s, ";")) {
		char action = s->at < s->end ? *s->at++ : 0;
		struct gdb_thread t = { -1, -1 };
		uint64_t signal;
		unsigned vcpu;

		if (action == 'C' || action == 'S')
			(void)gdb_scan_hex(s, &signal);
		if (gdb_scan_text(s, ":") && !gdb_scan_thread(s, &t))
			break;
		if (!gdb_vcpu_of(&t, &vcpu))
			continue;
		if (action == 's' || action == 'S')
			step = step == DEBUG_NO_STEP ? vcpu : step;
		else if (action == 'c' || action == 'C')
			others = true;
	}
	if (step == DEBUG_NO_STEP && !others)
		gdb_error("nobody was to go on");
	else
		go(step, others);
}

static void p_detach(struct gdb_scan *s)
{
	(void)s;
	debug_detach(gdb.guest);
	gdb_forget();
	gdb_ok();
}

static void p_kill(struct gdb_scan *s)
{
	(void)s;
	(void)!guest_stop(gdb.guest, "by gdb");
	debug_detach(gdb.guest);
	gdb_forget();
	gdb_ok();
}

static void p_kill_old(struct gdb_scan *s)
{
	p_kill(s);
	gdb.silent = true; /* 'k' has no answer */
}

static void p_attach(struct gdb_scan *s)
{
	uint64_t process;
	struct guest *g;

	if (!gdb_scan_hex(s, &process) || process > INT32_MAX || !(g = gdb_guest_of((int64_t)process))) {
		gdb_error("no guest has this number: `monitor guests` lists them, the first is 1");
		return;
	}
	if (gdb_attach(g))
		p_why(s);
}

static void p_run(struct gdb_scan *s)
{
	char name[64] = "", why[160];
	size_t n = 0;
	struct guest *g = gdb.chosen;

	if (gdb_scan_text(s, ";")) {
		while (n < sizeof(name) - 1 && gdb_scan_bytes(s, &name[n], 1))
			n++;
		name[n] = 0;
		g = n ? guest_find(name) : g;
	}
	if (!g) {
		gdb_error("no guest '%s': set remote exec-file NAME, `monitor guests` lists them", name);
		return;
	}
	if (debug_attach(g, true) || guest_start(g, why, sizeof(why))) {
		gdb_error("%s cannot be started: %s", g->config->name,
			  g->state == GUEST_RUNNING ? "it runs" : g->reason[0] ? g->reason : "refused");
		return;
	}
	if (gdb_attach(g))
		p_why(s);
}

static void p_empty(struct gdb_scan *s) { (void)s; }

enum need { ANY, HELD };

static const struct {
	const char *name;
	void (*handle)(struct gdb_scan *s);
	enum need need;
} packets[] = {
	{ "?", p_why, ANY },
	{ "!", p_extended, ANY },
	{ "H", p_thread, ANY },
	{ "T", p_alive, ANY },
	{ "g", p_read_regs, HELD },
	{ "G", p_write_regs, HELD },
	{ "p", p_read_reg, HELD },
	{ "P", p_write_reg, HELD },
	{ "m", p_read, HELD },
	{ "x", p_read_binary, HELD },
	{ "M", p_write, HELD },
	{ "X", p_write_binary, HELD },
	{ "Z", p_insert, HELD },
	{ "z", p_remove, HELD },
	{ "c", p_continue, HELD },
	{ "s", p_step, HELD },
	{ "vCont?", p_can_go, ANY },
	{ "vCont", p_go, HELD },
	{ "vAttach;", p_attach, ANY },
	{ "vRun", p_run, ANY },
	{ "vKill", p_kill, HELD },
	{ "v", p_empty, ANY },
	{ "D", p_detach, HELD },
	{ "k", p_kill_old, HELD },
};

static void dispatch(struct gdb_scan *s)
{
	if (gdb_query(s))
		return;
	for (size_t i = 0; i < ARRAY_LEN(packets); i++) {
		if (!gdb_scan_text(s, packets[i].name))
			continue;
		if (packets[i].need == HELD && (!gdb.guest || !debug_held(gdb.guest)))
			gdb_error(gdb.guest ? "the guest runs" : "no guest is attached");
		else
			packets[i].handle(s);
		return;
	}
}

static void on_packet(void)
{
	struct gdb_scan s = { gdb.in.text, gdb.in.text + gdb.in.length };

	gdb.out.length = 0;
	gdb.out.overflow = gdb.silent = false;
	gdb.busy = true;
	dispatch(&s);
	gdb.busy = false;
	if (!gdb.silent)
		send(&gdb.out);
}

static void on_interrupt(void)
{
	if (gdb.guest && gdb.going)
		(void)!debug_hold(gdb.guest); /* gdb_look() tells */
}

void gdb_byte(uint8_t byte)
{
	switch (gdb_in_byte(&gdb.in, byte)) {
	case GDB_PACKET:
		if (!strncmp(gdb.in.text, "qSupported", strlen("qSupported")))
			gdb.no_ack = false; /* the first word of a new GDB, which waits for this one */
		if (!gdb.no_ack)
			gdb.line.put("+", 1);
		on_packet();
		break;
	case GDB_BROKEN:
		if (!gdb.no_ack)
			gdb.line.put("-", 1);
		break;
	case GDB_INTERRUPT:
		on_interrupt();
		break;
	case GDB_NAK:
		gdb.line.put(gdb.sent, gdb.sent_length);
		break;
	case GDB_ACK:
	case GDB_NOTHING:
		break;
	}
}

bool gdb_in_packet(void) { return gdb.in.state != GDB_IDLE; }

void gdb_init(const struct gdb_line *line)
{
	gdb = (struct gdb_session){ .line = *line, .arch = &gdb_arch_64 };
}

void gdb_use_line(const struct gdb_line *line)
{
	gdb.line = *line;
	gdb.in.state = GDB_IDLE;
}

bool gdb_is_attached(void) { return gdb.guest != NULL; }

int gdb_choose(struct guest *g, char *why, size_t why_size)
{
	int err = 0;

	if (g && g->state == GUEST_RUNNING)
		err = debug_allowed(g, why, why_size);
	else if (g)
		err = debug_attach(g, true);
	if (err == -ESRCH || err == -ENOMEM)
		snprintf(why, why_size, "%s cannot run", g->config->name);
	if (!err)
		gdb.chosen = g;
	return err;
}

void gdb_describe(char *text, size_t size)
{
	if (gdb.guest)
		snprintf(text, size, "attached to %s, which %s", gdb.guest->config->name,
			 debug_held(gdb.guest) ? "is held" : "runs");
	else if (gdb.chosen)
		snprintf(text, size, "the next gdb finds %s", gdb.chosen->config->name);
	else
		snprintf(text, size, "the next gdb finds the first guest that runs and may be debugged");
}
