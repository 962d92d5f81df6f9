/*
 * spte.h - what one 64-bit EPT entry means to us.
 *
 *        none ----------> leaf <-------> blocked leaf ----> none, a leaf of another frame, a table
 *         | ^              ^ (move)           |
 *         | +-- FROZEN     | join             | split       FROZEN: any of these is being carried
 *         v                |                  v             out now, by the CPU that froze it
 *        table <------> blocked table ------> none
 *
 * Invariants
 *   - Every value is exactly one kind (enum spte_kind), and spte_kind() says which.
 *   - SPTE_PRESENT (bit 11, ignored by the CPU) means "this entry owns a page or a table". RWX says
 *     what the CPU may do; it is not a test for presence.
 *   - SPTE_LEAF (bit 7) is set on every leaf. The CPU reads it at 2M and 1G and ignores it at 4K, so
 *     the value alone tells a leaf from a table and no test needs a level.
 *   - Blocked entries exist in mirrors only. They keep their page and lose RWX.
 *   - A FROZEN entry belongs to the CPU that froze it. Nobody else writes it.
 *   - Every non-present entry has SUPPRESS_VE set, except the MMIO entry of a TD's shared half.
 *
 * Bits: SDM volume 3C, tables "Format of an EPT ... Entry". Rules A1 to A5: docs/mmu.md.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MMU_SPTE_H
#define TAIN_MMU_SPTE_H

#include "kernel/base/types.h"

typedef struct {
	uint64_t raw;
} spte_t;

/* clang-format off */
#define SPTE_R              BIT64(0)
#define SPTE_W              BIT64(1)
#define SPTE_X              BIT64(2)
#define SPTE_RWX            BITS64(2, 0)
#define SPTE_MEMTYPE        BITS64(5, 3)
#define SPTE_MEMTYPE_WB     (UINT64_C(6) << 3)
#define SPTE_IGNORE_PAT     BIT64(6)
#define SPTE_LEAF           BIT64(7)
#define SPTE_ACCESSED       BIT64(8)
#define SPTE_DIRTY          BIT64(9)
#define SPTE_XU             BIT64(10) /* user execute, if mode-based execute control is on */
#define SPTE_PRESENT        BIT64(11) /* ours: owns a page or a table */
#define SPTE_PFN            BITS64(51, 12)
#define SPTE_HOST_WRITABLE  BIT64(52) /* ours: the slot lets the guest write */
#define SPTE_MMU_WRITABLE   BIT64(53) /* ours: W may be set again without asking anybody */
#define SPTE_SAVED_R        BIT64(54) /* ours: R and X as they were before ageing took them */
#define SPTE_SAVED_X        BIT64(55)
#define SPTE_AGED           BIT64(56) /* ours: R and X are in the saved bits */
#define SPTE_BLOCKED_FOR    BITS64(59, 57) /* ours, mirrors only: enum spte_purpose, 0 = not blocked */
#define SPTE_SUPPRESS_VE    BIT64(63)
/* clang-format on */
#define SPTE_BLOCKED_SHIFT 57

/* Non-present values. Bits 9:3 tell them apart: FROZEN has one fixed value, MMIO has bit 8. */
#define SPTE_NONE_RAW   SPTE_SUPPRESS_VE
#define SPTE_FROZEN_RAW (SPTE_SUPPRESS_VE | UINT64_C(0x2a0))
#define SPTE_MMIO_MARK  BIT64(8)
#define SPTE_MMIO_RWX   (SPTE_W | SPTE_X) /* not readable: an EPT misconfiguration */
#define SPTE_MMIO_WRITE BIT64(3)          /* the access that made it was a write */

/* The generation of an MMIO entry: 11 bits beside the frame number. */
#define SPTE_MMIO_GEN_SHIFT 52
#define SPTE_MMIO_GEN_MASK  UINT64_C(0x7ff)

#define SPTE_NONE   ((spte_t){ SPTE_NONE_RAW })
#define SPTE_FROZEN ((spte_t){ SPTE_FROZEN_RAW })

_Static_assert(sizeof(spte_t) == 8, "the CPU walks 8-byte entries");
_Static_assert((SPTE_FROZEN_RAW & (SPTE_RWX | SPTE_XU | SPTE_PRESENT | SPTE_PFN)) == 0,
	       "a frozen entry must look absent to the CPU and to us");
