/*
 * selftest.c - one function per promise. Contract: selftest.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/monitor/selftest.h"

#include <stdio.h>
#include <string.h>

#include "kernel/guest/guest.h"
#include "kernel/machine/cpu.h"
#include "kernel/machine/cpu_insn.h"
#include "kernel/machine/port.h"
#include "kernel/machine/time.h"
#include "kernel/machine/vmx.h"
#include "kernel/monitor/bench_guest.h"
#include "kernel/platform/platform.h"
#include "mmu/mmu.h"
#include "tdx/look.h"
#include "tdx/td.h"
#include "tdx/tdx.h"

#define BLOCK_ORDER  9 /* 2 MiB */
#define BLOCKS       4 /* that each CPU tests */
#define BLOCK_WORDS  (SIZE_2M / 8)
#define CPU_US       500000

#define TD_MEMORY    (UINT64_C(16) << 20)
#define TD_US        UINT64_C(30000000)
#define TD_STAY      (UINT64_C(1) << 21)

static char wrong_text[200];

/* ---- memory ---- */

static struct {
	uint32_t bad;      /* words that were not what was written; atomic */
	uint32_t blocks;   /* that were tested; atomic */
	uint64_t first;    /* address of one bad word */
} memory;

/* Every word holds its own address, then its complement. */
static bool block_holds(uint64_t *p)
{
	for (int round = 0; round < 2; round++) {
		uint64_t flip = round ? ~UINT64_C(0) : 0;

		for (uint64_t i = 0; i < BLOCK_WORDS; i++)
			*(volatile uint64_t *)&p[i] = (uint64_t)&p[i] ^ flip;
		for (uint64_t i = 0; i < BLOCK_WORDS; i++)
			if (*(volatile uint64_t *)&p[i] != ((uint64_t)&p[i] ^ flip)) {
				memory.first = ptr_to_hpa(&p[i]).v;
				return false;
			}
	}
	return true;
}

static void memory_here(void *arg)
{
	hpa_t block[BLOCKS];
	unsigned n = 0;
	uint64_t start = tsc_now(), limit = us_to_ticks(CPU_US);

	(void)arg;
	while (n < BLOCKS && tsc_now() - start < limit) {
		block[n] = pages_alloc_raw(PAGE_KERNEL, BLOCK_ORDER);
		if (hpa_is_none(block[n]))
			break;
		if (!block_holds(hpa_to_ptr(block[n])))
			__atomic_fetch_add(&memory.bad, 1, __ATOMIC_RELAXED);
		__atomic_fetch_add(&memory.blocks, 1, __ATOMIC_RELAXED);
		n++;
	}
	while (n)
		pages_free(block[--n], PAGE_KERNEL, BLOCK_ORDER);
}

static const char *memory_holds(void)
{
	memory.bad = memory.blocks = 0;
	cpu_call_all(memory_here, NULL);
	if (!memory.blocks)
		return "no 2 MiB of memory are free";
	if (!memory.bad)
		return NULL;
	snprintf(wrong_text, sizeof(wrong_text), "%u of %u blocks of 2 MiB do not, one at %#llx",
		 memory.bad, memory.blocks, (unsigned long long)memory.first);
	return wrong_text;
}

/* ---- a plain guest, and the MMU under it ---- */

static void first_finding(void *arg, const struct mmu_finding *m)
{
	bool *seen = arg;

	if (!*seen)
		snprintf(wrong_text, sizeof(wrong_text), "G%u: %s at gfn %#llx", m->rule, m->what,
			 (unsigned long long)m->gfn.v);
	*seen = true;
}

static const char *guest_runs(void)
{
	char why[160];

	if (bench_guest_open(LEVEL_4K, why, sizeof(why)) == 0)
		return NULL;
	snprintf(wrong_text, sizeof(wrong_text), "%s", why);
	return wrong_text;
}

static const char *tables_hold(void)
{
	bool seen = false;

	return mmu_check(bench_guest_mmu(), first_finding, &seen) ? wrong_text : NULL;
}

/* Its memory is taken away; it faults it in again, and writes the same. */
static const char *faults_are_served(void)
{
	uint64_t ticks;

	if (mmu_zap_range(bench_guest_mmu(), MMU_DIRECT, (gfn_t){ BENCH_AREA >> PAGE_SHIFT },
			  BENCH_FRAMES))
		return "its memory could not be unmapped";
	if (bench_guest_write(PAGE_SIZE, BENCH_FRAMES, &ticks))
		return "it did not go on after its memory was unmapped";
	return tables_hold();
}

static const struct {
	const char *promise;
	const char *(*test)(void);
} of_guest[] = {
	{ "a plain guest runs", guest_runs },
	{ "its page tables hold G1 to G7", tables_hold },
	{ "it faults in memory that was taken away", faults_are_served },
};

static void test_guest(const struct selftest_sink *sink)
{
	const char *wrong = NULL;

	for (size_t i = 0; i < ARRAY_LEN(of_guest); i++) {
		if (!vmx_available() || wrong) {
			sink->untried(of_guest[i].promise, wrong ? "no guest" : vmx_reason());
			continue;
		}
		wrong = of_guest[i].test();
		sink->promise(of_guest[i].promise, wrong);
	}
	bench_guest_close();
}

