/*
 * cmd_net.c - the network at the console: net, ping, dhcp.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/net/lookup.h"
#include "drivers/net/net.h"
#include "drivers/net/net_mem.h"
#include "drivers/net/ping.h"
#include "kernel/base/config.h"
#include "kernel/base/net_addr.h"
#include "kernel/machine/time.h"
#include "kernel/monitor/command.h"
#include "kernel/monitor/monitor.h"
#include "lwip/dhcp.h"
#include "lwip/dns.h"
#include "lwip/netif.h"
#include "lwip/stats.h"

#define LOOKUP_US   UINT64_C(20000000)
#define ANSWER_US   UINT64_C(1000000)
#define DHCP_US     UINT64_C(15000000)
#define PING_COUNT  4u
#define PING_MOST   100000u

static int no_network(struct call *c)
{
	return command_fail(c, "the network is off: `net =` in tain.cfg switches it on, if there is "
			       "an interface that Tain can drive");
}

/* ------------------------------------------------------------------ net */

static const char *address_text(const ip_addr_t *a, char text[NET_ADDR_TEXT])
{
	struct net_addr plain = { .family = NET_NONE };

	if (!ip_addr_isany(a)) {
		plain.family = IP_IS_V6(a) ? NET_IPV6 : NET_IPV4;
		if (IP_IS_V6(a))
			memcpy(plain.bytes, ip_2_ip6(a)->addr, 16);
		else
			memcpy(plain.bytes, &ip_2_ip4(a)->addr, 4);
	}
	return net_addr_text(&plain, text, NET_ADDR_TEXT);
}

static void interface_row(struct out *o, const struct nic *nic)
{
	char text[32];

	out_text(o, "interface", nic->name);
	out_text(o, "model", nic->model);
	snprintf(text, sizeof(text), "%02x:%02x.%x", nic->at.bus, nic->at.device, nic->at.function);
	out_text(o, "at", text);
	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", nic->mac[0], nic->mac[1],
		 nic->mac[2], nic->mac[3], nic->mac[4], nic->mac[5]);
	out_text(o, "mac", text);
	out_text(o, "interrupt", nic->irq);
	out_text(o, "link", nic->broken ? "stopped" : nic->link_up ? "up" : "down");
	out_number(o, "mbps", nic->link_up ? nic->mbps : 0);
}

static void address_rows(struct out *o, const struct netif *netif)
{
	static const char *const names[LWIP_IPV6_NUM_ADDRESSES] = { "ipv6", "ipv6 second", "ipv6 third",
								    "ipv6 fourth" };
	static const char *const servers[DNS_MAX_SERVERS] = { "dns", "dns second", "dns third", "dns fourth" };
	const struct net_extra *extra = &monitor_config()->tain.net.extra;
	char text[NET_ADDR_TEXT];

	out_text(o, "ipv4", address_text(netif_ip_addr4(netif), text));
	out_text(o, "mask", address_text(netif_ip_netmask4(netif), text));
	out_text(o, "gateway", address_text(netif_ip_gw4(netif), text));
	for (u8_t i = 0; i < DNS_MAX_SERVERS; i++)
		if (i == 0 || !ip_addr_isany(dns_getserver(i)))
			out_text(o, servers[i], address_text(dns_getserver(i), text));
	out_text(o, "by", net_dhcp_bound() ? "dhcp"
			  : !net_is_up()   ? "nothing yet"
			  : monitor_config()->tain.net.mode == NET_ONLY_IPV6 ? "ipv6" : "fixed");
	for (s8_t i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++)
		if (names[i] && ip6_addr_isvalid(netif_ip6_addr_state(netif, i)))
			out_text(o, names[i], address_text(netif_ip_addr6(netif, i), text));
	if (extra->gateway6.family)
		out_text(o, "ipv6 gateway", net_addr_text(&extra->gateway6, text, sizeof(text)));
	if (extra->nic[0])
		out_text(o, "chosen by", extra->nic);
}

