/*
 * peer.h - the other end of the wire for the bench: answers ARP, makes datagrams, speaks just enough TCP.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_NET_BENCH_PEER_H
#define TAIN_NET_BENCH_PEER_H

#include "kernel/base/types.h"

#define PEER_PORT 7u    /* theirs */
#define OUR_PORT  4000u /* ours */

/* At the other end of the model that runs now: 10.0.2.2. */
void peer_start(void);
/* An echo request, so that both ends know each other's address. */
void peer_greet(const uint8_t mac[6]);
/* A datagram to us with @length bytes. */
bool peer_datagram(size_t length);
/* What was sent to us since peer_start() by UDP and by TCP: datagrams, bytes. */
uint64_t peer_datagrams(void);
uint64_t peer_bytes(void);
/* The connection that we have begun is there. */
bool peer_connected(void);
/* One segment of 1460 bytes to us; false: our window is closed or the device has no buffer. */
bool peer_segment(void);

#endif
