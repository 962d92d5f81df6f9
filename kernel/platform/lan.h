/*
 * lan.h - a switch in software: frames between the ports that are plugged into the same named network.
 *
 * A port has one MAC address, fixed when it is plugged. A frame goes to the port with its destination's
 * address, else (broadcast, multicast) to all of the network; what is for nobody here goes to the uplink,
 * if the network has one. Frames wait at the receiver, who is woken and takes them in its own time.
 *
 * Invariants
 *   - A frame leaves its network by the uplink alone, and reaches no port of another network.
 *   - A port sends under its own address: others are dropped and counted (.forged). The uplink may.
 *   - Memory is bounded: LAN_QUEUE frames wait at a port, what comes beyond is dropped and counted.
 *     Frames come from one pool, which grows by what waits and goes back when nobody is plugged in.
 *   - A frame has one owner: who got it, a port's queue, or the pool.
 *
 * Locking  any CPU, also under a guest's platform lock. The wake function is called with a lock of the
 *          switch held: it takes none that is held while frames are sent.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_PLATFORM_LAN_H
#define TAIN_PLATFORM_LAN_H

#include "kernel/base/lock.h"
#include "kernel/base/types.h"

#define LAN_NAME_MAX  31
#define LAN_PORTS_MAX 65u
#define LAN_FRAME_MIN 14u
#define LAN_FRAME_MAX 1514u
#define LAN_QUEUE     64u

enum lan_role { LAN_GUEST, LAN_UPLINK };

#define LAN_ROOM      12u

struct lan_frame {
	struct lan_frame *next; /* of its owner */
	uint16_t length;
	uint8_t room[LAN_ROOM]; /* a device's own header before the bytes */
	uint8_t bytes[LAN_FRAME_MAX];
};
_Static_assert(offsetof(struct lan_frame, bytes) == offsetof(struct lan_frame, room) + LAN_ROOM,
	       "header and frame are one piece");

struct lan_counts {
	uint64_t sent, received, dropped, forged, bad; /* bad: no frame, or no memory for it */
	uint64_t wakes;                                /* calls of the wake function */
};

struct lan_port {
	char network[LAN_NAME_MAX + 1];
	unsigned network_id; /* the same for ports of one network, while they are plugged in */
	enum lan_role role;
	uint8_t mac[6];
	void (*wake)(void *ctx);
	void *ctx;
	spinlock_t lock; /* of what follows */
	bool cut;        /* its cable is pulled: what it sends or is to get is dropped */
	uint32_t count; /* also read without the lock */
	struct lan_frame *first, *last;
	struct lan_counts counts;
};

/*
 * A port of network @network. @wake is called when a frame comes to a port where none waited. NULL: no
 * memory, no place, or a second uplink of the network.
 */
struct lan_port *lan_plug(const char *network, enum lan_role role, const uint8_t mac[6],
			  void (*wake)(void *ctx), void *ctx) MUST_CHECK;
/* Pulled: no wake is under way any more when this returns. NULL is allowed. */
void lan_unplug(struct lan_port *port);

/* Pull its cable, or put it back. Frames that wait already stay. */
void lan_cut(struct lan_port *port, bool cut);

/* A frame from the pool, its contents undefined; NULL: no memory. */
struct lan_frame *lan_frame_get(void) MUST_CHECK;
/* Back to the pool. NULL is allowed. */
void lan_frame_put(struct lan_frame *frame);

/* Send @frame, which is the switch's from now on. True: it was for one guest's port alone. */
bool lan_post(struct lan_port *port, struct lan_frame *frame);

/* The same with a copy. How a frame that came by the uplink is shared with others who hear the wire. */
bool lan_send(struct lan_port *port, const void *frame, size_t length);

/* What @port was to send is no frame: counted. */
void lan_bad(struct lan_port *port);

/* The next frame that waits, the caller's from now on; NULL: none. */
struct lan_frame *lan_next(struct lan_port *port) MUST_CHECK;

static inline bool lan_waiting(const struct lan_port *port)
{
	return __atomic_load_n(&port->count, __ATOMIC_ACQUIRE) != 0;
}

/* An address of our own for @name on the machine with @seed: locally administered, the same each time. */
void lan_mac(const char *name, const uint8_t seed[6], uint8_t mac[6]);

#endif
