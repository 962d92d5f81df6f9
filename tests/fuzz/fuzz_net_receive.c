/*
 * fuzz_net_receive.c - any frames, descriptors and used rings: drivers and lwIP above them.
 *
 * The input is a series of records: what the device does, its arguments, a frame. Addresses of the
 * frames are made ours now and then, so that they get past Ethernet. The first byte says which device
 * it is; lwIP above it stays as the inputs before have left it.
 *
 * links: drivers/net/nic.c drivers/net/intel.c drivers/net/virtio_net.c drivers/net/hostpci.c
 *   drivers/net/net.c drivers/net/net_extra.c kernel/base/net_addr.c drivers/net/net_mem.c
 *   drivers/net/checksum.c drivers/net/lookup.c tests/fake/nic_model.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdlib.h>
#include <string.h>

#include "drivers/net/intel_regs.h"
#include "drivers/net/net.h"
#include "drivers/net/net_mem.h"
#include "drivers/net/nic_room.h"
#include "tests/fake/nic_model.h"
#include "tests/host/machine.h"
#include "lwip/dhcp.h"
#include "lwip/dns.h"
#include "lwip/inet_chksum.h"
#include "lwip/ip6_addr.h"
#include "lwip/tcp.h"
#include "lwip/udp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Fragments that wait are linked through their own headers, which lie at odd places. */
const char *__lsan_default_options(void);
const char *__lsan_default_options(void) { return "use_unaligned=1"; }

enum { FRAME, FRAME_TO_US, FRAME_TO_ALL, ODD, POLL, LINK, PACKET, PACKET_SIX, ANSWER, OPS };

#define HEADER 6 /* of a record: operation, length (2), and three for ODD */

static void must(bool ok)
{
	if (!ok)
		abort();
}

static const uint32_t ids[] = { MODEL_VIRTIO, MODEL_E1000, MODEL_I210 };

/* ---- packets that get past the sums: the rest of them is as it comes ---- */

#define ETH 14u

/* What was sent last, by protocol: answers fit to it. */
static struct {
	uint8_t bytes[1600];
	size_t length;
} last_tcp, last_udp;

static void on_sent(const void *frame, size_t length)
{
	const uint8_t *f = frame;

	if (length < 54 || length > sizeof(last_tcp.bytes) || f[12] != 8 || f[13] != 0)
		return;
	if (f[23] == 6) {
		memcpy(last_tcp.bytes, f, length);
		last_tcp.length = length;
	} else if (f[23] == 17) {
		memcpy(last_udp.bytes, f, length);
		last_udp.length = length;
	}
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}
static uint32_t get32(const uint8_t *p) { return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3]; }
static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

static void fix_sum(uint8_t *body, size_t length, size_t at, uint32_t pseudo)
{
	uint32_t sum;

	if (length < at + 2)
		return;
	body[at] = body[at + 1] = 0;
	sum = pseudo + net_checksum(body, (int)length);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	body[at] = (uint8_t)~sum;
	body[at + 1] = (uint8_t)(~sum >> 8);
}

static uint32_t pseudo_sum(const uint8_t *addresses, int bytes, uint8_t protocol, size_t length)
{
	uint8_t tail[4] = { 0, protocol };

	put16(tail + 2, (uint32_t)length);
	return (uint32_t)net_checksum(addresses, bytes) + net_checksum(tail, 4);
}

/* A segment that fits the connection, more or less. */
static void fit_tcp(uint8_t *t, size_t length, uint8_t how)
{
	const uint8_t *l = last_tcp.bytes + ETH + 20;

	if (length < 20)
		return;
	if (how & 1) {
		put16(t + 2, 80);
		t[12] = (uint8_t)((t[12] & 0xf0) < 0x50 ? 0x50 : t[12]);
		if (length < (size_t)(t[12] >> 4) * 4)
			t[12] = 0x50;
	}
	if ((how & 2) && last_tcp.length >= 54) {
		size_t data = last_tcp.length - 54;

		memcpy(t, l + 2, 2);
		memcpy(t + 2, l, 2);
		put32(t + 4, get32(l + 8) + (how >> 4));
		put32(t + 8, get32(l + 4) + (uint32_t)data + (l[13] & 3 ? 1 : 0));
	}
}

