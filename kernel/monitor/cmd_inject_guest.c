/*
 * cmd_inject_guest.c - faults for one guest, and for whoever allocates memory.
 *
 *     inject irq NAME VECTOR [VCPU]       an interrupt that no device sent
 *     inject nmi|mc NAME [VCPU]           an NMI; a machine check (plain guests)
 *     inject page NAME GPA                the page goes from under the guest
 *     inject bad-page NAME [GPA]          a machine check in one of its pages
 *     inject cpuid NAME LEAF REG VALUE    wrong answers: each with nth=, times=, chance=, seed=
 *     inject msr|port|mmio NAME WHERE VALUE
 *     inject memory nth=N ...             the n-th allocation from now on fails
 *     inject list, inject off [NAME]      all rules and what they did; no more of them
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/dice.h"
#include "kernel/guest/guest.h"
#include "kernel/machine/cpu_insn.h"
#include "kernel/machine/mc.h"
#include "kernel/machine/page_fault.h"
#include "kernel/monitor/cmd_inject.h"
#include "kernel/vmx/vm.h"
#include "mmu/mmu.h"
#include "tdx/td.h"

#define BAD_PAGE_SEARCH UINT64_C(4096)

static int number(struct call *c, int at, uint64_t max, uint64_t *out)
{
	char *end;

	*out = strtoull(c->argv[at], &end, 0);
	if (end == c->argv[at] || *end || *out > max)
		return command_fail(c, "'%.30s' is no number up to %#llx", c->argv[at],
				    (unsigned long long)max);
	return 0;
}

/* ------------------------------------------------------------------ dice */

static const struct {
	const char *name;
	size_t field, bytes;
} dice_words[] = {
	{ "nth=", offsetof(struct dice, nth), 4 },
	{ "times=", offsetof(struct dice, times), 4 },
	{ "chance=", offsetof(struct dice, chance), 4 },
	{ "seed=", offsetof(struct dice, seed), 8 },
};

int inject_dice(struct call *c, int from, struct dice *d)
{
	*d = (struct dice){ .nth = 1, .times = 1, .chance = DICE_ALWAYS };
	for (int i = from; i < c->argc; i++) {
		const char *word = c->argv[i];
		size_t k = 0;

		while (k < ARRAY_LEN(dice_words) &&
		       strncmp(word, dice_words[k].name, strlen(dice_words[k].name)) != 0)
			k++;
		if (k == ARRAY_LEN(dice_words))
			return command_fail(c, "'%.30s': expected nth=, times=, chance= or seed=", word);

		char *end;
		uint64_t v = strtoull(word + strlen(dice_words[k].name), &end, 0);

		if (*end || end == word + strlen(dice_words[k].name))
			return command_fail(c, "'%.30s' has no number", word);
		memcpy((char *)d + dice_words[k].field, &v, dice_words[k].bytes);
	}
	if (d->nth == 0 || d->chance > DICE_ALWAYS)
		return command_fail(c, "nth counts from 1, chance is of %u", DICE_ALWAYS);
	return 0;
}

void inject_row(struct out *out, const char *target, const char *rule, const struct dice *d)
{
	out_row(out);
	out_text(out, "target", target);
	out_text(out, "rule", rule);
	out_number(out, "nth", d->nth);
	out_number(out, "times", d->times);
	out_number(out, "chance", d->chance);
	out_number(out, "seed", d->seed);
	out_number(out, "calls", d->calls);
	out_number(out, "hits", d->hits);
}

/* ------------------------------------------------------------------ events */

static int guest_of(struct call *c, struct guest **g)
{
	if (c->argc < 2)
		return command_fail(c, "of which guest? see `help inject`");
	*g = guest_find(c->argv[1]);
	return *g ? 0 : command_fail(c, "no guest '%.40s'", c->argv[1]);
}

