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
#include "kernel/machine/port.h"
#include "kernel/machine/wire.h"
#include "kernel/machine/time.h"
#include "kernel/monitor/gdb.h"
#include "kernel/monitor/monitor.h"

#define QUIET_US 20000

static struct {
	bool open, polling;
	const char *text;
} gs = { .text = "gdb = off" };

static const struct gdb_line line = {
	.put = wire_put, .room = wire_room, .command = monitor_run_for,
};

void gdb_serial_start(const struct config *cfg)
{
	int err;

	if (cfg->tain.gdb != GDB_COM2)
		return;
	err = wire_open("com2", cfg->tain.baud);
	gs.open = !err;
	gs.text = !err ? "com2" : err == -EBUSY ? "com2 is the console's: no gdb" : "no UART at com2: no gdb";
	gdb_init(&line);
}

const char *gdb_serial_text(void) { return gs.text; }

void gdb_serial_poll(void)
{
	uint64_t quiet = tsc_now();
	int c;

	if (!gs.open || gs.polling)
		return;
	gs.polling = true;
	do {
		wire_poll();
		while ((c = wire_get()) >= 0) {
			gdb_byte((uint8_t)c);
			quiet = tsc_now();
		}
	} while (gdb_in_packet() && tsc_now() - quiet < us_to_ticks(QUIET_US));
	gdb_look();
	gs.polling = false;
}
