/*
 * mc_judge.c - what the banks of a machine check mean together.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>

#include "kernel/machine/mc.h"

static bool is_guests(enum page_owner owner)
{
	return owner == PAGE_TDX_PRIVATE || owner == PAGE_GUEST;
}

/* Of one bank that holds an uncorrected error; NULL: it can be borne. */
static const char *why_fatal(uint64_t mcg_status, const struct mc_bank *b, enum page_owner owner)
{
	if (b->status & MCI_PCC)
		return "the processor's state is lost";
	if (b->status & MCI_OVER)
		return "there was another error before it";
	if (!(mcg_status & MCG_RIPV))
		return "what ran cannot be resumed";
	if (!(b->status & MCI_ADDRV))
		return "it names no page";
	if (!is_guests(owner))
		return "the page is no guest's";
	return NULL;
}

/* Uncorrected, but neither signalled nor to be acted on: the page is bad, nobody has read it. */
static bool is_silent(const struct mc_bank *b)
{
	return !(b->status & (MCI_PCC | MCI_S | MCI_AR)) && (b->status & MCI_EN) == 0;
}

void mc_judge(uint64_t mcg_status, const struct mc_bank *banks, unsigned count,
	      enum page_owner (*owner_of)(hpa_t page), struct mc_finding *out)
{
	*out = (struct mc_finding){ .verdict = MC_NOTHING, .page = HPA_NONE };
	for (unsigned i = 0; i < count && out->verdict != MC_FATAL; i++) {
		const struct mc_bank *b = &banks[i];
		struct mc_finding f = { .bank = i, .status = b->status, .page = HPA_NONE };

		if (!(b->status & MCI_VALID) || !(b->status & MCI_UC) || is_silent(b))
			continue;
		if (b->status & MCI_ADDRV) {
			f.page = (hpa_t){ b->address & BITS64(51, 12) };
			f.owner = owner_of(f.page);
		}
		f.why = why_fatal(mcg_status, b, f.owner);
		f.verdict = f.why ? MC_FATAL : MC_GUEST_PAGE;
		/* Two guests' pages at once are more than one finding can tell of. */
		if (!f.why && out->verdict == MC_GUEST_PAGE && out->page.v != f.page.v) {
			f.why = "several pages at once";
			f.verdict = MC_FATAL;
		}
		*out = f;
	}
	if (out->verdict == MC_NOTHING && !(mcg_status & MCG_RIPV)) {
		out->verdict = MC_FATAL;
		out->why = "what ran cannot be resumed";
	}
}

const char *mc_text(const struct mc_finding *f, char *buf, size_t size)
{
	static const char *const owners[PAGE_OWNER_COUNT] = {
		[PAGE_FREE] = "free", [PAGE_KERNEL] = "kernel", [PAGE_TABLES] = "page tables",
		[PAGE_MMU] = "mmu", [PAGE_GUEST] = "a plain guest's or shared", [PAGE_VMX] = "vmx",
		[PAGE_TDX_PAMT] = "PAMT", [PAGE_TDX_CONTROL] = "a TD's control page",
		[PAGE_TDX_SEPT] = "a TD's Secure EPT", [PAGE_TDX_PRIVATE] = "a TD's private memory",
		[PAGE_SOFT] = "software module", [PAGE_LEAKED] = "leaked",
	};
	char page[80] = "no page";

	if (!hpa_is_none(f->page))
		snprintf(page, sizeof(page), "page 0x%llx (%s)", (unsigned long long)f->page.v,
			 f->owner < PAGE_OWNER_COUNT ? owners[f->owner] : "not memory of ours");
	snprintf(buf, size, "bank %u, status %llx, %s%s%s", f->bank, (unsigned long long)f->status, page,
		 f->why ? ": " : "", f->why ? f->why : "");
	return buf;
}
