/*
 * module.h - the software module's inside: global data, TD and vCPU control structures, one call.
 *
 * Where state lives
 *   struct soft_module   the module's global data
 *   struct tdr           the TDR page
 *   struct tdcs          the first TDCX page of a TD; the next ones hold x2APIC ids; the profile
 *                        says which are the MSR bitmap and the S-EPT root; the others are only
 *                        owned
 *   struct tdvps         the TDVPR page; the five TDCX pages are the backend's (VMCS, virtual APIC,
 *                        extended state)
 *
 * Invariants
 *   - A leaf takes locks through its struct call; the dispatcher releases all of them when the
 *     leaf returns, whatever it returns. TDH.VP.ENTER releases by hand around the guest.
 *   - A leaf changes nothing before its last check.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_SOFT_MODULE_H
#define TAIN_SOFT_MODULE_H

#include "kernel/base/sha384.h"
#include "tdx/abi/inject.h"
#include "tdx/abi/operand.h"
#include "tdx/abi/status.h"
#include "tdx/soft/lock.h"
#include "tdx/soft/profile.h"
#include "tdx/soft/soft.h"

#define PA_BITS      52 /* the ABI's physical addresses, whatever the CPU has */
#define MAX_HKIDS    2048
#define CPUID_ROWS   78 /* of any version */
#define MAX_XFAM_BIT 19

#define ALL_ONES UINT64_C(0xffffffffffffffff)

/* Operand ids in bits 31:0 of a status. */
enum operand {
#define X(id, name) OP_##name = (id),
	TDX_OPERAND_TABLE(X)
#undef X
};

#define OK              tdx_status(TDX_SUCCESS, 0)
#define FAIL(name, det) tdx_status(TDX_##name, (uint32_t)(det))
#define FAILED(st)      ((st).raw != 0)
/* Return from the caller with the status of @expr unless it is plain success. */
#define TRY(expr)                             \
	do {                                  \
		tdx_status_t try_st = (expr); \
		if (FAILED(try_st))           \
			return try_st;        \
	} while (0)

enum sys_state {
	SYSINIT_PENDING,
	SYSINIT_DONE,
	SYSCONFIG_DONE,
	SYS_READY,
	SYS_SHUTDOWN_DONE,
	SYS_DISABLING, /* TDH.SYS.DISABLE was called, and has not ended */
};
enum lifecycle { HKID_ASSIGNED, KEYS_CONFIGURED, KEYS_BLOCKED, TEARDOWN };
enum kot_state { KOT_FREE, KOT_ASSIGNED, KOT_FLUSHED, KOT_RESERVED };
enum vcpu_state { VCPU_UNINITIALIZED = 0, VCPU_READY = 2, VCPU_ACTIVE = 4, VCPU_DISABLED = 8 };
enum last_exit { EXIT_ASYNC_FAULT, EXIT_ASYNC_TRAP, EXIT_TDVMCALL };
/* clang-format off */
enum op_state {
	OPS_UNINITIALIZED, OPS_INITIALIZED, OPS_RUNNABLE, OPS_LIVE_EXPORT, OPS_PAUSED_EXPORT,
	OPS_POST_EXPORT, OPS_MEMORY_IMPORT, OPS_STATE_IMPORT, OPS_POST_IMPORT, OPS_LIVE_IMPORT,
	OPS_FAILED_IMPORT,
};
/* clang-format on */
enum page_type {
	PT_NDA = 0,
	PT_RSVD = 1,
	PT_REG = 3,
	PT_TDR = 4,
	PT_TDCX = 5,
	PT_TDVPR = 6,
	PT_EPT = 8,
	PT_PAMT = 15 /* a 2M entry with a pair; as RDMD says, also half of a pair */
};

#define ATTR_DEBUG           BIT64(0)
#define ATTR_SEPT_VE_DISABLE BIT64(28)
#define ATTR_MIGRATABLE      BIT64(29)
#define ATTR_PKS             BIT64(30)
#define ATTR_PERFMON         BIT64(63)

#define CFG_GPAW                BIT64(0)
#define CFG_FLEXIBLE_PENDING_VE BIT64(1)
#define CFG_NO_RBP_MOD          BIT64(2)

