/*
 * mmu.h - the front door of mmu/.
 *
 * A VM has a direct root (walked by the CPU) and, if it is a TD, also a mirror root: private memory,
 * walked only by us; the external table (the S-EPT) is the real one. Faults come in through
 * mmu_handle_fault(), removals through mmu_zap_range(). All else here serves those two.
 *
 * Files   spte.h    one entry            lock.h     who may be inside, and who waits
 *         page.h    one table            walk.h     from a GFN to its entry
 *         change.c  one entry changes: the only path         fault.c   mapping in
 *         zap.c     mapping out          mirror.c   block, track, remove; split, join, move
 *         slot.c    which GFN is backed  dirty.c    logging, write tracking, ageing
 *         split.c   one leaf into 512, and back              map.c      mapping ahead
 *         check.c   the proof            pool.c     table pages and their descriptors
 *         root.c    roots: counted, invalidated        dead.c    the end of tables, and the flush before it
 *
 * Invariants
 *   - mmu->lock: read to add, write to remove. Order: kernel/base/lock.h. Callers never take it.
 *   - The mirror is a promise about the external table: it never claims less than is there, and a
 *     mirror entry changes only together with the external one (one hook, before anything else).
 *   - When a function here returns, no flush is owed and no table waits to be freed.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MMU_MMU_H
#define TAIN_MMU_MMU_H

#include "kernel/base/types.h"
#include "mmu/lock.h"
#include "mmu/page.h"
#include "mmu/spte.h"

struct mmu;
struct memslot;

/* An entry of the external table, in our words. */
struct mmu_external {
	enum spte_kind kind; /* none, table, leaf, blocked table, blocked leaf */
	pfn_t pfn;           /* leaf: its frame */
};

#define MMU_MAX_SLOTS 32

/* The roles that a root can have. A plain VM has no mirror; the second direct root is made on demand. */
enum mmu_root {
	MMU_DIRECT,   /* a VM's memory; a TD's shared half */
	MMU_MIRROR,   /* a TD's private half */
	MMU_DIRECT_2, /* the same slots again, for vCPUs that must not share the first */
	MMU_ROOTS,
};

enum mmu_access { MMU_READ = 1, MMU_WRITE = 2, MMU_EXEC = 4 };

/*
 * Accessed and dirty bits of the direct root (rule A5). A TD's shared half has no A/D bits of its
 * own to use: its EPTP is the module's. Its policy is MMU_AD_NONE.
 */
enum mmu_ad_policy {
	MMU_AD_HARDWARE, /* the CPU sets A and D; logging clears D */
	MMU_AD_WRPROT,   /* the CPU sets A and D; logging clears W (PML cannot see the guest) */
	MMU_AD_NONE,     /* ageing takes R and X away; logging clears W */
};

/* What an access outside every slot becomes. */
enum mmu_mmio_policy {
	MMU_MMIO_REPORT,    /* no entry; mmu_handle_fault() returns -ENOENT each time */
	MMU_MMIO_MISCONFIG, /* an entry that makes the next access an EPT misconfiguration */
	MMU_MMIO_VE,        /* TD: an entry that makes the guest get a #VE; the fault returns 0 */
};

/* How far a TD is; what the external table asks for depends on it (rules C7, C10, C14). One way. */
enum mmu_phase {
	MMU_BUILDING, /* before finalisation: leaf and table go to none directly */
	MMU_RUNNING,  /* block, flush, remove */
	MMU_RELEASED, /* KeyID gone: remove in any order, nothing to block or flush */
};

/*
 * What the MMU asks of the room above. All get the MMU's own object; embed struct mmu and use
 * container_of. Called with mmu->lock held (read or write), so they must not call back into the MMU.
 */
