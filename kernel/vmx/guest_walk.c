/*
 * guest_walk.c - the guest's page walk. All paging modes are one walk with different numbers:
 *
 *              levels  bits a level  bytes an entry  large page at level
 *     32-bit      2         10             4              2 (4 MiB, CR4.PSE)
 *     PAE         3          9             8              2 (2 MiB)
 *     4-level     4          9             8              2, 3 (2 MiB, 1 GiB)
 *
 * SDM volume 3A, chapter "Paging".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/vmx/guest_walk.h"

#include <errno.h>

#include "kernel/machine/cpu_insn.h"
#include "kernel/platform/memory.h"

#define CR4_PSE  BIT64(4)
#define EFER_LMA BIT64(10)

#define PTE_PRESENT BIT64(0)
#define PTE_WRITE   BIT64(1)
#define PTE_USER    BIT64(2)
#define PTE_LARGE   BIT64(7)
#define PTE_FRAME   BITS64(51, 12)

struct shape {
	unsigned levels, index_bits, entry_bytes;
	unsigned top_index_bits; /* PAE: only two */
	uint64_t root;
};

static struct shape shape_of(const struct guest_paging *p)
{
	if (p->efer & EFER_LMA)
		return (struct shape){ 4, 9, 8, 9, p->cr3 & PTE_FRAME };
	if (p->cr4 & CR4_PAE)
		return (struct shape){ 3, 9, 8, 2, p->cr3 & BITS64(31, 5) };
	return (struct shape){ 2, 10, 4, 10, p->cr3 & BITS64(31, 12) };
}

static bool may_be_large(const struct guest_paging *p, const struct shape *s, unsigned level)
{
	if (level == 2)
		return s->levels != 2 || (p->cr4 & CR4_PSE);
	return level == 3 && s->levels == 4;
}

/* The frame of a large page of 2^@shift bytes. */
static uint64_t large_frame(const struct shape *s, uint64_t pte, unsigned shift)
{
	uint64_t frame = pte & PTE_FRAME;

	if (s->entry_bytes == 4) /* PSE-36: bits 20:13 are address bits 39:32 */
		frame = (pte & BITS64(31, 22)) | (pte & BITS64(20, 13)) << 19;
	return align_down(frame, BIT64(shift));
}

static bool refused(const struct guest_paging *p, uint64_t pte, bool write)
{
	if (p->user && !(pte & PTE_USER))
		return true;
	return write && !(pte & PTE_WRITE) && (p->user || (p->cr0 & CR0_WP));
}

int guest_walk(struct guest_memory *m, const struct guest_paging *p, uint64_t linear, bool write,
	       gpa_t *gpa)
{
	if (!(p->cr0 & CR0_PG)) {
		*gpa = (gpa_t){ linear & BITS64(31, 0) };
		return 0;
	}

	struct shape s = shape_of(p);
	uint64_t table = s.root;

	for (unsigned level = s.levels; level; level--) {
		unsigned bits = level == s.levels ? s.top_index_bits : s.index_bits;
		unsigned shift = PAGE_SHIFT + s.index_bits * (level - 1);
		uint64_t index = (linear >> shift) & (BIT64(bits) - 1), pte = 0;

		if (guest_memory_read(m, &pte, (gpa_t){ table + index * s.entry_bytes },
				      s.entry_bytes))
			return -ENOENT;
		bool has_rights = !(s.levels == 3 && level == 3); /* a PDPTE of PAE has none */

		if (!(pte & PTE_PRESENT))
			return -EFAULT;
		if (has_rights && refused(p, pte, write))
			return -EFAULT;
		if (level == 1 || ((pte & PTE_LARGE) && may_be_large(p, &s, level))) {
			uint64_t frame = level == 1 ? pte & PTE_FRAME : large_frame(&s, pte, shift);

			*gpa = (gpa_t){ frame + (linear & (BIT64(shift) - 1)) };
			return 0;
		}
		table = pte & PTE_FRAME;
	}
	return -EFAULT;
}
