/*
 * console.h - text out and keys in, without anybody waiting for the UART.
 *
 * Invariants
 *   - console_write() copies into a ring and returns. The UART is fed from the ring by its
 *     transmit interrupt, or by console_poll() where interrupts do not work. When the ring is full
 *     the text is dropped and counted, and the loss is shown in the output once there is room.
 *   - Only console_flush() and a crash wait for the device, and only as long as it makes progress.
 *   - What goes into the ring also shows on the screen, if there is a framebuffer (screen.h): drawn
 *     by console_poll() some 20 times a second, by console_draw() and in a crash at once.
 *   - Log lines also go to the log buffer (log_read), which keeps the newest text.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MACHINE_CONSOLE_H
#define TAIN_MACHINE_CONSOLE_H

#include "kernel/base/log.h"
#include "kernel/base/types.h"

/* Any context but NMI, any CPU. '\n' is sent as "\r\n". */
void console_write(const char *text, size_t length);
/* What a guest prints: it cannot fill the ring so far that lines of ours are lost. */
void console_write_guest(const char *text, size_t length);
void console_puts(const char *text);
void console_printf(const char *fmt, ...) PRINTF_LIKE(1, 2); /* at most 1000 bytes, then cut */

/*
 * A piece of the line that is being typed at the prompt. Text of others that comes meanwhile starts
 * on a line of its own; console_typed_stands() is false from then on, and the prompt is to be shown
 * again. console_end_typed(): the line is finished.
 */
void console_write_typed(const char *text, size_t length);
bool console_typed_stands(void);
void console_end_typed(void);

/*
 * The UART is somebody else's for a while: what the others print goes to the screen and the log alone.
 * Whoever borrowed it writes by console_write_lent() and reads by console_getc().
 */
void console_lend(bool lent);
void console_write_lent(const char *text, size_t length);

/* The next key that came in, or -1. Boot CPU only. */
int console_getc(void);

/* True while a key waits to be taken: with interrupts off, the boot CPU then must not sleep. */
bool console_key_waiting(void);

/* Move bytes between rings and devices where interrupts do not; cheap. Boot CPU, each round. */
void console_poll(void);

/* Wait until all text is out, or the device has stopped making progress for 100 ms. */
void console_flush(void);

/* True while text waits in the ring: the boot CPU then must not sleep for long. */
bool console_busy(void);

/* If more than @most bytes wait in the ring, let them go unseen and say so. */
void console_cut(size_t most);

/* Bytes that wait in the ring for the device. */
size_t console_backlog(void);

struct console_stats {
	uint64_t tx_bytes, tx_dropped, rx_bytes, rx_dropped, ring_bytes, ring_high_water;
	bool interrupts;    /* the UART's interrupt works */
	bool screen_stale;  /* text waits to be drawn */
	bool keyboard;      /* an i8042 keyboard answers */
	const char *device; /* "com1 16550A irq 4", "none" */
	const char *screen; /* "160x50 characters on 1280x800", "none" */
};
void console_stats(struct console_stats *out);
const char *console_device(void);

/* Move the console elsewhere: "auto", "com1", "com2", a port, an MMIO address. 0 or -errno. */
int console_select(const char *where, uint32_t baud) MUST_CHECK;

/*
 * The UART called @where ("com1", "com2", a port, an MMIO address), mapped but not started: for who
 * wants a serial line of its own (uart_init() first). 0, -EINVAL, -ENOMEM.
 */
struct uart;
int console_uart_named(const char *where, struct uart *u) MUST_CHECK;

/* The UART in use: not to be changed. .present is false where there is none. */
const struct uart *console_uart(void);

/* No UART will be looked for any more: if there is none, text that waits for one is let go. */
void console_settled(void);

/* Draw on the screen now what has come since the last drawing. Otherwise console_poll() does. */
void console_draw(void);

/*
 * Copy up to @max bytes of the log from absolute position *@pos (0: the oldest kept) and move it.
 * Returns the bytes copied; 0 at the end.
 */
size_t log_read(uint64_t *pos, char *buf, size_t max);
uint64_t log_end(void); /* the position after the newest byte */

/*
 * Have the next boot's loader write the log to \\tain\\log.txt: it is marked in memory, and its tail
 * goes to a UEFI variable. @in_memory, @in_variable: which of the two to use, and which it came to.
 */
void log_save(bool *in_memory, bool *in_variable);

/* Lines logged at @level since start. */
uint64_t log_count(enum log_level level);

/* Nobody gives the console's lock back within @ticks: nothing can be printed but by a crash. */
bool console_is_held(uint64_t ticks);

/* For `inject`: panic with the locks of console and log held. */
NORETURN void console_panic_locked(void);

/* From here on, print synchronously and take no lock: the machine is going down. */
void console_crash_mode(void);

#endif
