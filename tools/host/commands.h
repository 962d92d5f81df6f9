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

int cmd_vectors(int argc, char **argv);

#endif