static int event(struct call *c, enum vm_event what, int words)
{
	uint64_t vector = 0, vcpu = 0;
	struct guest *g;

	if (guest_of(c, &g))
		return -1;
	if (c->argc < words || c->argc > words + 1)
		return command_fail(c, "expected: inject %s NAME%s [VCPU]", c->argv[0],
				    what == VM_EVENT_IRQ ? " VECTOR" : "");
	if ((what == VM_EVENT_IRQ && number(c, 2, 255, &vector)) ||
	    (c->argc > words && number(c, words, g->config->vcpus - 1, &vcpu)))
		return -1;
	if (g->state != GUEST_RUNNING)
		return command_fail(c, "%s does not run", g->config->name);
	if (g->td && what == VM_EVENT_MC)
		return command_fail(c, "the TDX module lets no host put an exception into a TD");
	if (g->vm ? vm_inject_event(g->vm, (unsigned)vcpu, what, (uint8_t)vector)
		  : td_inject_event(g->td, (unsigned)vcpu, what == VM_EVENT_NMI, (uint8_t)vector))
		return command_fail(c, "vectors below 16 cannot be sent");
	return 0;
}

static int inject_irq(struct call *c) { return event(c, VM_EVENT_IRQ, 3); }
static int inject_nmi(struct call *c) { return event(c, VM_EVENT_NMI, 2); }
static int inject_mc(struct call *c) { return event(c, VM_EVENT_MC, 2); }

static int inject_page(struct call *c)
{
	struct guest *g;
	uint64_t gpa;

	if (guest_of(c, &g) || (c->argc != 3 && command_fail(c, "expected: inject page NAME GPA")) ||
	    number(c, 2, BITS64(51, 0), &gpa))
		return -1;
	if (!guest_mmu(g))
		return command_fail(c, "%s does not run", g->config->name);

	int err = mmu_zap_range(guest_mmu(g), g->td ? MMU_MIRROR : MMU_DIRECT,
				(gfn_t){ gpa >> PAGE_SHIFT }, 1);

	return err ? command_fail(c, "it did not go (error %d)", err) : 0;
}

/* The first frame of the 16 MiB from @gpa on that @g has. */
static bool some_page(const struct guest *g, uint64_t gpa, hpa_t *page)
{
	for (uint64_t i = 0; i < BAD_PAGE_SEARCH; i++) {
		gfn_t gfn = { (gpa >> PAGE_SHIFT) + i };
		int level;
		spte_t s = mmu_lookup(guest_mmu(g), g->td ? MMU_MIRROR : MMU_DIRECT, gfn, &level);

		if (!spte_is_present(s) || !(s.raw & SPTE_LEAF))
			continue;
		*page = pfn_to_hpa(spte_pfn(s));
		return true;
	}
	return false;
}

/* As the CPU says it: uncorrected, to be acted on, in that page; what ran can go on. */
static int inject_bad_page(struct call *c)
{
	struct mc_bank bank = { .status = MCI_VALID | MCI_UC | MCI_EN | MCI_ADDRV | MCI_S | MCI_AR };
	struct guest *g;
	uint64_t gpa = 0;
	hpa_t page;

	if (guest_of(c, &g) || (c->argc > 3 && command_fail(c, "expected: inject bad-page NAME [GPA]")) ||
	    (c->argc == 3 && number(c, 2, BITS64(51, 0), &gpa)))
		return -1;
	if (!guest_mmu(g) || !some_page(g, gpa, &page))
		return command_fail(c, "%s has no page there", g->config->name);
	bank.address = page.v;
	mc_pretend(&bank);
	raise_machine_check();
	return 0;
}

/* ------------------------------------------------------------------ wrong answers */

static const char *const fault_names[FAULT_KINDS] = { "cpuid", "msr", "port", "mmio" };
static const char *const register_names[4] = { "eax", "ebx", "ecx", "edx" };

