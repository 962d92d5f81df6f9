/*
 * uart.c - the 16550: probe, set up, one byte out, one byte in.
 *
 * Keeps the promises of uart.h: no waiting, no lock.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "drivers/uart.h"

#include <errno.h>

#include "drivers/io.h"

/* clang-format off */
enum { UART_DATA = 0, UART_IER = 1, UART_IIR = 2, UART_FCR = 2, UART_LCR = 3, UART_MCR = 4,
       UART_LSR = 5, UART_SCR = 7, UART_DLL = 0, UART_DLM = 1 };
/* clang-format on */

#define IER_RX    0x01
#define IER_TX    0x02
#define IIR_NONE  0x01
#define IIR_FIFO  0xc0
#define FCR_SETUP 0x03 /* enable, clear what was received; text on its way out stays */
#define LCR_8N1   0x03
#define LCR_DLAB  0x80
#define MCR_SETUP 0x0b /* DTR, RTS, OUT2: OUT2 lets the interrupt out on a PC */
#define LSR_RX    0x01
#define LSR_TX    0x20 /* the FIFO is empty */
#define LSR_IDLE  0x40 /* so is the shift register */

#define UART_CLOCK 115200u
#define SCR_PROBE  0xa5

static uint8_t reg_read(const struct uart *u, unsigned reg)
{
	if (!u->mmio)
		return io_in8((uint16_t)(u->port + (reg << u->shift)));
	if (u->wide)
		return (uint8_t)mmio_read32(u->mmio + (reg << u->shift));
	return mmio_read8(u->mmio + (reg << u->shift));
}

static void reg_write(const struct uart *u, unsigned reg, uint8_t value)
{
	if (!u->mmio)
		io_out8((uint16_t)(u->port + (reg << u->shift)), value);
	else if (u->wide)
		mmio_write32(u->mmio + (reg << u->shift), value);
	else
		mmio_write8(u->mmio + (reg << u->shift), value);
}

/* A register file that keeps what is written, twice, is there; an empty bus reads all ones. */
static bool answers(const struct uart *u)
{
	reg_write(u, UART_SCR, SCR_PROBE);
	if (reg_read(u, UART_SCR) != SCR_PROBE)
		return false;
	reg_write(u, UART_SCR, (uint8_t)~SCR_PROBE);
	return reg_read(u, UART_SCR) == (uint8_t)~SCR_PROBE && reg_read(u, UART_LSR) != 0xff;
}

int uart_init(struct uart *u, uint32_t baud)
{
	if (!answers(u))
		return -ENODEV;
	reg_write(u, UART_IER, 0);
	if (baud) {
		uint32_t clock = u->clock ? u->clock : UART_CLOCK;
		uint32_t divisor = baud > clock ? 1 : clock / baud;

		reg_write(u, UART_LCR, LCR_8N1 | LCR_DLAB);
		reg_write(u, UART_DLL, (uint8_t)divisor);
		reg_write(u, UART_DLM, (uint8_t)(divisor >> 8));
	}
	reg_write(u, UART_LCR, LCR_8N1);
	reg_write(u, UART_FCR, FCR_SETUP);
	reg_write(u, UART_MCR, MCR_SETUP);
	u->fifo_bytes = (reg_read(u, UART_IIR) & IIR_FIFO) == IIR_FIFO ? 16 : 1;
	u->present = true;
	return 0;
}

bool uart_tx_empty(struct uart *u) { return (reg_read(u, UART_LSR) & LSR_TX) != 0; }

bool uart_tx_idle(struct uart *u) { return (reg_read(u, UART_LSR) & LSR_IDLE) != 0; }

void uart_put(struct uart *u, uint8_t byte) { reg_write(u, UART_DATA, byte); }

int uart_get(struct uart *u)
{
	uint8_t lsr = reg_read(u, UART_LSR);

	/* A device that went away reads all ones for ever: that is not input. */
	if (lsr == 0xff || !(lsr & LSR_RX))
		return -1;
	return reg_read(u, UART_DATA);
}

void uart_irq_enable(struct uart *u, bool tx)
{
	reg_write(u, UART_IER, IER_RX | (tx ? IER_TX : 0));
}

void uart_irq_disable(struct uart *u) { reg_write(u, UART_IER, 0); }

bool uart_irq_pending(struct uart *u) { return !(reg_read(u, UART_IIR) & IIR_NONE); }
