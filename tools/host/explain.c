/*
 * explain.c - tain explain STATUS [LEAF]: a completion status in words, offline.
 *
 * links: tdx/abi/[a-z]*.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>

#include "tdx/abi/explain.h"
#include "tools/host/commands.h"

static void print(void *ctx, const char *text)
{
	(void)ctx;
	puts(text);
}

int cmd_explain(int argc, char **argv)
{
	uint64_t value;
	int64_t leaf = TDX_LEAF_UNKNOWN;

	if (tdx_parse_status(argv[0], &value)) {
		fprintf(stderr, "tain: %s: not a status: up to 16 hex digits, with or without 0x\n",
			argv[0]);
		return 1;
	}
	if (argc > 1 && tdx_parse_leaf(argv[1], &leaf)) {
		fprintf(stderr, "tain: %s: not a leaf: a number, or a name as TDH.MNG.INIT\n",
			argv[1]);
		return 1;
	}
	tdx_explain((tdx_status_t){ value }, leaf, print, NULL);
	return 0;
}
