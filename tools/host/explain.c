/*
 * explain.c - tain explain: statuses, VM exits, #VEs and TDVMCALLs in words, offline. The words are
 * the console's.
 *
 * links: tdx/abi/[a-z]*.c kernel/machine/vmx_exit.c kernel/machine/vmx_explain.c
 * kernel/monitor/explain_words.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>

#include "kernel/monitor/explain_words.h"
#include "tools/host/commands.h"

static void print(void *ctx, const char *text)
{
	(void)ctx;
	puts(text);
}

int cmd_explain(int argc, char **argv)
{
	char why[200];

	if (explain_words(argc, argv, print, NULL, why, sizeof(why)) == 0)
		return 0;
	fprintf(stderr, "tain: %s\n", why);
	return 1;
}
