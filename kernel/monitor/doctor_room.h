/*
 * doctor_room.h - what the files of doctor_rules.h share.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MONITOR_DOCTOR_ROOM_H
#define TAIN_MONITOR_DOCTOR_ROOM_H

#include "kernel/monitor/doctor_cpuid.h"
#include "kernel/monitor/doctor_rules.h"

/* A rule says exactly one verdict of its row. */
typedef void (*doctor_rule_fn)(const struct doctor_machine *m, struct doctor_row *row);

void row_ok(struct doctor_row *row, const char *fmt, ...) PRINTF_LIKE(2, 3);
void row_note(struct doctor_row *row, const char *next, const char *fmt, ...) PRINTF_LIKE(3, 4);
void row_unknown(struct doctor_row *row, const char *next, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* A failure: @expected, the firmware's option, the next step, and what was found. */
void row_fail(const struct doctor_machine *m, struct doctor_row *row, const char *expected,
	      enum doctor_option option, const char *next, const char *fmt, ...) PRINTF_LIKE(6, 7);
void row_never(struct doctor_row *row, const char *expected, const char *next, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

/* ---- all CPUs compared: doctor_spread.c ---- */

/* One MSR on all online CPUs, as the most of them have it. */
struct spread {
	unsigned cpus;      /* online ones */
	bool readable;      /* on the most CPUs it can be read, and @value is what most have */
	bool read_at_all;   /* the collector has tried */
	uint64_t value;
	unsigned odd;       /* CPUs that have another answer */
	unsigned odd_cpu;   /* the first of them */
	bool odd_readable;
	uint64_t odd_value;
};

struct spread spread_msr(const struct doctor_machine *m, enum doctor_msr_id id, uint64_t mask);

/* "IA32_X is 0x2 on CPU 17 (package 1) and 2 more, 0 on the other 61". Returns @buf. */
const char *spread_text(const struct doctor_machine *m, const char *name, const struct spread *s,
			char *buf, size_t size);

/* If the CPUs differ in @id: fail @row so, and true. */
bool differs(const struct doctor_machine *m, struct doctor_row *row, enum doctor_msr_id id,
	     uint64_t mask, enum doctor_option option);

const char *doctor_msr_name(enum doctor_msr_id id);
uint32_t doctor_msr_number(enum doctor_msr_id id);

/* Package of a CPU, from its APIC id and its own topology leaves. */
unsigned doctor_package(const struct doctor_cpu *c);
unsigned doctor_packages(const struct doctor_machine *m);

/* Register @reg (0 EAX to 3 EDX) of a leaf in the table; 0 if the table lacks it. */
uint32_t doctor_cpuid_reg(const struct doctor_cpu *c, uint32_t leaf, uint32_t subleaf, unsigned reg);

/* ---- facts that several rules ask for ---- */

bool has_seam(const struct doctor_machine *m);       /* IA32_MTRRCAP says SEAMRR */
bool seamrr_enabled(const struct doctor_machine *m); /* on the boot CPU: enabled and locked */
uint64_t usable_bytes(const struct doctor_machine *m);

/* Display model of the boot CPU: family << 8 | model; 0: not Intel. */
unsigned doctor_model(const struct doctor_machine *m);
/* "Sapphire Rapids" for a model of which some have TDX, else NULL. */
const char *tdx_model_name(unsigned model);
enum { MODEL_SPR = 0x68f, MODEL_EMR = 0x6cf, MODEL_GNR = 0x6ad, MODEL_GNR_D = 0x6ae, MODEL_SRF = 0x6af };

/* ---- the rules ---- */

void rule_platform(const struct doctor_machine *m, struct doctor_row *row);
void rule_cpu(const struct doctor_machine *m, struct doctor_row *row);
void rule_microcode(const struct doctor_machine *m, struct doctor_row *row);
void rule_cpus(const struct doctor_machine *m, struct doctor_row *row);
void rule_threads(const struct doctor_machine *m, struct doctor_row *row);
void rule_vmx(const struct doctor_machine *m, struct doctor_row *row);
void rule_seam(const struct doctor_machine *m, struct doctor_row *row);
void rule_width(const struct doctor_machine *m, struct doctor_row *row);
void rule_sgx(const struct doctor_machine *m, struct doctor_row *row);
void rule_tsx(const struct doctor_machine *m, struct doctor_row *row);
void rule_archcaps(const struct doctor_machine *m, struct doctor_row *row);
void rule_msrs(const struct doctor_machine *m, struct doctor_row *row);
void rule_mtrr(const struct doctor_machine *m, struct doctor_row *row);
void rule_cpuid(const struct doctor_machine *m, struct doctor_row *row);
void rule_same(const struct doctor_machine *m, struct doctor_row *row);
void rule_errata(const struct doctor_machine *m, struct doctor_row *row);

void rule_tme(const struct doctor_machine *m, struct doctor_row *row);
void rule_keyids(const struct doctor_machine *m, struct doctor_row *row);
void rule_seamrr(const struct doctor_machine *m, struct doctor_row *row);
void rule_mcheck(const struct doctor_machine *m, struct doctor_row *row);
void rule_seamldr(const struct doctor_machine *m, struct doctor_row *row);
void rule_module(const struct doctor_machine *m, struct doctor_row *row);
void rule_bringup(const struct doctor_machine *m, struct doctor_row *row);
void rule_features(const struct doctor_machine *m, struct doctor_row *row);

void rule_cmrs(const struct doctor_machine *m, struct doctor_row *row);
void rule_memory(const struct doctor_machine *m, struct doctor_row *row);
void rule_numa(const struct doctor_machine *m, struct doctor_row *row);
void rule_dimms(const struct doctor_machine *m, struct doctor_row *row);
void rule_cost(const struct doctor_machine *m, struct doctor_row *row);

void rule_software(const struct doctor_machine *m, struct doctor_row *row);
void rule_leaks(const struct doctor_machine *m, struct doctor_row *row);
void rule_console(const struct doctor_machine *m, struct doctor_row *row);
void rule_config(const struct doctor_machine *m, struct doctor_row *row);
void rule_log(const struct doctor_machine *m, struct doctor_row *row);

#endif