/* ---- the TDX module ---- */

static struct {
	uint32_t asked, refused; /* atomic */
} module;

static void ask_here(void *arg)
{
	(void)arg;
	__atomic_fetch_add(&module.asked, 1, __ATOMIC_RELAXED);
	if (!tdx_ok(tdx_ask_module()))
		__atomic_fetch_add(&module.refused, 1, __ATOMIC_RELAXED);
}

static const char *module_answers(void)
{
	module.asked = module.refused = 0;
	cpu_call_all(ask_here, NULL);
	if (!module.refused)
		return NULL;
	snprintf(wrong_text, sizeof(wrong_text), "%u of %u CPUs were refused TDH.SYS.RD", module.refused,
		 module.asked);
	return wrong_text;
}

/* ---- a trust domain ---- */

extern const char selftest_td_start[], selftest_td_end[];

static struct {
	struct guest_config config;
	struct platform platform;
	struct vcpu_run run;
	struct td *td;
	char said[64];
	size_t used;
} dom;

static void take_byte(void *ctx, uint8_t byte)
{
	(void)ctx;
	if (dom.used + 1 < sizeof(dom.said))
		dom.said[dom.used++] = (char)byte;
}

static bool has_spoken(void) { return strchr(dom.said, '\n') != NULL; }

static const char *td_is_built(void)
{
	const struct platform_config pc = { .name = "selftest", .memory_bytes = TD_MEMORY, .vcpus = 1,
					    .console = take_byte };
	char why[160];

	memset(&dom, 0, sizeof(dom));
	dom.config = (struct guest_config){
		.name = "selftest", .kind = GUEST_TD, .memory = TD_MEMORY, .vcpus = 1,
		.page_level = LEVEL_2M,
		.kernel = { .path = "built in", .data = selftest_td_start,
			    .size = (uint64_t)(selftest_td_end - selftest_td_start) },
	};
	if (platform_init(&dom.platform, &pc))
		return "no memory for its virtual PC";
	if (td_create(&dom.td, &dom.config, &dom.platform, &dom.run, why, sizeof(why)) == 0)
		return NULL;
	dom.td = NULL;
	platform_fini(&dom.platform);
	snprintf(wrong_text, sizeof(wrong_text), "%s", why);
	return wrong_text;
}

static enum vcpu_outcome run_once(void)
{
	uint64_t flags = irq_save();

	dom.run.slice_tsc = TD_STAY;

	enum vcpu_outcome outcome = td_vcpu_run(dom.td, 0);

	irq_restore(flags);
	return outcome;
}

/* It looks at itself, accepts its memory, writes and reads it, and tells. */
static const char *td_runs(void)
{
	uint64_t start = time_us();
	enum vcpu_outcome outcome = RUN_AGAIN;

	while (!has_spoken() && time_us() - start < TD_US &&
	       (outcome == RUN_AGAIN || outcome == RUN_WAIT)) {
		outcome = run_once();
		irq_window();
	}
	if (strcmp(dom.said, "selftest: ok\n") == 0)
		return NULL;
	dom.said[strcspn(dom.said, "\n")] = 0;
	snprintf(wrong_text, sizeof(wrong_text), "it said \"%s\"; %s", dom.said,
		 outcome == RUN_DEAD || outcome == RUN_STOPPED ? dom.run.reason : "then nothing");
	return wrong_text;
}

static const char *td_tables_hold(void)
{
	bool seen = false;

	return mmu_check(td_mmu(dom.td), first_finding, &seen) ? wrong_text : NULL;
}

static const char *td_gives_back(void)
{
	uint64_t leaked = td_destroy(dom.td);

	dom.td = NULL;
	platform_fini(&dom.platform);
	if (!leaked)
		return NULL;
	snprintf(wrong_text, sizeof(wrong_text), "%llu pages leaked", (unsigned long long)leaked);
	return wrong_text;
}

static const struct {
	const char *promise;
	const char *(*test)(void);
} of_td[] = {
	{ "every CPU's SEAMCALL is answered", module_answers },
	{ "a trust domain is built and measured", td_is_built },
	{ "it runs, accepts its memory and prints", td_runs },
	{ "mirror and Secure EPT agree", td_tables_hold },
	{ "its teardown gives every page back", td_gives_back },
};

static void test_td(const struct selftest_sink *sink)
{
	bool ready = tdx_phase() == TDX_READY;
	bool built = false;

	for (size_t i = 0; i < ARRAY_LEN(of_td); i++) {
		const char *wrong;

		if (!ready || (i > 1 && !built)) {
			sink->untried(of_td[i].promise, ready ? "no trust domain" : "no TDX module is ready");
			continue;
		}
		wrong = of_td[i].test();
		built |= of_td[i].test == td_is_built && !wrong;
		sink->promise(of_td[i].promise, wrong);
	}
}

void rooms_selftest(const struct selftest_sink *sink)
{
	sink->promise("memory holds what every CPU writes", memory_holds());
	test_guest(sink);
	guests_open_td_gate();
	test_td(sink);
}