static void cost_rows(struct out *o)
{
	struct net_costs c;

	net_costs(&c);
	out_number(o, "ticks an idle round", c.idle_rounds ? c.idle_ticks / c.idle_rounds : 0);
	out_number(o, "ticks a frame received", c.frames ? c.busy_ticks / c.frames : 0);
	out_number(o, "ticks a frame sent", c.sent ? c.send_ticks / c.sent : 0);
}

static void counter_rows(struct out *o, const struct nic_stats *s)
{
	struct net_mem_stats memory;
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
		{ "rx frames", s->rx_frames },	 { "rx bytes", s->rx_bytes },
		{ "tx frames", s->tx_frames },	 { "tx bytes", s->tx_bytes },
		{ "rx errors", s->rx_errors },	 { "rx dropped", s->rx_dropped },
		{ "rx missed", s->rx_missed },	 { "tx full", s->tx_full },
		{ "bad", s->bad },		 { "interrupts", s->interrupts },
		{ "polls", s->polls },		 { "link changes", s->link_changes },
		{ "ip dropped", lwip_stats.ip.drop + lwip_stats.ip6.drop },
		{ "tcp dropped", lwip_stats.tcp.drop },
		{ "udp dropped", lwip_stats.udp.drop },
		{ "checksum errors", lwip_stats.ip.chkerr + lwip_stats.tcp.chkerr + lwip_stats.udp.chkerr +
					     lwip_stats.icmp.chkerr + lwip_stats.icmp6.chkerr },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		out_number(o, rows[i].name, rows[i].value);
	net_mem_stats(&memory);
	out_number(o, "memory", memory.used);
	out_number(o, "memory most", memory.high_water);
	out_number(o, "memory refused", memory.refused);
}

/* net use net1 */
static int use(struct call *c)
{
	for (unsigned i = 0; i < nic_count(); i++)
		if (strcmp(nic_get(i)->name, c->argv[1]) == 0)
			return net_use(i) == 0 ? 0 : command_fail(c, "no memory");
	return command_fail(c, "no interface '%.20s'", c->argv[1]);
}

static int cmd_net(struct call *c)
{
	const struct nic *nic = net_nic();

	if (!net_is_on())
		return no_network(c);
	if (c->argc)
		return c->argc == 2 && strcmp(c->argv[0], "use") == 0
			       ? use(c)
			       : command_fail(c, "expected: net, or net use INTERFACE");
	out_record(c->out);
	interface_row(c->out, nic);
	address_rows(c->out, net_netif());
	counter_rows(c->out, &nic->stats);
	cost_rows(c->out);
	out_end(c->out);
	return 0;
}

/* ------------------------------------------------------------------ ping */

static bool lookup_done(void *arg) { return ((struct net_lookup *)arg)->done; }

/* The address of @name; 0 or -1 with the reason noted. */
static int resolve(struct call *c, const char *name, ip_addr_t *out)
{
	struct net_lookup l;
	int err = net_lookup_start(&l, name);
	enum wait_end end;

	if (err == -ENETDOWN)
		return no_network(c);
	if (err)
		return command_fail(c, "'%.60s' cannot be looked up (%d)", name, err);
	end = monitor_wait(lookup_done, &l, LOOKUP_US);
	net_lookup_end(&l);
	if (end == WAIT_INTERRUPTED)
		return command_fail(c, "interrupted");
	if (!l.done || l.err)
		return command_fail(c, "no address of '%.60s' is known", name);
	*out = l.address;
	return 0;
}

static bool answered(void *arg)
{
	(void)arg;
	return ping_result()->answered;
}

static bool never(void *arg)
{
	(void)arg;
	return false;
}

/* One request and its answer. False: ^C, or it could not be sent with *@err set. */
static bool ping_once(struct call *c, const char *to, unsigned n, bool last, int *err)
{
	uint64_t us;
	enum wait_end end;

	*err = ping_send();
	if (*err)
		return false;
	end = monitor_wait(answered, NULL, ANSWER_US);
	us = ticks_to_us(ping_result()->ticks);
	if (end == WAIT_INTERRUPTED)
		return false;
	if (!ping_result()->answered) {
		out_printf(c->out, "no answer from %s to request %u\n", to, n);
		return true;
	}
	out_printf(c->out, "answer from %s to request %u: %llu.%03llu ms\n", to, n,
		   (unsigned long long)(us / 1000), (unsigned long long)(us % 1000));
	return last || monitor_wait(never, NULL, us < ANSWER_US ? ANSWER_US - us : 1) != WAIT_INTERRUPTED;
}

