/*
 * cmd_mmu.c - commands about the memory of running guests: log what they write, take pages away,
 * change their slots, and all of it at random while they work.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/guest/churn.h"
#include "kernel/guest/guest.h"
#include "kernel/guest/memlog.h"
#include "kernel/machine/port.h"
#include "kernel/machine/time.h"
#include "kernel/monitor/command.h"
#include "kernel/monitor/monitor.h"
#include "mmu/mmu.h"

/* ------------------------------------------------------------------ words */

/* The running guest that the first word names, or NULL with the reason noted. */
static struct guest *running_guest(struct call *c)
{
	struct guest *g = guest_find(c->argv[0]);

	if (!g)
		command_fail(c, "no guest '%.40s': `guests` lists them", c->argv[0]);
	else if (guest_ended(g))
		command_fail(c, "%s does not run", g->config->name);
	else
		return g;
	return NULL;
}

/* "0x1000", "16M": whole pages. False: no such number. */
static bool read_pages(const char *word, uint64_t *pages)
{
	static const char units[] = "KMG";
	char *end;
	uint64_t v = strtoull(word, &end, 0);
	const char *unit = *end ? strchr(units, *end & ~0x20) : NULL;

	if (end == word || *word == '-')
		return false;
	if (unit && v > UINT64_MAX >> 10 * (unit - units + 1))
		return false;
	if (unit)
		v <<= 10 * (unit - units + 1);
	if (end[unit ? 1 : 0] || !is_aligned(v, PAGE_SIZE))
		return false;
	*pages = v >> PAGE_SHIFT;
	return true;
}

/* GPA and SIZE at words @at and @at + 1. */
static bool read_range(struct call *c, int at, gfn_t *start, uint64_t *frames)
{
	if (c->argc != at + 2 || !read_pages(c->argv[at], &start->v) ||
	    !read_pages(c->argv[at + 1], frames) || *frames == 0) {
		command_fail(c, "expected: GPA SIZE, in whole pages");
		return false;
	}
	return true;
}

/* ------------------------------------------------------------------ dirty */

static int dirty_start(struct call *c, struct guest *g)
{
	static const char *const ways[] = { [VM_LOG_BY_AD] = "ad", [VM_LOG_BY_PML] = "pml",
					    [VM_LOG_BY_WRPROT] = "wp" };
	const char *way = c->argc > 2 ? c->argv[2] : "wp";
	bool copy = c->argc > 3 && strcmp(c->argv[3], "copy") == 0;
	unsigned by = 0;

	while (by < ARRAY_LEN(ways) && strcmp(way, ways[by]) != 0)
		by++;
	if (by == ARRAY_LEN(ways) || (c->argc > 3 && !copy))
		return command_fail(c, "expected: dirty NAME start [ad|pml|wp] [copy]");
	switch (memlog_start(g, (enum vm_log_by)by, copy)) {
	case 0:
		return 0;
	case -EBUSY:
		return command_fail(c, "%s is logged already", g->config->name);
	case -ENOTSUP:
		return command_fail(c, "%s cannot be logged by '%s'", g->config->name, way);
	default:
		return command_fail(c, "no memory for the log");
	}
}

static int collect(struct call *c, struct guest *g, int64_t *pages)
{
	*pages = memlog_collect(g);
	if (*pages == -2)
		return command_fail(c, "no memory for the copy");
	return *pages < 0 ? command_fail(c, "%s is not logged", g->config->name) : 0;
}

static int dirty_collect(struct call *c, struct guest *g)
{
	int64_t pages;

	if (collect(c, g, &pages))
		return -1;
	out_record(c->out);
	out_number(c->out, "pages", (uint64_t)pages);
	out_end(c->out);
	return 0;
}

static int dirty_report(struct call *c, struct guest *g)
{
	struct memlog_report r;
	gfn_t start = { 0 };
	uint64_t frames = ~UINT64_C(0);
	int64_t pages;

	if ((c->argc > 2 && !read_range(c, 2, &start, &frames)) || collect(c, g, &pages))
		return -1;
	(void)memlog_report(g, start, frames, &r);
	out_record(c->out);
	out_number(c->out, "pages", r.pages);
	out_hex(c->out, "digest", r.digest);
	out_number(c->out, "collections", r.collections);
	out_end(c->out);
	return 0;
}

static int dirty_verify(struct call *c, struct guest *g)
{
	gfn_t first = { 0 };
	int64_t pages, differences;

	if (collect(c, g, &pages))
		return -1;
	differences = memlog_differences(g, &first);
	if (differences < 0)
		return command_fail(c, "no copy is kept: dirty %s start WAY copy", g->config->name);
	if (differences)
		return command_fail(c, "%llu pages differ from their copy, the first at %#llx",
				    (unsigned long long)differences,
				    (unsigned long long)gfn_to_gpa(first).v);
	out_printf(c->out, "the copy agrees with the memory of %s\n", g->config->name);
	return 0;
}

