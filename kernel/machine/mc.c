/*
 * mc.c - the handler of machine checks.
 *
 * Keeps the invariants of mc.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/machine/mc.h"

#include <stdio.h>

#include "kernel/machine/cpu.h"
#include "kernel/machine/cpu_insn.h"
#include "kernel/machine/room.h"
#include "kernel/machine/trap.h"

#define MSR_MCG_CAP    0x179
#define MSR_MCG_STATUS 0x17a
#define MSR_MC0_STATUS 0x401
#define MSR_MC0_ADDR   0x402
#define MSRS_OF_BANK   4
#define CPUID_MCA      BIT32(14) /* leaf 1, EDX */
#define BANKS_MAX      64u
#define WAITING_MAX    16u
#define BAD_MAX        64u

static struct {
	struct mc_finding waiting[WAITING_MAX];
	uint32_t written, taken; /* atomic */
	uint64_t bad[BAD_MAX];   /* page frames + 1 */
	uint32_t bad_count;      /* atomic */
	struct mc_bank pretended;
	uint32_t pretend; /* atomic: there is one */
} mc;

void mc_pretend(const struct mc_bank *bank)
{
	mc.pretended = *bank;
	__atomic_store_n(&mc.pretend, 1, __ATOMIC_RELEASE);
}

/* The CPU's banks, with MCG_STATUS; what was read is cleared. Returns how many. */
static unsigned read_banks(struct mc_bank banks[BANKS_MAX], uint64_t *mcg_status)
{
	uint64_t cap = 0;
	unsigned count;

	*mcg_status = MCG_RIPV;
	if (!(cpuid(1, 0).edx & CPUID_MCA) || msr_read_safe(MSR_MCG_CAP, &cap) ||
	    msr_read_safe(MSR_MCG_STATUS, mcg_status))
		return 0;
	count = (cap & 0xff) < BANKS_MAX ? (unsigned)(cap & 0xff) : BANKS_MAX;
	for (unsigned i = 0; i < count; i++) {
		banks[i] = (struct mc_bank){ 0 };
		if (msr_read_safe(MSR_MC0_STATUS + i * MSRS_OF_BANK, &banks[i].status) ||
		    !(banks[i].status & MCI_VALID))
			continue;
		if (banks[i].status & MCI_ADDRV)
			(void)!msr_read_safe(MSR_MC0_ADDR + i * MSRS_OF_BANK, &banks[i].address);
	}
	return count;
}

static void clear_banks(const struct mc_bank *banks, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (banks[i].status & MCI_VALID)
			(void)!msr_write_safe(MSR_MC0_STATUS + i * MSRS_OF_BANK, 0);
	(void)!msr_write_safe(MSR_MCG_STATUS, 0);
}

static bool keep(const struct mc_finding *f)
{
	uint32_t bad = __atomic_fetch_add(&mc.bad_count, 1, __ATOMIC_ACQ_REL);
	uint32_t at = __atomic_load_n(&mc.written, __ATOMIC_ACQUIRE);

	if (bad >= BAD_MAX || at - __atomic_load_n(&mc.taken, __ATOMIC_ACQUIRE) >= WAITING_MAX)
		return false;
	__atomic_store_n(&mc.bad[bad], (f->page.v >> PAGE_SHIFT) + 1, __ATOMIC_RELEASE);
	mc.waiting[at % WAITING_MAX] = *f;
	__atomic_store_n(&mc.written, at + 1, __ATOMIC_RELEASE);
	return true;
}

bool mc_handle(char *why, size_t size)
{
	static struct mc_bank banks[BANKS_MAX];
	static uint32_t busy; /* machine checks come to all CPUs at once: one looks at a time */
	uint64_t mcg_status;
	struct mc_finding f;
	unsigned count, own;
	bool goes_on;
	char text[160];

	while (__atomic_exchange_n(&busy, 1, __ATOMIC_ACQUIRE))
		cpu_pause();
	own = count = read_banks(banks, &mcg_status);
	if (count == BANKS_MAX)
		count--;
	if (__atomic_exchange_n(&mc.pretend, 0, __ATOMIC_ACQUIRE)) {
		banks[count++] = mc.pretended;
		mcg_status |= MCG_RIPV;
	}
	mc_judge(mcg_status, banks, count, page_owner_of, &f);
	f.cpu = cpu_index();
	goes_on = f.verdict == MC_NOTHING || (f.verdict == MC_GUEST_PAGE && keep(&f));
	if (goes_on)
		clear_banks(banks, own);
	__atomic_store_n(&busy, 0, __ATOMIC_RELEASE);
	if (!goes_on)
		snprintf(why, size, "#MC machine check: %s", mc_text(&f, text, sizeof(text)));
	return goes_on;
}

bool mc_take(struct mc_finding *out)
{
	uint32_t at = __atomic_load_n(&mc.taken, __ATOMIC_RELAXED);

	if (at == __atomic_load_n(&mc.written, __ATOMIC_ACQUIRE))
		return false;
	*out = mc.waiting[at % WAITING_MAX];
	__atomic_store_n(&mc.taken, at + 1, __ATOMIC_RELEASE);
	return true;
}

bool mc_is_bad(hpa_t base, unsigned order)
{
	uint64_t first = base.v >> PAGE_SHIFT, count = UINT64_C(1) << order;
	uint32_t n = __atomic_load_n(&mc.bad_count, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < n && i < BAD_MAX; i++) {
		uint64_t frame = __atomic_load_n(&mc.bad[i], __ATOMIC_ACQUIRE) - 1;

		if (frame >= first && frame < first + count)
			return true;
	}
	return false;
}
