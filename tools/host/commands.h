/*
 * commands.h - the commands of build/host/tain; each has a row in main.c.
 *
 * Invariants
 *   - A command gets the words after its name; returns the exit status: 0 when all is well, 1 after
 *     one line that says where and why.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TOOLS_HOST_COMMANDS_H
#define TAIN_TOOLS_HOST_COMMANDS_H

#include <stddef.h>
#include <stdint.h>

int cmd_explain(int argc, char **argv);
int cmd_tdvf(int argc, char **argv);
int cmd_mrtd(int argc, char **argv);
int cmd_tdmr(int argc, char **argv);
int cmd_vectors(int argc, char **argv);
int cmd_symbolize(int argc, char **argv);

/* The whole of @path, to be freed; NULL after one line on stderr. At most @max bytes. */
uint8_t *read_whole(const char *path, size_t max, size_t *bytes);

#endif
