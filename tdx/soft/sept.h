/*
 * sept.h - one S-EPT entry: its 64 bits, its state, and which leaf takes which state.
 *
 * Invariants
 *   - S-EPT pages are real EPT pages: a present entry is one that the CPU walks (RWX, memory type
 *     write-back, frame); in every other state R = W = X = 0, so the CPU sees nothing.
 *   - State is e[6:0] = { bit 7 PS, 6 IPAT, 56 TDP, 55 TDB, 54 TDBW, 53 TDEX, 9 D }, bits that
 *     the CPU ignores in entries that are not present, and in present ones means as needed.
 *   - Bit 11 is the entry's lock, bit 52 the host-priority mark; bit 63 suppresses #VE.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_SOFT_SEPT_H
#define TAIN_SOFT_SEPT_H

#include "tdx/soft/lock.h"
#include "tdx/soft/module.h"

#define SE_RWX   UINT64_C(7)
#define SE_MT_WB (UINT64_C(6) << 3)
#define SE_IPAT  BIT64(6)
#define SE_PS    BIT64(7)
#define SE_LOCK  BIT64(11)
#define SE_HP    BIT64(52)
#define SE_PFN   BITS64(51, 12)
#define SE_SVE   BIT64(63)
#define SE_COUNT BITS64(20, 12) /* accept counter of a pending 2M page */

/* Values without the frame. */
#define SE_FREE            UINT64_C(0x80e0000000000000)
#define SE_NL_MAPPED       UINT64_C(0x8000000000000007)
#define SE_NL_BLOCKED      UINT64_C(0x8080000000000000)
#define SE_MAPPED          UINT64_C(0x80000000000000f7)
#define SE_BLOCKED         UINT64_C(0x80800000000000f0)
#define SE_PENDING         UINT64_C(0x81000000000000f0)
#define SE_PENDING_BLOCKED UINT64_C(0x81800000000000f0)

/* clang-format off */
enum sept_state {
	S_FREE, S_REMOVED, S_NL_MAPPED, S_NL_BLOCKED, S_MAPPED, S_BLOCKED, S_BLOCKEDW, S_EXP_BLOCKEDW,
	S_EXP_DIRTY, S_EXP_DIRTY_BLOCKEDW, S_PENDING, S_PENDING_BLOCKED, S_PENDING_BLOCKEDW,
	S_PENDING_EXP_BLOCKEDW, S_PENDING_EXP_DIRTY, S_PENDING_EXP_DIRTY_BLOCKEDW, S_INVALID,
};
/* clang-format on */

/* Rows of the state table: SEAMCALL leaves, and two guest ones. */
/* clang-format off */
enum sept_user {
	U_PAGE_ADD, U_SEPT_ADD, U_RELOCATE, U_AUG, U_BLOCK, U_UNBLOCK, U_MEM_RD, U_MEM_WR, U_DEMOTE,
	U_PROMOTE, U_EXTEND, U_REMOVE, U_SEPT_REMOVE, U_SEPT_RD, U_ACCEPT,
};
/* clang-format on */

/* An entry found by a walk. */
struct sept_ref {
	uint64_t *entry;
	uint64_t copy; /* as the walk read it */
	unsigned level;
};

enum sept_state sept_state(uint64_t entry);
bool sept_allows(enum sept_user user, enum sept_state s);
uint8_t sept_state_code(enum sept_state s);
bool sept_is_blocked(enum sept_state s);
bool sept_needs_tracking(enum sept_state s);
bool sept_accessible(uint64_t entry);
static inline bool sept_is_free(uint64_t e) { return sept_state(e) == S_FREE; }
static inline bool sept_is_leaf(uint64_t e) { return (e & SE_PS) != 0; }

enum lock_result sept_lock(uint64_t *entry, bool guest);
void sept_unlock(uint64_t *entry);
/* A new value for an entry whose lock is held (and stays held). */
void sept_set(uint64_t *entry, uint64_t value);

/* Entry information in RCX and RDX (section 4.7). */
void sept_info(struct soft_regs *r, uint64_t copy, unsigned level);

/* PINFO and GPAOK. */
tdx_status_t sept_parse(const struct call *c, unsigned min, unsigned max, uint64_t *gpa,
			unsigned *level);
static inline uint64_t sept_shared_bit(const struct tdcs *t) { return BIT64(t->gpa_width - 1); }
bool sept_gpa_private(const struct tdcs *t, uint64_t gpa);
bool sept_gpa_valid(const struct tdcs *t, uint64_t gpa);

/* Down to @level; false if it stopped above (then @ref is where). */
bool sept_walk(const struct call *c, const struct td *td, uint64_t gpa, unsigned level,
	       struct sept_ref *ref);

/* WALK: tree lock and walk. M: the common prefix of the memory leaves, after STATE. */
tdx_status_t sept_walk_locked(struct call *c, const struct td *td, uint64_t gpa, unsigned level,
			      enum lock_mode tree, struct sept_ref *ref);
tdx_status_t sept_prefix(struct call *c, const struct td *td, unsigned min, unsigned max,
			 enum lock_mode tree, struct sept_ref *ref, uint64_t *gpa);
tdx_status_t sept_check_state(struct call *c, enum sept_user user, const struct sept_ref *ref);
tdx_status_t sept_check_tracked(struct call *c, const struct td *td, const struct sept_ref *ref,
				uint64_t bepoch, uint32_t op);

/* The page or table that an entry names. */
static inline uint64_t sept_frame(uint64_t e, unsigned level)
{
	return sept_is_leaf(e) ? align_down(e & SE_PFN, PAGE_SIZE << (9 * level)) : e & SE_PFN;
}

static inline uint64_t sept_span(unsigned level) { return PAGE_SIZE << (9 * level); }

#endif
