/*
 * walk.c - the bytes of code at a guest's RIP: the guest's own page tables, then its S-EPT.
 *
 * TDCALL has no exit of its own on this CPU: it is an undefined instruction that only its bytes tell
 * from any other.
 *
 * Invariants
 *   - Guest tables are read as they are now, at each call: the guest changes them without a word. A
 *     walk is not repeated where every entry on the way still holds what it held.
 *   - Private frames are remembered per LP as a CPU remembers them: until flush_tlb(). So after
 *     TDH.MEM.TRACK and the exits that it asks for nothing stale is left, as the ABI has it.
 *   - Only private memory holds code: the SHARED bit ends the walk.
 *
 * SDM volume 3A, "4-Level Paging and 5-Level Paging".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/vmx/soft_vmx.h"

#define PTE_P    BIT64(0)
#define PTE_LEAF BIT64(7)
#define PTE_ADDR BITS64(51, 12)
#define EPT_RWX  BITS64(2, 0)
#define CS_L     BIT64(13)
#define NOWHERE  (~UINT64_C(0))

static unsigned index_at(uint64_t address, int level)
{
	return (unsigned)(address >> (PAGE_SHIFT + 9 * (level - 1))) & 511;
}

/* The host page of a private guest page, by the S-EPT; NOWHERE if it is not mapped. */
static uint64_t sept_lookup(const struct soft_vcpu *v, uint64_t gpa)
{
	uint64_t table = v->sept_root;

	for (int level = v->sept_levels; level >= LEVEL_4K; level--) {
		const uint64_t *entries = alias(table & PTE_ADDR);
		uint64_t e = __atomic_load_n(&entries[index_at(gpa, level)], __ATOMIC_ACQUIRE);

		if (!(e & EPT_RWX))
			return NOWHERE;
		if (level == LEVEL_4K || (e & PTE_LEAF)) {
			uint64_t offset = level_size(level) - 1;

			return (e & PTE_ADDR & ~offset) | (gpa & offset & PTE_ADDR);
		}
		table = e;
	}
	return NOWHERE;
}

static uint64_t gpa_to_page(struct svmx_lp *me, const struct soft_vcpu *v, uint64_t gpa)
{
	uint64_t gfn = gpa >> PAGE_SHIFT;
	struct svmx_tlb *t = &me->tlb[gfn % TLB_ENTRIES];

	if (likely(t->root == v->sept_root && t->gfn == gfn))
		return t->hpa;
	if (gpa >> (v->gpaw - 1)) /* SHARED, or beyond */
		return NOWHERE;

	uint64_t hpa = sept_lookup(v, gpa);

	if (hpa != NOWHERE)
		*t = (struct svmx_tlb){ .root = v->sept_root, .gfn = gfn, .hpa = hpa };
	return hpa;
}

void tlb_drop(struct svmx_lp *me)
{
	for (unsigned i = 0; i < TLB_ENTRIES; i++)
		me->tlb[i].root = 0;
	me->fetch.root = 0;
}

/*
 * Guest-physical address of a linear one; NOWHERE if the guest's tables do not map it. The entries
 * passed are noted in @f, whose control registers are those of the guest.
 */
static uint64_t linear_to_gpa(struct svmx_lp *me, const struct soft_vcpu *v, uint64_t linear,
			      struct svmx_fetch *f)
{
	uint64_t entry = f->cr3;

	f->depth = 0;
	if (!(f->cr0 & CR0_PG))
		return linear & UINT32_MAX;
	/* EFER.LME is always set in a TD: paging is 4-level or 5-level paging. */
	for (int level = (f->cr4 & CR4_LA57) ? LEVEL_256T : LEVEL_512G; level >= LEVEL_4K; level--) {
		uint64_t page = gpa_to_page(me, v, entry & PTE_ADDR);
		const uint64_t *slot;

		if (page == NOWHERE)
			return NOWHERE;
		slot = &((const uint64_t *)alias(page))[index_at(linear, level)];
		entry = *slot;
		f->entry[f->depth] = slot;
		f->value[f->depth++] = entry;
		if (!(entry & PTE_P))
			return NOWHERE;
		if (level == LEVEL_4K || (level <= LEVEL_1G && (entry & PTE_LEAF))) {
			uint64_t offset = level_size(level) - 1;

			return (entry & PTE_ADDR & ~offset) | (linear & offset);
		}
	}
	return NOWHERE;
}

/* Where the byte at @linear is; NULL if the guest itself could not read it. */
static const void *code_at(struct svmx_lp *me, const struct soft_vcpu *v, uint64_t linear,
			   struct svmx_fetch *f)
{
	uint64_t gpa = linear_to_gpa(me, v, linear, f), page;

	if (gpa == NOWHERE)
		return NULL;
	page = gpa_to_page(me, v, gpa);
	return page == NOWHERE ? NULL : alias(page + (gpa & (PAGE_SIZE - 1)));
}

/* The bytes lie in two pages. */
static bool code_across(struct svmx_lp *me, const struct soft_vcpu *v, uint64_t linear,
			struct svmx_fetch *f, uint32_t *code)
{
	for (unsigned i = 0; i < sizeof(*code); i++) {
		const uint8_t *byte = code_at(me, v, linear + i, f);

		if (!byte)
			return false;
		((uint8_t *)code)[i] = *byte;
	}
	return true;
}

static bool same_walk(const struct svmx_fetch *old, const struct svmx_fetch *now)
{
	if (old->root != now->root || old->linear != now->linear || old->cr3 != now->cr3 ||
	    old->cr0 != now->cr0 || old->cr4 != now->cr4)
		return false;
	for (unsigned i = 0; i < old->depth; i++)
		if (*old->entry[i] != old->value[i])
			return false;
	return true;
}

bool guest_code(struct svmx_lp *me, struct soft_vcpu *v, uint32_t *code)
{
	struct svmx_fetch now = {
		.root = v->sept_root,
		.linear = vmcs_read(VMCS_GUEST_RIP),
		.cr0 = vmcs_read(VMCS_GUEST_CR0),
		.cr3 = vmcs_read(VMCS_GUEST_CR3),
		.cr4 = vmcs_read(VMCS_GUEST_CR4),
	};

	if (!(vmcs_read(VMCS_GUEST_CS_ACCESS) & CS_L))
		now.linear = (now.linear + vmcs_read(VMCS_GUEST_CS_BASE)) & UINT32_MAX;
	if (unlikely(!same_walk(&me->fetch, &now))) {
		me->fetch.root = 0;
		if ((now.linear & (PAGE_SIZE - 1)) > PAGE_SIZE - sizeof(*code))
			return code_across(me, v, now.linear, &now, code);
		now.code = code_at(me, v, now.linear, &now);
		if (!now.code)
			return false;
		me->fetch = now;
	}
	*code = *me->fetch.code; /* unaligned, as the CPU allows */
	return true;
}