static int dirty_stop(struct call *c, struct guest *g)
{
	(void)c;
	memlog_stop(g);
	return 0;
}

struct verb {
	const char *name;
	int (*run)(struct call *c, struct guest *g);
};

/* The second word chooses. */
static int run_verb(struct call *c, const struct verb *verbs, size_t count)
{
	struct guest *g = running_guest(c);

	for (size_t i = 0; g && i < count; i++)
		if (strcmp(c->argv[1], verbs[i].name) == 0)
			return verbs[i].run(c, g);
	return g ? command_fail(c, "expected: %s %s", c->row->name, c->row->usage) : -1;
}

static int cmd_dirty(struct call *c)
{
	static const struct verb verbs[] = { { "start", dirty_start },
					     { "collect", dirty_collect },
					     { "report", dirty_report },
					     { "verify", dirty_verify },
					     { "stop", dirty_stop } };

	return run_verb(c, verbs, ARRAY_LEN(verbs));
}

/* ------------------------------------------------------------------ unmap */

static int unmap(struct call *c, struct guest *g, enum mmu_root root)
{
	gfn_t start;
	uint64_t frames;

	if (!read_range(c, 2, &start, &frames))
		return -1;
	if (root == MMU_MIRROR && !g->td)
		return command_fail(c, "%s has no private memory", g->config->name);

	int err = mmu_zap_range(guest_mmu(g), root, start, frames);

	return err ? command_fail(c, "not all of it went (error %d)", err) : 0;
}

static int unmap_shared(struct call *c, struct guest *g) { return unmap(c, g, MMU_DIRECT); }
static int unmap_private(struct call *c, struct guest *g) { return unmap(c, g, MMU_MIRROR); }

static int cmd_unmap(struct call *c)
{
	static const struct verb verbs[] = { { "shared", unmap_shared },
					     { "private", unmap_private } };

	return run_verb(c, verbs, ARRAY_LEN(verbs));
}

/* ------------------------------------------------------------------ slot */

static int slot_result(struct call *c, int err)
{
	switch (err) {
	case 0:
		return 0;
	case -ENOENT:
		return command_fail(c, "no slot begins there: `slot %s list`", c->argv[0]);
	case -EBUSY:
		return command_fail(c, "it is logged: `dirty %s stop` first", c->argv[0]);
	case -EINVAL:
	case -EEXIST:
		return command_fail(c, "it does not fit there");
	default:
		return command_fail(c, "no room for it (error %d)", err);
	}
}

static int slot_list(struct call *c, struct guest *g)
{
	const struct memslot *s;

	out_table(c->out);
	for (unsigned i = 0; (s = mmu_slot_at(guest_mmu(g), i)); i++) {
		out_row(c->out);
		out_hex(c->out, "gpa", gfn_to_gpa(s->base).v);
		out_number(c->out, "kib", s->frames * (PAGE_SIZE >> 10));
		out_bool(c->out, "writable", !(s->flags & MEMSLOT_READONLY));
		out_bool(c->out, "logged", s->dirty != NULL);
	}
	out_end(c->out);
	return 0;
}

static int slot_add(struct call *c, struct guest *g)
{
	gfn_t base;
	uint64_t frames;

	if (!read_range(c, 2, &base, &frames))
		return -1;
	return slot_result(c, vm_slot_add(g->vm, base, frames));
}

static bool read_base(struct call *c, gfn_t *base)
{
	return c->argc > 2 && read_pages(c->argv[2], &base->v);
}

static int slot_delete(struct call *c, struct guest *g)
{
	gfn_t base;

	if (!read_base(c, &base))
		return command_fail(c, "expected: slot NAME delete GPA");
	return slot_result(c, vm_slot_delete(g->vm, base));
}

static int slot_move(struct call *c, struct guest *g)
{
	gfn_t base, to;

	if (!read_base(c, &base) || c->argc != 4 || !read_pages(c->argv[3], &to.v))
		return command_fail(c, "expected: slot NAME move GPA NEW-GPA");
	return slot_result(c, vm_slot_move(g->vm, base, to));
}

static int slot_readonly(struct call *c, struct guest *g)
{
	gfn_t base;
	bool off = c->argc == 4 && strcmp(c->argv[3], "off") == 0;

	if (!read_base(c, &base) || (c->argc == 4 && !off && strcmp(c->argv[3], "on") != 0))
		return command_fail(c, "expected: slot NAME readonly GPA [on|off]");
	return slot_result(c, vm_slot_readonly(g->vm, base, !off));
}

