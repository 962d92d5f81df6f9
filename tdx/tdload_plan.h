/*
 * tdload_plan.h - a TD without firmware: a Linux bzImage with its initrd and command line, laid out for
 * the TD loader (boot/tdload) as if it were a firmware's sections, so that it is added, measured and
 * predicted by the same code.
 *
 * Invariants
 *   - The plan depends on the guest's record, its files and the ACPI tables only.
 *   - The kernel is foreign input: every field of its header is checked before it is used.
 *   - All of it is measured. RAM that no section covers is in the loader's list, to be accepted.
 *
 * Facts: Linux, Documentation/arch/x86/boot.rst and zero-page.rst.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_TDLOAD_PLAN_H
#define TAIN_TDX_TDLOAD_PLAN_H

#include "kernel/base/guest_config.h"
#include "kernel/base/tdload.h"
#include "kernel/platform/acpi_tables.h"
#include "tdx/tdvf.h"

/* Pages that the plan makes itself; the sections point into it. Large: on the heap. */
struct tdload_plan {
	uint8_t boot_params[PAGE_SIZE];
	uint8_t cmdline[PAGE_SIZE];
	union {
		struct tdload_params params;
		uint8_t params_page[PAGE_SIZE];
	};
	struct acpi_tables acpi;
};

/*
 * Fill @out with the sections of @config's TD, and @plan with the pages behind some of them. Both
 * and the files of @config stay referenced by the sections. 0, or -EINVAL and one line in @why.
 */
int tdload_plan_make(struct tdload_plan *plan, struct tdvf *out, const struct guest_config *config,
		     char why[TDVF_WHY_MAX]) MUST_CHECK;

#endif
