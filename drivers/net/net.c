/*
 * net.c - one interface under lwIP, and its turn in the run loop. Contract: net.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "drivers/net/net.h"

#include <errno.h>
#include <string.h>

#include "drivers/net/net_extra.h"
#include "kernel/base/log.h"
#include "kernel/machine/port.h"
#include "lwip/dhcp.h"
#include "lwip/dns.h"
#include "lwip/etharp.h"
#include "lwip/ethip6.h"
#include "lwip/init.h"
#include "lwip/netif.h"
#include "lwip/sys.h"
#include "lwip/timeouts.h"
#include <netif/ethernet.h>

/* Where nothing interrupts, an idle CPU looks after an eighth of the time since the last frame. */
#define POLL_US_MIN   100u
#define POLL_US_MAX   2000u
#define DHCP_PATIENCE 10000u /* ms until it is said that nobody answers */
#define MTU           1500u
#define HOST_NAME     "tain"

static struct {
	struct nic *nic;
	struct netif netif;
	struct net_config cfg;
	struct net_service *services;
	net_tap_fn tap;
	void *tap_ctx;
	struct pbuf *room; /* where the frame lies that is about to be received */
	bool on, up, polling, again, dhcp_said;
	uint64_t due;	    /* TSC: a timer, the link, or everybody wants a turn */
	uint64_t last_frame; /* TSC */
	uint32_t dhcp_since; /* ms */
	ip4_addr_t said;     /* the address that the log has told */
	struct net_costs costs;
} net;

/* ------------------------------------------------------------------ what lwIP asks of us */

/* Milliseconds, modulo 2^32. */
uint32_t sys_now(void)
{
	uint64_t hz = tsc_hz(), now = tsc_now();

	return (uint32_t)(now / hz * 1000 + now % hz * 1000 / hz);
}

static err_t link_output(struct netif *netif, struct pbuf *p)
{
	struct nic *nic = netif->state;
	uint64_t start = tsc_now();
	void *to;

	if (nic->broken || p->tot_len > NIC_FRAME_MAX)
		return ERR_IF;
	to = nic->ops->send_buffer(nic);
	if (!to) {
		nic->stats.tx_full++;
		return ERR_MEM; /* as if it was lost: who needs it sends it again */
	}
	nic_send_filled(nic, pbuf_copy_partial(p, to, p->tot_len, 0));
	net.costs.sent++;
	net.costs.send_ticks += tsc_now() - start;
	return ERR_OK;
}

static err_t netif_start(struct netif *netif)
{
	const struct nic *nic = netif->state;

	netif->name[0] = 'n';
	netif->name[1] = 'e';
	netif->hostname = HOST_NAME;
	netif->output = etharp_output;
	netif->output_ip6 = ethip6_output;
	netif->linkoutput = link_output;
	netif->mtu = MTU;
	netif->hwaddr_len = sizeof(nic->mac);
	memcpy(netif->hwaddr, nic->mac, sizeof(nic->mac));
	netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_MLD6;
	return ERR_OK;
}

/* ------------------------------------------------------------------ frames */

void net_inject(const uint8_t *frame, size_t length)
{
	struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)length, PBUF_RAM);

	if (!p) {
		net.nic->stats.rx_dropped++;
		return;
	}
	memcpy(p->payload, frame, length);
	if (net.netif.input(p, &net.netif) != ERR_OK)
		pbuf_free(p);
}

/* A frame that is lwIP's at once is copied out of DMA memory to where it stays. */
static void *on_room(void *ctx, size_t length)
{
	(void)ctx;
	net.room = net.tap ? NULL : pbuf_alloc(PBUF_RAW, (u16_t)length, PBUF_RAM);
	return net.room ? net.room->payload : NULL;
}

static void on_frame(void *ctx, const uint8_t *frame, size_t length)
{
	struct pbuf *p = net.room;

	(void)ctx;
	net.room = NULL;
	if (p) {
		if (net.netif.input(p, &net.netif) != ERR_OK)
			pbuf_free(p);
	} else if (!net.tap || !net.tap(net.tap_ctx, frame, length)) {
		net_inject(frame, length);
	}
}

void net_tap(net_tap_fn fn, void *ctx)
{
	net.tap = fn;
	net.tap_ctx = ctx;
	if (net.nic && !net.nic->broken)
		net.nic->ops->promiscuous(net.nic, fn != NULL);
}

int net_send_frame(const void *frame, size_t length)
{
	return net.on ? nic_send(net.nic, frame, length) : -ENETDOWN;
}

/* ------------------------------------------------------------------ state */

bool net_is_on(void) { return net.on; }
bool net_is_up(void) { return net.up; }
struct nic *net_nic(void) { return net.nic; }
struct netif *net_netif(void) { return net.on ? &net.netif : NULL; }
void net_again(void) { net.again = true; }

bool net_dhcp_bound(void)
{
	return net.on && net.cfg.mode == NET_DHCP && dhcp_supplied_address(&net.netif);
}

