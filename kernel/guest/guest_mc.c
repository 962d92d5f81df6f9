/*
 * guest_mc.c - a machine check named a page: the guest that has it ends, the others go on.
 *
 * Whose private page it is says the module; a plain guest's, and what a TD shares, is looked for among the
 * frames. The page is not used again (kernel/machine/mc.h).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>

#include "kernel/base/log.h"
#include "kernel/guest/guest.h"
#include "kernel/guest/guest_room.h"
#include "kernel/machine/mc.h"
#include "kernel/platform/memory.h"
#include "tdx/td.h"

static bool ram_has(const struct guest_memory *m, pfn_t frame)
{
	pfn_t pfn;

	for (unsigned r = 0; m && r < m->region_count; r++)
		for (uint64_t i = 0; i < m->regions[r].frames; i++)
			if (guest_memory_peek(m, gfn_add(m->regions[r].base, i), &pfn) &&
			    pfn.v == frame.v)
				return true;
	return false;
}

static bool has_page(const struct guest *g, const struct mc_finding *f)
{
	if (g->state != GUEST_RUNNING)
		return false;
	if (f->owner == PAGE_TDX_PRIVATE)
		return g->td && td_owns(g->td, f->page);
	return ram_has(guest_ram(g), hpa_to_pfn(f->page));
}

void guests_machine_checks(void)
{
	struct mc_finding f;
	char text[160], reason[160];
	bool found;

	while (mc_take(&f)) {
		log_error("machine check on CPU %u: %s", f.cpu, mc_text(&f, text, sizeof(text)));
		found = false;
		for (unsigned i = 0; i < guest_count() && !found; i++) {
			struct guest *g = guest_at(i);

			found = has_page(g, &f);
			if (!found)
				continue;
			snprintf(reason, sizeof(reason), "machine check in its page at 0x%llx",
				 (unsigned long long)f.page.v);
			guest_kill(g, reason);
		}
		if (!found)
			log_error("machine check: no guest that runs has that page: it is only not used again");
	}
}
