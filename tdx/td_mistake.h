/*
 * td_mistake.h - what a trust domain does that its author will want to know: one line each, the first
 * time, and a count.
 *
 * Invariants
 *   - A line says what the guest did and what came of it; it is said once for each kind and TD.
 *   - The record of sides is what MapGPA said, page by page: nothing is mapped by it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_TD_MISTAKE_H
#define TAIN_TDX_TD_MISTAKE_H

#include "kernel/base/types.h"

struct td;
struct td_vcpu;

/* X(name, what `stats` calls it) */
/* clang-format off */
#define TD_MISTAKE_TABLE(X) \
	X(SHARED_OF_PRIVATE, "shared access to a private page") \
	X(PRIVATE_OF_SHARED, "private access to a shared page") \
	X(ACCEPT_OF_SHARED,  "accept of a shared page") \
	X(MMIO_TO_NOTHING,   "MMIO to nothing") \
	X(PORT_TO_NOTHING,   "port access to nothing") \
	X(ALL_ASLEEP,        "all vCPUs asleep without a timer")
/* clang-format on */
enum td_mistake {
#define X(name, text) TD_MISTAKE_##name,
	TD_MISTAKE_TABLE(X)
#undef X
	TD_MISTAKES
};
const char *td_mistake_name(enum td_mistake kind);

void td_mistake(struct td_vcpu *v, enum td_mistake kind, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The record of sides: RAM starts private. 0 or -ENOMEM. */
int td_sides_init(struct td *td) MUST_CHECK;
void td_sides_fini(struct td *td);
void td_sides_set(struct td *td, gpa_t gpa, uint64_t bytes, bool shared);
/* Is @gpa RAM that MapGPA made shared? RAM at all? */
bool td_side_is_shared(const struct td *td, gpa_t gpa);
bool td_is_ram(const struct td *td, gpa_t gpa);

/* The registers of a debug TD's vCPU into the log; false, nothing said: the module does not show them. */
bool td_log_registers(struct td_vcpu *v, uint64_t *rip);

#endif
