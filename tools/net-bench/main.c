/*
 * main.c - net-bench: what a frame costs in the drivers and in lwIP, against the register models.
 *
 *     net-bench [OP]      each device: name, op, units, ns of a unit (the model's work included)
 *
 * A unit is a frame; in `idle` a round of the run loop in which nothing comes; in `arp-other` a frame
 * that is not for us. tools/net-bench/instructions counts instructions, without the model's.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/net/net.h"
#include "drivers/net/nic_room.h"
#include "lwip/tcp.h"
#include "lwip/udp.h"
#include "tests/fake/nic_model.h"
#include "tests/host/machine.h"
#include "tools/net-bench/peer.h"

#define UNITS 4000u
#define BATCH 16u /* frames that come between two rounds */

static struct udp_pcb *udp;
static struct tcp_pcb *tcp;
static uint64_t received; /* datagrams, or bytes of TCP */

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "net-bench: %s (%s)\n", what, model.wrong ? model.wrong : "-");
	exit(1);
}

static void round_of(void)
{
	net_nic()->pending = NIC_INTERRUPT;
	net_poll();
}

/* ---- our side ---- */

static void on_datagram(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from, u16_t port)
{
	(void)arg, (void)pcb, (void)from, (void)port;
	received++;
	pbuf_free(p);
}

static err_t on_bytes(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
	(void)arg, (void)err;
	must(p != NULL, "the connection has ended");
	received += p->tot_len;
	tcp_recved(pcb, p->tot_len);
	pbuf_free(p);
	return ERR_OK;
}

static void open_udp(void)
{
	ip_addr_t to = IPADDR4_INIT_BYTES(10, 0, 2, 2);

	udp = udp_new();
	must(udp && udp_bind(udp, IP_ANY_TYPE, OUR_PORT) == ERR_OK && udp_connect(udp, &to, PEER_PORT) == ERR_OK,
	     "no UDP");
	udp_recv(udp, on_datagram, NULL);
}

static void open_tcp(void)
{
	ip_addr_t to = IPADDR4_INIT_BYTES(10, 0, 2, 2);

	tcp = tcp_new();
	must(tcp && tcp_bind(tcp, IP_ANY_TYPE, OUR_PORT) == ERR_OK &&
		     tcp_connect(tcp, &to, PEER_PORT, NULL) == ERR_OK, "no TCP");
	tcp_recv(tcp, on_bytes);
	for (unsigned i = 0; i < 4; i++)
		round_of();
	must(peer_connected() && tcp->state == ESTABLISHED, "no connection");
}

/* ---- one batch of each; returns units done ---- */

static unsigned receive_raw(size_t length)
{
	static uint8_t frame[NIC_FRAME_MAX];
	unsigned n = 0;

	for (; n < BATCH && model_receive(frame, length); n++)
		;
	net_nic()->pending = NIC_INTERRUPT;
	(void)nic_poll(net_nic());
	return n;
}

static unsigned send_raw(size_t length)
{
	static const uint8_t frame[NIC_FRAME_MAX];

	for (unsigned i = 0; i < BATCH; i++)
		must(nic_send(net_nic(), frame, length) == 0, "a frame was refused");
	return BATCH;
}

static unsigned receive_udp(size_t length)
{
	uint64_t before = received;

	for (unsigned i = 0; i < BATCH; i++)
		must(peer_datagram(length), "no buffer");
	round_of();
	return (unsigned)(received - before);
}

static unsigned send_udp(size_t length)
{
	static const uint8_t bytes[1472];
	uint64_t before = peer_datagrams();

	for (unsigned i = 0; i < BATCH; i++) {
		struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, (u16_t)length, PBUF_RAM);

		must(p && pbuf_take(p, bytes, (u16_t)length) == ERR_OK && udp_send(udp, p) == ERR_OK, "not sent");
		pbuf_free(p);
	}
	round_of();
	return (unsigned)(peer_datagrams() - before);
}

static unsigned receive_tcp(size_t length)
{
	uint64_t before = received;

	for (unsigned i = 0; i < BATCH && peer_segment(); i++)
		;
	round_of();
	return (unsigned)((received - before) / length);
}

