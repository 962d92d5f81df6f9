/*
 * console.c - the ring between everybody who prints, the one UART, and the screen.
 *
 * Producers on any CPU copy into the ring under a lock held with interrupts off, for as long as a
 * memcpy lasts. The UART is fed a FIFO at a time, by its interrupt or by console_poll().
 *
 * Invariants (beside those of console.h)
 *   - tx_head - tx_tail <= TX_BYTES; both only grow. Text that does not fit is dropped whole and
 *     counted in lost; once there is room, one line says how much was lost.
 *   - Before console_init() found a UART, text stays in the ring and comes out later.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/machine/console.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "drivers/keyboard.h"
#include "drivers/uart.h"
#include "kernel/base/lock.h"
#include "kernel/machine/cpu_insn.h"
#include "kernel/machine/irq.h"
#include "kernel/machine/room.h"
#include "kernel/machine/screen.h"
#include "kernel/machine/time.h"
#include "kernel/machine/trap.h"

#define TX_BYTES (128u << 10)
#define TX_OURS  (16u << 10) /* of it, kept free for the hypervisor's own lines */
#define RX_BYTES 4096u
#define DRAW_US  50000 /* the screen is drawn at most so often */

static struct {
	spinlock_t lock; /* taken with interrupts off, also in the UART's interrupt */
	struct uart uart;
	bool tx_irq_on, interrupts, crashed;
	bool closed;   /* the last line was written */
	bool lent;     /* the UART is somebody else's for a while: console_lend() */
	bool no_uart;  /* there is none, and none will be looked for: the screen is the console */
	bool typing;   /* the last line is a prompt with what was typed so far */
	bool carriage; /* the '\r' of a "\r\n" is out, the '\n' is not */
	uint64_t tx_head, tx_tail, rx_head, rx_tail;
	uint64_t lost, lost_shown, rx_lost, high_water;
	uint64_t tx_interrupts;
	uint64_t drawn; /* TSC of the last drawing */
	struct keyboard keyboard;
	char device[80];
	char tx[TX_BYTES];
	uint8_t rx[RX_BYTES];
} con;

/* --- between ring and UART: con.lock is held ----------------------------------------------- */

static void ring_put(const char *text, size_t length)
{
	size_t at = con.tx_head % TX_BYTES;
	size_t first = length < TX_BYTES - at ? length : TX_BYTES - at;

	screen_write(text, length);
	memcpy(con.tx + at, text, first);
	memcpy(con.tx, text + first, length - first);
	con.tx_head += length;
	if (con.tx_head - con.tx_tail > con.high_water)
		con.high_water = con.tx_head - con.tx_tail;
}

static size_t ring_room(void) { return (size_t)(TX_BYTES - (con.tx_head - con.tx_tail)); }

/* Next byte for the wire: "\n" goes out as "\r\n". */
static uint8_t next_byte(void)
{
	char c = con.tx[con.tx_tail % TX_BYTES];

	if (c == '\n' && !con.carriage) {
		con.carriage = true;
		return '\r';
	}
	con.carriage = false;
	con.tx_tail++;
	return (uint8_t)c;
}

static void say_what_was_lost(void)
{
	char line[64];

	if (con.lost == con.lost_shown || ring_room() < TX_BYTES / 2)
		return;
	int n = snprintf(line, sizeof(line), "\n[console: %llu bytes lost]\n",
			 (unsigned long long)(con.lost - con.lost_shown));
	con.lost_shown = con.lost;
	con.typing = false; /* the prompt is to be shown again */
	ring_put(line, (size_t)n);
}

/* Give the UART a burst if it takes one. True if bytes moved. */
static bool feed(void)
{
	if (con.no_uart)
		con.tx_tail = con.tx_head;
	if (!con.uart.present || con.tx_head == con.tx_tail || !uart_tx_empty(&con.uart))
		return false;
	for (unsigned i = 0; i < con.uart.fifo_bytes && con.tx_head != con.tx_tail; i++)
		uart_put(&con.uart, next_byte());
	say_what_was_lost();
	return true;
}

static void take_key(uint8_t c)
{
	if (con.rx_head - con.rx_tail == RX_BYTES)
		con.rx_lost++;
	else
		con.rx[con.rx_head++ % RX_BYTES] = c;
}

static void receive(void)
{
	/* A burst is at most what a FIFO and the wire can bring meanwhile: bounded. */
	for (unsigned i = 0; con.uart.present && i < 64; i++) {
		int c = uart_get(&con.uart);

		if (c < 0)
			return;
		take_key((uint8_t)c);
	}
}

static void receive_keys(void)
{
	for (unsigned i = 0; i < 64; i++) {
		int c = keyboard_get(&con.keyboard);

		if (c < 0)
			return;
		take_key((uint8_t)c);
	}
}

