/*
 * shared.c - the half of a TD's address space that the host shares: the upper root entries of the
 * one EPT that this CPU walks.
 *
 * A TDX CPU walks two tables, chosen by the SHARED bit. Here there is one: the S-EPT's root entries
 * from the SHARED bit's index up are copies of those of the host's shared EPT root.
 *
 * Invariants
 *   - The module's own root entries (SHARED clear) are never written here.
 *   - Entries are refreshed before each stay up to the highest that was ever filled, and all of
 *     them when a shared access faults: the host may add an entry without a word, and takes one
 *     away only with the kick that ends the stay.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/vmx/soft_vmx.h"

#define EPT_HPA       BITS64(51, 12)
#define EPT_RWX       BITS64(2, 0)
#define EPT_LEAF      BIT64(7)
#define ROOT_SHIFT    39 /* of a 4-level table */

/*
 * The table whose upper part is shared: the root, or where the address space is so small that the
 * root has one entry (GPAW of 39 or less), the table below that entry. 0: not there yet.
 */
static uint64_t split_table(const struct soft_vcpu *v, uint64_t root)
{
	if (v->gpaw > ROOT_SHIFT)
		return root;
	return *(const uint64_t *)alias(root) & EPT_HPA;
}

/* Entries that one half of the address space takes there: also the index of the first shared one. */
static unsigned half_entries(const struct soft_vcpu *v)
{
	unsigned shift = v->gpaw > ROOT_SHIFT ? ROOT_SHIFT : ROOT_SHIFT - 9;

	if (v->sept_levels == 5)
		shift += 9;
	return v->gpaw > shift + 1 ? 1u << (v->gpaw - 1 - shift) : 1;
}

static bool copy_entries(uint64_t *to, const uint64_t *from, unsigned first, unsigned count)
{
	bool changed = false;

	for (unsigned i = first; i < first + count; i++) {
		if (to[i] != from[i]) {
			__atomic_store_n(&to[i], from[i], __ATOMIC_RELEASE);
			changed = true;
		}
	}
	return changed;
}

bool shared_root_sync(struct svmx_vcpu *b, struct soft_vcpu *v, bool all)
{
	unsigned first = half_entries(v);
	uint64_t theirs, mine;
	const uint64_t *host;

	if (!v->shared_root)
		return false;
	theirs = split_table(v, v->shared_root);
	mine = split_table(v, v->sept_root);
	if (!theirs || !mine)
		return false;
	host = alias(theirs);
	if (all) {
		for (unsigned i = b->shared_copied; i < first; i++)
			if (host[first + i])
				b->shared_copied = (uint16_t)(i + 1);
	}
	return copy_entries(alias(mine), host, first, b->shared_copied);
}

uint64_t shared_entry(const struct soft_vcpu *v, uint64_t gpa)
{
	uint64_t entry = v->shared_root;

	for (int level = v->sept_levels; level >= LEVEL_4K && entry; level--) {
		const uint64_t *table = alias(entry & EPT_HPA);

		entry = table[(gpa >> (PAGE_SHIFT + 9 * (level - 1))) & 511];
		if (!(entry & EPT_RWX) || (entry & EPT_LEAF))
			break;
	}
	return entry;
}
