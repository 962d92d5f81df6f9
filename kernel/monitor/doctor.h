/*
 * doctor.h - the commands about what this machine can do and, where it cannot, why.
 *
 *   doctor_collect.c   this machine as plain data      doctor_rules.c   what that means
 *   cmd_doctor.c       how it is shown                 cmd_report.c     what is sent to others
 *
 * Invariants
 *   - They only read; an MSR that is missing is a finding, never a fault.
 *   - A finding is said of what was read on this machine, raw: the software TDX module's stand-in
 *     answers do not count as hardware.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MONITOR_DOCTOR_H
#define TAIN_MONITOR_DOCTOR_H

#include "kernel/base/types.h"

struct call;
struct out;

int cmd_doctor(struct call *c);
int cmd_report(struct call *c);

struct doctor_report;

/* All rows as the table that `doctor --json` prints; in text if @o is. */
void doctor_table(struct out *o, const struct doctor_report *r);

#endif
