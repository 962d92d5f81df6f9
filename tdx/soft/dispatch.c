/*
 * dispatch.c - one SEAMCALL: the table of leaves, and the checks before any of them.
 *
 * Invariants
 *   - Every lock that a leaf took is released before the call returns.
 *   - A register that no leaf defines as output comes back as it was: leaves edit the caller's
 * image.
 *
 * Facts: ABI reference section 1.1, "Dispatcher order".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/module.h"

#include <stdio.h>
#include <string.h>

#define ANYTIME BIT32(0) /* also before SYS_READY */
#define V1      BIT32(1) /* versions above 0 reach the leaf */
#define V1_TOPO BIT32(2) /* likewise, if vCPUs can be given x2APIC ids */
#define IF_DISABLE BIT32(3) /* only in a module that has TDH.SYS.DISABLE */

/* clang-format off */
static const struct leaf_row {
	tdx_status_t (*run)(struct call *c);
	uint32_t flags;
} leaves[] = {
	[0]  = { leaf_vp_enter, 0 },            [1]  = { leaf_mng_addcx, 0 },
	[2]  = { leaf_mem_page_add, 0 },        [3]  = { leaf_mem_sept_add, V1 },
	[4]  = { leaf_vp_addcx, 0 },            [5]  = { leaf_mem_page_relocate, 0 },
	[6]  = { leaf_mem_page_aug, 0 },        [7]  = { leaf_mem_range_block, 0 },
	[8]  = { leaf_mng_key_config, 0 },      [9]  = { leaf_mng_create, 0 },
	[10] = { leaf_vp_create, 0 },           [11] = { leaf_mng_rd, V1 },
	[12] = { leaf_mem_rd, 0 },              [13] = { leaf_mng_wr, 0 },
	[14] = { leaf_mem_wr, 0 },              [15] = { leaf_mem_page_demote, 0 },
	[16] = { leaf_mr_extend, 0 },           [17] = { leaf_mr_finalize, 0 },
	[18] = { leaf_vp_flush, 0 },            [19] = { leaf_mng_vpflushdone, 0 },
	[20] = { leaf_mng_key_freeid, 0 },      [21] = { leaf_mng_init, 0 },
	[22] = { leaf_vp_init, V1_TOPO },       [23] = { leaf_mem_page_promote, V1 },
	[24] = { leaf_phymem_page_rdmd, 0 },    [25] = { leaf_mem_sept_rd, 0 },
	[26] = { leaf_vp_rd, V1 },              [27] = { leaf_mng_key_reclaimid, 0 },
	[28] = { leaf_phymem_page_reclaim, 0 }, [29] = { leaf_mem_page_remove, 0 },
	[30] = { leaf_mem_sept_remove, V1 },    [31] = { leaf_sys_key_config, ANYTIME },
	[32] = { leaf_sys_info, ANYTIME },      [33] = { leaf_sys_init, ANYTIME },
	[34] = { leaf_sys_rd, ANYTIME },        [35] = { leaf_sys_lp_init, ANYTIME },
	[36] = { leaf_sys_tdmr_init, 0 },       [37] = { leaf_sys_rdall, ANYTIME },
	[38] = { leaf_mem_track, 0 },           [39] = { leaf_mem_range_unblock, 0 },
	[40] = { leaf_phymem_cache_wb, 0 },     [41] = { leaf_phymem_page_wbinvd, 0 },
	[43] = { leaf_vp_wr, 0 },               [44] = { leaf_sys_lp_shutdown, ANYTIME },
	[45] = { leaf_sys_config, ANYTIME },    [52] = { leaf_sys_shutdown, 0 },
	[48] = { leaf_servtd_bind, 0 },         [49] = { leaf_servtd_prebind, 0 },
	[53] = { leaf_sys_update, ANYTIME },
	[58] = { leaf_phymem_pamt_add, 0 },     [59] = { leaf_phymem_pamt_remove, 0 },
	/* migration: see mig.c */
	[64] = { leaf_mig_session, 0 },         [65] = { leaf_mig_session, 0 },
	[66] = { leaf_mig_restore, 0 },         [68] = { leaf_mig_session, 0 },
	[69] = { leaf_sys_disable, ANYTIME | IF_DISABLE },
	[70] = { leaf_mig_session, 0 },         [71] = { leaf_mig_session, 0 },
	[72] = { leaf_mig_export_immutable, 0 }, [73] = { leaf_mig_session, 0 },
	[74] = { leaf_mig_vp, 0 },              [75] = { leaf_mig_unblockw, 0 },
	[80] = { leaf_mig_session, 0 },         [81] = { leaf_mig_session, 0 },
	[82] = { leaf_mig_session, 0 },         [83] = { leaf_mig_session, 0 },
	[84] = { leaf_mig_session, 0 },         [85] = { leaf_mig_import_immutable, 0 },
	[86] = { leaf_mig_session, 0 },         [87] = { leaf_mig_vp, 0 },
	[96] = { leaf_mig_stream_create, 0 },
};
/* clang-format on */