static void fit_udp(uint8_t *u, size_t length, uint8_t how)
{
	if (length < 8)
		return;
	if (how & 1)
		put16(u + 2, how & 2 ? 68 : 9);
	if (how & 1)
		put16(u, how & 2 ? 67 : 53);
	put16(u + 4, (uint32_t)length);
	if ((how & 2) && length > 240 && last_udp.length > ETH + 28 + 8) {
		u[8] = 2;
		memcpy(u + 12, last_udp.bytes + ETH + 28 + 4, 4);
		memcpy(u + 8 + 28, net_nic()->mac, 6);
		memcpy(u + 8 + 236, "\x63\x82\x53\x63", 4);
	}
}

static void packet(bool six, const uint8_t *arg, const uint8_t *from, size_t length)
{
	static const uint8_t four[] = { 1, 17, 6, 6, 17, 1, 2, 99 }, sixes[] = { 58, 17, 6, 58, 58, 0, 43, 44 };
	uint8_t frame[NIC_FRAME_MAX] = { 0 }, *ip = frame + ETH, protocol = (six ? sixes : four)[arg[0] & 7];
	size_t head = six ? 40 : 20;
	uint8_t *body = ip + head;
	uint32_t pseudo;

	if (length > sizeof(frame) - ETH - head)
		length = sizeof(frame) - ETH - head;
	memcpy(frame, net_nic()->mac, 6);
	frame[6] = 2;
	put16(frame + 12, six ? 0x86dd : 0x800);
	memcpy(body, from, length);
	if (six) {
		ip[0] = 0x60;
		put16(ip + 4, (uint32_t)length);
		ip[6] = protocol;
		ip[7] = 255;
		memcpy(ip + 8, "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
		memcpy(ip + 24, netif_ip6_addr(net_netif(), 0)->addr, 16);
		if (arg[0] & 8) {
			memcpy(frame, "\x33\x33\0\0\0\1", 6);
			memcpy(ip + 24, "\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
		}
		pseudo = pseudo_sum(ip + 8, 32, protocol, length);
	} else {
		ip[0] = 0x45;
		put16(ip + 2, (uint32_t)(20 + length));
		if (arg[0] & 0x80)
			put16(ip + 6, (arg[0] & 0x40 ? 0x2000u : 0) | (arg[1] & 31u));
		ip[8] = 64;
		ip[9] = protocol;
		memcpy(ip + 12, "\12\0\2\2", 4);
		memcpy(ip + 16, &netif_ip4_addr(net_netif())->addr, 4);
		fix_sum(ip, 20, 10, 0);
		pseudo = protocol == 1 ? 0 : pseudo_sum(ip + 12, 8, protocol, length);
	}
	if (protocol == 6)
		fit_tcp(body, length, arg[1]);
	if (protocol == 17)
		fit_udp(body, length, arg[1]);
	if (!(arg[2] & 0x80))
		fix_sum(body, length, protocol == 6 ? 16 : protocol == 17 ? 6 : 2, pseudo);
	(void)model_receive(frame, ETH + head + length);
}

/* The question that was asked last, with an answer behind it. */
static void answer(const uint8_t *arg, const uint8_t *from, size_t length)
{
	uint8_t frame[NIC_FRAME_MAX], *ip = frame + ETH, *u = ip + 20;
	size_t n = last_udp.length;

	if (n < ETH + 28 + 12 || last_udp.bytes[ETH + 20 + 3] != 53)
		return;
	memcpy(frame, last_udp.bytes, n);
	if (length > sizeof(frame) - n)
		length = sizeof(frame) - n;
	memcpy(frame + n, from, length);
	n += length;
	memcpy(frame, net_nic()->mac, 6);
	memcpy(ip + 12, last_udp.bytes + ETH + 16, 4);
	memcpy(ip + 16, last_udp.bytes + ETH + 12, 4);
	put16(ip + 2, (uint32_t)(n - ETH));
	fix_sum(ip, 20, 10, 0);
	memcpy(u, last_udp.bytes + ETH + 22, 2);
	memcpy(u + 2, last_udp.bytes + ETH + 20, 2);
	put16(u + 4, (uint32_t)(n - ETH - 20));
	put16(u + 10, 0x8180);
	put16(u + 14, arg[0] & 7);
	fix_sum(u, n - ETH - 20, 6, pseudo_sum(ip + 12, 8, 17, n - ETH - 20));
	(void)model_receive(frame, n);
}

static err_t on_bytes(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
	(void)arg, (void)err;
	if (!p)
		return tcp_close(pcb);
	tcp_recved(pcb, p->tot_len);
	(void)tcp_write(pcb, "answer", 6, 0);
	pbuf_free(p);
	return ERR_OK;
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
	(void)arg;
	if (err != ERR_OK)
		return ERR_VAL;
	tcp_recv(pcb, on_bytes);
	return ERR_OK;
}

static void on_name(const char *name, const ip_addr_t *ip, void *arg) { (void)name, (void)ip, (void)arg; }

/* Somebody to talk to: a listener, a port, questions. */
static void open_all(void)
{
	struct tcp_pcb *pcb = tcp_new_ip_type(IPADDR_TYPE_ANY);
	struct udp_pcb *udp = udp_new_ip_type(IPADDR_TYPE_ANY);

	must(pcb && udp && tcp_bind(pcb, IP_ANY_TYPE, 80) == ERR_OK && udp_bind(udp, IP_ANY_TYPE, 9) == ERR_OK);
	pcb = tcp_listen_with_backlog(pcb, 4);
	must(pcb);
	tcp_accept(pcb, on_accept);
	must(dhcp_start(net_netif()) == ERR_OK);
}

static void start(uint32_t id)
{
	const struct net_config cfg = { .mode = NET_FIXED, .address = { 10, 0, 2, 15 }, .prefix = 24,
					.gateway = { 10, 0, 2, 2 }, .dns = { 10, 0, 2, 3 } };

	machine_start(UINT64_C(64) << 20, 1);
	model_start(id);
	net_mem_keep(0);
	must(net_start(&cfg) == 0);
	open_all();
}

/* Another device in its place, under the same lwIP. */
static void change(uint32_t id)
{
	struct nic *nic = net_nic();

	heap_free(nic->driver);
	machine_start(UINT64_C(64) << 20, 1);
	model_start(id);
	nic->broken = false;
	nic->vector = 0;
	must((intel_knows(id) ? intel_start(nic, id, 0x30) : virtio_net_start(nic, id, 0x30)) == 0);
}

/* What the device wrote, made up. */
static void odd(const uint8_t *arg, const uint8_t *frame, size_t length)
{
	if (model.id == MODEL_VIRTIO)
		model_used(arg[0] & 1, arg[1] & 0x80 ? (uint32_t)arg[1] << 24 : (uint32_t)arg[1],
			   (uint32_t)arg[2] * 9, arg[0] & 0x40 ? arg[0] >> 1 : 1);
	else
		(void)model_receive_as(frame, length, (uint16_t)(arg[0] << 8 | arg[1]), arg[2] | RX_DD,
				       (uint8_t)(arg[2] >> 1));
}

static void receive(const uint8_t *to, const uint8_t *from, size_t length)
{
	uint8_t frame[2048];

	memcpy(frame, from, length);
	if (to && length >= 6)
		memcpy(frame, to, 6);
	(void)model_receive(frame, length > NIC_FRAME_MAX ? NIC_FRAME_MAX : length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	struct net_mem_stats memory;

	if (size < 1)
		return 0;

	uint32_t id = ids[data[0] % ARRAY_LEN(ids)];

	if (!net_is_on())
		start(id);
	else if (id != model.id || net_nic()->broken)
		change(id);
	model.on_sent = on_sent;
	ip_addr_t ip;

	(void)dns_gethostbyname("name.example", &ip, on_name, NULL);
	for (data++, size--; size >= HEADER;) {
		size_t length = (size_t)(data[1] << 8 | data[2]) % 2048;
		const uint8_t *frame = data + HEADER;

		if (length > size - HEADER)
			length = size - HEADER;
		switch (data[0] % OPS) {
		case FRAME:
			receive(NULL, frame, length);
			break;
		case FRAME_TO_US:
			receive(net_nic()->mac, frame, length);
			break;
		case FRAME_TO_ALL:
			receive(all, frame, length);
			break;
		case ODD:
			odd(data + 3, frame, length);
			break;
		case PACKET:
		case PACKET_SIX:
			packet(data[0] % OPS == PACKET_SIX, data + 3, frame, length);
			break;
		case ANSWER:
			answer(data + 3, frame, length);
			break;
		case LINK:
			model.link = data[3] & 1;
			net_nic()->link_look = 0;
			break;
		}
		net_nic()->pending = NIC_INTERRUPT;
		net_poll();
		data += HEADER + length;
		size -= HEADER + length;
	}
	net_poll();
	must(!net_nic()->broken || model.id == MODEL_VIRTIO); /* an Intel device's descriptors are not worth it */
	net_mem_stats(&memory);
	must(memory.used <= NET_MEM_MAX + NET_MEM_RESERVE);
	must(!model.wrong);
	return 0;
}