struct mmu_ops {
	/*
	 * Carry one change of a mirror entry to the external table: spte_step(old, new) says which.
	 * The mirror entry is FROZEN meanwhile. For a new table mmu_page_of(mmu, new)->external is
	 * the page to give. 0: done. -EBUSY: nothing changed, try again later. -ENOMEM: the same, when
	 * there is more memory (STEP_ADD_TABLE, STEP_SPLIT). -EIO: refused in a way that the rules exclude; nothing changed; the MMU marks the guest bugged. STEP_JOIN may
	 * also say -EOPNOTSUPP: nothing changed, and it never will (some accepted, some not). In phase
	 * MMU_RELEASED, STEP_REMOVE_LEAF reclaims the page and STEP_REMOVE_TABLE has nothing to do.
	 * After STEP_REMOVE_LEAF and STEP_MOVE the old frame is the host's again (cleaned); the MMU
	 * then gives it to the slot's release(). If the module keeps the page: leak it and return
	 * -EOWNERDEAD; the entry goes, release() is not called.
	 */
	int (*set_external_spte)(struct mmu *mmu, gfn_t gfn, spte_t old, spte_t new, int level);

	/*
	 * @sp, a mirror table, is dead and nobody can reach it. Clean and free @sp->external, or
	 * leak it and set @sp->external_leaked; set it to HPA_NONE either way. Cannot fail (C5).
	 */
	void (*free_external_spt)(struct mmu *mmu, struct mmu_page *sp);

	/*
	 * No CPU may use a translation of [start, start + frames) of @root (any direct one: of all
	 * direct ones) that was there before this call. VM: INVEPT on the CPUs that ran it, kick. TD private: TRACK, then kick. Waits
	 * until vCPUs are out of guest mode, never for a handler (rule E6). 0, or -EIO (bugged).
	 */
	int (*flush)(struct mmu *mmu, enum mmu_root root, gfn_t start, uint64_t frames);

	/* The rules were broken for this guest: it must not run again. Once. May be NULL. */
	void (*bugged)(struct mmu *mmu, const char *why);

	/* One changed entry, or a run of @count equal changes from @gfn on. May be NULL. */
	void (*trace)(struct mmu *mmu, enum mmu_root root, gfn_t gfn, spte_t old, spte_t new,
		      int level, unsigned count);

	/*
	 * For the self-check (rules G6, G7); both may be NULL. What the external table says about
	 * the entry of @level over @gfn: 0 and *e, or -EIO. Pages given to it and not returned, those
	 * leaked not counted: private frames and S-EPT pages together.
	 */
	int (*read_external)(struct mmu *mmu, gfn_t gfn, int level, struct mmu_external *e);
	uint64_t (*external_pages)(struct mmu *mmu);
};

struct mmu_config {
	const struct mmu_ops *ops;
	const char *name;         /* for log lines; must outlive the MMU */
	unsigned levels;          /* of both roots: 4 or 5 */
	unsigned shared_bit;      /* TD: bit number in a GPA that selects the shared half; VM: 0 */
	bool has_mirror;          /* TD */
	uint8_t max_level;        /* largest leaf of the direct root: LEVEL_4K to LEVEL_1G */
	uint8_t mirror_max_level; /* largest leaf a fault maps in the mirror: LEVEL_4K or LEVEL_2M */
	uint64_t memtype;         /* SPTE_MEMTYPE_WB, or more bits (SPTE_IGNORE_PAT) for leaves */
	enum mmu_ad_policy ad;
	enum mmu_mmio_policy mmio;
};

/*
 * Where guest frames come from. Both are called with mmu->lock held for read or write, possibly on
 * several CPUs at once.
 */
struct memslot_ops {
	/*
	 * Give the frame behind @gfn: *pfn is the frame of exactly this GFN, *level (in: the largest
	 * of use, out: at most that) the largest level at which the aligned block around @gfn is one
	 * aligned run of frames. Direct: must give the same answer while the slot lives. Mirror: a
	 * fresh free frame (or block); it belongs to the mirror from now on, until release().
	 * 0, -ENOMEM, or -EAGAIN.
	 */
	int (*resolve)(struct memslot *slot, enum mmu_root root, gfn_t gfn, pfn_t *pfn, int *level);

