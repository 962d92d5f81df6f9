/*
 * cmd_check.c - commands that prove something: invariants of the running machine, and the
 * self-tests of its rooms.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/guest/guest.h"
#include "kernel/machine/port.h"
#include "kernel/machine/selftest.h"
#include "kernel/machine/time.h"
#include "kernel/monitor/command.h"
#include "kernel/monitor/monitor.h"
#include "kernel/monitor/selftest.h"
#include "mmu/mmu.h"

/* ------------------------------------------------------------------ check */

/* Pages by owner before any guest was started. */
static uint64_t baseline[PAGE_OWNER_COUNT];

void monitor_check_begin(void)
{
	for (unsigned i = 0; i < PAGE_OWNER_COUNT; i++)
		baseline[i] = page_count((enum page_owner)i);
}

struct finding {
	bool good;
	char text[120];
};

static void say(struct finding *f, bool good, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void say(struct finding *f, bool good, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
	f->good = good;
}

static void no_page_is_lost(struct finding *f)
{
	uint64_t before = 0, now = 0;

	for (unsigned i = 0; i < PAGE_OWNER_COUNT; i++) {
		before += baseline[i];
		now += page_count((enum page_owner)i);
	}
	say(f, before == now, "%llu pages at start, %llu now", (unsigned long long)before,
	    (unsigned long long)now);
}

static void no_page_is_leaked(struct finding *f)
{
	uint64_t leaked = page_count(PAGE_LEAKED);

	say(f, leaked == 0, "%llu leaked", (unsigned long long)leaked);
}

/* Owners whose pages a guest brings and takes along. */
static const enum page_owner of_guests[] = { PAGE_MMU,         PAGE_GUEST,    PAGE_VMX,
					     PAGE_TDX_CONTROL, PAGE_TDX_SEPT, PAGE_TDX_PRIVATE };

static unsigned running_guests(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < guest_count(); i++)
		n += !guest_ended(guest_at(i));
	return n;
}

static void pages_of_ended_guests_are_back(struct finding *f)
{
	uint64_t before = 0, now = 0;
	unsigned running = running_guests();

	for (size_t i = 0; i < ARRAY_LEN(of_guests); i++) {
		before += baseline[of_guests[i]];
		now += page_count(of_guests[i]);
	}
	if (running)
		say(f, true, "%u guests run and hold %llu pages: asked again when they have ended",
		    running, (unsigned long long)(now - before));
	else
		say(f, now == before, "%llu pages before the first start, %llu now",
		    (unsigned long long)before, (unsigned long long)now);
}

/* The first thing that a walk of one guest's page tables finds. */
static void first_finding(void *arg, const struct mmu_finding *m)
{
	struct finding *f = arg;
	char name[40];

	if (!f->good)
		return;
	snprintf(name, sizeof(name), "%s", f->text);
	say(f, false, "%s, G%u: %s at gfn %#llx, level %d", name, m->rule, m->what,
	    (unsigned long long)m->gfn.v, m->level);
}

static void page_tables_hold(struct finding *f)
{
	unsigned checked = 0;

	for (unsigned i = 0; i < guest_count(); i++) {
		const struct guest *g = guest_at(i);
		struct mmu *mmu = guest_ended(g) ? NULL : guest_mmu(g);

		if (!mmu)
			continue;
		monitor_progress(g->config->name, i, guest_count());
		if (monitor_interrupted())
			return;
		say(f, true, "%s", g->config->name);
		checked++;
		if (mmu_check(mmu, first_finding, f) > 0)
			return;
	}
	say(f, true, "%u guests walked, G1 to G7", checked);
}

static const struct invariant {
	const char *name;
	void (*look)(struct finding *f);
} invariants[] = {
	{ "no page is lost", no_page_is_lost },
	{ "no page is leaked", no_page_is_leaked },
	{ "pages of ended guests are back", pages_of_ended_guests_are_back },
	{ "page tables say the truth", page_tables_hold },
};

static int cmd_check(struct call *c)
{
	unsigned broken = 0;

	out_table(c->out);
	for (size_t i = 0; i < ARRAY_LEN(invariants); i++) {
		struct finding f = { 0 };

		invariants[i].look(&f);
		broken += !f.good;
		out_row(c->out);
		out_text(c->out, "invariant", invariants[i].name);
		out_bool(c->out, "holds", f.good);
		out_text(c->out, "finding", f.text);
	}
	out_end(c->out);
	return broken ? command_fail(c, "%u invariants are broken", broken) : 0;
}

/* ------------------------------------------------------------------ selftest */

/* The rooms' reports have no context of their own; one command runs at a time. */
static struct {
	struct out *to;
	unsigned kept, broken, untried;
	char why[160]; /* of the first that was not tried */
} test;

static void report(const char *promise, const char *wrong)
{
	test.broken += wrong != NULL;
	test.kept += wrong == NULL;
	out_row(test.to);
	out_text(test.to, "promise", promise);
	out_bool(test.to, "kept", !wrong);
	out_text(test.to, "finding", wrong ? wrong : "");
}

static void report_untried(const char *promise, const char *why)
{
	(void)promise;
	if (!test.untried++)
		snprintf(test.why, sizeof(test.why), "%s", why);
}

static int cmd_selftest(struct call *c)
{
	static const struct selftest_sink sink = { report, report_untried };
	uint64_t start = time_us();

	memset(&test, 0, sizeof(test));
	test.to = c->out;
	out_table(c->out);
	(void)machine_selftest(report);
	rooms_selftest(&sink);
	out_end(c->out);
	if (test.untried)
		out_printf(c->out, "not tried: %u: %s\n", test.untried, test.why);
	out_printf(c->out, "%s in %llu ms: %u passed, %u failed\n",
		   test.broken    ? "NOT GOOD"
		   : test.untried ? "good as far as it was tried"
				  : "good",
		   (unsigned long long)((time_us() - start) / 1000), test.kept, test.broken);
	return test.broken ? command_fail(c, "%u promises are broken", test.broken) : 0;
}

/* clang-format off */
const struct command check_commands[] = {
	{ "check", "", "prove the invariants of what runs now", cmd_check, 0, 0, COMPLETE_NOTHING,
	  COMMAND_JSON | COMMAND_VERDICT, NULL },
	{ "selftest", "", "try this machine: memory, CPUs, a plain guest, the TDX module, a TD",
	  cmd_selftest, 0, 0, COMPLETE_NOTHING, COMMAND_JSON | COMMAND_VERDICT,
	  "    Needs no file and less than a minute; what runs already goes on running." },
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
/* clang-format on */
