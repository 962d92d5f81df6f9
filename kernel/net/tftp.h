/*
 * tftp.h - a file read by TFTP: packets in, packets out, no socket and no clock of its own.
 *
 * Invariants
 *   - A block is handed on once and in order; a packet that does not fit is ignored, so what a stranger
 *     sends changes nothing but by guessing the block.
 *   - .out is what is to be sent now (again after a time-out); .out_count 0: nothing.
 *
 * RFC 1350, options RFC 2347, blksize RFC 2348, tsize RFC 2349.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_NET_TFTP_H
#define TAIN_NET_TFTP_H

#include "kernel/base/types.h"
#include "kernel/net/http_response.h"

#define TFTP_BLOCK   1428u /* with its headers it fits an Ethernet frame, by IPv6 too */
#define TFTP_OUT_MAX 400u

enum tftp_state { TFTP_ASKED, TFTP_BLOCKS, TFTP_DONE, TFTP_FAILED };

struct tftp {
	enum tftp_state state;
	char why[100]; /* of TFTP_FAILED */
	uint16_t block; /* the last one that came */
	unsigned block_bytes;
	struct http_sink sink; /* begin() is told of tsize, if the server knows it */
	uint8_t out[TFTP_OUT_MAX];
	unsigned out_count;
};

/* .out is the request for @path (url.h: at most URL_PATH_MAX bytes). */
void tftp_init(struct tftp *t, const char *path, const struct http_sink *sink);

/* A packet of the server. True: .out is to be sent. */
bool tftp_received(struct tftp *t, const uint8_t *bytes, size_t count);

#endif
