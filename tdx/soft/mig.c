/*
 * mig.c - migration of TDs, as far as a module can go to which no migration TD has given a key.
 *
 * The key that a session needs is written by a service TD (TDG.SERVTD.WR), which this module does
 * not run. So streams can be made, a session is refused where the key is missed, no S-EPT entry is
 * ever blocked for writing or exported, and what needs a session finds the TD's op-state wrong.
 *
 * Invariants
 *   - A stream's context page is the TD's (TDCX in the PAMT, counted in the TDR); link n of the
 *     TDCX page of links holds its address, for all n below num_migsc.
 *
 * Facts: ABI reference sections 1.2 and 6.3; order of checks and layouts of the published module.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/guest.h"
#include "tdx/soft/sept.h"

#include <string.h>

#define MAX_MIGS     512
#define MIN_MIGS     2
#define MBMD_BYTES   48
#define MBMD_ALIGN   128
#define EXPORT_PAGES 3 /* a list for the immutable state: the module's, the TD's, CPUID's */

enum state_lock { SL_NONE, SL_SHARED, SL_EXCLUSIVE };

/* The TDR's lock, the TD's state and the lock of its op-state, as all leaves here begin. */
static tdx_status_t begin(struct call *c, uint64_t tdr, uint32_t op, enum lock_mode mode,
			  enum state_lock lock, struct td *td)
{
	TRY(get_tdr(c, tdr, op, mode, td));
	if (lock == SL_EXCLUSIVE)
		return check_state_alone(c, c->leaf, td);
	return check_state(c, c->leaf, td, lock == SL_SHARED);
}

/* ---- inside a session, which never is ------------------------------------------------------- */

#define FIRST_LEAF 64

/* clang-format off */
static const struct session_leaf {
	bool in_rdx; /* the TDR is */
	enum lock_mode tdr;
	enum state_lock state;
	uint8_t clears; /* registers that are outputs: bit 1 RCX, bit 2 RDX */
} session_leaves[] = {
	[64 - FIRST_LEAF] = { false, SHARED, SL_EXCLUSIVE, 0 },     /* EXPORT.ABORT */
	[65 - FIRST_LEAF] = { true, SHARED, SL_SHARED, 0 },         /* EXPORT.BLOCKW */
	[68 - FIRST_LEAF] = { true, SHARED, SL_SHARED, 0 },         /* EXPORT.MEM */
	[70 - FIRST_LEAF] = { false, EXCLUSIVE, SL_NONE, 0 },       /* EXPORT.PAUSE */
	[71 - FIRST_LEAF] = { false, SHARED, SL_EXCLUSIVE, 0 },     /* EXPORT.TRACK */
	[73 - FIRST_LEAF] = { false, SHARED, SL_EXCLUSIVE, 4 },     /* EXPORT.STATE.TD */
	[80 - FIRST_LEAF] = { false, EXCLUSIVE, SL_NONE, 0 },       /* IMPORT.ABORT */
	[81 - FIRST_LEAF] = { false, EXCLUSIVE, SL_NONE, 0 },       /* IMPORT.END */
	[82 - FIRST_LEAF] = { false, EXCLUSIVE, SL_NONE, 0 },       /* IMPORT.COMMIT */
	[83 - FIRST_LEAF] = { true, SHARED, SL_SHARED, 0 },         /* IMPORT.MEM */
	[84 - FIRST_LEAF] = { false, EXCLUSIVE, SL_NONE, 0 },       /* IMPORT.TRACK */
	[86 - FIRST_LEAF] = { false, EXCLUSIVE, SL_NONE, 2 | 4 },   /* IMPORT.STATE.TD */
};
/* clang-format on */

static void clear_outputs(struct call *c, uint8_t which)
{
	if (which & 2)
		c->r->rcx = 0;
	if (which & 4)
		c->r->rdx = 0;
}

tdx_status_t leaf_mig_session(struct call *c)
{
	const struct session_leaf *l = &session_leaves[c->leaf - FIRST_LEAF];
	struct td td;

	clear_outputs(c, l->clears);
	TRY(begin(c, l->in_rdx ? c->in.rdx : c->in.rcx, l->in_rdx ? OP_RDX : OP_RCX, l->tdr,
		  l->state, &td));
	return FAIL(OP_STATE_INCORRECT, 0);
}

#define IMPORT_STATE_VP 87

