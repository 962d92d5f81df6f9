/*
 * command.h - commands: a table row each, and what a row's function may use.
 *
 * Invariants
 *   - A command returns 0, or says why not with command_fail(), which is the one line
 *     `error: REASON` that the user sees. It prints no error itself.
 *   - The dispatcher has checked the number of words against the row before the function runs.
 *   - A command that waits does so in command_wait(), so guests run on meanwhile.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MONITOR_COMMAND_H
#define TAIN_MONITOR_COMMAND_H

#include "kernel/base/types.h"
#include "kernel/monitor/out.h"

struct command;

/* One call of a command. */
struct call {
	const struct command *row;
	struct out *out;
	bool json; /* --json was among the words */
	int argc;  /* words without the command's name and --json */
	char **argv;
	bool has_run;  /* its words were good: what it says of failure counts */
	char why[240]; /* the reason of command_fail() */
};

/* What Tab offers for the words after the command's name. */
enum complete_kind { COMPLETE_NOTHING, COMPLETE_GUEST, COMPLETE_COMMAND, COMPLETE_SYMBOL };

enum {
	COMMAND_JSON = BIT32(0),    /* understands --json */
	COMMAND_VERDICT = BIT32(1), /* a failure counts in the exit status, also when typed */
	COMMAND_RAW = BIT32(2),     /* takes the rest of the line as it is, as one word or none */
};

struct command {
	const char *name;
	const char *usage;   /* the words after the name, e.g. "NAME [SECONDS]" */
	const char *summary; /* one line */
	int (*run)(struct call *c);
	int min_words, max_words;
	enum complete_kind complete;
	unsigned flags;      /* COMMAND_* */
	const char *details; /* more lines for `help NAME`, or NULL */
};

/* The rows, by theme; each list ends with a row without a name. */
extern const struct command basic_commands[], machine_commands[], guest_commands[], tdx_commands[], seamldr_commands[],
	check_commands[], trace_commands[], inject_commands[], bench_commands[], mmu_commands[],
	script_commands[], seamcall_commands[], gdb_commands[], look_commands[],
	look_td_commands[], debug_commands[], hardware_commands[], net_commands[], use_commands[],
	lan_commands[];

/* The row called @name, or NULL; and the @nth of all in the order of the lists, or NULL. */
const struct command *command_find(const char *name);
const struct command *command_at(unsigned nth);

/* Note the reason; returns -1, so that `return command_fail(...)` reads well. */
int command_fail(struct call *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* What command_run did. */
enum command_result {
	COMMAND_OK,
	COMMAND_FAILED,  /* the error line was printed */
	COMMAND_IGNORED, /* as failed, but the line began with '-' */
};

/*
 * Run one line (which is taken apart). Output and error line go to @write. *@verdict is set if it
 * failed and its failure counts.
 */
enum command_result command_run(char *line, void (*write)(void *ctx, const char *text, size_t n),
				void *ctx, bool *verdict);

/* From now on each line is offered to @take first; true: it took it. NULL: no more. */
void command_collect(bool (*take)(const char *line));
bool command_collecting(void);

/* "12" to seconds as microseconds, up to a day; false: no number. */
bool command_seconds(const char *word, uint64_t *us);

#endif
