/*
 * spte.c - names of entries, and the one table of the steps a mirror entry can take.
 *
 * Invariant: a step that is not in the table does not exist.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "mmu/spte.h"

const char *const spte_kind_names[SPTE_KIND_COUNT] = {
	[SPTE_IS_NONE] = "none",
	[SPTE_IS_MMIO] = "MMIO",
	[SPTE_IS_FROZEN] = "frozen",
	[SPTE_IS_TABLE] = "table",
	[SPTE_IS_LEAF] = "leaf",
	[SPTE_IS_BLOCKED_TABLE] = "blocked table",
	[SPTE_IS_BLOCKED_LEAF] = "blocked leaf",
};

const char *const spte_purpose_names[SPTE_PURPOSE_COUNT] = {
	[SPTE_NOT_BLOCKED] = "nothing", [SPTE_FOR_REMOVAL] = "removal", [SPTE_FOR_SPLIT] = "split",
	[SPTE_FOR_JOIN] = "join",       [SPTE_FOR_MOVE] = "move",
};

const char *const spte_step_names[STEP_COUNT] = {
	[STEP_NOTHING] = "nothing",
	[STEP_ILLEGAL] = "illegal",
	[STEP_ADD_TABLE] = "add table",
	[STEP_ADD_LEAF] = "add leaf",
	[STEP_BLOCK] = "block",
	[STEP_UNBLOCK] = "unblock",
	[STEP_REMOVE_LEAF] = "remove leaf",
	[STEP_REMOVE_TABLE] = "remove table",
	[STEP_SPLIT] = "split",
	[STEP_JOIN] = "join",
	[STEP_MOVE] = "move",
};

/* Rows: what was there; columns: what comes. FROZEN and MMIO never reach a mirror's hook. */
/* clang-format off */
const uint8_t spte_steps[SPTE_KIND_COUNT][SPTE_KIND_COUNT] = {
#define N(to) [SPTE_IS_##to]
	[SPTE_IS_NONE] = {
		N(NONE)  = STEP_NOTHING,
		N(TABLE) = STEP_ADD_TABLE,
		N(LEAF)  = STEP_ADD_LEAF,
	},
	[SPTE_IS_TABLE] = {
		N(NONE)          = STEP_REMOVE_TABLE,
		N(BLOCKED_TABLE) = STEP_BLOCK,
	},
	[SPTE_IS_LEAF] = {
		N(NONE)         = STEP_REMOVE_LEAF,
		N(BLOCKED_LEAF) = STEP_BLOCK,
	},
	[SPTE_IS_BLOCKED_TABLE] = {
		N(NONE)  = STEP_REMOVE_TABLE,
		N(TABLE) = STEP_UNBLOCK,
		N(LEAF)  = STEP_JOIN,
	},
	[SPTE_IS_BLOCKED_LEAF] = {
		N(NONE)  = STEP_REMOVE_LEAF,
		N(LEAF)  = STEP_UNBLOCK, /* or STEP_MOVE: the frame decides */
		N(TABLE) = STEP_SPLIT,
	},
#undef N
};
/* clang-format on */
