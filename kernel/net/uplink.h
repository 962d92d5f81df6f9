/*
 * uplink.h - a network of guests joined to the machine's: frames between its switch and the interface.
 *
 * Invariants
 *   - What guests send goes out under their own addresses only (lan.h). What comes in for a guest alone is
 *     not seen by Tain's own protocols; what is for all is seen by both.
 *   - Guests do not reach Tain's own services this way: a frame to the machine's address stays on the wire.
 *   - So many frames in a round and no more; what the interface has no room for is dropped and counted.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_NET_UPLINK_H
#define TAIN_NET_UPLINK_H

#include "kernel/base/types.h"

/* Join @network. 0 or -ENOMEM. Once. */
int uplink_start(const char *network) MUST_CHECK;

/* Each round; and: is there nothing to do in it? */
void uplink_poll(void);
bool uplink_quiet(void);

/* Its port of the switch; NULL: there is no uplink. */
struct lan_port;
const struct lan_port *uplink_port(void);

struct uplink_counts {
	uint64_t out, in, full; /* full: dropped at the interface */
};
void uplink_counts(struct uplink_counts *out);

#endif
