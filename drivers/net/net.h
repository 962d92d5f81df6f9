/*
 * net.h - the machine on the network: one interface, lwIP above it, and who else wants to be asked.
 *
 *     net_start(&config.tain.net)   once, before the run loop: finds the interface, waits for nothing
 *     net_poll()                    each round of the boot CPU: frames, timers, services
 *
 * Invariants
 *   - Without `net =` nothing here runs, no device is touched and no memory is taken.
 *   - lwIP is called on the boot CPU only: from net_poll() and from console commands, which run
 *     between two polls. Callbacks of lwIP must not wait (sched_poll) and must not call net_poll().
 *   - One poll does a bounded amount of work, whatever comes in.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_NET_NET_H
#define TAIN_NET_NET_H

#include "drivers/net/nic.h"
#include "kernel/base/net_config.h"
#include "kernel/base/types.h"

struct netif; /* lwIP's */

/* 0; -ENODEV: no interface (said in one line): the network stays off. */
int net_start(const struct net_config *cfg) MUST_CHECK;

/* Use another interface, by its number. 0; -ENETDOWN: the network is off; -ENODEV: no such; -ENOMEM. */
int net_use(unsigned index) MUST_CHECK;

/* One round. */
void net_poll(void);
/* TSC at which net_poll() should be called again if nothing else happens; ~0: not at all. */
uint64_t net_next(void);

/* Is the network in use: net_start() has succeeded? */
bool net_is_on(void);
/* Is the link up and an IPv4 address there (`net = ipv6`: one of IPv6 that is not only local)? */
bool net_is_up(void);

struct nic *net_nic(void);     /* NULL: the network is off */
struct netif *net_netif(void); /* NULL likewise */

/*
 * Who does work of its own in each poll: after frames and timers, while the network is on. Never
 * removed. @poll must return soon. While all are quiet, no frame has come and no timer is due, a round
 * does nothing; but for NET_LOOK_MS at most.
 */
#define NET_LOOK_MS 50u
struct net_service {
	struct net_service *next;
	const char *name;
	void (*poll)(void);
	bool (*quiet)(void); /* or NULL: poll() has nothing to do now; asked each round: cheap */
	void (*up)(void); /* or NULL: called when net_is_up() becomes true, each time */
};
void net_service_add(struct net_service *s);

/* There is more to do, or a timer of lwIP's was set outside of a poll: the next poll comes at once. */
void net_again(void);

/*
 * A second user of the interface, beside lwIP: sees each received frame first; true: it was the
 * frame's only receiver. NULL: none. The interface then receives frames for all addresses.
 */
typedef bool (*net_tap_fn)(void *ctx, const uint8_t *frame, size_t length);
void net_tap(net_tap_fn fn, void *ctx);
/* A frame out of the interface, as if it came from us. As nic_send(). */
int net_send_frame(const void *frame, size_t length) MUST_CHECK;
/* A frame for lwIP, as if it had come in from the wire. */
void net_inject(const uint8_t *frame, size_t length);

/* What the network costs the boot CPU, in ticks of the TSC (Bochs: instructions). */
struct net_costs {
	uint64_t idle_rounds, idle_ticks; /* rounds in which no frame came or went, and their ticks */
	uint64_t quick_rounds;		  /* those of them in which nothing was due */
	uint64_t frames, busy_ticks;	  /* received in the other rounds, and what those took */
	uint64_t sent, send_ticks;	  /* of them, and of frames sent from elsewhere, in the driver */
};
void net_costs(struct net_costs *out);

/* Ask DHCP anew. 0; -ENETDOWN: the network is off; -EINVAL: addresses are fixed. */
int net_dhcp_again(void) MUST_CHECK;
bool net_dhcp_bound(void);

#endif