static int cmd_slot(struct call *c)
{
	static const struct verb verbs[] = { { "list", slot_list },
					     { "add", slot_add },
					     { "delete", slot_delete },
					     { "move", slot_move },
					     { "readonly", slot_readonly } };
	struct guest *g = running_guest(c);

	if (!g)
		return -1;
	if (!g->vm && strcmp(c->argv[1], "list") != 0)
		return command_fail(c, "the slots of a trust domain stay as they are");
	return run_verb(c, verbs, ARRAY_LEN(verbs));
}

/* ------------------------------------------------------------------ churn */

#define ROUNDS_AT_ONCE 100
#define AT_ONCE_US     1000 /* or one operation, if it takes longer: the guests want a turn as well */

struct churn_wait {
	struct guest *guest;
	const char *text;
	struct churn churn;
};

/* Some rounds, then the guests of this CPU have their turn. */
static bool churn_some(void *arg)
{
	struct churn_wait *w = arg;
	uint64_t start = time_us();

	for (unsigned i = 0; i < ROUNDS_AT_ONCE && !w->churn.error && !w->churn.findings; i++) {
		churn_round(&w->churn);
		if (time_us() - start >= AT_ONCE_US)
			break;
	}
	return w->churn.error || w->churn.findings || guest_ended(w->guest) ||
	       output_contains(&w->guest->output, 0, w->text);
}

static void show_churn(struct call *c, const struct churn *churn)
{
	out_table(c->out);
	for (unsigned op = 0; op < CHURN_OPS; op++) {
		out_row(c->out);
		out_text(c->out, "operation", churn_op_names[op]);
		out_number(c->out, "tried", churn->tried[op]);
		out_number(c->out, "done", churn->done[op]);
	}
	out_end(c->out);
}

static int cmd_churn(struct call *c)
{
	struct churn_wait w = { .guest = running_guest(c), .churn = { .random = 88172645463325252 } };
	uint64_t us;

	if (!w.guest)
		return -1;
	w.text = c->argv[1];
	if (!*w.text || !command_seconds(c->argv[2], &us) || us == 0)
		return command_fail(c, "expected: churn %s", c->row->usage);
	if (c->argc > 3 && !read_range(c, 3, &w.churn.lossy, &w.churn.lossy_frames))
		return -1;

	enum wait_end end = monitor_wait(churn_some, &w, us);

	show_churn(c, &w.churn);
	if (w.churn.error)
		return command_fail(c, "%s failed (error %d)", churn_op_names[w.churn.failed_op],
				    w.churn.error);
	if (w.churn.findings)
		return command_fail(c, "%u findings in the page tables", w.churn.findings);
	if (end == WAIT_INTERRUPTED)
		return command_fail(c, "interrupted");
	if (!output_contains(&w.guest->output, 0, w.text))
		return command_fail(c, "%s is %s and has not printed \"%.60s\"",
				    w.guest->config->name, guest_state_name(w.guest->state), w.text);
	return 0;
}

/* clang-format off */
const struct command mmu_commands[] = {
	{ "dirty", "NAME start [ad|pml|wp] [copy] | collect | report [GPA SIZE] | verify | stop",
	  "log which pages a guest writes", cmd_dirty, 2, 4, COMPLETE_GUEST,
	  COMMAND_JSON | COMMAND_VERDICT,
	  "    start: by D bits, by PML, or by write protection (the only way for a trust domain, of\n"
	  "    which the shared half is logged); with `copy` a copy of its memory is kept up to date.\n"
	  "    collect: pages written since the last collection. report: all collected since the last\n"
	  "    report. verify: collect, and compare the copy; meant for a guest that does not write now." },
	{ "unmap", "NAME shared|private GPA SIZE", "take pages of a guest out of its page tables",
	  cmd_unmap, 4, 4, COMPLETE_GUEST, 0,
	  "    `shared` is all memory of a plain guest. It comes back, contents and all, with the next\n"
	  "    access. Private pages of a trust domain lose their contents." },
	{ "slot", "NAME list | add GPA SIZE | delete GPA | move GPA NEW-GPA | readonly GPA [on|off]",
	  "change the memory slots of a running guest", cmd_slot, 2, 4, COMPLETE_GUEST, COMMAND_JSON,
	  NULL },
	{ "churn", "NAME TEXT SECONDS [GPA SIZE]",
	  "change the page tables of all running guests at random until one prints a text", cmd_churn,
	  3, 5, COMPLETE_GUEST, COMMAND_JSON | COMMAND_VERDICT,
	  "    No guest notices. GPA SIZE: private memory of trust domains that may be taken away too." },
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
/* clang-format on */
