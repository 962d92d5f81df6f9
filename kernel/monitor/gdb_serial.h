/*
 * gdb_serial.h - the GDB stub's serial line: which one, and its turn in each round.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MONITOR_GDB_SERIAL_H
#define TAIN_MONITOR_GDB_SERIAL_H

#include "kernel/base/types.h"

struct config;

/* As `gdb =` and `baud =` say. Boot CPU, once. */
void gdb_serial_start(const struct config *cfg);

/* What came in is answered; a guest's stop is told. Boot CPU, each round, also while a command waits. */
void gdb_serial_poll(void);

/*
 * The console's own line is gdb's from now on, until gdb leaves the guest or ^] comes.
 */
void gdb_serial_borrow(void);
bool gdb_serial_borrows(void);
/* `gdb = com1`: there is no other line. */
bool gdb_serial_is_shared(void);

/* The line in words, with what became of it. */
const char *gdb_serial_text(void);

#endif