/* EXPORT.STATE.VP and IMPORT.STATE.VP: on the vCPU in RCX. */
tdx_status_t leaf_mig_vp(struct call *c)
{
	struct td td;
	struct tdvps *vp;
	struct pamt_ref page;

	clear_outputs(c, c->leaf == IMPORT_STATE_VP ? 2 | 4 : 4);
	TRY(get_vp(c, c->in.rcx, OP_RCX, EXCLUSIVE, &vp, &page, &td));
	TRY(check_state(c, c->leaf, &td, true));
	return FAIL(OP_STATE_INCORRECT, 0);
}

/* ---- streams, and where a session would begin ------------------------------------------------ */

tdx_status_t leaf_mig_stream_create(struct call *c)
{
	struct td td;
	struct pamt_ref page;
	uint64_t pa = c->in.rcx;

	TRY(begin(c, c->in.rdx, OP_RDX, SHARED, SL_EXCLUSIVE, &td));
	TRY(call_take(c, &td.tdcs->mig_lock, EXCLUSIVE, PLAIN, OP_MIG));
	if (td.tdcs->num_migsc >= MAX_MIGS)
		return FAIL(MAX_MIGS_NUM_EXCEEDED, 0);
	TRY(check_priv4k(c, pa, OP_RCX, PT_NDA, EXCLUSIVE, &page));

	uint64_t *links = call_map(c, td.tdr->tdcx_pa[c->m->profile->tdcx_links]);

	call_filling(c);
	call_page_fill(call_map(c, pa), 0);
	chldcnt_add(td.tdr, 1);
	page_assign(c, page.e, pa, 0, PT_TDCX, td.pa);
	links[td.tdcs->num_migsc++] = pa;
	return OK;
}

/* What is wrong with R10: stream 0, anew or (bit 63) on from an interruption. */
static tdx_status_t check_stream_0(const struct call *c)
{
	return c->in.r10 & ~BIT64(63) ? FAIL(OPERAND_INVALID, OP_R10) : OK;
}

/* No session is under way that could go on, and none has the key to begin. */
static tdx_status_t no_session(const struct call *c)
{
	return c->in.r10 ? FAIL(MIGRATION_STREAM_STATE_INCORRECT, 0)
			 : FAIL(MIGRATION_DECRYPTION_KEY_NOT_SET, 0);
}

tdx_status_t leaf_mig_export_immutable(struct call *c)
{
	uint64_t mbmd = c->in.r8, list = c->in.r9;
	struct td td;

	clear_outputs(c, 4);
	TRY(begin(c, c->in.rcx, OP_RCX, SHARED, SL_EXCLUSIVE, &td));
	TRY(call_take(c, &td.tdcs->mig_lock, EXCLUSIVE, PLAIN, OP_MIG));
	if (!(td.tdcs->attributes & ATTR_MIGRATABLE))
		return FAIL(TD_NOT_MIGRATABLE, 0);
	if (td.tdcs->num_migsc < MIN_MIGS)
		return FAIL(MIN_MIGS_NOT_CREATED, 0);
	if (mbmd >> 52 < MBMD_BYTES)
		return FAIL(OPERAND_INVALID, OP_R8);
	TRY(check_shared(c, mbmd & BITS64(51, 0), MBMD_ALIGN, MBMD_ALIGN, OP_R8));
	TRY(check_stream_0(c));
	if (c->in.r10 == 0) {
		if (list >> 55 < EXPORT_PAGES - 1 || (list & (BITS64(11, 0) | BITS64(54, 52))))
			return FAIL(OPERAND_INVALID, OP_R9);
		TRY(check_shared(c, list & BITS64(51, 12), PAGE_SIZE, PAGE_SIZE, OP_R9));
	}
	return no_session(c);
}

tdx_status_t leaf_mig_import_immutable(struct call *c)
{
	struct td td;

	clear_outputs(c, 2 | 4);
	TRY(check_cpuid_unlimited(c));
	TRY(begin(c, c->in.rcx, OP_RCX, EXCLUSIVE, SL_NONE, &td));
	if (td.tdcs->num_migsc < MIN_MIGS)
		return FAIL(MIN_MIGS_NOT_CREATED, 0);
	TRY(check_stream_0(c));
	return no_session(c);
}

/* ---- pages, after an export was given up ----------------------------------------------------- */