#define TD_CTLS_ENUM_TOPOLOGY BIT64(1)

#define MAX_L2_VMS     3
#define TDCX_X2APIC    1 /* x2APIC ids of the vCPUs, this page and the next */
#define X2APIC_IDS_PER_PAGE (PAGE_SIZE / sizeof(uint32_t))
#define EPF_LIST_LEN   32

/* ---- global data ---------------------------------------------------------------------------- */

struct tdmr {
	uint64_t base, size;
	uint64_t pamt[3]; /* base of the PAMT area of level 0 (4K), 1 (2M), 2 (1G) */
	uint64_t pamt_size[3];
	uint64_t done; /* PAMT is initialised up to here; whole GiB below it are usable */
	lock_t lock;
	struct soft_range reserved[SOFT_MOST_RESERVED]; /* offsets from base */
};

struct kot_entry {
	uint8_t state;   /* enum kot_state */
	uint8_t wb_todo; /* packages that still have to run CACHE.WB */
};

struct wbt_entry {
	lock_t lock;
	bool interrupted;
	uint32_t next_block;
	uint64_t hkids[MAX_HKIDS / 64]; /* flushed when the command began */
};

/* MSRs that must be alike on all LPs, in the order of LP.INIT's comparison. */
#define SAVED_MSRS 32

/* What a module that was shut down leaves for the next. */
struct handoff {
	bool valid;
	uint16_t version, global_hkid;
	uint8_t pkg_done;
	bool dynamic_pamt;
	uint32_t tdmr_count;
	struct tdmr tdmr[SOFT_MOST_TDMRS];
	struct kot_entry kot[MAX_HKIDS];
	struct wbt_entry wbt[SOFT_MAX_PACKAGES];
};

struct soft_module {
	uint8_t scratch[PAGE_SIZE]; /* stands in for private pages named as shared ones */
	const struct soft_machine *machine;
	const struct soft_backend *backend;
	const struct soft_profile *profile;

	lock_t sys_lock;
	uint8_t sys_state; /* enum sys_state */
	bool halted;
	bool lp_done[SOFT_MAX_LPS];
	uint32_t lps_done;
	uint32_t calls_inside;
	uint32_t inject_count;
	struct tdx_inject inject[TDX_INJECT_RULES];

	uint64_t msr[SAVED_MSRS];
	uint32_t cpuid[CPUID_ROWS][4]; /* SYS.INIT's LP */
	uint32_t max_ext_leaf;
	unsigned maxpa, pkg_shift;
	unsigned gpaw_small; /* GPA width when CONFIG_FLAGS.GPAW is 0 */
	uint64_t xfam_native;
	uint32_t num_shared_hkids, num_private_hkids;
	unsigned hkid_shift; /* first HKID bit of a physical address */
	uint32_t wb_blocks;
	uint64_t tsc_hz;

	uint16_t global_hkid;
	uint8_t pkg_all, pkg_done;
	bool dynamic_pamt; /* as SYS.CONFIG asked: pamt[0] of the TDMRs is a bitmap */
	uint32_t tdmr_count;
	struct tdmr tdmr[SOFT_MOST_TDMRS];

	lock_t kot_lock;
	struct kot_entry kot[MAX_HKIDS];
	struct wbt_entry wbt[SOFT_MAX_PACKAGES];

	uint64_t report_key[4]; /* made at SYS.INIT: means nothing outside this module */

	/* How far TDH.SYS.DISABLE has come: TDMR, bytes of it. */
	uint32_t disable_tdmr;
	uint64_t disable_done;

	struct handoff handoff; /* last: what lies before it is a module's own */
};

/* ---- TDR, TDCS, TDVPS ----------------------------------------------------------------------- */

struct tdr {
	uint8_t fatal;
	uint32_t num_tdcx;
	uint32_t lifecycle;
	uint64_t chldcnt; /* atomic */
	uint64_t tdcx_pa[SOFT_MOST_TDCS_PAGES];
	uint64_t uuid[4];
	uint16_t hkid;
	uint64_t pkg_bitmap;
	uint64_t seamdb_index, seamdb_nonce[4];
};

