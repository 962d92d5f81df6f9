/*
 * look.h - what the commands share that look into a guest: its name, its vCPU, and holding it still for
 * the time of a look.
 *
 * Invariant: a guest that ran before look_begin() runs after look_end(), and no debugger hears of it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MONITOR_LOOK_H
#define TAIN_MONITOR_LOOK_H

#include "kernel/guest/debug.h"
#include "kernel/monitor/command.h"

/* The running guest that word @at names; NULL with the reason noted. */
struct guest *look_guest(struct call *c, int at);

/* A number of a vCPU of @g. False with the reason noted. */
bool look_vcpu(struct call *c, const struct guest *g, const char *word, unsigned *vcpu);

/* An expression. False with the reason noted. */
bool look_number(struct call *c, const char *word, uint64_t *value);

/* Hold @g still, if it is not. 0, or -1 with the reason noted. */
int look_begin(struct call *c, struct guest *g, bool *was_held) MUST_CHECK;
void look_end(struct guest *g, bool was_held);

/* Registers of a vCPU of a held guest; -1 with the reason noted. */
int look_regs(struct call *c, struct guest *g, unsigned vcpu, struct vcpu_regs *regs) MUST_CHECK;

/* The register called @name, or -1. */
int look_reg_by_name(const char *name);

#endif