_Static_assert((SPTE_FROZEN_RAW & SPTE_MMIO_MARK) == 0, "a frozen entry is no MMIO entry");
_Static_assert((SPTE_BLOCKED_FOR & (SPTE_PFN | SPTE_AGED | SPTE_SUPPRESS_VE)) == 0,
	       "software bits do not overlap");

/* Every value is exactly one of these (rule A2). */
enum spte_kind {
	SPTE_IS_NONE,
	SPTE_IS_MMIO,
	SPTE_IS_FROZEN,
	SPTE_IS_TABLE,
	SPTE_IS_LEAF,
	SPTE_IS_BLOCKED_TABLE,
	SPTE_IS_BLOCKED_LEAF,
	SPTE_KIND_COUNT,
};
_Static_assert(SPTE_IS_BLOCKED_LEAF - SPTE_IS_LEAF == SPTE_IS_BLOCKED_TABLE - SPTE_IS_TABLE,
	       "spte_kind() steps from open to blocked by one distance");

/* What a blocked entry waits for (rule C16). Whoever finds it can finish or undo it. */
enum spte_purpose {
	SPTE_NOT_BLOCKED,
	SPTE_FOR_REMOVAL,
	SPTE_FOR_SPLIT,
	SPTE_FOR_JOIN,
	SPTE_FOR_MOVE,
	SPTE_PURPOSE_COUNT,
};

/*
 * One step in the life of a mirror entry: what the external table must be told. set_external_spte
 * gets `old` and `new`; spte_step() names the step, so that the other side is a table of steps.
 */
enum spte_step {
	STEP_ILLEGAL,      /* no such step exists: a bug of the caller */
	STEP_NOTHING,      /* neither value owns a page: the external table does not change */
	STEP_ADD_TABLE,    /* none -> table */
	STEP_ADD_LEAF,     /* none -> leaf */
	STEP_BLOCK,        /* leaf or table -> the same, blocked */
	STEP_UNBLOCK,      /* blocked leaf or table -> the same, open */
	STEP_REMOVE_LEAF,  /* leaf, blocked once the guest runs -> none */
	STEP_REMOVE_TABLE, /* empty table, blocked once the guest runs -> none */
	STEP_SPLIT,        /* blocked leaf -> table of 512 leaves of the same frames */
	STEP_JOIN,         /* blocked table of 512 leaves -> one leaf of the same frames */
	STEP_MOVE,         /* blocked leaf -> leaf of another frame */
	STEP_COUNT,
};

static inline bool spte_equal(spte_t a, spte_t b) { return a.raw == b.raw; }
static inline bool spte_is_present(spte_t s) { return (s.raw & SPTE_PRESENT) != 0; }
static inline bool spte_is_frozen(spte_t s) { return s.raw == SPTE_FROZEN_RAW; }
static inline bool spte_is_blocked(spte_t s)
{
	return spte_is_present(s) && (s.raw & SPTE_BLOCKED_FOR) != 0;
}
static inline bool spte_is_mmio(spte_t s)
{
	return (s.raw & (SPTE_PRESENT | SPTE_MMIO_MARK)) == SPTE_MMIO_MARK;
}

static inline bool spte_is_accessible_leaf(spte_t s)
{
	return (s.raw & (SPTE_PRESENT | SPTE_LEAF | SPTE_BLOCKED_FOR)) ==
	       (SPTE_PRESENT | SPTE_LEAF);
}
/* A table that a walk may enter. */
static inline bool spte_is_open_table(spte_t s)
{
	return (s.raw & (SPTE_PRESENT | SPTE_LEAF | SPTE_BLOCKED_FOR)) == SPTE_PRESENT;
}
/* Open or blocked alike: what the entry owns. */
static inline bool spte_has_leaf(spte_t s)
{
	return (s.raw & (SPTE_PRESENT | SPTE_LEAF)) == (SPTE_PRESENT | SPTE_LEAF);
}
static inline bool spte_has_table(spte_t s)
{
	return (s.raw & (SPTE_PRESENT | SPTE_LEAF)) == SPTE_PRESENT;
}