/* The transmit interrupt is on exactly while there is something to send. */
static void arm(void)
{
	bool want = con.tx_head != con.tx_tail;

	if (!con.interrupts || want == con.tx_irq_on)
		return;
	con.tx_irq_on = want;
	uart_irq_enable(&con.uart, want);
}

/*
 * The line is edge triggered: left high, it never interrupts again. Closing and opening the UART's
 * interrupts makes a new edge of whatever is still pending.
 */
static void rearm(void)
{
	con.tx_irq_on = con.tx_head != con.tx_tail;
	uart_irq_disable(&con.uart);
	uart_irq_enable(&con.uart, con.tx_irq_on);
}

/* After a crash there is no lock to wait for: the one exception to what the attributes say. */
static uint64_t con_lock(void) ACQUIRES(con.lock) NO_TSA
{
	uint64_t flags = irq_save();

	if (!con.crashed)
		spin_lock(&con.lock);
	return flags;
}

static void con_unlock(uint64_t flags) RELEASES(con.lock) NO_TSA
{
	if (!con.crashed)
		spin_unlock(&con.lock);
	irq_restore(flags);
}

static void serial_interrupt(unsigned vector)
{
	(void)vector;
	uint64_t flags = con_lock();

	con.tx_interrupts++;
	for (unsigned i = 0; i < 8 && uart_irq_pending(&con.uart); i++) {
		receive();
		feed();
	}
	rearm();
	con_unlock(flags);
}

/* --- public -------------------------------------------------------------------------------- */

enum writer { WRITER_SELF, WRITER_TYPED, WRITER_GUEST, WRITER_BORROWER };

static void write_ring(const char *text, size_t length, enum writer who)
{
	uint64_t flags = con_lock();
	bool typed = who == WRITER_TYPED, new_line = con.typing && !typed;
	size_t keep = who == WRITER_GUEST ? TX_OURS : 0;

	if (con.closed) {
		/* Nothing comes after the last line. */
	} else if (con.lent && who != WRITER_BORROWER) {
		screen_write(text, length);
	} else if (length + new_line + keep > ring_room()) {
		con.lost += length;
	} else {
		if (new_line)
			ring_put("\n", 1);
		ring_put(text, length);
		con.typing = typed;
	}
	arm();
	con_unlock(flags);
	if (con.crashed)
		console_flush();
}

void console_write(const char *text, size_t length) { write_ring(text, length, WRITER_SELF); }

void console_lend(bool lent)
{
	uint64_t flags = con_lock();

	con.lent = lent;
	con.typing = false;
	con_unlock(flags);
}

void console_write_lent(const char *text, size_t length)
{
	write_ring(text, length, WRITER_BORROWER);
}

void console_write_guest(const char *text, size_t length)
{
	write_ring(text, length, WRITER_GUEST);
}

void console_write_typed(const char *text, size_t length)
{
	write_ring(text, length, WRITER_TYPED);
}

bool console_typed_stands(void) { return __atomic_load_n(&con.typing, __ATOMIC_RELAXED); }

void console_end_typed(void) { __atomic_store_n(&con.typing, false, __ATOMIC_RELAXED); }

void console_puts(const char *text) { console_write(text, strlen(text)); }

