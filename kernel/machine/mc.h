/*
 * mc.h - machine checks: what the banks say, whose page it is, and whether the machine goes on.
 *
 * Invariants
 *   - The machine goes on only if the CPU says that it can, and every uncorrected error names a page that
 *     belongs to a guest. All else is a crash that names bank, page and owner.
 *   - Nothing is allocated, locked or logged in the handler: what it found waits for mc_take().
 *   - A page that was named is never handed out again (mc_is_bad).
 *
 * Facts: SDM volume 3B, "Machine-Check Architecture".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MACHINE_MC_H
#define TAIN_MACHINE_MC_H

#include "kernel/machine/port.h"

/* IA32_MCG_STATUS. */
#define MCG_RIPV BIT64(0) /* the interrupted program may be resumed */
#define MCG_MCIP BIT64(2)

/* IA32_MCi_STATUS. */
#define MCI_VALID BIT64(63)
#define MCI_OVER  BIT64(62)
#define MCI_UC    BIT64(61)
#define MCI_EN    BIT64(60)
#define MCI_MISCV BIT64(59)
#define MCI_ADDRV BIT64(58)
#define MCI_PCC   BIT64(57)
#define MCI_S     BIT64(56)
#define MCI_AR    BIT64(55)

struct mc_bank {
	uint64_t status, address;
};

enum mc_verdict {
	MC_NOTHING,    /* corrected, or another CPU's */
	MC_GUEST_PAGE, /* a page of a guest: that guest ends, the machine goes on */
	MC_FATAL,
};

struct mc_finding {
	enum mc_verdict verdict;
	unsigned cpu, bank;
	uint64_t status;
	hpa_t page; /* HPA_NONE: none was named */
	enum page_owner owner;
	const char *why; /* of MC_FATAL */
};

/* What @count banks together mean; @owner_of says whose a page is. Pure: mc_judge.c. */
void mc_judge(uint64_t mcg_status, const struct mc_bank *banks, unsigned count,
	      enum page_owner (*owner_of)(hpa_t page), struct mc_finding *out);

/* "bank 1, status b580000000100134, page 0x1234000 (tdx-private): it must be gone on from". */
const char *mc_text(const struct mc_finding *f, char *buf, size_t size);

/* The handler of #MC. True: go on. False: @why says why not. */
bool mc_handle(char *why, size_t size);

/* The next finding that nobody has dealt with yet. Boot CPU. */
bool mc_take(struct mc_finding *out);

/* Was a page among these named by a machine check? Any CPU. */
bool mc_is_bad(hpa_t base, unsigned order);

/* The next #MC finds this bank too, whatever the CPU's own say: for tests of the handler. */
void mc_pretend(const struct mc_bank *bank);

#endif
