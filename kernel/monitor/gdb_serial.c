/*
 * gdb_serial.c - bytes between the GDB stub and its serial line.
 *
 * Invariants
 *   - While half a packet is there no guest gets a turn on the boot CPU: a FIFO of 16 bytes is full
 *     sooner than a slice ends. A sender that stops in the middle is waited for QUIET_US at most.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/monitor/gdb_serial.h"

#include <errno.h>

#include "kernel/base/config.h"
#include "kernel/base/log.h"
#include "kernel/machine/console.h"
#include "kernel/machine/port.h"
#include "kernel/machine/wire.h"
#include "kernel/machine/time.h"
#include "kernel/monitor/gdb.h"
#include "kernel/monitor/monitor.h"
#include "kernel/net/gdb_tcp.h"

#define QUIET_US 20000
#define LENT_BACKLOG 16384 /* of the console's ring: more than one packet */

#define KEY_LEAVE 0x1d /* ^] */

static struct {
	bool open, polling;
	bool shared, borrows; /* the console's line: it is the one; gdb has it now */
	bool was_attached;
	unsigned connection; /* of gdb_tcp.h whose line it is; 0: none */
	const char *text;
} gs = { .text = "gdb = off" };

static const struct gdb_line line = {
	.put = wire_put, .room = wire_room, .command = monitor_run_for,
};

static const struct gdb_line tcp_line = {
	.put = gdb_tcp_put, .room = gdb_tcp_room, .command = monitor_run_for,
};

/* ---- the network's line ---- */

/* Who went without a word lets its guest go on, as if it had detached. */
static void leave_for_it(void)
{
	static const char detach[] = "$D#44";

	for (const char *c = detach; *c; c++)
		gdb_byte((uint8_t)*c);
}

/* A connection takes the line over, from the serial one or from one that has ended; not the console's. */
static void follow_connection(void)
{
	unsigned now = gdb_tcp_connection();

	if (now == gs.connection || gs.borrows)
		return;
	if (gs.connection) {
		gdb_use_line(&tcp_line);
		leave_for_it();
	}
	gs.connection = now;
	gdb_use_line(now ? &tcp_line : &line);
}

/* ---- the console's line ---- */

static void put_lent(const void *bytes, size_t count) { console_write_lent(bytes, count); }
static size_t room_lent(void) { return console_backlog() < LENT_BACKLOG ? LENT_BACKLOG : 0; }

static const struct gdb_line lent_line = {
	.put = put_lent, .room = room_lent, .command = monitor_run_for,
};

void gdb_serial_borrow(void)
{
	console_puts("[this line is gdb's; detaching gives it back, ^] too]\n");
	gdb_use_line(&lent_line);
	gs.borrows = true;
	gs.was_attached = false;
	console_lend(true);
}

static void give_back(void)
{
	gs.borrows = false;
	console_lend(false);
	gdb_use_line(gs.connection ? &tcp_line : &line);
	console_puts("\n[this line is the console's again]\n");
}

bool gdb_serial_borrows(void) { return gs.borrows; }
bool gdb_serial_is_shared(void) { return gs.shared; }

static int next_byte(void)
{
	int c = gs.borrows ? console_getc() : gs.connection ? gdb_tcp_get() : wire_get();

	if (gs.borrows && c == KEY_LEAVE && !gdb_in_packet()) {
		give_back();
		return -1;
	}
	return c;
}

/* gdb has left the guest, and its last answer is out. */
static void look_for_end(void)
{
	bool attached = gdb_is_attached();

	if (gs.was_attached && !attached && !console_busy())
		give_back();
	else
		gs.was_attached |= attached;
}

/* ---- both ---- */

void gdb_serial_start(const struct config *cfg)
{
	int err;

	gdb_init(&line);
	gs.shared = cfg->tain.gdb == GDB_COM1;
	if (gs.shared)
		gs.text = "the console's, by `gdb NAME`";
	if (cfg->tain.gdb != GDB_COM2)
		return;
	err = wire_open("com2", cfg->tain.baud);
	gs.open = !err;
	gs.text = !err ? "com2" : err == -EBUSY ? "com2 is the console's: no gdb" : "no UART at com2: no gdb";
}

const char *gdb_serial_text(void) { return gs.text; }

void gdb_serial_poll(void)
{
	uint64_t quiet = tsc_now();
	int c;

	if (!gs.polling)
		follow_connection();
	if ((!gs.open && !gs.borrows && !gs.connection) || gs.polling)
		return;
	gs.polling = true;
	do {
		if (gs.borrows)
			console_poll();
		else
			wire_poll();
		while ((c = next_byte()) >= 0) {
			gdb_byte((uint8_t)c);
			quiet = tsc_now();
		}
	} while (gdb_in_packet() && !gs.connection && tsc_now() - quiet < us_to_ticks(QUIET_US));
	gdb_look();
	if (gs.borrows)
		look_for_end();
	gs.polling = false;
}
