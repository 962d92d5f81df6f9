/*
 * serial.h - a guest's 16550 at COM1.
 *
 * Invariants
 *   - What the guest transmits is taken at once: the transmitter is always empty, so no guest
 *     ever waits for the physical line.
 *   - Received bytes wait in a FIFO of 16 as on the chip; more are held back by the caller.
 *
 * Registers: the PC16550D data sheet's, by the usual names.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_PLATFORM_SERIAL_H
#define TAIN_PLATFORM_SERIAL_H

#include "kernel/base/types.h"

#define SERIAL_FIFO 16

struct serial {
	uint8_t ier, lcr, mcr, scr, dll, dlm, fcr;
	bool thr_interrupt; /* THR-empty interrupt pending: cleared by reading IIR */
	uint8_t rx[SERIAL_FIFO];
	unsigned rx_head, rx_count;
	uint64_t tx_bytes, rx_bytes;
	void (*transmit)(void *ctx, uint8_t byte);
	void *ctx;
};

void serial_init(struct serial *s, void (*transmit)(void *ctx, uint8_t byte), void *ctx);
uint32_t serial_read(void *serial, unsigned offset, unsigned bytes);
void serial_write(void *serial, unsigned offset, unsigned bytes, uint32_t value);

/* A byte arrives on the line; false: FIFO full, try later. */
bool serial_receive(struct serial *s, uint8_t byte);

/* Is the interrupt line (IRQ 4) asserted? */
bool serial_irq(const struct serial *s);

#endif
