/*
 * lan.c - the switch: a table of ports, looked through for each frame. Contract: lan.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/platform/lan.h"

#include <stdio.h>
#include <string.h>

#include "kernel/machine/port.h"

static struct {
	rwlock_t lock; /* write: plug and unplug; read: to send */
	struct lan_port *ports[LAN_PORTS_MAX];
} lan;

static bool same_network(const struct lan_port *a, const struct lan_port *b)
{
	return strcmp(a->network, b->network) == 0;
}

static bool fits(const struct lan_port *port)
{
	for (unsigned i = 0; i < LAN_PORTS_MAX; i++) {
		const struct lan_port *p = lan.ports[i];

		if (p && same_network(p, port) &&
		    ((p->role == LAN_UPLINK && port->role == LAN_UPLINK) || memcmp(p->mac, port->mac, 6) == 0))
			return false;
	}
	return true;
}

static bool plug(struct lan_port *port)
{
	for (unsigned i = 0; i < LAN_PORTS_MAX && fits(port); i++)
		if (!lan.ports[i]) {
			lan.ports[i] = port;
			return true;
		}
	return false;
}

struct lan_port *lan_plug(const char *network, enum lan_role role, const uint8_t mac[6],
			  void (*wake)(void *ctx), void *ctx)
{
	struct lan_port *port = heap_alloc(sizeof(*port));
	bool there;

	if (!port)
		return NULL;
	snprintf(port->network, sizeof(port->network), "%s", network);
	port->role = role;
	memcpy(port->mac, mac, 6);
	port->wake = wake;
	port->ctx = ctx;
	write_lock(&lan.lock);
	there = plug(port);
	write_unlock(&lan.lock);
	if (there)
		return port;
	heap_free(port);
	return NULL;
}

void lan_unplug(struct lan_port *port)
{
	if (!port)
		return;
	write_lock(&lan.lock);
	for (unsigned i = 0; i < LAN_PORTS_MAX; i++)
		if (lan.ports[i] == port)
			lan.ports[i] = NULL;
	write_unlock(&lan.lock);
	heap_free(port);
}

/* ---- frames ---- */

static void give(struct lan_port *to, const void *frame, size_t length)
{
	bool first = false;

	spin_lock(&to->lock);
	if (to->count == LAN_QUEUE) {
		to->counts.dropped++;
	} else {
		struct lan_frame *f = &to->queue[(to->first + to->count) % LAN_QUEUE];

		memcpy(f->bytes, frame, length);
		f->length = (uint16_t)length;
		first = to->count == 0;
		__atomic_store_n(&to->count, to->count + 1, __ATOMIC_RELEASE);
		to->counts.received++;
	}
	spin_unlock(&to->lock);
	if (first && to->wake)
		to->wake(to->ctx);
}

/* To whom it goes; the number of guests' ports that got it. */
static unsigned spread(const struct lan_port *from, const uint8_t *frame, size_t length)
{
	bool group = frame[0] & 1;
	struct lan_port *uplink = NULL;
	unsigned got = 0;

	for (unsigned i = 0; i < LAN_PORTS_MAX; i++) {
		struct lan_port *p = lan.ports[i];

		if (!p || p == from || !same_network(p, from))
			continue;
		if (p->role == LAN_UPLINK) {
			uplink = p;
		} else if (group || memcmp(p->mac, frame, 6) == 0) {
			give(p, frame, length);
			got++;
		}
	}
	if (uplink && (group || !got))
		give(uplink, frame, length);
	return got;
}

bool lan_send_shared(struct lan_port *port, const void *frame, size_t length)
{
	const uint8_t *bytes = frame;
	bool good = length >= LAN_FRAME_MIN && length <= LAN_FRAME_MAX,
	     own = good && (port->role == LAN_UPLINK || memcmp(bytes + 6, port->mac, 6) == 0);
	unsigned got = 0;

	spin_lock(&port->lock);
	port->counts.sent += own;
	port->counts.bad += !good;
	port->counts.forged += good && !own;
	spin_unlock(&port->lock);
	if (!own)
		return false;
	read_lock(&lan.lock);
	got = spread(port, bytes, length);
	read_unlock(&lan.lock);
	return got && !(bytes[0] & 1);
}

void lan_send(struct lan_port *port, const void *frame, size_t length)
{
	(void)lan_send_shared(port, frame, length);
}

size_t lan_take(struct lan_port *port, void *frame)
{
	size_t length = 0;

	spin_lock(&port->lock);
	if (port->count) {
		const struct lan_frame *f = &port->queue[port->first];

		length = f->length;
		memcpy(frame, f->bytes, length);
		port->first = (port->first + 1) % LAN_QUEUE;
		__atomic_store_n(&port->count, port->count - 1, __ATOMIC_RELEASE);
	}
	spin_unlock(&port->lock);
	return length;
}

void lan_mac(const char *name, const uint8_t seed[6], uint8_t mac[6])
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	for (unsigned i = 0; i < 6; i++)
		hash = (hash ^ seed[i]) * UINT64_C(0x100000001b3);
	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
	mac[0] = 0x02; /* locally administered, one station */
	for (unsigned i = 1; i < 6; i++)
		mac[i] = (uint8_t)(hash >> (8 * i));
}
