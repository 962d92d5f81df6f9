/*
 * inject.h - what a TDX module that can be told to fail is told: rules about the n-th call of a
 * leaf. The software module can; a real one cannot.
 *
 * Invariants
 *   - A rule counts calls of its leaf from the moment it was given. What it does to which of them
 *     follows from the rule alone, so the same rules and the same calls give the same run.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_ABI_INJECT_H
#define TAIN_TDX_ABI_INJECT_H

#include "kernel/base/types.h"

#define TDX_INJECT_RULES    8
#define TDX_INJECT_ANY_LEAF 0xffffu
#define TDX_INJECT_ALWAYS   1000u

enum tdx_inject_kind {
	TDX_INJECT_STATUS,    /* answer @value without doing anything; registers as they came */
	TDX_INJECT_INTERRUPT, /* an interrupt is pending: leaves that look stop, and keep their
				 place */
	TDX_INJECT_DELAY,     /* spend @value TSC ticks first */
	TDX_INJECT_CRASH,     /* the module itself breaks, and with it the machine */
};

struct tdx_inject {
	enum tdx_inject_kind kind;
	uint32_t leaf;        /* or TDX_INJECT_ANY_LEAF */
	uint64_t value;       /* a status, or ticks */
	uint32_t nth;         /* the first call that it concerns; 1 is the next */
	uint32_t times;       /* how many calls from there on; 0: all */
	uint32_t chance;      /* of 1000 of those calls, by dice; TDX_INJECT_ALWAYS: each */
	uint64_t seed;        /* of the dice */
	uint64_t calls, hits; /* filled in by list() */
};

/* How to tell it. Calls may be made at any time, from one CPU at a time. */
struct tdx_inject_ops {
	/* 0; -EINVAL: nth 0, chance above 1000; -ENOSPC: TDX_INJECT_RULES rules are there. */
	int (*add)(const struct tdx_inject *rule);
	void (*clear)(void);
	/* The rules and what they did; how many. */
	unsigned (*list)(struct tdx_inject out[TDX_INJECT_RULES]);
};

#endif
