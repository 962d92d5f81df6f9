/*
 * main.c - build/host/tain: what the hypervisor knows, as a program for the developer's machine.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/host/commands.h"

#include <stdio.h>
#include <string.h>

#include "kernel/base/types.h"
#include "kernel/monitor/explain_words.h"

static const struct command {
	const char *name, *arguments;
	int min_args;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "explain", EXPLAIN_USAGE, 1, cmd_explain },
	{ "tdvf", "FILE", 1, cmd_tdvf },
	{ "mrtd", "[--log] [--measure ORDER] [--accept MODE] [--memory SIZE] FILE | --config TAIN.CFG NAME", 1,
	  cmd_mrtd },
	{ "tdmr", "MAPFILE", 1, cmd_tdmr },
	{ "vectors", "FILE...", 1, cmd_vectors },
	{ "symbolize", "TAIN.ELF LOG", 2, cmd_symbolize },
};

static int usage(void)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		fprintf(stderr, "usage: tain %s %s\n", commands[i].name, commands[i].arguments);
	return 1;
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(commands); i++)
		if (strcmp(commands[i].name, argv[1]) == 0 && argc - 2 >= commands[i].min_args)
			return commands[i].run(argc - 2, argv + 2);
	return usage();
}