/* TD_EPOCH and its reference counts, one 16-byte word so that one cmpxchg sees both. */
struct epoch {
	uint64_t td_epoch;
	uint16_t refcount[2];
	uint32_t pad;
};

#define VMSR_COUNT 21 /* IA32_ARCH_CAPABILITIES, then 0x480 to 0x493 */

/* A service TD's place in a TD. */
enum servtd_state { SERVTD_NOT_BOUND, SERVTD_PRE_BOUND, SERVTD_IS_BOUND };
struct servtd_binding {
	uint8_t state; /* enum servtd_state */
	uint8_t reserved0;
	uint16_t type;
	uint32_t reserved1;
	uint64_t attributes;
	uint64_t uuid[4];
	uint8_t info_hash[48];
	uint8_t reserved2[32];
};
_Static_assert(sizeof(struct servtd_binding) == 128, "16 elements of SERVTD_BINDINGS_TABLE");

struct tdcs {
	/* management */
	uint32_t num_vcpus, num_assoc_vcpus, op_state;
	uint16_t num_l2;
	lock_t op_lock, tree_lock, epoch_lock, rtmr_lock, mig_lock, servtd_lock;
	/* execution controls */
	uint64_t attributes, xfam;
	uint32_t max_vcpus;
	uint8_t gpaw;       /* CONFIG_FLAGS.GPAW */
	uint8_t gpa_width;  /* 48, 52, or what this CPU has */
	uint8_t root_level; /* 3 or 4 */
	uint64_t eptp, tsc_offset, tsc_multiplier;
	uint16_t tsc_frequency;
	uint64_t virtual_tsc;
	uint32_t xbuff_size;
	uint64_t notify_enables, hp_lock_timeout, hp_lock_ticks, vm_ctls[4];
	uint64_t config_flags, td_ctls;
	uint8_t topology_configured;
	uint32_t xbuff_offsets[MAX_XFAM_BIT];
	struct epoch epoch;
	/* measurement */
	uint8_t mrtd[48], mrconfigid[48], mrowner[48], mrownerconfig[48];
	uint8_t rtmr[4][48];
	uint8_t servtd_hash[48];
	uint8_t tee_info_hash[48];
	bool tee_info_hash_valid;
	struct sha384 mrtd_ctx;
	/* virtual CPUID and MSRs */
	uint8_t cpuid_valid[80];
	uint32_t cpuid[CPUID_ROWS][4];
	uint32_t cpuid_flags;
	uint64_t vmsr[VMSR_COUNT];
	uint64_t mig_key[4];
	uint16_t num_migsc, servtd_num;
	struct servtd_binding servtd;
};

_Static_assert(sizeof(struct tdr) <= PAGE_SIZE, "the TDR is one page");
_Static_assert(sizeof(struct tdcs) <= PAGE_SIZE, "the TDCS fields fit the first TDCX page");

/* What the guest may use beyond the architectural minimum: bits of tdcs.cpuid_flags. */
#define HAS_MONITOR      BIT32(0)
#define HAS_DCA          BIT32(1)
#define HAS_TSC_DEADLINE BIT32(2)
#define HAS_WAITPKG      BIT32(3)
#define HAS_TSX          BIT32(4)
#define HAS_TME          BIT32(5)
#define HAS_MKTME        BIT32(6)
#define HAS_LA57         BIT32(7)
#define HAS_XFD          BIT32(8)
#define HAS_DDPD         BIT32(9)

/* perfevtsel 8, offcore_rsp 2, fixed_ctr 7, and one each: see md_tables.c. */
#define SOFT_PERF_WORDS 32