static inline enum spte_kind spte_kind(spte_t s)
{
	if (spte_is_present(s)) {
		enum spte_kind open = spte_has_leaf(s) ? SPTE_IS_LEAF : SPTE_IS_TABLE;

		return spte_is_blocked(s) ? open + (SPTE_IS_BLOCKED_LEAF - SPTE_IS_LEAF) : open;
	}
	if (spte_is_frozen(s))
		return SPTE_IS_FROZEN;
	return spte_is_mmio(s) ? SPTE_IS_MMIO : SPTE_IS_NONE;
}

/* The frame of a leaf (its first 4K frame), or the frame of the table that the entry points to. */
static inline pfn_t spte_pfn(spte_t s) { return (pfn_t){ (s.raw & SPTE_PFN) >> PAGE_SHIFT }; }
static inline hpa_t spte_table(spte_t s) { return (hpa_t){ s.raw & SPTE_PFN }; }

static inline enum spte_purpose spte_blocked_for(spte_t s)
{
	return (enum spte_purpose)((s.raw & SPTE_BLOCKED_FOR) >> SPTE_BLOCKED_SHIFT);
}

/*
 * Making values
 */
static inline spte_t spte_make_table(hpa_t table)
{
	return (spte_t){ table.v | SPTE_PRESENT | SPTE_RWX | SPTE_SUPPRESS_VE };
}

/* A private leaf: always RWX, no memory type (the external table has its own). Rule C8. */
static inline spte_t spte_make_private(pfn_t pfn)
{
	return (spte_t){ (pfn.v << PAGE_SHIFT) | SPTE_PRESENT | SPTE_LEAF | SPTE_RWX |
			 SPTE_HOST_WRITABLE | SPTE_MMU_WRITABLE | SPTE_SUPPRESS_VE };
}

/* Blocked: owns what it owned, and nobody reaches through it. */
static inline spte_t spte_make_blocked(spte_t open, enum spte_purpose purpose)
{
	return (spte_t){ (open.raw & ~SPTE_RWX) | (uint64_t)purpose << SPTE_BLOCKED_SHIFT };
}

static inline spte_t spte_make_unblocked(spte_t blocked)
{
	return (spte_t){ (blocked.raw & ~SPTE_BLOCKED_FOR) | SPTE_RWX };
}

/* MMIO of a VM: an EPT misconfiguration. */
static inline spte_t spte_make_mmio(gfn_t gfn, unsigned generation, bool write)
{
	return (spte_t){ ((gfn.v << PAGE_SHIFT) & SPTE_PFN) | SPTE_MMIO_MARK | SPTE_MMIO_RWX |
			 (write ? SPTE_MMIO_WRITE : 0) | SPTE_SUPPRESS_VE |
			 (generation & SPTE_MMIO_GEN_MASK) << SPTE_MMIO_GEN_SHIFT };
}

/* MMIO in a TD's shared half: no access and SUPPRESS_VE clear, so that the guest gets a #VE. */
static inline spte_t spte_make_mmio_ve(gfn_t gfn, unsigned generation)
{
	return (spte_t){ ((gfn.v << PAGE_SHIFT) & SPTE_PFN) | SPTE_MMIO_MARK |
			 (generation & SPTE_MMIO_GEN_MASK) << SPTE_MMIO_GEN_SHIFT };
}

static inline unsigned spte_mmio_generation(spte_t s)
{
	return (unsigned)((s.raw >> SPTE_MMIO_GEN_SHIFT) & SPTE_MMIO_GEN_MASK);
}

/* Rows: what was there; columns: what comes. */
extern const uint8_t spte_steps[SPTE_KIND_COUNT][SPTE_KIND_COUNT];

/* Which step of a mirror entry's life leads from @old to @new. */
static inline enum spte_step spte_step(spte_t old, spte_t new)
{
	enum spte_step step = (enum spte_step)spte_steps[spte_kind(old)][spte_kind(new)];

	/* Blocking keeps the frame; opening a leaf on another frame is a move. */
	if ((step == STEP_BLOCK || step == STEP_UNBLOCK) && spte_pfn(old).v != spte_pfn(new).v)
		return step == STEP_UNBLOCK && spte_has_leaf(old) ? STEP_MOVE : STEP_ILLEGAL;
	return step;
}

extern const char *const spte_kind_names[SPTE_KIND_COUNT];
extern const char *const spte_purpose_names[SPTE_PURPOSE_COUNT];
extern const char *const spte_step_names[STEP_COUNT];

#endif
