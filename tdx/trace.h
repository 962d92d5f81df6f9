/*
 * trace.h - the ring of what passed between us, the TDX module and the TDs: for the console's
 * `trace`, crash reports and tests.
 *
 * Invariants
 *   - Recording costs a fixed handful of stores, takes no lock, formats nothing, and never waits;
 *     the oldest records are overwritten.
 *   - A reader that was overtaken by writers skips ahead and can tell how much it lost.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_TRACE_H
#define TAIN_TDX_TRACE_H

#include "kernel/base/types.h"
#include "tdx/abi/status.h"

enum tdx_trace_kind {
	TRACE_SEAMCALL, /* leaf, status, RCX and RDX in, RCX and RDX out */
	TRACE_EXIT,     /* status, RCX, RDX, R8, R9 of VP.ENTER: not a TDVMCALL */
	TRACE_TDVMCALL, /* sub-function, R12..R15, answer */
	TRACE_MMU,      /* a mirror entry changed */
	TRACE_KINDS,
};

struct tdx_trace {
	uint64_t tsc;
	uint64_t ticks;   /* the call took */
	uint16_t cpu;
	uint8_t kind;     /* enum tdx_trace_kind */
	uint8_t vcpu;
	uint16_t td;      /* KeyID of the TD, 0: none */
	uint16_t leaf;
	uint64_t status;  /* RAX out, or R10 answered */
	uint64_t a[6];
};

/* Which kinds are recorded: a mask of BIT32(enum tdx_trace_kind). All from the start. */
extern uint32_t tdx_trace_mask;

void tdx_trace_add(const struct tdx_trace *record);

/*
 * Copy up to @max records from *@cursor on (0: the oldest kept) and advance it. *@lost: records
 * that were overwritten before they could be read. Returns how many were copied.
 */
size_t tdx_trace_read(uint64_t *cursor, struct tdx_trace *out, size_t max, uint64_t *lost);

/* One decoded line without newline, as snprintf(). */
int tdx_trace_format(const struct tdx_trace *record, char *buf, size_t size);

#endif