struct tdvps {
	struct soft_vcpu v; /* first: the VE-information area opens the page */
	uint8_t state;      /* enum vcpu_state */
	uint8_t num_pages;
	uint8_t cpuid_supervisor_ve, cpuid_user_ve;
	uint8_t pend_nmi;
	uint8_t last_td_exit; /* enum last_exit */
	uint8_t epf_idx, epf_count;
	uint8_t nmi_unblock;
	bool nmi_window; /* NMI-window exiting is on */
	uint8_t hp_busy;
	uint8_t noted; /* mistakes of the guest that were told: bits of enum note in guest_tdcall.c */
	uint32_t assoc_lpid;
	uint64_t epoch;
	uint64_t page_pa[SOFT_MOST_TDVPS_PAGES];
	uint64_t last_exit_tsc;
	uint64_t hp_busy_start;
	uint64_t entry_rip; /* at the last TDH.VP.ENTER */
	uint64_t epf_gpa[EPF_LIST_LEN];
	struct soft_exit last_exit;
	uint8_t cpuid_control[128];
	uint64_t shared_eptp, pid_addr, pml_addr; /* as the host wrote them; ~0 until then */
	uint64_t perf[SOFT_PERF_WORDS]; /* performance monitoring and branch records, likewise */
	uint64_t l2_ctls[4], l2_debug_ctls[4], tsc_deadline[4]; /* kept for VP.RD and WR only */
};

_Static_assert(sizeof(struct tdvps) <= PAGE_SIZE, "the TDVPS fields fit the TDVPR page");

/* How many pages a TD's and a vCPU's control structures are, at least and at most. */
static inline unsigned tdcs_pages(const struct soft_module *m, unsigned l2)
{
	return m->profile->tdcs_pages + m->profile->tdcs_l2_pages * l2;
}

static inline unsigned tdvps_pages(const struct soft_module *m, unsigned l2)
{
	return m->profile->tdvps_pages + m->profile->tdvps_l2_pages * l2;
}

static inline bool answers(const struct soft_module *m, uint32_t how)
{
	return (m->profile->answers & how) != 0;
}

#define LPID_NONE UINT32_C(0xffffffff)

/* ---- PAMT ----------------------------------------------------------------------------------- */

struct pamt_entry {
	lock_t lock; /* with host priority */
	uint8_t type;
	uint8_t owner_low;
	uint32_t owner_high;
	uint64_t bepoch;
};
_Static_assert(sizeof(struct pamt_entry) == 16, "the least a profile may say");

struct pamt_ref {
	struct pamt_entry *e;     /* where the walk ended */
	struct pamt_entry *up[2]; /* the 2M and 1G entries above (NULL above the end) */
	unsigned level;
};

/* ---- one call ------------------------------------------------------------------------------- */

#define MAX_HELD 32

struct call {
	struct soft_module *m;
	unsigned lp;
	unsigned leaf, version;
	struct soft_regs *r; /* the caller's registers, edited in place */
	struct soft_regs in; /* as they came */
	bool interrupted;    /* told to find an interrupt pending */
	bool guest;          /* a TDCALL or exit of a guest: lock failures differ */
	unsigned held;
	struct held {
		void *lock;
		uint8_t kind; /* enum held_kind */
	} hold[MAX_HELD];
};

/* Everything a leaf on an initialised TD works with. */
struct td {
	struct tdr *tdr;
	struct tdcs *tdcs;
	uint64_t pa; /* of the TDR */
	struct pamt_entry *pamt;
};

/* dispatch.c: a module in zeroed memory, as INSTALL leaves it. */
void soft_fresh(struct soft_module *m, const struct soft_machine *machine,
		const struct soft_backend *backend, const struct soft_profile *profile);

/* inject.c */
bool inject_before(struct call *c, tdx_status_t *st);

/* call.c */
tdx_status_t call_take(struct call *c, lock_t *l, enum lock_mode mode, enum lock_class cl,
		       uint32_t op);
tdx_status_t call_take_entry(struct call *c, uint64_t *entry, uint32_t op);
void call_release_to(struct call *c, unsigned mark);
void *call_map(const struct call *c, uint64_t pa);
/*
 * Memory that the host named as shared. Where the PAMT says that a TD or the module has that page,
 * the real host would see garbage, and its write would be lost to the TD's #MC: here it gets a
 * scratch page.
 */
