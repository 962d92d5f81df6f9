/*
 * monitor.h - the front door of kernel/monitor: the console that a user types at.
 *
 * The boot CPU's run loop calls the monitor each round; it reads keys, edits the line, runs a
 * command when Enter comes. There is no thread behind it: a command that waits calls
 * monitor_wait(), which gives the guests their turns.
 *
 *   monitor.c   keys and lines, waiting, start-up     command.c  a line to a row's function
 *   line.c      editing                               words.c    quoting
 *   script.c    files of commands                     out.c      text and JSON
 *   cmd_*.c     the commands, by theme                gdb.h      the GDB stub
 *   doctor.h    this machine judged                   selftest.h  and tried
 *
 * Invariants
 *   - One command runs at a time, on the boot CPU. Keys typed meanwhile are kept for later, but ^C
 *     ends the waiting.
 *   - `tain: ready` is printed once: every guest of `start` has run once or was refused, and the
 *     script has ended.
 *   - The way out is one function, monitor_exit(): guests are down before the last line is printed.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MONITOR_MONITOR_H
#define TAIN_MONITOR_MONITOR_H

#include "kernel/base/types.h"

struct config;
struct guest;

/* Know the configuration. Before the run loop. */
void monitor_init(struct config *cfg);

/*
 * The monitor's turn, each round on the boot CPU. The first one says what was wrong in the
 * configuration, starts its guests, runs its script, prints `tain: ready` and shows the prompt;
 * the others take the keys that came in. Does nothing while a command runs.
 */
void monitor_poll(void);

/* ---- for the commands ---- */

enum wait_end { WAIT_DONE, WAIT_TIMEOUT, WAIT_INTERRUPTED };

/*
 * Let the guests run until @done(@arg), or @timeout_us passed (0: no limit), or ^C.
 */
enum wait_end monitor_wait(bool (*done)(void *arg), void *arg, uint64_t timeout_us) MUST_CHECK;

/* A key for a command that asks something; ^C as 3; -1: none is there. */
int monitor_take_key(void);

/* Has ^C been typed since the command began? Long work asks now and then, and ends if so. */
bool monitor_interrupted(void);

/* For who waits at the keyboard: "WHAT: 40 %", on a line that goes again. As often as you like. */
void monitor_progress(const char *what, uint64_t done, uint64_t total);

/* Paging of long output: of what is typed by hand (AUTO), of all that is typed, or never. */
enum pager_mode { PAGER_AUTO, PAGER_ON, PAGER_OFF };
void monitor_set_pager(enum pager_mode mode, unsigned rows);

/* Keys go to @g from now on, and its output comes raw, until ^] or its end. */
void monitor_attach(struct guest *g);

/* Something that counts has failed: exit says 1 if nobody names another number. */
void monitor_note_failure(void);

/* The script that runs ends here, as a success. False: none runs. */
bool monitor_end_script(void);

/* What a line of a script or of the user did. */
bool monitor_run_line(const char *text);

/* The same for who is not at the console: its output goes to @write. */
void monitor_run_for(const char *text, void (*write)(void *ctx, const char *text, size_t n), void *ctx);

/* Counters of the machine, each a line "NAME COUNT". */
void monitor_machine_stats(void (*line)(void *ctx, const char *text), void *ctx);

/* Take the page counts that `check` compares with: no guest has been started yet. */
void monitor_check_begin(void);

/* Tell which guests have stopped for a reason that nobody has heard yet. cmd_debug.c */
void debug_report(void);

/* The TDX module in one line: what it is, or why there is none. Returns @buf. */
const char *monitor_tdx_text(char *buf, size_t size);

/* All guests down, the TDX module and VMX left as they should be. For the ways out. */
void monitor_shut_down(void);

/* monitor_shut_down(), then `tain: exit N`. @n < 0: 0, or 1 if something that counts has failed. */
NORETURN void monitor_exit(int n);

/* What the monitor knows when all has crashed. */
void monitor_crash_report(void (*say)(const char *text));

/* The configuration in force. */
struct config *monitor_config(void);

#endif
