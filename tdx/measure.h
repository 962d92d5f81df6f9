/*
 * measure.h - what goes into a TD before its first instruction, and in which order: the one plan
 * that the builder carries out and that host tools hash.
 *
 *   per-page   sections in metadata order, each page added and then extended (Linux with QEMU)
 *   section    a section's adds, then its extends
 *   two-pass   all adds, then all extends
 *
 * Behind the sections come the pieces of RAM that no section covers, ascending, if the mode of
 * acceptance says that they are added.
 *
 * Invariants
 *   - The order depends on the image, memory size and modes only; MRTD on nothing else.
 *
 * Facts: TDX module 1.5 ABI, "TDH.MEM.PAGE.ADD", "TDH.MR.EXTEND".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_MEASURE_H
#define TAIN_TDX_MEASURE_H

#include "kernel/base/guest_config.h"
#include "kernel/base/sha384.h"
#include "kernel/base/types.h"
#include "tdx/tdvf.h"

/* Pages to add, in a run: a section or a piece of RAM. */
struct measure_run {
	uint64_t gpa, bytes;
	const uint8_t *data; /* contents of the first @data_bytes; the rest is zero */
	uint64_t data_bytes;
	bool extend;
};

#define MEASURE_RUNS_MAX (2 * TDVF_SECTIONS_MAX + 4)

struct measure_plan {
	enum td_measure order;
	unsigned count;
	struct measure_run run[MEASURE_RUNS_MAX];
};

/* What the plan is made from. Everything stays referenced. */
struct measure_input {
	const struct tdvf *tdvf; /* parsed, and placed in @ram */
	const void *image;
	const void *hob; /* tdhob_build()'s, @hob_bytes of it */
	uint64_t hob_bytes;
	struct guest_ram ram;
	enum td_accept accept;
	enum td_measure order;
};
void measure_plan_make(struct measure_plan *plan, const struct measure_input *in);

/* One step for one page of @run. 0, or an errno that ends the walk. */
struct measure_ops {
	int (*add)(void *ctx, const struct measure_run *run, gpa_t page);
	int (*extend)(void *ctx, const struct measure_run *run, gpa_t page);
};
int measure_walk(const struct measure_plan *plan, const struct measure_ops *ops,
		 void *ctx) MUST_CHECK;

/* @to: the contents of @page of @run. */
void measure_page(const struct measure_run *run, gpa_t page, uint8_t to[PAGE_SIZE]);

/* The module's records, hashed: PAGE.ADD of @page; MR.EXTEND of all of @page. */
void measure_hash_add(struct sha384 *s, gpa_t page);
void measure_hash_extend(struct sha384 *s, gpa_t page, const uint8_t contents[PAGE_SIZE]);

/* The MRTD that the plan gives. */
void measure_mrtd(const struct measure_plan *plan, uint8_t mrtd[SHA384_BYTES]);

#endif