void *call_map_shared(const struct call *c, uint64_t pa);
void call_hide(const struct call *c, uint64_t pa, unsigned level);
void call_unhide(const struct call *c, uint64_t pa, unsigned level);
void call_filling(const struct call *c);
void call_page_fill(void *page, uint64_t word);
void call_page_copy(void *to, const void *from);
bool call_random(const struct call *c, uint64_t *out);
uint64_t call_rdmsr(const struct call *c, uint32_t index);
bool call_irq_pending(const struct call *c);
uint64_t call_with_hkid(const struct call *c, uint64_t pa, uint16_t hkid);
void call_halt(struct call *c, const char *why);

/* checks.c: the shared check blocks, named as in the ABI reference */
tdx_status_t check_pa(const struct call *c, uint64_t pa, uint64_t align, uint32_t op);
tdx_status_t check_shared(const struct call *c, uint64_t pa, uint64_t align, uint64_t size,
			  uint32_t op);
tdx_status_t check_priv4k(struct call *c, uint64_t pa, uint32_t op, uint8_t type,
			  enum lock_mode mode, struct pamt_ref *ref);
tdx_status_t check_free(struct call *c, uint64_t pa, unsigned level, uint32_t op,
			struct pamt_ref *ref);
tdx_status_t get_tdr(struct call *c, uint64_t pa, uint32_t op, enum lock_mode mode, struct td *td);
tdx_status_t get_owner_tdr(struct call *c, const struct pamt_ref *ref, enum lock_mode mode,
			   struct td *td);
tdx_status_t check_state(struct call *c, unsigned leaf, struct td *td, bool op_lock);
/* The same with the op-state's lock taken exclusively. */
tdx_status_t check_state_alone(struct call *c, unsigned leaf, struct td *td);
/* The first half of it: the TD has its keys and control pages, and has not died. */
tdx_status_t check_built(struct call *c, struct td *td);
tdx_status_t get_vp(struct call *c, uint64_t pa, uint32_t op, enum lock_mode mode,
		    struct tdvps **vp, struct pamt_ref *ref, struct td *td);
/* servtd.c, for MR.FINALIZE. */
void servtd_measure(struct tdcs *t);
/* guest_report.c: SHA-384 of TDINFO with the parts that @ignore names left zero. */
void report_info_hash(const struct tdcs *t, uint32_t ignore, uint8_t out[48]);
bool op_state_allows(unsigned leaf, uint32_t op_state);
bool hkid_is_private(const struct soft_module *m, uint32_t hkid);
/* The x2APIC id of vCPU @index of a TD. vp.c */
uint32_t *x2apic_id_at(const struct call *c, const struct tdr *tdr, unsigned index);
struct tdcs *map_tdcs(const struct call *c, const struct tdr *tdr);

/* pamt.c */
struct tdmr *tdmr_find(struct soft_module *m, uint64_t pa);
tdx_status_t pamt_walk(struct call *c, uint64_t pa, unsigned stop, enum lock_mode mode, uint32_t op,
		       struct pamt_ref *ref);
uint64_t pamt_owner(const struct pamt_entry *e);
void pamt_set(struct pamt_entry *e, uint8_t type, uint64_t owner);
void page_assign(struct call *c, struct pamt_entry *e, uint64_t pa, unsigned level, uint8_t type,
		 uint64_t owner);
/* In an address that a leaf returns: the last page in use of its 2M range has gone. */
#define PAMT_REMOVAL_HINT BIT64(62)
uint64_t page_give_back(struct call *c, struct pamt_entry *e, uint64_t pa, unsigned level);
struct pamt_entry *pamt_entry_at(const struct call *c, const struct tdmr *t, uint64_t pa,
				 unsigned level);
void pamt_split(struct call *c, struct pamt_ref *ref, uint64_t pa);
void pamt_merge(struct call *c, struct pamt_ref *ref, uint64_t pa, uint64_t owner);
void pamt_init_block(struct call *c, struct tdmr *t, uint64_t pa);
bool pamt_is_private(const struct call *c, uint64_t pa);
bool pamt_initialised(const struct tdmr *t, uint64_t pa);
bool pamt_is_reserved(const struct tdmr *t, uint64_t offset, uint64_t size);