#define LEAF_LP_SHUTDOWN 44
#define LEAF_DISABLE     69
#define ODD_DETAIL       0x5a /* what SOFT_A_ALL_DETAILS puts where there is no operand */

static bool versions(const struct call *c, const struct leaf_row *row)
{
	if (row->flags & V1_TOPO)
		return (c->m->profile->features0 & SOFT_F_TOPOLOGY) != 0;
	return (row->flags & V1) != 0;
}

static const struct leaf_row *row_of(const struct call *c)
{
	const struct leaf_row *row = c->leaf < ARRAY_LEN(leaves) ? &leaves[c->leaf] : NULL;

	if (row && (row->flags & IF_DISABLE) && !(c->m->profile->features0 & SOFT_F_SYS_DISABLE))
		return NULL;
	return row;
}

static tdx_status_t dispatch(struct call *c)
{
	uint64_t rax = c->r->rax;
	const struct leaf_row *row = row_of(c);
	uint8_t state = __atomic_load_n(&c->m->sys_state, __ATOMIC_ACQUIRE);

	if (rax & ~BITS64(23, 0))
		return FAIL(OPERAND_INVALID, OP_RAX);
	if (c->version && !(row && versions(c, row)))
		return FAIL(OPERAND_INVALID, OP_RAX);
	if (state == SYS_SHUTDOWN_DONE && c->leaf != LEAF_LP_SHUTDOWN)
		return FAIL(SYS_SHUTDOWN, 0);
	if (state == SYS_DISABLING && c->leaf != LEAF_DISABLE)
		return FAIL(SYS_NOT_READY, 0);
	if (state != SYS_READY && !(row && (row->flags & ANYTIME)))
		return FAIL(SYS_NOT_READY, 0);
	if (!row || !row->run)
		return FAIL(OPERAND_INVALID, OP_RAX);
	return row->run(c);
}

bool soft_seamcall(struct soft_module *m, unsigned lp, struct soft_regs *regs)
{
	struct call c;

	if (__atomic_load_n(&m->halted, __ATOMIC_ACQUIRE) || lp >= m->machine->lp_count)
		return false;
	c.m = m;
	c.lp = lp;
	c.leaf = (unsigned)(regs->rax & 0xffff);
	c.version = (unsigned)(regs->rax >> 16 & 0xff);
	c.r = regs;
	c.in = *regs;
	c.guest = c.interrupted = false;
	c.held = 0;
	__atomic_fetch_add(&m->calls_inside, 1, __ATOMIC_ACQ_REL);

	tdx_status_t st;

	if (likely(!m->inject_count) || !inject_before(&c, &st))
		st = dispatch(&c);

	call_release_to(&c, 0);
	if (answers(m, SOFT_A_ALL_DETAILS) && st.raw >> 63 && !(uint32_t)st.raw &&
	    !tdx_is(st, TDX_OPERAND_INVALID)) /* whose operand 0 is RAX */
		st.raw |= ODD_DETAIL;
	__atomic_fetch_sub(&m->calls_inside, 1, __ATOMIC_ACQ_REL);
	if (__atomic_load_n(&m->halted, __ATOMIC_ACQUIRE))
		return false;
	regs->rax = st.raw;
	return true;
}

size_t soft_module_size(void) { return (size_t)align_up(sizeof(struct soft_module), PAGE_SIZE); }

void soft_fresh(struct soft_module *m, const struct soft_machine *machine,
		const struct soft_backend *backend, const struct soft_profile *profile)
{
	m->machine = machine;
	m->backend = backend;
	m->profile = profile;
	m->sys_state = SYSINIT_PENDING;
	m->hkid_shift = PA_BITS; /* until SYS.INIT has read the KeyID bits */
}

struct soft_module *soft_init(void *memory, const struct soft_machine *machine,
			      const struct soft_backend *backend, const struct soft_profile *profile)
{
	struct soft_module *m = memory;

	memset(m, 0, sizeof(*m));
	soft_fresh(m, machine, backend, profile);
	return m;
}

const char *soft_banner(const struct soft_profile *profile, char *buf, size_t size)
{
	snprintf(buf, size,
		 "SOFTWARE TDX MODULE: emulates version %s of the TDX module on a CPU without TDX. NO "
		 "CONFIDENTIALITY, NO INTEGRITY, NO ATTESTATION: the host can read and change everything.",
		 profile->name);
	return buf;
}
