/*
 * ping.c - echo requests and their answers over lwIP's raw interface. Contract: ping.h.
 *
 * RFC 792 and RFC 4443: the headers of both echoes are alike: type, code, checksum, id, sequence.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "drivers/net/ping.h"

#include <errno.h>
#include <string.h>

#include "drivers/net/net.h"
#include "drivers/net/net_mem.h"
#include "kernel/machine/port.h"
#include "lwip/icmp.h"
#include "lwip/icmp6.h"
#include "lwip/inet_chksum.h"
#include "lwip/ip.h"
#include "lwip/raw.h"

#define DATA_BYTES 56u

struct echo {
	uint8_t type, code;
	uint16_t checksum, id, sequence;
	uint8_t data[DATA_BYTES];
};
_Static_assert(sizeof(struct echo) == 8 + DATA_BYTES, "an echo's header has 8 bytes");

static struct {
	struct raw_pcb *pcb;
	ip_addr_t to;
	uint16_t id, sequence;
	uint64_t sent_at;
	struct ping_result result;
} ping;

static void count_answer(void)
{
	struct ping_result *r = &ping.result;

	r->ticks = tsc_now() - ping.sent_at;
	r->answered = true;
	r->received++;
	r->sum += r->ticks;
	if (r->ticks > r->most)
		r->most = r->ticks;
	if (r->received == 1 || r->ticks < r->least)
		r->least = r->ticks;
}

/* 1: it was an answer to us, and is freed. IPv4's header stands in front, IPv6's does not. */
static u8_t on_packet(void *arg, struct raw_pcb *pcb, struct pbuf *p, const ip_addr_t *from)
{
	bool six = IP_IS_V6(&ping.to);
	u16_t skip = six ? ip6_current_header() ? (u16_t)ip_current_header_tot_len() : 0
			 : (u16_t)ip_current_header_tot_len();
	struct echo e;

	(void)arg, (void)pcb;
	if (pbuf_copy_partial(p, &e, 8, skip) != 8 ||
	    e.type != (six ? (uint8_t)ICMP6_TYPE_EREP : (uint8_t)ICMP_ER) || e.id != ping.id ||
	    e.sequence != ping.sequence || ping.result.answered || !ip_addr_cmp_zoneless(from, &ping.to))
		return 0;
	count_answer();
	pbuf_free(p);
	net_again();
	return 1;
}

int ping_open(const ip_addr_t *to)
{
	bool six = IP_IS_V6(to);

	if (ping.pcb)
		return -EBUSY;
	memset(&ping, 0, sizeof(ping));
	ping.pcb = raw_new_ip_type(IP_GET_TYPE(to), six ? (u8_t)IP6_NEXTH_ICMP6 : (u8_t)IP_PROTO_ICMP);
	if (!ping.pcb)
		return -ENOMEM;
	if (six) { /* the pseudo header's part is lwIP's to compute */
		ping.pcb->chksum_reqd = 1;
		ping.pcb->chksum_offset = offsetof(struct echo, checksum);
	}
	ping.to = *to;
	if (six && ip6_addr_lacks_zone(ip_2_ip6(&ping.to), IP6_UNICAST))
		ip6_addr_assign_zone(ip_2_ip6(&ping.to), IP6_UNICAST, net_netif());
	ping.id = (uint16_t)net_random();
	raw_recv(ping.pcb, on_packet, NULL);
	return 0;
}

int ping_send(void)
{
	struct pbuf *p = pbuf_alloc(PBUF_IP, sizeof(struct echo), PBUF_RAM);
	struct echo *e;
	err_t err;

	if (!p)
		return -ENOMEM;
	e = p->payload;
	ping.sequence++;
	*e = (struct echo){ .type = IP_IS_V6(&ping.to) ? (uint8_t)ICMP6_TYPE_EREQ : (uint8_t)ICMP_ECHO,
			    .id = ping.id,
			    .sequence = ping.sequence };
	for (unsigned i = 0; i < DATA_BYTES; i++)
		e->data[i] = (uint8_t)i;
	if (!IP_IS_V6(&ping.to))
		e->checksum = inet_chksum(e, sizeof(*e));
	ping.result.answered = false;
	ping.result.sent++;
	ping.sent_at = tsc_now();
	err = raw_sendto(ping.pcb, p, &ping.to);
	pbuf_free(p);
	return err == ERR_OK ? 0 : err == ERR_MEM ? -ENOMEM : -EHOSTUNREACH;
}

const struct ping_result *ping_result(void) { return &ping.result; }

void ping_close(void)
{
	if (ping.pcb)
		raw_remove(ping.pcb);
	ping.pcb = NULL;
}
