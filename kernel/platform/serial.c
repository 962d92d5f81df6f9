/*
 * serial.c - the 16550's registers.
 *
 * Accesses wider than a byte reach only the first register, as on the chip's 8-bit bus.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/platform/serial.h"

#include <string.h>

enum { REG_DATA, REG_IER, REG_IIR_FCR, REG_LCR, REG_MCR, REG_LSR, REG_MSR, REG_SCR };

#define IER_RX        0x01
#define IER_THR       0x02
#define IER_WRITABLE  0x0f
#define IIR_NONE      0x01
#define IIR_THR_EMPTY 0x02
#define IIR_RX        0x04
#define IIR_FIFO_ON   0xc0
#define FCR_ENABLE    0x01
#define FCR_CLEAR_RX  0x02
#define LCR_DLAB      0x80
#define MCR_LOOP      0x10
#define MCR_WRITABLE  0x1f
#define LSR_DATA      0x01
#define LSR_TX_EMPTY  0x60 /* holding register and shifter */
#define MSR_CONNECTED 0xb0 /* DCD, DSR, CTS: somebody listens */

void serial_init(struct serial *s, void (*transmit)(void *ctx, uint8_t byte), void *ctx)
{
	memset(s, 0, sizeof(*s));
	s->transmit = transmit;
	s->ctx = ctx;
	s->dll = 1; /* 115200 */
}

bool serial_receive(struct serial *s, uint8_t byte)
{
	if (s->rx_count == SERIAL_FIFO)
		return false;
	s->rx[(s->rx_head + s->rx_count++) % SERIAL_FIFO] = byte;
	s->rx_bytes++;
	return true;
}

static uint8_t take_received(struct serial *s)
{
	if (!s->rx_count)
		return 0;

	uint8_t byte = s->rx[s->rx_head];

	s->rx_head = (s->rx_head + 1) % SERIAL_FIFO;
	s->rx_count--;
	return byte;
}

bool serial_irq(const struct serial *s)
{
	return ((s->ier & IER_RX) && s->rx_count) || ((s->ier & IER_THR) && s->thr_interrupt);
}

/* The highest pending cause; reading "THR empty" takes it back. */
static uint8_t read_iir(struct serial *s)
{
	uint8_t fifo = s->fcr & FCR_ENABLE ? IIR_FIFO_ON : 0;

	if ((s->ier & IER_RX) && s->rx_count)
		return fifo | IIR_RX;
	if ((s->ier & IER_THR) && s->thr_interrupt) {
		s->thr_interrupt = false;
		return fifo | IIR_THR_EMPTY;
	}
	return fifo | IIR_NONE;
}

/* In loopback the four modem outputs come back as the four inputs. */
static uint8_t read_msr(const struct serial *s)
{
	uint8_t m = s->mcr;

	if (!(m & MCR_LOOP))
		return MSR_CONNECTED;
	return (uint8_t)((m & 1) << 5 | (m & 2) << 3 | (m & 4) << 4 | (m & 8) << 4);
}

uint32_t serial_read(void *serial, unsigned offset, unsigned bytes)
{
	struct serial *s = serial;
	bool dlab = (s->lcr & LCR_DLAB) != 0;

	(void)bytes;
	switch (offset) {
	case REG_DATA:
		return dlab ? s->dll : take_received(s);
	case REG_IER:
		return dlab ? s->dlm : s->ier;
	case REG_IIR_FCR:
		return read_iir(s);
	case REG_LCR:
		return s->lcr;
	case REG_MCR:
		return s->mcr;
	case REG_LSR:
		return (uint32_t)LSR_TX_EMPTY | (s->rx_count ? LSR_DATA : 0);
	case REG_MSR:
		return read_msr(s);
	default:
		return s->scr;
	}
}

static void transmit(struct serial *s, uint8_t byte)
{
	if (s->mcr & MCR_LOOP) {
		serial_receive(s, byte);
	} else {
		s->tx_bytes++;
		s->transmit(s->ctx, byte);
	}
	s->thr_interrupt = true;
}

static void write_ier(struct serial *s, uint8_t v)
{
	/* Enabling the THR interrupt while THR is empty raises it at once. */
	if ((v & IER_THR) && !(s->ier & IER_THR))
		s->thr_interrupt = true;
	s->ier = v & IER_WRITABLE;
}

static void write_fcr(struct serial *s, uint8_t v)
{
	if ((v & FCR_CLEAR_RX) || ((v ^ s->fcr) & FCR_ENABLE))
		s->rx_count = 0;
	s->fcr = v;
}

void serial_write(void *serial, unsigned offset, unsigned bytes, uint32_t value)
{
	struct serial *s = serial;
	uint8_t v = (uint8_t)value;
	bool dlab = (s->lcr & LCR_DLAB) != 0;

	(void)bytes;
	switch (offset) {
	case REG_DATA:
		if (dlab)
			s->dll = v;
		else
			transmit(s, v);
		break;
	case REG_IER:
		if (dlab)
			s->dlm = v;
		else
			write_ier(s, v);
		break;
	case REG_IIR_FCR:
		write_fcr(s, v);
		break;
	case REG_LCR:
		s->lcr = v;
		break;
	case REG_MCR:
		s->mcr = v & MCR_WRITABLE;
		break;
	case REG_SCR:
		s->scr = v;
		break;
	default: /* LSR and MSR are read-only */
		break;
	}
}
