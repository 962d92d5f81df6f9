/*
 * wire.h - a serial line beside the console's: the debugger's.
 *
 * Invariants
 *   - Nobody waits for the device: bytes go through two rings. It is fed and emptied by its interrupt
 *     where that works, and by wire_poll() in each round of the boot CPU.
 *   - Received bytes that find no room are dropped and counted: who speaks over it checks sums.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MACHINE_WIRE_H
#define TAIN_MACHINE_WIRE_H

#include "kernel/base/types.h"

/*
 * Start the line called @where (as console_uart_named()). 0; -ENODEV: no UART answers; -EBUSY: it is the
 * console's; -EINVAL. Boot CPU, once.
 */
int wire_open(const char *where, uint32_t baud) MUST_CHECK;

/* Boot CPU: the next byte, or -1; room for so many to send; send (what finds no room is dropped). */
int wire_get(void);
size_t wire_room(void);
void wire_put(const void *bytes, size_t count);

/* Move bytes between rings and device. */
void wire_poll(void);

/* A byte waits to be taken: the boot CPU must not sleep. */
bool wire_waiting(void);

/* It must be polled often: open, and its interrupt does not work, or there is something to send. */
bool wire_is_polled(void);

struct wire_stats {
	uint64_t received, sent, lost, interrupts;
};
void wire_stats(struct wire_stats *out);

#endif