static unsigned send_tcp(size_t length)
{
	static const uint8_t bytes[1460];
	uint64_t before = peer_bytes();

	for (unsigned i = 0; i < BATCH && tcp_sndbuf(tcp) >= length; i++)
		must(tcp_write(tcp, bytes, (u16_t)length, TCP_WRITE_FLAG_COPY) == ERR_OK, "not written");
	(void)tcp_output(tcp);
	round_of();
	return (unsigned)((peer_bytes() - before) / length);
}

static unsigned idle(size_t unused)
{
	(void)unused;
	for (unsigned i = 0; i < BATCH; i++)
		net_poll();
	return BATCH;
}

static const struct op {
	const char *name;
	unsigned (*batch)(size_t length);
	size_t length;
	void (*open)(void);
} ops[] = {
	{ "idle", idle, 0, NULL },
	{ "receive-raw-60", receive_raw, 60, NULL },
	{ "receive-raw-1514", receive_raw, 1514, NULL },
	{ "send-raw-60", send_raw, 60, NULL },
	{ "send-raw-1514", send_raw, 1514, NULL },
	{ "receive-udp-18", receive_udp, 18, open_udp },
	{ "receive-udp-1472", receive_udp, 1472, open_udp },
	{ "send-udp-18", send_udp, 18, open_udp },
	{ "send-udp-1472", send_udp, 1472, open_udp },
	{ "receive-tcp-1460", receive_tcp, 1460, open_tcp },
	{ "send-tcp-1460", send_tcp, 1460, open_tcp },
};

static const struct {
	uint32_t id;
	const char *name;
} devices[] = { { MODEL_VIRTIO, "virtio-net" }, { MODEL_E1000, "82540EM" }, { MODEL_E1000E, "82574L" },
		{ MODEL_I210, "I210" } };

/* The part that is counted. */
unsigned net_bench_measured(const struct op *op, unsigned units);
__attribute__((noinline)) unsigned net_bench_measured(const struct op *op, unsigned units)
{
	unsigned done = 0;

	while (done < units)
		done += op->batch(op->length);
	return done;
}

static void ignore(void *ctx, const uint8_t *frame, size_t length) { (void)ctx, (void)frame, (void)length; }

static void run(const struct op *op, uint32_t id, const char *name)
{
	const struct net_config cfg = { .mode = NET_FIXED, .address = { 10, 0, 2, 15 }, .prefix = 24 };
	uint64_t start;
	unsigned done;

	machine_start(UINT64_C(64) << 20, 1);
	model_start(id);
	peer_start();
	must(net_start(&cfg) == 0, "the network does not start");
	round_of();
	peer_greet(net_nic()->mac);
	round_of();
	if (op->open)
		op->open();
	else if (op->batch == receive_raw)
		net_nic()->receive = ignore, net_nic()->room = NULL;
	(void)net_bench_measured(op, BATCH);
	start = tsc_now();
	done = net_bench_measured(op, UNITS);
	printf("%s,%s,%u,%llu\n", name, op->name, done, (unsigned long long)((tsc_now() - start) / done));
	must(!model.wrong && !net_nic()->stats.bad, "the model complains");
}

/* One device and one op a process: drivers and lwIP start once. */
int main(int argc, char **argv)
{
	for (size_t d = 0; argc == 3 && d < ARRAY_LEN(devices); d++)
		for (size_t i = 0; i < ARRAY_LEN(ops); i++)
			if (!strcmp(argv[1], devices[d].name) && !strcmp(argv[2], ops[i].name)) {
				run(&ops[i], devices[d].id, devices[d].name);
				return 0;
			}
	fprintf(stderr, "usage: net-bench DEVICE OP\ndevices:");
	for (size_t d = 0; d < ARRAY_LEN(devices); d++)
		fprintf(stderr, " %s", devices[d].name);
	fprintf(stderr, "\nops:");
	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		fprintf(stderr, " %s", ops[i].name);
	fprintf(stderr, "\n");
	return 2;
}
