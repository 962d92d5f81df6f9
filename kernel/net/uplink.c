/*
 * uplink.c - a port of the switch on one side, the interface on the other. Contract: uplink.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/net/uplink.h"

#include <errno.h>

#include "drivers/net/net.h"
#include "kernel/guest/sched.h"
#include "kernel/platform/lan.h"

#define FRAMES_A_ROUND 32u

static struct {
	struct lan_port *port;
	struct uplink_counts counts;
} up;

/* Frames wait to go out: the boot CPU has the interface. */
static void on_frame(void *ctx)
{
	(void)ctx;
	sched_kick(0);
}

static bool on_wire(void *ctx, const uint8_t *frame, size_t length)
{
	(void)ctx;
	if (length > LAN_FRAME_MAX)
		return false;
	up.counts.in++;
	return lan_send(up.port, frame, length);
}

int uplink_start(const char *network)
{
	up.port = lan_plug(network, LAN_UPLINK, net_nic()->mac, on_frame, NULL);
	if (!up.port)
		return -ENOMEM;
	net_tap(on_wire, NULL);
	return 0;
}

void uplink_poll(void)
{
	struct lan_frame *f;

	for (unsigned i = 0; up.port && i < FRAMES_A_ROUND && (f = lan_next(up.port)); i++) {
		up.counts.out++;
		up.counts.full += net_send_frame(f->bytes, f->length) != 0;
		lan_frame_put(f);
	}
	if (up.port && lan_waiting(up.port))
		net_again();
}

bool uplink_quiet(void) { return !up.port || !lan_waiting(up.port); }
const struct lan_port *uplink_port(void) { return up.port; }

void uplink_counts(struct uplink_counts *out) { *out = up.counts; }
