/*
 * gdb.h - the GDB stub: one GDB at a time, on a serial line of its own, looks into one guest at a time.
 *
 *   gdb_packet.c  frames    gdb_regs.c   registers and their description
 *   gdb.c         session, stops, going on    gdb_query.c  packets that only ask
 *
 * A guest is a process (its number in `guests`, from 1), a vCPU is a thread.
 *
 * Invariants
 *   - Whatever comes over the line changes only the guest that GDB is attached to, and none that
 *     debug_allowed() refuses; the reason goes back as an error text.
 *   - An answer is sent at once, but for "go on": that is answered by the next stop.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MONITOR_GDB_H
#define TAIN_MONITOR_GDB_H

#include "kernel/base/types.h"

struct guest;

/* Where bytes go: the line. */
struct gdb_line {
	void (*put)(const void *bytes, size_t count);
	size_t (*room)(void); /* bytes that put() takes now */
	/* Run a command of the console; its output goes to @write. NULL: there are none. */
	void (*command)(const char *line, void (*write)(void *ctx, const char *text, size_t n), void *ctx);
};

/* Start anew, nobody is connected. */
void gdb_init(const struct gdb_line *line);

/* The same session over another line. */
void gdb_use_line(const struct gdb_line *line);
bool gdb_is_attached(void);

/* One byte came in. */
void gdb_byte(uint8_t byte);
/* A packet is half there: the next bytes are on their way. */
bool gdb_in_packet(void);

/* Has the guest stopped, ended? Then GDB is told. Each round. */
void gdb_look(void);

/*
 * The guest that the next GDB finds; one that does not run is held at its first instruction when it is
 * started. 0, or why not in @why. NULL: the first that may be debugged.
 */
int gdb_choose(struct guest *g, char *why, size_t why_size) MUST_CHECK;

/* What is going on, one line. */
void gdb_describe(char *text, size_t size);

#endif