	/*
	 * Mirror only: the run of frames at @pfn, of @level, is not in the external table (any
	 * more) and belongs to the slot again. @gfn is its first GFN.
	 */
	void (*release)(struct memslot *slot, gfn_t gfn, pfn_t pfn, int level);

	/* For the self-check (rule G1): is this run of frames the slot's, for this GFN? May be NULL. */
	bool (*owns)(struct memslot *slot, enum mmu_root root, gfn_t gfn, pfn_t pfn, int level);
};

enum memslot_flags {
	MEMSLOT_READONLY = 1,
	MEMSLOT_GOING = 2, /* set by mmu_slot_remove(): no new mapping */
};

struct memslot {
	gfn_t base;
	uint64_t frames;
	unsigned flags; /* enum memslot_flags */
	uint8_t whole;  /* mmu/'s own: blocks up to this level are in it wholly or not at all */
	const struct memslot_ops *ops;
	void *owner; /* for ops */
	/* Given by mmu_log_start() and mmu_track_start(), one bit a frame; NULL otherwise */
	uint64_t *dirty;   /* frames written since the bit was last cleared */
	uint64_t *tracked; /* frames whose writes must be reported */
};

struct mmu_stats {
	/* By level, index 1 to 5. Blocked entries still own their page and are counted. */
	uint64_t leaves[MMU_ROOTS][6];
	uint64_t tables[MMU_ROOTS][6]; /* tables whose entries are of that level, root included */
	uint64_t flushes;
	uint64_t table_bytes; /* tables and descriptors in use */
	uint64_t pool_bytes;  /* host memory that holds them */
	uint64_t leaked_tables;
	unsigned retired_roots; /* invalid and still referenced; what they map is not counted above */
};

/* The object. Fields are mmu/'s own; other rooms embed it and use the functions. */
struct mmu {
	const struct mmu_ops *ops;
	struct mmu_page *root[MMU_ROOTS]; /* valid ones; changed under lock for write */
	struct mmu_page *retired;         /* invalid ones that somebody still holds; lock */
	uint64_t gfn_bits[MMU_ROOTS];     /* added to index the tables: a TD's SHARED bit */
	uint64_t plain_leaf;              /* a direct leaf that may be written, without its frame */
	struct mmu_lock lock;
	enum mmu_phase phase; /* written under lock for write; release/acquire */
	bool is_bugged;       /* no more changes of the mirror */
	uint8_t levels;
	uint8_t max_level[MMU_ROOTS];
	enum mmu_ad_policy ad;
	enum mmu_mmio_policy mmio;
	unsigned mmio_generation;             /* lock */
	unsigned slot_count;                  /* lock */
	struct memslot *slots[MMU_MAX_SLOTS]; /* lock; sorted by base */
	struct mmu_pool pool;
	uint64_t flushes;       /* lock for write */
	uint64_t leaked_tables; /* lock for write */
	const char *name;
};

/* ---- life ---- */

/* 0, -ENOMEM, or -EINVAL (levels, shared_bit or max_level make no sense). Locking: none. */
int mmu_init(struct mmu *mmu, const struct mmu_config *config) MUST_CHECK;

/*
 * Give everything back. No vCPU runs any more. A TD: phase is MMU_RELEASED or MMU_BUILDING, or the
 * mirror is empty. Slots that are still there are removed. Returns the number of leaked tables.
 */
uint64_t mmu_fini(struct mmu *mmu);

/* Move a TD's mirror to its next phase (rules C7, C14). Takes lock for write: no hook is running. */
void mmu_set_phase(struct mmu *mmu, enum mmu_phase phase);

