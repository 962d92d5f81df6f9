/*
 * xmm.c - XMM registers of a TDVMCALL: see xmm.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/xmm.h"

#include <string.h>

#define FCW_INIT   0x37f
#define MXCSR_INIT 0x1f80

void xmm_to_host(const struct xsave_head *vcpu, uint16_t mask, struct fx_area *host)
{
	memset(host, 0, sizeof(*host));
	host->fcw = FCW_INIT;
	host->mxcsr = MXCSR_INIT;
	if (!(vcpu->xstate_bv & XSTATE_SSE)) /* all zero, whatever the area holds */
		return;
	for (unsigned i = 0; i < XMM_COUNT; i++)
		if (mask >> i & 1)
			memcpy(host->xmm[i], vcpu->fx.xmm[i], sizeof(host->xmm[i]));
}

/* The initial state of SSE is not in the area: write it there. */
static void make_present(struct xsave_head *vcpu)
{
	memset(vcpu->fx.xmm, 0, sizeof(vcpu->fx.xmm));
	if (vcpu->xcomp_bv & XCOMP_COMPACTED)
		vcpu->fx.mxcsr = MXCSR_INIT;
	vcpu->xstate_bv |= XSTATE_SSE;
}

void xmm_to_vcpu(struct xsave_head *vcpu, uint16_t mask, const struct fx_area *host)
{
	if (!(vcpu->xstate_bv & XSTATE_SSE))
		make_present(vcpu);
	for (unsigned i = 0; i < XMM_COUNT; i++)
		if (mask >> i & 1)
			memcpy(vcpu->fx.xmm[i], host->xmm[i], sizeof(host->xmm[i]));
}