static void say_address(void)
{
	const ip4_addr_t *now = netif_ip4_addr(&net.netif);
	char address[IP4ADDR_STRLEN_MAX], mask[IP4ADDR_STRLEN_MAX], gateway[IP4ADDR_STRLEN_MAX];

	if (ip4_addr_cmp(now, &net.said))
		return;
	net.said = *now;
	ip4addr_ntoa_r(now, address, sizeof(address));
	ip4addr_ntoa_r(netif_ip4_netmask(&net.netif), mask, sizeof(mask));
	ip4addr_ntoa_r(netif_ip4_gw(&net.netif), gateway, sizeof(gateway));
	if (ip4_addr_isany(now))
		log_info("%s: no IPv4 address", net.nic->name);
	else
		log_info("%s: IPv4 %s, mask %s, gateway %s, %s", net.nic->name, address, mask, gateway,
			 net.cfg.mode == NET_DHCP ? "by DHCP" : "fixed");
}

/* Once after each start of DHCP. */
static void say_dhcp_absent(void)
{
	if (net.cfg.mode != NET_DHCP || net.dhcp_said || net.up || !netif_is_link_up(&net.netif) ||
	    sys_now() - net.dhcp_since < DHCP_PATIENCE)
		return;
	net.dhcp_said = true;
	log_warn("%s: no answer from a DHCP server in %u s: still asking", net.nic->name,
		 DHCP_PATIENCE / 1000);
}

static void follow_link(void)
{
	if (net.nic->link_up == netif_is_link_up(&net.netif))
		return;
	if (net.nic->link_up) {
		net.dhcp_since = sys_now();
		netif_set_link_up(&net.netif); /* DHCP and ND start over by themselves */
	} else {
		netif_set_link_down(&net.netif);
	}
}

static void follow_state(void)
{
	bool has = net.cfg.mode == NET_ONLY_IPV6 ? net_extra_has_ipv6(&net.netif)
					    : !ip4_addr_isany(netif_ip4_addr(&net.netif));
	bool up = netif_is_link_up(&net.netif) && has;
	bool rose = up && !net.up;

	net.up = up;
	say_address();
	say_dhcp_absent();
	for (struct net_service *s = net.services; s && rose; s = s->next)
		if (s->up)
			s->up();
}

/* ------------------------------------------------------------------ start */

static ip4_addr_t ip4_of(const uint8_t a[4])
{
	ip4_addr_t out;

	IP4_ADDR(&out, a[0], a[1], a[2], a[3]);
	return out;
}

static void fixed_addresses(ip4_addr_t *address, ip4_addr_t *mask, ip4_addr_t *gateway)
{
	uint32_t bits = net.cfg.prefix ? UINT32_MAX << (32 - net.cfg.prefix) : 0;
	ip_addr_t dns = { .type = IPADDR_TYPE_V4 };

	*address = ip4_of(net.cfg.address);
	*gateway = ip4_of(net.cfg.gateway);
	mask->addr = lwip_htonl(bits);
	dns.u_addr.ip4 = ip4_of(net.cfg.dns);
	if (!ip_addr_isany(&dns))
		dns_setserver(0, &dns);
}

static void say_interfaces(void)
{
	for (unsigned i = 0; i < nic_count(); i++) {
		const struct nic *n = nic_get(i);

		log_info("%s: %s at %02x:%02x.%x, %02x:%02x:%02x:%02x:%02x:%02x, %s%s", n->name, n->model,
			 n->at.bus, n->at.device, n->at.function, n->mac[0], n->mac[1], n->mac[2],
			 n->mac[3], n->mac[4], n->mac[5], n->irq, n == net.nic ? "" : ", not used");
	}
}

/* The one that is asked for; else the first with a link, else the first. */
static struct nic *choose(const char *wanted)
{
	struct nic *best = nic_find() ? nic_get(0) : NULL;

	if (wanted[0])
		return nic_named(wanted);

	for (unsigned i = nic_count(); i-- > 0;)
		if (nic_get(i)->link_up)
			best = nic_get(i);
	return best;
}

/* lwIP above @nic, which has no other user. 0 or -ENOMEM. */
static int attach(struct nic *nic)
{
	ip4_addr_t address = { 0 }, mask = { 0 }, gateway = { 0 };

	net.nic = nic;
	memset(&net.netif, 0, sizeof(net.netif));
	if (net.cfg.mode == NET_FIXED)
		fixed_addresses(&address, &mask, &gateway);
	if (!netif_add(&net.netif, &address, &mask, &gateway, nic, netif_start, ethernet_input))
		return -ENOMEM;
	netif_set_default(&net.netif);
	netif_create_ip6_linklocal_address(&net.netif, 1);
	netif_set_ip6_autoconfig_enabled(&net.netif, 1);
	net_extra_attach(&net.netif, &net.cfg.extra);
	nic->receive = on_frame;
	nic->room = on_room;
	netif_set_up(&net.netif);
	follow_link();
	net.dhcp_since = sys_now();
	net.dhcp_said = false;
	net.again = true;
	return net.cfg.mode != NET_DHCP || dhcp_start(&net.netif) == ERR_OK ? 0 : -ENOMEM;
}

