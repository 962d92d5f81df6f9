/*
 * doctor_rules.h - what a machine description means: one row per promise that TDX asks of a machine,
 * and the verdict over all. Pure functions of struct doctor_machine.
 *
 * Invariants
 *   - A row that fails says what was found, what was expected, the likely firmware option and the
 *     next step. A row that only follows from another one is skipped and names it, so that "2
 *     things" are two things to do.
 *   - What could not be determined is said to be so: it is neither good nor bad.
 *
 * Files   doctor_rules.c         the table of rows, the verdict      doctor_rules_cpu.c  processors
 *         doctor_rules_tdx.c     keys, SEAM, loader, module          doctor_rules_memory.c  memory
 *         doctor_rules_self.c    Tain itself                         doctor_options.c    firmware's words
 *         doctor_spread.c        all CPUs compared
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MONITOR_DOCTOR_RULES_H
#define TAIN_MONITOR_DOCTOR_RULES_H

#include "kernel/base/types.h"
#include "kernel/monitor/doctor_machine.h"

enum doctor_verdict {
	DOCTOR_OK,
	DOCTOR_NOTE,    /* nothing to mend, but worth knowing */
	DOCTOR_FAIL,    /* can be mended: firmware, population, microcode */
	DOCTOR_NEVER,   /* cannot: another part is needed */
	DOCTOR_UNKNOWN, /* could not be determined */
	DOCTOR_SKIPPED, /* not asked, because of another row */
};

/* Firmware options, spelt per vendor in doctor_options.c. */
enum doctor_option {
	OPTION_NONE,
	OPTION_VMX,
	OPTION_TME,
	OPTION_TME_MT,
	OPTION_TDX,
	OPTION_SEAMLDR,
	OPTION_KEY_SPLIT,
	OPTION_SGX,
	OPTION_ADDRESS_LIMIT,
	OPTION_X2APIC,
	OPTION_INTERLEAVE,
	OPTION_UPDATE, /* newer firmware with newer microcode */
	DOCTOR_OPTIONS
};

struct doctor_row {
	const char *name;
	enum doctor_verdict verdict;
	char found[224], expected[128];
	char option[224]; /* where to look in the firmware's set-up; may be empty */
	const char *next; /* the next step; never NULL */
	const char *because; /* skipped: the row that it follows from */
	bool own;         /* about Tain, not about the machine: does not count */
};

#define DOCTOR_ROWS_MAX 40

struct doctor_report {
	enum doctor_overall { TDX_IS_READY, TDX_CAN_BE_READY, TDX_NEVER } overall;
	char verdict[256];
	unsigned things, unknown;
	unsigned rows;
	struct doctor_row row[DOCTOR_ROWS_MAX];
};

void doctor_judge(const struct doctor_machine *m, struct doctor_report *r);

/* "ok", "note", "FAIL", "FAIL" (never), "unknown", "skipped". */
const char *doctor_verdict_name(enum doctor_verdict v);

/* The row called @name, or NULL. */
const struct doctor_row *doctor_row_find(const struct doctor_report *r, const char *name);

/* What the vendor of @m calls @option, with the menu where it is known. Returns @buf. */
const char *doctor_option_text(const struct doctor_machine *m, enum doctor_option option, char *buf,
			       size_t size);

#endif
