/*
 * seam_words.h - the words of `seamcall` and `tdh` into a register block: leaves, operands and
 * metadata fields by name, registers, expressions.
 *
 * Invariant: nothing is called here; a word that is no good is said in words and nothing is done.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MONITOR_SEAM_WORDS_H
#define TAIN_MONITOR_SEAM_WORDS_H

#include "kernel/base/types.h"
#include "tdx/abi/md_fields.h"
#include "tdx/abi/seamcall.h"

struct seam_words {
	struct seam_regs regs; /* the leaf in RAX */
	unsigned cpu;
	const char *expected; /* of `is STATUS`; NULL: it was not said */
};

/*
 * Words behind the leaf: NAME=EXPRESSION, NAME an operand of the leaf (@named) or a register, or
 * `cpu`, `version`; at the end `is STATUS`. Operands that must be given are, if @named. 0, or
 * -EINVAL and @why.
 */
int seam_words(uint64_t leaf, bool named, char **words, int count, struct seam_words *out,
	       char *why, size_t why_size) MUST_CHECK;

/* "MRTD[2]", "VMCS.GUEST_RIP" (of a vCPU), or an expression for the id. 0, or -EINVAL and @why. */
int seam_field(enum md_scope scope, const char *text, uint64_t *id, char *why, size_t why_size)
	MUST_CHECK;

/* Encoding of the VMCS field called @name, any case, with or without "VMCS."; -1: none. */
int vmcs_field_by_name(const char *name);
const char *vmcs_field_name(uint32_t encoding);
/* The @nth in ascending order; -1 behind the last. */
int vmcs_field_at(unsigned nth);

#endif
