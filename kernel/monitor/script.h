/*
 * script.h - a file of console commands, one a line.
 *
 * Invariants
 *   - A command that fails stops the script, unless its line begins with '-'.
 *   - Any bytes are accepted: an over-long line fails like a bad command, it is never cut.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MONITOR_SCRIPT_H
#define TAIN_MONITOR_SCRIPT_H

#include "kernel/base/types.h"

#define SCRIPT_LINE_BYTES 512

enum script_step { SCRIPT_GO_ON, SCRIPT_STOP, SCRIPT_FAILED };

/*
 * Hand each line of @text (without its end, blank lines and # lines left out) to @run until it says
 * other than GO_ON. Returns 0, or the number of the line that failed.
 */
unsigned script_run(const char *text, size_t size,
		    enum script_step (*run)(void *ctx, const char *line), void *ctx);

#endif
