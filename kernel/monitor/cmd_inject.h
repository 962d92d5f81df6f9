/*
 * cmd_inject.h - what the two files of `inject` share.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MONITOR_CMD_INJECT_H
#define TAIN_MONITOR_CMD_INJECT_H

#include "kernel/base/dice.h"
#include "kernel/monitor/command.h"

/* A kind of fault: argv[0] is its name. The list ends with a row without a name. */
struct injection {
	const char *name;
	int (*run)(struct call *c);
};
extern const struct injection guest_injections[];

/* nth=3 times=2 chance=100 seed=7, from word @from on; by default the next call. */
int inject_dice(struct call *c, int from, struct dice *d) MUST_CHECK;
/* A rule as a row of a table: whose answers (a guest, `memory`, a leaf), what happens, and the dice. */
void inject_row(struct out *out, const char *target, const char *rule, const struct dice *d);

/* cmd_inject.c: the rules for the TDX module as rows; no more of them. Nothing if it takes none. */
unsigned inject_tdh_rows(struct out *out);
void inject_tdh_off(void);

#endif
