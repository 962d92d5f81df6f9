/*
 * net_lossy.c - a bad wire: what is lost, doubled, late or damaged on it arrives all the same, in order.
 *
 * Two interfaces of one lwIP, a wire between them, each end of a connection bound to its own. The clock
 * is the test's: it stands still while frames are handled. So a run is the same each time.
 *
 * links: drivers/net/net_mem.c drivers/net/checksum.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "drivers/net/net_extra.h"
#include "drivers/net/net_mem.h"
#include "kernel/base/types.h"
#include "lwip/etharp.h"
#include "lwip/ethip6.h"
#include "lwip/init.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/stats.h"
#include "lwip/sys.h"
#include "lwip/tcp.h"
#include "lwip/timeouts.h"
#include "lwip/udp.h"
#include <netif/ethernet.h>

#define BYTES       (512u << 10)
#define PORT        80u
#define FLIGHT_MAX  512u
#define PATIENCE_MS (60u * 60u * 1000u)

static uint32_t clock_ms = 1000;

uint32_t sys_now(void) { return clock_ms; }

/* No router on this wire. */
const ip6_addr_t *net_extra_gateway6(const struct netif *netif, const ip6_addr_t *to)
{
	(void)netif, (void)to;
	return NULL;
}

/* ---- the wire ---- */

/* In thousands: how many frames are lost, come twice, come late by up to 30 ms, have a bit turned. */
static struct fate {
	const char *name;
	unsigned lost, twice, late, damaged;
} fate;

static struct netif ends[2];
static struct frame {
	struct netif *to;
	uint32_t at;
	size_t length;
	uint8_t bytes[1518];
} flight[FLIGHT_MAX];
static unsigned in_flight;
static struct {
	uint64_t frames, lost, twice, late, damaged;
} seen;

static bool chance(unsigned thousandths, uint64_t *count)
{
	static uint64_t dice = 88172645463325252;

	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	if (dice % 1000 >= thousandths)
		return false;
	++*count;
	return true;
}

static void put(struct netif *to, struct pbuf *p)
{
	struct frame *f = &flight[in_flight];

	if (in_flight == FLIGHT_MAX)
		return;
	in_flight++;
	f->to = to;
	f->at = clock_ms + 1 + (chance(fate.late, &seen.late) ? 1 + (uint32_t)(seen.frames * 7 % 30) : 0);
	f->length = pbuf_copy_partial(p, f->bytes, sizeof(f->bytes), 0);
	if (chance(fate.damaged, &seen.damaged))
		f->bytes[seen.frames * 31 % f->length] ^= (uint8_t)(1u << seen.frames % 8);
}

static err_t output(struct netif *from, struct pbuf *p)
{
	struct netif *to = from == &ends[0] ? &ends[1] : &ends[0];

	seen.frames++;
	assert_true(p->tot_len <= 1518);
	if (!chance(fate.lost, &seen.lost))
		put(to, p);
	if (chance(fate.twice, &seen.twice))
		put(to, p);
	return ERR_OK;
}

static void arrive(const struct frame *f)
{
	struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)f->length, PBUF_RAM);

	assert_non_null(p);
	memcpy(p->payload, f->bytes, f->length);
	if (f->to->input(p, f->to) != ERR_OK)
		pbuf_free(p);
}

/* All that is due arrives, timers run, and the clock goes on to what comes next. */
static void step(void)
{
	static struct frame now;
	uint32_t next = sys_timeouts_sleeptime();

	for (unsigned i = 0; i < in_flight;) {
		if (flight[i].at > clock_ms) {
			i++;
			continue;
		}
		now = flight[i];
		memmove(&flight[i], &flight[i + 1], (--in_flight - i) * sizeof(flight[0]));
		arrive(&now);
	}
	sys_check_timeouts();
	clock_ms += in_flight || next == 0 ? 1 : next < 100 ? next : 100;
}

static err_t start_end(struct netif *n)
{
	n->output = etharp_output;
	n->output_ip6 = ethip6_output;
	n->linkoutput = output;
	n->mtu = 1500;
	n->hwaddr_len = 6;
	memcpy(n->hwaddr, (const uint8_t[]){ 2, 0, 0, 0, 0, n == &ends[0] ? 1 : 2 }, 6);
	n->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_MLD6;
	return ERR_OK;
}

