/*
 * lan.c - the switch: a table of ports, looked through for each frame. Contract: lan.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/platform/lan.h"

#include <stdio.h>
#include <string.h>

#include "kernel/machine/port.h"

/* Frames come in chunks of two pages. */
#define CHUNK_ORDER 1
#define CHUNK_BYTES (PAGE_SIZE << CHUNK_ORDER)

struct chunk {
	struct chunk *next;
	struct lan_frame frame[(CHUNK_BYTES - sizeof(void *)) / sizeof(struct lan_frame)];
};
_Static_assert(sizeof(struct chunk) <= CHUNK_BYTES, "a chunk of frames");

static struct {
	rwlock_t lock; /* write: plug and unplug; read: to send */
	struct lan_port *ports[LAN_PORTS_MAX];
	unsigned places; /* of ports[] that were ever taken */
	unsigned last_id;
} lan;

static struct {
	spinlock_t lock;
	struct lan_frame *free;
	struct chunk *chunks;
	unsigned out; /* frames that are somebody's */
} pool;

/* ---- frames ---- */

/* The frames of @c are free. */
static void add_chunk(struct chunk *c) MUST_HOLD(pool.lock)
{
	c->next = pool.chunks;
	pool.chunks = c;
	for (size_t i = 0; i < ARRAY_LEN(c->frame); i++) {
		c->frame[i].next = pool.free;
		pool.free = &c->frame[i];
	}
}

struct lan_frame *lan_frame_get(void)
{
	struct lan_frame *f;

	spin_lock(&pool.lock);
	if (unlikely(!pool.free)) {
		hpa_t pages = pages_alloc_raw(PAGE_NET, CHUNK_ORDER);

		if (!hpa_is_none(pages))
			add_chunk(hpa_to_ptr(pages));
	}
	f = pool.free;
	if (likely(f)) {
		pool.free = f->next;
		pool.out++;
	}
	spin_unlock(&pool.lock);
	return f;
}

void lan_frame_put(struct lan_frame *f)
{
	if (!f)
		return;
	spin_lock(&pool.lock);
	f->next = pool.free;
	pool.free = f;
	pool.out--;
	spin_unlock(&pool.lock);
}

/* Nobody is plugged in: the memory goes back, unless a frame is still somebody's. */
static void drain(void)
{
	spin_lock(&pool.lock);
	if (!pool.out) {
		pool.free = NULL;
		while (pool.chunks) {
			struct chunk *c = pool.chunks;

			pool.chunks = c->next;
			pages_free(ptr_to_hpa(c), PAGE_NET, CHUNK_ORDER);
		}
	}
	spin_unlock(&pool.lock);
}

/* ---- ports ---- */

static bool same_network(const struct lan_port *a, const struct lan_port *b)
{
	return a->network_id == b->network_id;
}

