/*
 * wire.c - the debugger's serial line: a UART, a ring each way, an interrupt if it arrives.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/machine/wire.h"

#include <errno.h>

#include "drivers/uart.h"
#include "kernel/base/lock.h"
#include "kernel/machine/console.h"
#include "kernel/machine/cpu_insn.h"
#include "kernel/machine/irq.h"
#include "kernel/machine/room.h"
#include "kernel/machine/time.h"
#include "kernel/machine/trap.h"

#define RX_BYTES 8192u
#define TX_BYTES 16384u
#define COM1     0x3f8
#define COM2     0x2f8
#define BURST    64 /* received at a look: a FIFO and what comes meanwhile */

static struct {
	spinlock_t lock; /* taken with interrupts off, also in the interrupt */
	struct uart uart;
	const struct acpi_madt *madt;
	bool by_interrupt;
	uint64_t tx_head, tx_tail, rx_head, rx_tail, lost, interrupts;
	uint8_t tx[TX_BYTES], rx[RX_BYTES];
} line;

/* ---- the lock is held ---- */

static void receive(void)
{
	for (unsigned i = 0; i < BURST; i++) {
		int c = uart_get(&line.uart);

		if (c < 0)
			return;
		if (line.rx_head - line.rx_tail == RX_BYTES)
			line.lost++;
		else
			line.rx[line.rx_head++ % RX_BYTES] = (uint8_t)c;
	}
}

static void feed(void)
{
	if (line.tx_head == line.tx_tail || !uart_tx_empty(&line.uart))
		return;
	for (unsigned i = 0; i < line.uart.fifo_bytes && line.tx_head != line.tx_tail; i++)
		uart_put(&line.uart, line.tx[line.tx_tail++ % TX_BYTES]);
}

/* The line is edge triggered: closing and opening makes a new edge of what is still pending. */
static void rearm(void)
{
	if (!line.by_interrupt)
		return;
	uart_irq_disable(&line.uart);
	uart_irq_enable(&line.uart, line.tx_head != line.tx_tail);
}

static void on_interrupt(unsigned vector)
{
	uint64_t flags = irq_save();

	(void)vector;
	spin_lock(&line.lock);
	line.interrupts++;
	for (unsigned i = 0; i < 8 && uart_irq_pending(&line.uart); i++) {
		receive();
		feed();
	}
	rearm();
	spin_unlock(&line.lock);
	irq_restore(flags);
}

/* ---- public ---- */

void wire_poll(void)
{
	if (!line.uart.present)
		return;

	uint64_t flags = irq_save();

	spin_lock(&line.lock);
	receive();
	feed();
	spin_unlock(&line.lock);
	irq_restore(flags);
}

int wire_get(void)
{
	uint64_t flags = irq_save();
	int c = -1;

	spin_lock(&line.lock);
	if (line.rx_tail != line.rx_head)
		c = line.rx[line.rx_tail++ % RX_BYTES];
	spin_unlock(&line.lock);
	irq_restore(flags);
	return c;
}

size_t wire_room(void) { return (size_t)(TX_BYTES - (line.tx_head - line.tx_tail)); }

void wire_put(const void *bytes, size_t count)
{
	const uint8_t *b = bytes;
	uint64_t flags = irq_save();

	spin_lock(&line.lock);
	for (size_t i = 0; i < count && line.tx_head - line.tx_tail < TX_BYTES; i++)
		line.tx[line.tx_head++ % TX_BYTES] = b[i];
	if (line.uart.present) {
		feed();
		rearm();
	}
	spin_unlock(&line.lock);
	irq_restore(flags);
}

bool wire_waiting(void)
{
	return __atomic_load_n(&line.rx_head, __ATOMIC_RELAXED) !=
	       __atomic_load_n(&line.rx_tail, __ATOMIC_RELAXED);
}

bool wire_is_polled(void)
{
	return line.uart.present && (!line.by_interrupt || line.tx_head != line.tx_tail);
}

void wire_stats(struct wire_stats *out)
{
	*out = (struct wire_stats){ line.rx_head, line.tx_tail, line.lost, line.interrupts };
}

/* ---- start ---- */

void wire_init(const struct acpi_madt *madt) { line.madt = madt; }

/* With the transmitter idle, enabling its interrupt raises one at once. */
static bool interrupt_arrives(void)
{
	uint64_t before = line.interrupts, start = tsc_now();

	line.by_interrupt = true;
	uart_irq_enable(&line.uart, true);
	while (line.interrupts == before && tsc_now() - start < us_to_ticks(2000))
		irq_window();
	wait_ticks_add(tsc_now() - start);
	return line.interrupts != before;
}

static void start_interrupts(void)
{
	unsigned isa_irq = line.uart.port == COM1 ? 4 : 3;

	if (line.uart.mmio || (line.uart.port != COM1 && line.uart.port != COM2))
		return;
	irq_register(VEC_SERIAL2, on_interrupt);
	for (unsigned way = 0; way < 2; way++) {
		if (irq_route_isa(isa_irq, VEC_SERIAL2, way, line.madt))
			continue;
		if (interrupt_arrives())
			return;
		irq_unroute_isa(isa_irq, way, line.madt);
	}
	uart_irq_disable(&line.uart);
	line.by_interrupt = false;
}

int wire_open(const char *where, uint32_t baud)
{
	const struct uart *console = console_uart();
	struct uart u;
	int err = console_uart_named(where, &u);

	if (err)
		return err;
	if (console->present && console->port == u.port && console->mmio == u.mmio)
		return -EBUSY;
	err = uart_init(&u, baud);
	if (err)
		return err;
	line.uart = u;

	uint64_t flags = irq_save();

	start_interrupts();
	irq_restore(flags);
	return 0;
}
