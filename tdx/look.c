/*
 * look.c - the questions of look.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/look.h"

#include "tdx/abi/leaf.h"
#include "tdx/seamcall.h"
#include "tdx/seamldr.h"
#include "tdx/state.h"

/* A field that every module with SYS.RD has. Before LP.INIT the answer is that it has not run. */
tdx_status_t tdx_ask_module(void)
{
	struct seam_regs r = { .rdx = MD_SYS_MAJOR_VERSION };

	return seamcall(TDH_SYS_RD, &r);
}

void tdx_look_back(struct tdx_look *look)
{
	const struct tdx_state *s = &tdx_state;

	*look = (struct tdx_look){ .loader_status = { TDX_SW_UD }, .module_status = { TDX_SW_UD } };
	look->ready = s->phase == TDX_READY;
	look->step = s->failed_step;
	look->step_status = s->failed_status;
	if (s->md.major)
		look->md = &s->md;
	if (look->ready)
		look->pamt_bytes = s->plan->pamt_bytes;
}

void tdx_look(struct tdx_look *look)
{
	tdx_look_back(look);
	look->loader_status = seamldr_ask(&look->loader);
	look->module_status = tdx_ask_module();
}