/* The number of the network that is named @name. */
static unsigned id_of(const char *name)
{
	for (unsigned i = 0; i < LAN_PORTS_MAX; i++)
		if (lan.ports[i] && strcmp(lan.ports[i]->network, name) == 0)
			return lan.ports[i]->network_id;
	return ++lan.last_id;
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
	port->network_id = id_of(port->network);
	for (unsigned i = 0; i < LAN_PORTS_MAX && fits(port); i++)
		if (!lan.ports[i]) {
			lan.ports[i] = port;
			lan.places = i < lan.places ? lan.places : i + 1;
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
	bool any = false;

	if (!port)
		return;
	write_lock(&lan.lock);
	for (unsigned i = 0; i < LAN_PORTS_MAX; i++) {
		if (lan.ports[i] == port)
			lan.ports[i] = NULL;
		any |= lan.ports[i] != NULL;
	}
	for (struct lan_frame *f = lan_next(port); f; f = lan_next(port))
		lan_frame_put(f);
	if (!any)
		drain();
	write_unlock(&lan.lock);
	heap_free(port);
}

void lan_cut(struct lan_port *port, bool cut)
{
	spin_lock(&port->lock);
	port->cut = cut;
	spin_unlock(&port->lock);
}

/* ---- sending ---- */

/* @f is @to's, or dropped. NULL: there was no memory for it. */
static void give(struct lan_port *to, struct lan_frame *f)
{
	bool first = false;

	spin_lock(&to->lock);
	if (to->count == LAN_QUEUE || to->cut || !f) {
		to->counts.dropped++;
	} else {
		f->next = NULL;
		if (to->last)
			to->last->next = f;
		else
			to->first = f;
		to->last = f;
		first = to->count == 0;
		__atomic_store_n(&to->count, to->count + 1, __ATOMIC_RELEASE);
		to->counts.received++;
		to->counts.wakes += first;
		f = NULL;
	}
	spin_unlock(&to->lock);
	lan_frame_put(f);
	if (first && to->wake)
		to->wake(to->ctx);
}

static struct lan_frame *copy_of(const void *bytes, size_t length)
{
	struct lan_frame *f = lan_frame_get();

	if (f) {
		memcpy(f->bytes, bytes, length);
		f->length = (uint16_t)length;
	}
	return f;
}

/* To whom it goes: copies but for the last of them. The number of guests' ports that it was for. */
static unsigned spread(const struct lan_port *from, struct lan_frame *f)
{
	bool group = f->bytes[0] & 1;
	struct lan_port *uplink = NULL, *last = NULL;
	unsigned guests = 0;

	for (unsigned i = 0; i < lan.places; i++) {
		struct lan_port *p = lan.ports[i];

		if (!p || p == from || !same_network(p, from))
			continue;
		if (p->role == LAN_UPLINK) {
			uplink = p;
		} else if (group || memcmp(p->mac, f->bytes, 6) == 0) {
			if (last)
				give(last, copy_of(f->bytes, f->length));
			last = p;
			guests++;
		}
	}
	if (uplink && guests && group)
		give(uplink, copy_of(f->bytes, f->length));
	if (uplink && !guests)
		last = uplink;
	if (last)
		give(last, f);
	else
		lan_frame_put(f);
	return guests;
}

/* Whether @port may send it; it is counted. */
static bool may_send(struct lan_port *port, const uint8_t *frame, size_t length)
{
	bool good = length >= LAN_FRAME_MIN && length <= LAN_FRAME_MAX,
	     own = good && (port->role == LAN_UPLINK || memcmp(frame + 6, port->mac, 6) == 0);

	spin_lock(&port->lock);
	bool cut = port->cut;

	port->counts.sent += own && !cut;
	port->counts.dropped += own && cut;
	port->counts.bad += !good;
	port->counts.forged += good && !own;
	spin_unlock(&port->lock);
	return own && !cut;
}

bool lan_post(struct lan_port *port, struct lan_frame *frame)
{
	bool group = frame->bytes[0] & 1;

	if (!may_send(port, frame->bytes, frame->length)) {
		lan_frame_put(frame);
		return false;
	}
	read_lock(&lan.lock);
	unsigned guests = spread(port, frame);
	read_unlock(&lan.lock);
	return guests && !group;
}

void lan_bad(struct lan_port *port)
{
	spin_lock(&port->lock);
	port->counts.bad++;
	spin_unlock(&port->lock);
}

bool lan_send(struct lan_port *port, const void *frame, size_t length)
{
	struct lan_frame *f = length <= LAN_FRAME_MAX ? copy_of(frame, length) : NULL;

	if (f)
		return lan_post(port, f);
	lan_bad(port);
	return false;
}

struct lan_frame *lan_next(struct lan_port *port)
{
	struct lan_frame *f;

	spin_lock(&port->lock);
	f = port->first;
	if (f) {
		port->first = f->next;
		if (!port->first)
			port->last = NULL;
		__atomic_store_n(&port->count, port->count - 1, __ATOMIC_RELEASE);
	}
	spin_unlock(&port->lock);
	return f;
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