/* Entry information only for what the walk or the state says, not for a lock. */
tdx_status_t leaf_mig_unblockw(struct call *c)
{
	struct td td;
	struct sept_ref at;
	uint64_t gpa;
	unsigned level;

	clear_outputs(c, 2 | 4);
	TRY(begin(c, c->in.rdx, OP_RDX, SHARED, SL_SHARED, &td));
	TRY(sept_parse(c, 0, 0, &gpa, &level));
	TRY(sept_walk_locked(c, &td, gpa, level, SHARED, &at));
	TRY(call_take_entry(c, at.entry, OP_RCX));
	at.copy = __atomic_load_n(at.entry, __ATOMIC_ACQUIRE) & ~(SE_LOCK | SE_HP);
	sept_info(c->r, at.copy, at.level);
	return FAIL(EPT_ENTRY_STATE_INCORRECT, OP_RCX);
}

/* A GPA list: RCX names it, and its first and last entry. */
#define LIST_FORMAT       BITS64(2, 0)
#define LIST_FIRST(v)     ((unsigned)((v) >> 3 & 511))
#define LIST_LAST(v)      ((unsigned)((v) >> 55))
#define LIST_RESERVED     BITS64(54, 52)
#define ENTRY_OP          BITS64(53, 52)
#define ENTRY_OP_MIGRATE  BIT64(52) /* in MIGRATE and REMIGRATE; not in NOP and CANCEL */
#define ENTRY_STATUS(n)   ((uint64_t)(n) << 56)
#define ENTRY_STATUS_MASK BITS64(60, 56)
#define ENTRY_RESERVED    (BITS64(6, 3) | BITS64(55, 54) | BITS64(63, 61))
#define ENTRY_LEVEL       BITS64(1, 0)

enum entry_status { ES_SKIPPED = 1, ES_WALK_FAILED, ES_BUSY, ES_STATE_INCORRECT, ES_INVALID = 15 };

static enum entry_status restore_one(struct call *c, const struct td *td, uint64_t entry)
{
	unsigned mark = c->held;
	struct sept_ref at;

	if (entry & (ENTRY_RESERVED | ENTRY_LEVEL))
		return ES_INVALID;
	if (!(entry & ENTRY_OP_MIGRATE))
		return ES_SKIPPED;
	if (!sept_gpa_private(td->tdcs, entry & BITS64(51, 12)))
		return ES_INVALID;
	if (!sept_walk(c, td, entry & BITS64(51, 12), 0, &at))
		return ES_WALK_FAILED;
	if (FAILED(call_take_entry(c, at.entry, OP_RCX)))
		return ES_BUSY;
	call_release_to(c, mark);
	return ES_STATE_INCORRECT;
}

/* Entries @first to @last; @next: the one to go on with. */
static tdx_status_t restore_list(struct call *c, const struct td *td, uint64_t *list, unsigned last,
				 unsigned *next)
{
	uint32_t problems = 0;

	for (;;) {
		uint64_t *e = &list[*next];
		enum entry_status st = restore_one(c, td, *e);

		*e = (*e & ~(ENTRY_OP | ENTRY_STATUS_MASK)) | ENTRY_STATUS(st);
		if (st == ES_INVALID)
			return FAIL(OPERAND_INVALID, OP_GPA_LIST_ENTRY);
		problems += st != ES_SKIPPED;
		if (++*next > last)
			return FAIL(SUCCESS, problems);
		if (call_irq_pending(c))
			return FAIL(INTERRUPTED_RESUMABLE, 0);
	}
}

tdx_status_t leaf_mig_restore(struct call *c)
{
	uint64_t info = c->in.rcx, pa = info & BITS64(51, 12);
	unsigned next = LIST_FIRST(info);
	struct td td;

	TRY(begin(c, c->in.rdx, OP_RDX, SHARED, SL_SHARED, &td));
	TRY(call_take(c, &td.tdcs->tree_lock, SHARED, PLAIN, OP_SEPT_TREE));
	if ((info & (LIST_FORMAT | LIST_RESERVED)) || next > LIST_LAST(info))
		return FAIL(OPERAND_INVALID, OP_RCX);
	TRY(check_shared(c, pa, PAGE_SIZE, PAGE_SIZE, OP_RCX));

	tdx_status_t st = restore_list(c, &td, call_map_shared(c, pa), LIST_LAST(info), &next);

	c->r->rcx = (info & ~BITS64(11, 3)) | (uint64_t)(next & 511) << 3;
	return st;
}