/*
 * ---- roots (rules F1, E3, E5): root.h ----
 *
 * A vCPU holds a reference to the root that it has loaded. Before each entry, after it looked at its
 * requests, it asks whether that root is still valid; if not, it puts it, gets the new one, loads
 * that and flushes. mmu_invalidate() counts on it.
 */

/* The valid root of this role, with a reference; a direct one is made if there is none. NULL: out of
 * memory, or the mirror of a VM. */
struct mmu_page *mmu_root_get(struct mmu *mmu, enum mmu_root root) MUST_CHECK;
void mmu_root_put(struct mmu *mmu, struct mmu_page *root);
bool mmu_root_is_valid(const struct mmu_page *root);

/* What is loaded for it. */
uint64_t mmu_root_eptp(const struct mmu *mmu, const struct mmu_page *root);

/*
 * Put an empty root in the place of this one: everybody leaves the guest once, and faults anew. What
 * the old one maps is dropped in passes under the read side, without a flush; the old root itself
 * goes with its last reference. 0; -ENOMEM: nothing happened; -EINVAL: the mirror, whose external
 * table is one for the life of the TD; -EIO (bugged).
 */
int mmu_invalidate(struct mmu *mmu, enum mmu_root root) MUST_CHECK;

/* What a vCPU loads: the EPTP of the direct root (a TD: the shared EPTP). */
uint64_t mmu_eptp(const struct mmu *mmu);
hpa_t mmu_root_hpa(const struct mmu *mmu, enum mmu_root root);

/* ---- memory slots ---- */

/* Add @slot (caller's memory, until removed). 0, -EINVAL, -EEXIST (overlap), -ENOSPC. */
int mmu_slot_add(struct mmu *mmu, struct memslot *slot) MUST_CHECK;

/* Zap what @slot maps in both roots, flush, forget it. 0, or -EIO: the mirror still has some. */
int mmu_slot_remove(struct mmu *mmu, struct memslot *slot) MUST_CHECK;

/* The slot that holds @gfn, or NULL. Stable only while the caller keeps slots from being removed. */
struct memslot *mmu_slot_find(const struct mmu *mmu, gfn_t gfn);

/* The slot of that place in ascending order, or NULL behind the last. Stable likewise. */
struct memslot *mmu_slot_at(const struct mmu *mmu, unsigned place);

/* ---- faults ---- */

struct mmu_fault {
	gfn_t gfn; /* SHARED bit removed */
	enum mmu_root root;
	unsigned access;   /* enum mmu_access bits; of no meaning for the mirror (rule C8) */
	uint8_t max_level; /* 0: any; else the level that the guest's ACCEPT wants, not larger */
	bool prefetch;     /* map ahead: never changes a present entry (rule D5) */
	/* out */
	uint8_t level; /* of the leaf that is there now */
	bool spurious; /* it was there already */
	pfn_t pfn;     /* frame of fault->gfn */
};

/*
 * Make the access at @fault->gfn possible.
 *
 * 0        the guest can go on.
 * -EAGAIN  somebody else is changing this entry, or the hook was busy; stay out of the guest, let a
 *          pending kick or stop through, and call again (a private fault must not re-enter, B2).
 *          A direct fault may also re-enter and fault again.
 * -ENOENT  no slot: MMIO, to be emulated.
 * -EACCES  a write to a read-only slot or a write-tracked page: report it.
 * -ENOMEM  no frame or no table page.
 * -EIO     the guest is bugged.
 * Locking  takes lock for read, or for write when a larger private page must be split first.
 */
int mmu_handle_fault(struct mmu *mmu, struct mmu_fault *fault) MUST_CHECK;

/*
 * Map one private page of the caller's choice, before finalisation: frame @pfn at @gfn, 4K. The hook
 * sees STEP_ADD_LEAF. 0, -ENOENT (no slot), -EEXIST, -EBUSY, -ENOMEM, -EIO; on failure the frame
 * stays the caller's.
 */
