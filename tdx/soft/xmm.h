/*
 * xmm.h - XMM registers between a vCPU's XSAVE area and the host, as a TDVMCALL selects them.
 *
 * Invariants
 *   - Only the legacy region and XSTATE_BV are touched: what lies above XMM (YMM, ZMM) stays the guest's.
 *   - Both formats of the area are understood; XCOMP_BV says which it is.
 *
 * SDM volume 1, "XSAVE Area" and "Operation of XRSTOR": in the compacted format MXCSR counts only if
 * XSTATE_BV has SSE, in the standard format always.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_SOFT_XMM_H
#define TAIN_SOFT_XMM_H

#include "kernel/base/types.h"

#define XMM_COUNT       16
#define XSTATE_SSE      BIT64(1)
#define XCOMP_COMPACTED BIT64(63)

/* What FXSAVE stores, and the legacy region of an XSAVE area. */
struct fx_area {
	uint16_t fcw, fsw;
	uint8_t ftw, reserved0;
	uint16_t fop;
	uint64_t fip, fdp;
	uint32_t mxcsr, mxcsr_mask;
	uint64_t st[8][2];
	uint64_t xmm[XMM_COUNT][2];
	uint64_t reserved1[12];
};
_Static_assert(sizeof(struct fx_area) == 512 && offsetof(struct fx_area, xmm) == 160,
	       "layout of FXSAVE64");

/* The part of an XSAVE area that comes first, whatever follows. */
struct xsave_head {
	struct fx_area fx;
	uint64_t xstate_bv, xcomp_bv, reserved[6];
};

/* @host: the registers in their initial state, but for the XMM registers that @mask selects. */
void xmm_to_host(const struct xsave_head *vcpu, uint16_t mask, struct fx_area *host);

/* The XMM registers that @mask selects come from @host; the vCPU keeps the others. */
void xmm_to_vcpu(struct xsave_head *vcpu, uint16_t mask, const struct fx_area *host);

#endif
