/*
 * peer.c - see peer.h. Nothing is lost on this wire, so nothing is sent twice; each second segment is
 * acknowledged, as usual.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/net-bench/peer.h"

#include <string.h>

#include "tests/fake/nic_model.h"

#define ETH    14u
#define IP     20u
#define TCP    20u
#define MSS    1460u
#define WINDOW 65535u

enum { FIN = 1, SYN = 2, PSH = 8, ACK = 16 };

static const uint8_t here[4] = { 10, 0, 2, 2 }, there[4] = { 10, 0, 2, 15 };

static struct {
	uint8_t mac[6];
	uint64_t datagrams, bytes;
	bool connected;
	uint32_t next, acked, expected, told; /* of ours: sent, acknowledged; of theirs: awaited, told */
	uint16_t window;
} peer;

static uint16_t get16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static uint32_t get32(const uint8_t *p) { return (uint32_t)get16(p) << 16 | get16(p + 2); }
static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}
static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

static uint32_t sum(const uint8_t *p, size_t n, uint32_t start)
{
	for (size_t i = 0; i < n; i++)
		start += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	return start;
}

static uint16_t fold(uint32_t s)
{
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

/* Headers of Ethernet and IPv4 in front of @length bytes, and the checksum at @where of those. */
static bool send_ip(uint8_t *frame, uint8_t protocol, size_t length, size_t where)
{
	uint8_t *ip = frame + ETH, *body = ip + IP;

	memcpy(frame, peer.mac, 6);
	memcpy(frame + 6, (const uint8_t[]){ 2, 0, 0, 0, 0, 1, 8, 0 }, 8);
	memset(ip, 0, IP);
	ip[0] = 0x45;
	put16(ip + 2, (uint32_t)(IP + length));
	ip[8] = 64;
	ip[9] = protocol;
	memcpy(ip + 12, here, 4);
	memcpy(ip + 16, there, 4);
	put16(ip + 10, fold(sum(ip, IP, 0)));
	put16(body + where, 0);
	put16(body + where, fold(sum(body, length, protocol == 1 ? 0 : sum(ip + 12, 8, protocol + (uint32_t)length))));
	return model_receive(frame, ETH + IP + length < 60 ? 60 : ETH + IP + length);
}

static bool send_tcp(uint8_t flags, uint32_t sequence, size_t length)
{
	static uint8_t frame[ETH + IP + TCP + 4 + MSS];
	uint8_t *t = frame + ETH + IP;
	size_t options = flags & SYN ? 4 : 0;

	memset(t, 0, TCP);
	put16(t, PEER_PORT);
	put16(t + 2, OUR_PORT);
	put32(t + 4, sequence);
	put32(t + 8, peer.expected);
	t[12] = (uint8_t)((TCP + options) << 2);
	t[13] = flags;
	put16(t + 14, WINDOW);
	if (options)
		put32(t + TCP, 2u << 24 | 4u << 16 | MSS);
	peer.told = peer.expected;
	return send_ip(frame, 6, TCP + options + length, 16);
}

static void on_tcp(const uint8_t *t, size_t length)
{
	size_t header = (size_t)(t[12] >> 4) * 4;

	peer.acked = get32(t + 8);
	peer.window = get16(t + 14);
	if (t[13] & SYN) {
		peer.expected = get32(t + 4) + 1;
		(void)send_tcp(SYN | ACK, peer.next++, 0);
		peer.connected = true;
		return;
	}
	length -= header;
	peer.bytes += length;
	peer.expected += (uint32_t)length;
	if (peer.expected - peer.told >= 2 * MSS || (length && length < MSS))
		(void)send_tcp(ACK, peer.next, 0);
}

static void answer_arp(const uint8_t *asked)
{
	uint8_t frame[60] = { 0 };

	memcpy(frame, asked + 6, 6);
	memcpy(frame + 6, (const uint8_t[]){ 2, 0, 0, 0, 0, 1 }, 6);
	memcpy(frame + 12, asked + 12, 8);
	frame[21] = 2;
	memcpy(frame + 22, frame + 6, 6);
	memcpy(frame + 28, here, 4);
	memcpy(frame + 32, asked + 22, 10);
	(void)model_receive(frame, sizeof(frame));
}

static void on_sent(const void *data, size_t length)
{
	const uint8_t *frame = data, *ip = frame + ETH;

	if (length >= 42 && get16(frame + 12) == 0x806 && frame[21] == 1 && !memcmp(frame + 38, here, 4))
		answer_arp(frame);
	if (length < ETH + IP || get16(frame + 12) != 0x800 || memcmp(ip + 16, here, 4) != 0)
		return;
	if (ip[9] == 17)
		peer.datagrams++;
	else if (ip[9] == 6)
		on_tcp(ip + IP, get16(ip + 2) - IP);
}

void peer_start(void)
{
	memset(&peer, 0, sizeof(peer));
	peer.next = 1000;
	model.on_sent = on_sent;
}

void peer_greet(const uint8_t mac[6])
{
	static uint8_t frame[ETH + IP + 64];

	memcpy(peer.mac, mac, 6);
	frame[ETH + IP] = 8;
	(void)send_ip(frame, 1, 64, 2);
}

bool peer_datagram(size_t length)
{
	static uint8_t frame[ETH + IP + 8 + 1472];
	uint8_t *udp = frame + ETH + IP;

	put16(udp, PEER_PORT);
	put16(udp + 2, OUR_PORT);
	put16(udp + 4, (uint32_t)(8 + length));
	return send_ip(frame, 17, 8 + length, 6);
}

uint64_t peer_datagrams(void) { return peer.datagrams; }
uint64_t peer_bytes(void) { return peer.bytes; }
bool peer_connected(void) { return peer.connected; }

bool peer_segment(void)
{
	if (peer.next + MSS - peer.acked > peer.window || !send_tcp(ACK | PSH, peer.next, MSS))
		return false;
	peer.next += MSS;
	return true;
}