static int start(void **state)
{
	ip4_addr_t mask, none = { 0 };

	(void)state;
	net_mem_keep(0);
	lwip_init();
	IP4_ADDR(&mask, 255, 255, 255, 0);
	for (unsigned i = 0; i < 2; i++) {
		ip4_addr_t ip;

		IP4_ADDR(&ip, 10, 0, 0, 1 + i);
		if (!netif_add(&ends[i], &ip, &mask, &none, NULL, start_end, ethernet_input))
			return -1;
		netif_create_ip6_linklocal_address(&ends[i], 1);
		netif_set_up(&ends[i]);
		netif_set_link_up(&ends[i]);
	}
	for (unsigned i = 0; i < 100; i++) /* addresses are looked for twice before they are used */
		step();
	return 0;
}

/* ---- a connection: end 0 asks, and both send ---- */

static struct side {
	struct tcp_pcb *pcb;
	uint32_t sent, received;
	bool finished, failed;
} sides[2];

static uint8_t byte_of(const struct side *s, uint32_t at)
{
	return (uint8_t)(at * 131 + (at >> 8) * 7 + (s == &sides[0] ? 0 : 90));
}

static void pump(struct side *s)
{
	uint8_t bytes[1000];

	while (s->sent < BYTES) {
		uint32_t n = BYTES - s->sent < sizeof(bytes) ? BYTES - s->sent : (uint32_t)sizeof(bytes);

		for (uint32_t i = 0; i < n; i++)
			bytes[i] = byte_of(s, s->sent + i);
		if (tcp_sndbuf(s->pcb) < n || tcp_write(s->pcb, bytes, (u16_t)n, TCP_WRITE_FLAG_COPY) != ERR_OK)
			break;
		s->sent += n;
	}
	(void)tcp_output(s->pcb);
}

static err_t on_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
	struct side *s = arg;
	const struct side *other = s == &sides[0] ? &sides[1] : &sides[0];

	(void)err;
	if (!p) {
		s->finished = true;
		return ERR_OK;
	}
	for (const struct pbuf *q = p; q; q = q->next)
		for (unsigned i = 0; i < q->len; i++)
			if (((const uint8_t *)q->payload)[i] != byte_of(other, s->received++))
				fail_msg("%s: byte %u is not what was sent", fate.name, s->received - 1);
	tcp_recved(pcb, p->tot_len);
	pbuf_free(p);
	return ERR_OK;
}

static err_t on_sent(void *arg, struct tcp_pcb *pcb, u16_t n)
{
	(void)pcb, (void)n;
	pump(arg);
	return ERR_OK;
}

static void on_err(void *arg, err_t err)
{
	struct side *s = arg;

	(void)err;
	s->pcb = NULL;
	s->failed = true;
}

static err_t begin(struct side *s, struct tcp_pcb *pcb)
{
	s->pcb = pcb;
	tcp_arg(pcb, s);
	tcp_recv(pcb, on_recv);
	tcp_sent(pcb, on_sent);
	tcp_err(pcb, on_err);
	pump(s);
	return ERR_OK;
}

static err_t on_connected(void *arg, struct tcp_pcb *pcb, err_t err)
{
	(void)err;
	return begin(arg, pcb);
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
	return err == ERR_OK ? begin(arg, pcb) : ERR_VAL;
}

static struct tcp_pcb *listen_at(struct netif *n)
{
	struct tcp_pcb *pcb = tcp_new_ip_type(IPADDR_TYPE_ANY);

	assert_non_null(pcb);
	assert_int_equal(tcp_bind(pcb, IP_ANY_TYPE, PORT), ERR_OK);
	tcp_bind_netif(pcb, n);
	pcb = tcp_listen(pcb);
	assert_non_null(pcb);
	tcp_arg(pcb, &sides[1]);
	tcp_accept(pcb, on_accept);
	return pcb;
}

static void ask(bool six)
{
	struct tcp_pcb *pcb = tcp_new_ip_type(six ? IPADDR_TYPE_V6 : IPADDR_TYPE_V4);
	ip_addr_t to;

	assert_non_null(pcb);
	tcp_bind_netif(pcb, &ends[0]);
	tcp_arg(pcb, &sides[0]);
	tcp_err(pcb, on_err);
	if (six) {
		ip_addr_copy_from_ip6(to, *netif_ip6_addr(&ends[1], 0));
		ip6_addr_assign_zone(ip_2_ip6(&to), IP6_UNICAST, &ends[0]);
	} else {
		ip_addr_copy_from_ip4(to, *netif_ip4_addr(&ends[1]));
	}
	assert_int_equal(tcp_connect(pcb, &to, PORT, on_connected), ERR_OK);
}

static bool both_done(void) { return sides[0].received == BYTES && sides[1].received == BYTES; }

static void close_both(void)
{
	for (unsigned i = 0; i < 2; i++) {
		tcp_sent(sides[i].pcb, NULL);
		tcp_err(sides[i].pcb, NULL);
		assert_int_equal(tcp_close(sides[i].pcb), ERR_OK);
	}
}