static int wrong_answer(struct call *c, enum fault_kind kind)
{
	struct fault_rule rule = { .kind = kind };
	int at = kind == FAULT_CPUID ? 4 : 3;
	struct guest *g;

	if (guest_of(c, &g))
		return -1;
	if (c->argc <= at)
		return command_fail(c, "expected: inject %s NAME %s VALUE [nth=N] [times=N] [chance=N] [seed=N]",
				    c->argv[0], kind == FAULT_CPUID ? "LEAF REGISTER" : "WHERE");
	if (number(c, 2, kind == FAULT_PORT ? UINT16_MAX : kind == FAULT_MMIO ? UINT64_MAX : UINT32_MAX,
		   &rule.key) ||
	    number(c, at, UINT64_MAX, &rule.value) || inject_dice(c, at + 1, &rule.dice))
		return -1;
	while (kind == FAULT_CPUID && strcmp(c->argv[3], register_names[rule.reg]) != 0)
		if (++rule.reg == ARRAY_LEN(register_names))
			return command_fail(c, "'%.20s' is none of eax, ebx, ecx, edx", c->argv[3]);
	if (kind == FAULT_MSR && g->config->kind != GUEST_TD && !vm_msr_is_answered((uint32_t)rule.key))
		return command_fail(c, "RDMSR of %#llx is answered by the CPU itself, or with #GP: no rule is asked",
				    (unsigned long long)rule.key);
	if (fault_add(&g->faults, &rule))
		return command_fail(c, "%u rules are there already: inject off %s", FAULT_RULES,
				    g->config->name);
	if (g->vm)
		vm_cpuid_again(g->vm);
	return 0;
}

static int inject_cpuid(struct call *c) { return wrong_answer(c, FAULT_CPUID); }
static int inject_msr(struct call *c) { return wrong_answer(c, FAULT_MSR); }
static int inject_port(struct call *c) { return wrong_answer(c, FAULT_PORT); }
static int inject_mmio(struct call *c) { return wrong_answer(c, FAULT_MMIO); }

/* ------------------------------------------------------------------ memory, list, off */

static int inject_memory(struct call *c)
{
	struct dice d;

	if (inject_dice(c, 1, &d))
		return -1;
	page_fault_set(&d);
	return 0;
}

static unsigned list_guest(struct call *c, const struct guest *g)
{
	for (uint32_t i = 0; i < g->faults.count; i++) {
		const struct fault_rule *r = &g->faults.rule[i];
		bool cpuid = r->kind == FAULT_CPUID;
		char text[80];

		snprintf(text, sizeof(text), "%s %#llx %s%s%#llx", fault_names[r->kind],
			 (unsigned long long)r->key, cpuid ? register_names[r->reg] : "", cpuid ? " " : "",
			 (unsigned long long)r->value);
		inject_row(c->out, g->config->name, text, &r->dice);
	}
	return g->faults.count;
}

static int inject_list(struct call *c)
{
	unsigned rows = 0;
	struct dice d;

	out_table(c->out);
	for (unsigned i = 0; i < guest_count(); i++)
		rows += list_guest(c, guest_at(i));
	page_fault_get(&d);
	if (d.nth)
		inject_row(c->out, "memory", "the allocation fails", &d);
	rows += (d.nth != 0) + inject_tdh_rows(c->out);
	out_end(c->out);
	if (!rows)
		out_printf(c->out, "no rules\n");
	return 0;
}

static void clear(struct guest *g)
{
	fault_clear(&g->faults);
	if (g->vm)
		vm_cpuid_again(g->vm);
}

static int inject_off(struct call *c)
{
	static const struct dice none;
	struct guest *g;

	if (c->argc > 1) {
		if (guest_of(c, &g))
			return -1;
		clear(g);
		return 0;
	}
	page_fault_set(&none);
	for (unsigned i = 0; i < guest_count(); i++)
		clear(guest_at(i));
	inject_tdh_off();
	return 0;
}

const struct injection guest_injections[] = {
	{ "irq", inject_irq },	   { "nmi", inject_nmi },   { "mc", inject_mc },
	{ "page", inject_page },   { "bad-page", inject_bad_page }, { "cpuid", inject_cpuid }, { "msr", inject_msr },
	{ "port", inject_port },   { "mmio", inject_mmio }, { "memory", inject_memory },
	{ "list", inject_list },   { "off", inject_off },   { NULL, NULL },
};
