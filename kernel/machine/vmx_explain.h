/*
 * vmx_explain.h - VM exits and VM-instruction errors in words, for the console and host programs.
 *
 * Invariants
 *   - Pure: only numbers in, text out; a bit without a meaning here is shown as a bit.
 *
 * SDM volume 3C, "Exit Qualification for ..." tables and "VM Instruction Error Numbers".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MACHINE_VMX_EXPLAIN_H
#define TAIN_MACHINE_VMX_EXPLAIN_H

#include "kernel/base/types.h"

typedef void (*explain_line_fn)(void *ctx, const char *text);

/* @qualification NULL: not known. */
void vmx_explain_exit(uint32_t reason, const uint64_t *qualification, explain_line_fn line, void *ctx);

/* VM_INSTRUCTION_ERROR after VMfailValid. */
void vmx_explain_error(uint32_t error, explain_line_fn line, void *ctx);

/* A basic reason by number or by its name's spelling ("EPT violation", any case). False: unknown. */
bool vmx_parse_exit(const char *text, uint32_t *reason);

/* "qualif.  ..." alone: what the qualification of that reason says. False: it has none. */
bool vmx_qualification_text(uint32_t basic, uint64_t q, char *buf, size_t size);

#endif
