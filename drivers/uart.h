/*
 * uart.h - one 16550 serial port, by I/O port or device memory.
 *
 * Invariants
 *   - Nothing here waits: every function looks at the device once (a receive burst: at most a
 *     FIFO of bytes) and returns.
 *   - No lock: the owner of a struct uart serialises its calls.
 *
 * Registers: National Semiconductor PC16550D data sheet.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_DRIVERS_UART_H
#define TAIN_DRIVERS_UART_H

#include "kernel/base/types.h"

struct uart {
	volatile uint8_t *mmio; /* NULL: I/O ports */
	uint16_t port;
	uint8_t shift;       /* registers are 1 << shift bytes apart */
	uint8_t wide;        /* device memory is accessed by 32-bit words */
	uint8_t fifo_bytes;  /* bytes that may be written once the transmitter is empty */
	uint32_t clock;      /* baud rate at divisor 1; 0: 115200, as on a PC */
	bool present;
};

/*
 * Start the UART at @u->port or @u->mmio: 8N1, FIFOs on, interrupts off; @baud 0 keeps the divisor
 * that firmware set. Returns 0, or -ENODEV when no UART answers (nothing was left changed but the
 * scratch register).
 */
int uart_init(struct uart *u, uint32_t baud) MUST_CHECK;

/* May a burst of u->fifo_bytes be written now? */
bool uart_tx_empty(struct uart *u);

/* Has the last bit left the wire? */
bool uart_tx_idle(struct uart *u);
void uart_put(struct uart *u, uint8_t byte);

/* The next received byte, or -1. */
int uart_get(struct uart *u);

/* Interrupt when bytes arrive, and, if @tx, when the transmitter is empty. */
void uart_irq_enable(struct uart *u, bool tx);
void uart_irq_disable(struct uart *u);

/* Acknowledge: read IIR until no interrupt is pending (bounded). True if one was ours. */
bool uart_irq_pending(struct uart *u);

#endif