int net_start(const struct net_config *cfg)
{
	struct nic *nic;

	if (cfg->mode == NET_OFF || net.on)
		return -ENODEV;
	nic = choose(cfg->extra.nic);
	if (!nic && nic_count()) {
		say_interfaces();
		log_error("net: nic = %s: no such interface: the network stays off", cfg->extra.nic);
		return -ENODEV;
	}
	if (!nic) {
		log_warn("net: no interface that this version can drive: the network stays off");
		return -ENODEV;
	}
	net.cfg = *cfg;
	net.nic = nic;
	say_interfaces();
	net_seed(tsc_now());
	lwip_init();
	net.on = true;
	if (attach(nic) != 0)
		log_error("%s: no memory for the network", nic->name);
	return 0;
}

int net_use(unsigned index)
{
	struct nic *nic = nic_get(index);

	if (!net.on)
		return -ENETDOWN;
	if (!nic)
		return -ENODEV;
	if (nic == net.nic)
		return 0;
	if (net.cfg.mode == NET_DHCP)
		dhcp_release_and_stop(&net.netif);
	net.nic->receive = NULL;
	net.nic->room = NULL;
	if (net.tap)
		net.nic->ops->promiscuous(net.nic, false);
	dhcp_cleanup(&net.netif);
	netif_remove(&net.netif);
	net.up = false;
	if (net.tap)
		nic->ops->promiscuous(nic, true);
	return attach(nic);
}

void net_service_add(struct net_service *s)
{
	s->next = net.services;
	net.services = s;
	if (net.up && s->up)
		s->up();
}

int net_dhcp_again(void)
{
	if (!net.on)
		return -ENETDOWN;
	if (net.cfg.mode != NET_DHCP)
		return -EINVAL;
	dhcp_release_and_stop(&net.netif);
	net.dhcp_since = sys_now();
	net.dhcp_said = false;
	net.again = true;
	return dhcp_start(&net.netif) == ERR_OK ? 0 : -ENOMEM;
}

/* ------------------------------------------------------------------ each round */

void net_costs(struct net_costs *out) { *out = net.costs; }

static void count_round(uint64_t received, uint64_t sent, uint64_t ticks)
{
	const struct nic_stats *now = &net.nic->stats;
	uint64_t frames = now->rx_frames - received;

	if (frames) {
		net.last_frame = tsc_now();
		net.costs.frames += frames;
		net.costs.busy_ticks += ticks;
	} else if (now->tx_frames == sent) {
		net.costs.idle_rounds++;
		net.costs.idle_ticks += ticks;
	}
}

static uint64_t ms_to_ticks(uint64_t ms) { return tsc_hz() / 1000 * ms; }

static bool quiet(uint64_t now)
{
	if (net.again || now >= net.due || nic_wants_poll(net.nic))
		return false;
	for (const struct net_service *s = net.services; s; s = s->next)
		if (!s->quiet || !s->quiet())
			return false;
	return true;
}

/* The TSC at which a timer of lwIP's or the link's wants its turn. */
static uint64_t next_timer(uint64_t now)
{
	uint32_t sleep = sys_timeouts_sleeptime();
	uint64_t next = sleep == SYS_TIMEOUTS_SLEEPTIME_INFINITE ? UINT64_MAX : now + ms_to_ticks(sleep);

	return !net.nic->broken && net.nic->link_look < next ? net.nic->link_look : next;
}

static void turn(void)
{
	net.again = false;
	if (nic_wants_poll(net.nic) || tsc_now() >= net.nic->link_look)
		net.again |= nic_poll(net.nic);
	follow_link();
	sys_check_timeouts();
	net_extra_poll();
	follow_state();
	for (struct net_service *s = net.services; s; s = s->next)
		if (s->poll)
			s->poll();
}

void net_poll(void)
{
	uint64_t start, received, sent;

	if (!net.on || net.polling)
		return;
	start = tsc_now();
	received = net.nic->stats.rx_frames;
	sent = net.nic->stats.tx_frames;
	if (quiet(start)) {
		net.costs.quick_rounds++;
	} else {
		net.polling = true;
		turn();
		net.polling = false;
		net.due = next_timer(start);
		if (net.due > start + ms_to_ticks(NET_LOOK_MS))
			net.due = start + ms_to_ticks(NET_LOOK_MS);
	}
	count_round(received, sent, tsc_now() - start);
}

uint64_t net_next(void)
{
	uint64_t now = tsc_now(), next, look;

	if (!net.on)
		return UINT64_MAX;
	if (net.again || nic_wants_poll(net.nic))
		return now;
	next = next_timer(now);
	if (!net.nic->vector) {
		look = (now - net.last_frame) / 8;
		if (look < ms_to_ticks(1) * POLL_US_MIN / 1000)
			look = ms_to_ticks(1) * POLL_US_MIN / 1000;
		if (look > ms_to_ticks(1) * POLL_US_MAX / 1000)
			look = ms_to_ticks(1) * POLL_US_MAX / 1000;
		if (now + look < next)
			next = now + look;
	}
	return next;
}