int mmu_map_private(struct mmu *mmu, gfn_t gfn, pfn_t pfn) MUST_CHECK;

/*
 * Map [start, start + frames) ahead, one walk per table; present entries stay as they are. The range
 * lies in one slot. *done: frames that are mapped now, from start on, also after an error.
 */
int mmu_map_range(struct mmu *mmu, enum mmu_root root, gfn_t start, uint64_t frames, int max_level,
		  uint64_t *done) MUST_CHECK;

/*
 * An EPT misconfiguration at @gfn. -ENOENT: MMIO, to be emulated. 0: the entry was out of date and
 * is gone; go on. -EIO: no entry of ours.
 */
int mmu_handle_misconfig(struct mmu *mmu, gfn_t gfn) MUST_CHECK;

/* ---- removal ---- */

/*
 * Unmap [start, start + frames) of @root (any direct one: of all of them), splitting leaves that reach beyond it; flush; free emptied
 * tables. 0; -ENOMEM: a larger leaf could not be split and is still there. Mirror: -EAGAIN, the hook
 * stayed busy, or -EIO (bugged): the rest is still there, some of it blocked; zap again to finish.
 */
int mmu_zap_range(struct mmu *mmu, enum mmu_root root, gfn_t start, uint64_t frames) MUST_CHECK;
int mmu_zap_all(struct mmu *mmu, enum mmu_root root) MUST_CHECK;

/* ---- dirty log, write tracking, ageing: the direct root (rules A5, E2, E4, F3) ---- */

/*
 * Log writes to @slot in @bitmap (one bit a frame, zeroed, the caller's until mmu_log_stop()).
 * Large leaves are split at their first write; mmu_split_range() before makes that eager. One flush.
 */
void mmu_log_start(struct mmu *mmu, struct memslot *slot, uint64_t *bitmap);
void mmu_log_stop(struct mmu *mmu, struct memslot *slot);

/*
 * How writes are logged from now on. 0; -EBUSY: a slot is logged; -EINVAL: it would change whether
 * the CPU sets A and D, which the EPTP says.
 */
int mmu_set_ad_policy(struct mmu *mmu, enum mmu_ad_policy ad) MUST_CHECK;

/*
 * Bring what the CPU logged in D bits into the bitmap and start those pages clean again. One flush
 * if there was any; then reading the bitmap tells every write before this call.
 * Returns the number of pages found.
 */
uint64_t mmu_log_harvest(struct mmu *mmu, struct memslot *slot);

/*
 * Of the 64 frames from @first on (aligned to 64 in the slot), those in @mask: take them out of the
 * bitmap and let their next write be seen again. Owes a flush, paid by mmu_log_flush() once per
 * round, before the pages are read. Returns the number of leaves changed.
 */
unsigned mmu_log_clear(struct mmu *mmu, struct memslot *slot, uint64_t first, uint64_t mask);
void mmu_log_flush(struct mmu *mmu, struct memslot *slot);

/*
 * The same for the whole slot at once: the bitmap moves to @round (of its size), and the next write to
 * each of its pages will be seen again. Owes the same flush.
 */
uint64_t mmu_log_take(struct mmu *mmu, struct memslot *slot, uint64_t *round);

/* A vCPU's page-modification log: @count GPAs. Frames outside of logged slots are ignored. */
void mmu_log_pml(struct mmu *mmu, const uint64_t *gpas, unsigned count);

/*
 * The host wrote to the page of @gpa itself, for a device of the guest: the log has it as a write of the
 * guest's. Called after the write, without the lock.
 */
static inline void mmu_log_host_write(struct mmu *mmu, gpa_t gpa)
{
	mmu_log_pml(mmu, &gpa.v, 1);
}

/* Make all leaves of the range read-only (MMU-writable stays). Returns leaves changed; one flush. */
uint64_t mmu_wrprotect(struct mmu *mmu, gfn_t start, uint64_t frames);

