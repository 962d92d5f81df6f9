/*
 * gdb_tcp.h - the GDB stub's line over TCP: bytes in, bytes out, one connection at a time.
 *
 * The stub reads and answers in the monitor's turn (kernel/monitor/gdb_serial.c); here bytes only wait.
 *
 * Invariants
 *   - Only the ranges given may connect, one at a time. There is no secret: GDB knows none.
 *   - Memory is bounded: GDB_TCP_IN bytes in, GDB_TCP_OUT bytes out; beyond that the peer waits, or the
 *     connection ends.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_NET_GDB_TCP_H
#define TAIN_NET_GDB_TCP_H

#include "kernel/base/net_use.h"
#include "kernel/base/types.h"

#define GDB_TCP_IN  4096u
#define GDB_TCP_OUT 65536u

/* 0 or -errno of stream_listen(). Once. */
int gdb_tcp_start(const struct net_service_config *service) MUST_CHECK;
void gdb_tcp_poll(void);

/* The connection's number, from 1; 0: nobody is connected. */
unsigned gdb_tcp_connection(void);

/* The next byte that came, or -1; room for so many to send; send. */
int gdb_tcp_get(void);
size_t gdb_tcp_room(void);
void gdb_tcp_put(const void *bytes, size_t count);

#endif
