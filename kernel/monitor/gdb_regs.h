/*
 * gdb_regs.h - registers as GDB sees them: two descriptions, for a vCPU in long mode and for one that is
 * not. The description is chosen when GDB connects and stays.
 *
 * Invariants
 *   - A register's number is its place in the table; the 'g' packet has the usual ones in this order. The
 *     rest are asked for one by one, when somebody wants them: a stop over a serial line stays short.
 *
 * Facts: "Debugging with GDB", "Target Descriptions", "i386 Features".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MONITOR_GDB_REGS_H
#define TAIN_MONITOR_GDB_REGS_H

#include "kernel/monitor/gdb_packet.h"
#include "kernel/platform/vcpu_debug.h"

struct gdb_reg;
struct gdb_arch {
	const char *name;
	const struct gdb_reg *reg;
	unsigned count;
	unsigned rip, rsp, rbp; /* numbers: what a stop tells at once */
};
extern const struct gdb_arch gdb_arch_64, gdb_arch_32;

/* What is known of a vCPU; no fpu: NULL. */
struct gdb_state {
	const struct vcpu_regs *regs;
	const struct vcpu_fpu *fpu;
};

/* How many of them 'g' and 'G' have: the first. */
unsigned gdb_regs_usual(const struct gdb_arch *arch);

/* Register @n in hex, little-endian; x's where it is not known. @n is below arch->count. */
void gdb_reg_put(struct gdb_out *o, const struct gdb_arch *arch, unsigned n, const struct gdb_state *s);
unsigned gdb_reg_bytes(const struct gdb_arch *arch, unsigned n);
/* The register of the vCPU behind @n, or VCPU_REG_COUNT: it cannot be written. */
enum vcpu_reg gdb_reg_source(const struct gdb_arch *arch, unsigned n);

/* Bytes [@from, @from + @count) of target.xml into @o; *@more: there is more behind. */
void gdb_target_xml(struct gdb_out *o, const struct gdb_arch *arch, size_t from, size_t count,
		    bool *more);

#endif