/* pair.c: dynamic PAMT. pamt_bit(): the page is half of a pair, or reserved. */
bool pamt_bit(const struct call *c, uint64_t pa);
bool pamt_range_unmarked(const struct call *c, uint64_t pa);
void pamt_init_bitmap(struct call *c, const struct tdmr *t, uint64_t pa, uint64_t end);
uint64_t pair_page(const struct pamt_entry *e, unsigned which);
struct pamt_entry *pair_entry(const struct call *c, const struct pamt_entry *e, uint64_t pa);
bool pair_count(struct pamt_entry *e, bool more);
/* The page of 2M at @range whose entry is held exclusively becomes 512, described in @page[]. */
tdx_status_t pair_split(struct call *c, struct pamt_entry *large, uint64_t range,
			const uint64_t page[2]);
void pair_merge(struct call *c, struct pamt_entry *e, uint64_t owner, uint64_t page[2]);
/* For SYS.DISABLE: the pair of a range that nothing is used of is cleared and given back. */
void pair_drop(struct call *c, struct pamt_entry *e);
void chldcnt_add(struct tdr *tdr, int64_t n);

/* sys_init.c */
tdx_status_t check_tsc_adjust(struct call *c);
tdx_status_t check_cpuid_unlimited(struct call *c);

/* sys_config.c */
void sys_config_undo(struct call *c);

/* epoch.c */
bool epoch_tracked(const struct tdcs *t, uint64_t bepoch);
uint64_t epoch_enter(struct tdcs *t);
void epoch_leave(struct tdcs *t, uint64_t epoch);

/* The leaves, by file; dispatch.c has the table. */
/* clang-format off */
#define LEAF(name) tdx_status_t name(struct call *c)
LEAF(leaf_sys_init); LEAF(leaf_sys_lp_init); LEAF(leaf_sys_info); LEAF(leaf_sys_rd); LEAF(leaf_sys_rdall);
LEAF(leaf_sys_config); LEAF(leaf_sys_key_config); LEAF(leaf_sys_tdmr_init); LEAF(leaf_sys_lp_shutdown);
LEAF(leaf_sys_shutdown); LEAF(leaf_sys_update); LEAF(leaf_sys_disable);
LEAF(leaf_mng_create); LEAF(leaf_mng_key_config); LEAF(leaf_mng_addcx); LEAF(leaf_mng_init);
LEAF(leaf_mng_rd); LEAF(leaf_mng_wr); LEAF(leaf_mng_vpflushdone); LEAF(leaf_mng_key_freeid);
LEAF(leaf_mng_key_reclaimid);
LEAF(leaf_vp_create); LEAF(leaf_vp_addcx); LEAF(leaf_vp_init); LEAF(leaf_vp_flush); LEAF(leaf_vp_rd);
LEAF(leaf_vp_wr); LEAF(leaf_vp_enter);
LEAF(leaf_mr_extend); LEAF(leaf_mr_finalize);
LEAF(leaf_mem_sept_add); LEAF(leaf_mem_sept_remove); LEAF(leaf_mem_sept_rd); LEAF(leaf_mem_page_add);
LEAF(leaf_mem_page_aug); LEAF(leaf_mem_range_block); LEAF(leaf_mem_range_unblock); LEAF(leaf_mem_track);
LEAF(leaf_mem_page_remove); LEAF(leaf_mem_page_promote); LEAF(leaf_mem_page_demote);
LEAF(leaf_mem_page_relocate); LEAF(leaf_mem_rd); LEAF(leaf_mem_wr);
LEAF(leaf_phymem_page_rdmd); LEAF(leaf_phymem_page_reclaim); LEAF(leaf_phymem_page_wbinvd);
LEAF(leaf_phymem_cache_wb); LEAF(leaf_phymem_pamt_add); LEAF(leaf_phymem_pamt_remove);
LEAF(leaf_mig_session); LEAF(leaf_mig_vp); LEAF(leaf_mig_stream_create); LEAF(leaf_mig_export_immutable);
LEAF(leaf_mig_import_immutable); LEAF(leaf_mig_unblockw); LEAF(leaf_mig_restore);
LEAF(leaf_servtd_bind); LEAF(leaf_servtd_prebind);
#undef LEAF
/* clang-format on */

#endif