static void ping_record(struct call *c, const char *to)
{
	const struct ping_result *r = ping_result();

	out_record(c->out);
	out_text(c->out, "host", to);
	out_number(c->out, "sent", r->sent);
	out_number(c->out, "received", r->received);
	out_decimal(c->out, "least ms", ticks_to_us(r->least), 3);
	out_decimal(c->out, "mean ms", r->received ? ticks_to_us(r->sum / r->received) : 0, 3);
	out_decimal(c->out, "most ms", ticks_to_us(r->most), 3);
	out_end(c->out);
}

static int ping_many(struct call *c, const ip_addr_t *to, unsigned count)
{
	char text[NET_ADDR_TEXT];
	int err = ping_open(to);

	if (err)
		return command_fail(c, err == -EBUSY ? "another ping is under way" : "no memory");
	address_text(to, text);
	for (unsigned n = 1; n <= count && ping_once(c, text, n, n == count, &err); n++)
		;
	ping_close();
	if (err == -EHOSTUNREACH && IP_IS_V4(to) && !net_is_up())
		return command_fail(c, net_nic()->link_up ? "there is no IPv4 address yet" : "the link is down");
	if (err)
		return command_fail(c, err == -ENOMEM ? "no memory to send, or the interface is full"
						      : "no way to %s", text);
	ping_record(c, text);
	return ping_result()->received ? 0 : command_fail(c, "no answer from %s", text);
}

static int cmd_ping(struct call *c)
{
	unsigned long count = PING_COUNT;
	ip_addr_t to;
	char *end;

	if (!net_is_on())
		return no_network(c);
	if (c->argc == 2) {
		count = strtoul(c->argv[1], &end, 10);
		if (*end || end == c->argv[1] || count < 1 || count > PING_MOST)
			return command_fail(c, "expected: ping HOST [1 to %u]", PING_MOST);
	}
	if (resolve(c, c->argv[0], &to) != 0)
		return -1;
	return ping_many(c, &to, (unsigned)count);
}

/* ------------------------------------------------------------------ dhcp */

static bool bound(void *arg)
{
	(void)arg;
	return net_dhcp_bound();
}

static int cmd_dhcp(struct call *c)
{
	int err = net_dhcp_again();
	char text[NET_ADDR_TEXT];

	if (err == -ENETDOWN)
		return no_network(c);
	if (err)
		return command_fail(c, err == -EINVAL ? "the address is fixed in tain.cfg" : "no memory");
	switch (monitor_wait(bound, NULL, DHCP_US)) {
	case WAIT_INTERRUPTED:
		return command_fail(c, "interrupted");
	case WAIT_TIMEOUT:
		return command_fail(c, net_nic()->link_up ? "no answer from a DHCP server: it goes on asking"
							  : "the link is down");
	case WAIT_DONE:
	default:
		break;
	}
	out_record(c->out);
	out_text(c->out, "ipv4", address_text(netif_ip_addr4(net_netif()), text));
	out_number(c->out, "lease seconds", netif_dhcp_data(net_netif())->offered_t0_lease);
	out_end(c->out);
	return 0;
}

/* clang-format off */
const struct command net_commands[] = {
	{ "net", "[use INTERFACE]", "the network: interface, addresses, counters; or take another interface", cmd_net, 0, 2, COMPLETE_NOTHING,
	  COMMAND_JSON, NULL },
	{ "ping", "HOST [COUNT]", "ask a host whether it is there", cmd_ping, 1, 2, COMPLETE_NOTHING,
	  COMMAND_JSON | COMMAND_VERDICT, "    4 requests if it is not said, a second apart." },
	{ "dhcp", "", "give the address back and ask for one", cmd_dhcp, 0, 0, COMPLETE_NOTHING,
	  COMMAND_JSON | COMMAND_VERDICT, NULL },
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
/* clang-format on */