/*
 * Report every write to @gfn: mmu_handle_fault() says -EACCES until it is untracked. @bitmap is for
 * mmu_track_start() what it is for mmu_log_start(). 0, or -ENOMEM (a large leaf must be split).
 */
void mmu_track_start(struct mmu *mmu, struct memslot *slot, uint64_t *bitmap);
int mmu_track(struct mmu *mmu, struct memslot *slot, gfn_t gfn) MUST_CHECK;
void mmu_untrack(struct mmu *mmu, struct memslot *slot, gfn_t gfn);

/* Count the leaves of the range that were used since the last call; they count as unused now. */
uint64_t mmu_age(struct mmu *mmu, gfn_t start, uint64_t frames);

/* Split what is larger than @level. 0 or -ENOMEM (some are split). No flush. */
int mmu_split_range(struct mmu *mmu, gfn_t start, uint64_t frames, int level) MUST_CHECK;

/* Put large leaves where the backing is one run and nothing is logged or tracked. Pages joined. */
uint64_t mmu_recover_range(struct mmu *mmu, gfn_t start, uint64_t frames);

/* ---- large private pages ---- */

/*
 * Make one leaf of @level out of the 512 below it. 0; -EINVAL: they are not 512 mapped leaves of one
 * aligned run; -EOPNOTSUPP: the module does not join these (some accepted, some not); -EAGAIN; -EIO.
 */
int mmu_join_private(struct mmu *mmu, gfn_t gfn, int level) MUST_CHECK;

/*
 * Move the 4K private page at @gfn into frame @to, which was the caller's. The old frame goes to the
 * slot's release(). 0, -EINVAL (no 4K leaf there), -EAGAIN, -EIO; then @to is still the caller's.
 */
int mmu_move_private(struct mmu *mmu, gfn_t gfn, pfn_t to) MUST_CHECK;

/*
 * Move the 512 private 4K pages around @gfn into the run of frames at @to, which was the caller's, with one
 * flush: what a join wants. *moved: the first so many frames of @to belong to the mirror now, also after an
 * error; the others are still the caller's. 0, -EINVAL (not 512 leaves there), -EAGAIN, -EIO.
 */
int mmu_gather_private(struct mmu *mmu, gfn_t gfn, pfn_t to, unsigned *moved) MUST_CHECK;

/* ---- looking ---- */

struct mmu_walk_step {
	hpa_t table;
	unsigned index;
	spte_t spte;
	int level;
};

/* The entry over @gfn, and its level. No lock. */
spte_t mmu_lookup(struct mmu *mmu, enum mmu_root root, gfn_t gfn, int *level);

/* The path from the root to @gfn. Returns the steps filled (at most 5). No lock. */
unsigned mmu_walk(struct mmu *mmu, enum mmu_root root, gfn_t gfn, struct mmu_walk_step steps[5]);

void mmu_stats(struct mmu *mmu, struct mmu_stats *stats);

/* What the external table says of one entry of the mirror. 0, -EIO, or -ENOSYS: nobody can say. */
int mmu_read_external(struct mmu *mmu, gfn_t gfn, int level, struct mmu_external *e) MUST_CHECK;

/* ---- the proof (rules G) ---- */

struct mmu_finding {
	unsigned rule; /* 1 to 7: G1 to G7 */
	enum mmu_root root;
	gfn_t gfn;
	int level;
	const char *what;
};

/*
 * Walk everything and prove the invariants; @report gets what does not hold. Returns the number of
 * findings. Takes lock for write, for 256 tables at a time: faults get through in between.
 */
unsigned mmu_check(struct mmu *mmu, void (*report)(void *arg, const struct mmu_finding *f),
		   void *arg);

/* ---- what the hooks may ask ---- */

/* The descriptor of the table that @spte points to. */
struct mmu_page *mmu_page_of(struct mmu *mmu, spte_t spte);

#endif
