/*
 * doctor_cpuid.h - the CPUID leaves that TDH.SYS.INIT checks on the first CPU and TDH.SYS.LP.INIT
 * compares on all others.
 *
 * Invariants
 *   - Order and count are those of struct doctor_cpu's cpuid[].
 *
 * Facts: TDX module 1.5.01, its table of CPUID configurations (verify masks and values, and the bits
 * that must be the same on all CPUs). Later modules check less, never other bits.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MONITOR_DOCTOR_CPUID_H
#define TAIN_MONITOR_DOCTOR_CPUID_H

#include "kernel/base/types.h"
#include "kernel/monitor/doctor_machine.h"

struct doctor_cpuid_rule {
	uint32_t leaf, subleaf;
	uint32_t mask[4], value[4]; /* EAX EBX ECX EDX: (register & mask) == value */
	uint32_t same[4];           /* these bits are equal on all CPUs */
};

extern const struct doctor_cpuid_rule doctor_cpuid_rules[DOCTOR_CPUID_LEAVES];

/* Index of a leaf in the table, or -1. */
int doctor_cpuid_index(uint32_t leaf, uint32_t subleaf);

/* "MOVDIR64B" for bit 28 of ECX of leaf 7; NULL where no name is kept. @reg: 0 EAX to 3 EDX. */
const char *doctor_cpuid_bit(uint32_t leaf, uint32_t subleaf, unsigned reg, unsigned bit);

#endif