static void transfer(const struct fate *how, bool six)
{
	struct net_mem_stats before, after;
	struct tcp_pcb *listening = listen_at(&ends[1]);
	uint32_t began = clock_ms;

	memset(&seen, 0, sizeof(seen));
	memset(sides, 0, sizeof(sides));
	net_mem_stats(&before);
	fate = *how;
	ask(six);
	while (!both_done() && clock_ms - began < PATIENCE_MS) {
		step();
		if (sides[0].failed || sides[1].failed)
			fail_msg("%s: the connection was given up after %u bytes", how->name, sides[1].received);
	}
	if (!both_done())
		fail_msg("%s: %u and %u bytes in an hour", how->name, sides[0].received, sides[1].received);
	net_mem_stats(&after);
	assert_true(after.high_water <= NET_MEM_MAX && after.refused == before.refused);
	fate = (struct fate){ .name = how->name };
	close_both();
	(void)tcp_close(listening);
	for (unsigned i = 0; tcp_active_pcbs || tcp_tw_pcbs || in_flight; i++) {
		assert_true(i < 100000);
		step();
	}
}

static const struct fate fates[] = {
	{ "a good wire", 0, 0, 0, 0 },	   { "one in twenty lost", 50, 0, 0, 0 },
	{ "one in ten twice", 0, 100, 0, 0 }, { "one in five late", 0, 0, 200, 0 },
	{ "one in thirty damaged", 0, 0, 0, 30 }, { "all of it", 20, 50, 100, 20 },
};

static void all_fates(bool six)
{
	for (size_t i = 0; i < ARRAY_LEN(fates); i++) {
		uint64_t sums = lwip_stats.tcp.chkerr + lwip_stats.ip.chkerr;

		transfer(&fates[i], six);
		assert_true(!fates[i].lost == !seen.lost && !fates[i].twice == !seen.twice &&
			    !fates[i].late == !seen.late && !fates[i].damaged == !seen.damaged);
		/* The counters tell of what was damaged. */
		sums = lwip_stats.tcp.chkerr + lwip_stats.ip.chkerr - sums;
		assert_true(fates[i].damaged ? sums > seen.damaged / 4 : sums == 0);
	}
}

static void a_connection_over_ipv4_survives_a_bad_wire(void **state)
{
	(void)state;
	all_fates(false);
}

static void a_connection_over_ipv6_survives_a_bad_wire(void **state)
{
	(void)state;
	all_fates(true);
}

/* ---- datagrams in pieces ---- */

static unsigned whole;

static void on_datagram(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from, u16_t port)
{
	(void)arg, (void)pcb, (void)from, (void)port;
	assert_int_equal(p->tot_len, 8000);
	for (u16_t i = 0; i < p->tot_len; i += 97)
		assert_int_equal(pbuf_get_at(p, i), (uint8_t)(i * 3));
	whole++;
	pbuf_free(p);
}

static void send_large(struct udp_pcb *from, const ip_addr_t *to)
{
	struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, 8000, PBUF_RAM);

	assert_non_null(p);
	for (u16_t i = 0; i < 8000; i++)
		pbuf_put_at(p, i, (uint8_t)(i * 3));
	(void)udp_sendto_if(from, p, to, PORT, &ends[0]);
	pbuf_free(p);
}

/* What never becomes whole is forgotten, in bounded memory; what does, is right. */
static void datagrams_in_pieces_come_whole_or_not_at_all(void **state)
{
	struct udp_pcb *from = udp_new(), *to = udp_new();
	struct net_mem_stats before, after;
	ip_addr_t there;

	(void)state;
	ip_addr_copy_from_ip4(there, *netif_ip4_addr(&ends[1]));
	assert_int_equal(udp_bind(to, IP_ANY_TYPE, PORT), ERR_OK);
	udp_recv(to, on_datagram, NULL);
	net_mem_stats(&before);
	fate = (struct fate){ "pieces", 100, 50, 200, 10 };
	for (unsigned i = 0; i < 500; i++) {
		send_large(from, &there);
		for (unsigned n = 0; n < 40; n++)
			step();
	}
	assert_true(whole > 50 && whole < 490);
	fate = (struct fate){ .name = "pieces" };
	for (unsigned i = 0; i < 2000; i++) /* time enough to give up what waits */
		step();
	net_mem_stats(&after);
	assert_true(after.used <= before.used + 4096);
	udp_remove(from);
	udp_remove(to);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_connection_over_ipv4_survives_a_bad_wire),
		cmocka_unit_test(a_connection_over_ipv6_survives_a_bad_wire),
		cmocka_unit_test(datagrams_in_pieces_come_whole_or_not_at_all),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