void console_printf(const char *fmt, ...)
{
	char text[1000];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n > 0)
		console_write(text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

int console_getc(void)
{
	uint64_t flags = con_lock();
	int c = -1;

	if (!con.interrupts)
		receive();
	receive_keys();
	if (con.rx_tail != con.rx_head)
		c = con.rx[con.rx_tail++ % RX_BYTES];
	con_unlock(flags);
	return c;
}

bool console_key_waiting(void)
{
	return __atomic_load_n(&con.rx_head, __ATOMIC_RELAXED) !=
	       __atomic_load_n(&con.rx_tail, __ATOMIC_RELAXED);
}

/* Draw, at most so often, but at once if @now. */
static void draw(bool now)
{
	if (!screen_stale() || (!now && tsc_now() - con.drawn < us_to_ticks(DRAW_US)))
		return;
	con.drawn = tsc_now();
	screen_draw(con_lock, con_unlock);
}

void console_draw(void) { draw(true); }

void console_poll(void)
{
	draw(false);
	if (con.interrupts && con.tx_head == con.tx_tail)
		return;
	uint64_t flags = con_lock();

	/* Also where interrupts work: a CPU that is busy with them closed still gets text out. */
	feed();
	receive();
	arm();
	con_unlock(flags);
}

void console_cut(size_t most)
{
	static const char cut[] = "\n[cut off]\n";
	uint64_t flags = con_lock();

	if (con.tx_head - con.tx_tail > most) {
		con.tx_tail = con.tx_head;
		ring_put(cut, sizeof(cut) - 1);
	}
	con_unlock(flags);
}

size_t console_backlog(void)
{
	uint64_t tail = __atomic_load_n(&con.tx_tail, __ATOMIC_RELAXED);

	return (size_t)(__atomic_load_n(&con.tx_head, __ATOMIC_RELAXED) - tail);
}

bool console_busy(void) { return con.uart.present && con.tx_head != con.tx_tail; }

void console_flush(void)
{
	uint64_t start = tsc_now(), progress = start, limit = us_to_ticks(100000);

	while (console_busy() && tsc_now() - progress < limit) {
		uint64_t flags = con_lock();

		if (feed())
			progress = tsc_now();
		con_unlock(flags);
		cpu_pause();
	}
	draw(true);
	/* The last bytes are in the device: an emulator that ends now would not show them. */
	while (con.uart.present && !uart_tx_idle(&con.uart) && tsc_now() - progress < limit)
		cpu_pause();
	wait_ticks_add(tsc_now() - start);
}

const char *console_device(void) { return con.device[0] ? con.device : "none"; }

void console_stats(struct console_stats *out)
{
	*out = (struct console_stats){
		.tx_bytes = con.tx_tail,
		.tx_dropped = con.lost,
		.rx_bytes = con.rx_head,
		.rx_dropped = con.rx_lost,
		.ring_bytes = TX_BYTES,
		.ring_high_water = con.high_water,
		.interrupts = con.interrupts,
		.screen_stale = screen_stale(),
		.screen = screen_text(),
		.keyboard = con.keyboard.present,
		.device = console_device(),
	};
}

/* Write @text, wait until it is out, and let nothing follow it but a crash. */
void console_last_words(const char *text)
{
	uint64_t flags = con_lock();

	if (con.typing)
		ring_put("\n", 1);
	if (strlen(text) <= ring_room())
		ring_put(text, strlen(text));
	con.closed = true;
	con_unlock(flags);
	console_flush();
}

void console_crash_mode(void)
{
	con.crashed = true;
	con.lent = false;
	con.closed = false;
	screen_crash_mode();
	console_flush();
}

bool console_is_held(uint64_t ticks) NO_TSA
{
	uint64_t start = tsc_now(), flags = irq_save();
	bool free = false;

	while (!(free = spin_trylock(&con.lock)) && tsc_now() - start < ticks)
		cpu_pause();
	if (free)
		spin_unlock(&con.lock);
	irq_restore(flags);
	return !free;
}

void console_panic_locked(void)
{
	log_hold();
	(void)con_lock();
	panic("injected by the console, with the console's and the log's locks held");
}

/* --- the devices: console_where.c chooses them --------------------------------------------- */

const struct uart *console_uart(void) { return &con.uart; }

void console_use(const struct uart *u, const char *name)
{
	uint64_t flags = con_lock();

	if (con.uart.present)
		uart_irq_disable(&con.uart);
	con.interrupts = con.tx_irq_on = con.no_uart = false;
	con.uart = *u;
	snprintf(con.device, sizeof(con.device), "%s %s", name,
		 u->fifo_bytes > 1 ? "16550A" : "8250");
	con_unlock(flags);
}

void console_settled(void) { con.no_uart = !con.uart.present; }

/* The screen shows what was printed so far, and the i8042 keyboard types. */
void console_start_screen(const struct boot_info *bi, bool i8042)
{
	screen_init(bi);
	uint64_t flags = con_lock();

	for (uint64_t at = con.tx_head > TX_BYTES ? con.tx_head - TX_BYTES : 0; at < con.tx_head; at++)
		screen_write(&con.tx[at % TX_BYTES], 1);
	if (i8042)
		keyboard_init(&con.keyboard);
	con_unlock(flags);
}

/*
 * Try the UART's interrupt: with the transmitter idle, enabling its interrupt raises one at once.
 * If none comes in 2 ms the console is polled.
 */
bool console_try_interrupt(const char *how)
{
	uint64_t before = con.tx_interrupts, start = tsc_now();
	size_t n = strlen(con.device);

	irq_register(VEC_SERIAL, serial_interrupt);
	con.interrupts = true;
	con.tx_irq_on = true;
	uart_irq_enable(&con.uart, true);
	while (con.tx_interrupts == before && tsc_now() - start < us_to_ticks(2000))
		irq_window();
	wait_ticks_add(tsc_now() - start);
	if (con.tx_interrupts != before) {
		snprintf(con.device + n, sizeof(con.device) - n, ", %s", how);
		return true;
	}
	uart_irq_disable(&con.uart);
	con.interrupts = con.tx_irq_on = false;
	return false;
}

static void keyboard_interrupt(unsigned vector)
{
	(void)vector;
	uint64_t flags = con_lock();

	receive_keys();
	con_unlock(flags);
}

void console_keyboard_interrupt(void) { irq_register(VEC_KEYBOARD, keyboard_interrupt); }
bool console_has_keyboard(void) { return con.keyboard.present; }
