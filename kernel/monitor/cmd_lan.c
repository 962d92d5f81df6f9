/*
 * cmd_lan.c - commands about the networks of guests: who is plugged in where, and cables.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <string.h>

#include "kernel/guest/guest.h"
#include "kernel/monitor/command.h"
#include "kernel/net/uplink.h"

static void port_row(struct out *o, const char *who, const struct lan_port *p)
{
	const struct lan_counts *n = &p->counts;
	char mac[18];

	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", p->mac[0], p->mac[1], p->mac[2], p->mac[3],
		 p->mac[4], p->mac[5]);
	out_row(o);
	out_text(o, "network", p->network);
	out_text(o, "guest", who);
	out_text(o, "mac", mac);
	out_text(o, "link", p->cut ? "down" : "up");
	out_number(o, "sent", n->sent);
	out_number(o, "received", n->received);
	out_number(o, "dropped", n->dropped);
	out_number(o, "forged", n->forged);
	out_number(o, "bad", n->bad);
	out_number(o, "wakes", n->wakes);
	out_number(o, "waiting", __atomic_load_n(&p->count, __ATOMIC_RELAXED));
}

/* The boot CPU alone starts guests and takes them apart: ports stay while a command looks. */
static int cmd_networks(struct call *c)
{
	unsigned rows = 0;

	out_table(c->out);
	for (unsigned i = 0; i < guest_count(); i++) {
		const struct guest *g = guest_at(i);

		if (!g->lan)
			continue;
		port_row(c->out, g->config->name, g->lan);
		rows++;
	}
	if (uplink_port())
		port_row(c->out, "(uplink)", uplink_port());
	out_end(c->out);
	if (!rows)
		out_printf(c->out, "no guest that runs has a network card\n");
	return 0;
}

static int cmd_link(struct call *c)
{
	struct guest *g = guest_find(c->argv[0]);
	bool up = strcmp(c->argv[1], "up") == 0;

	if (!up && strcmp(c->argv[1], "down") != 0)
		return command_fail(c, "expected: link NAME up|down");
	if (!g)
		return command_fail(c, "no guest '%.40s': `guests` lists them", c->argv[0]);
	if (!g->lan)
		return command_fail(c, "%s has no network card now", g->config->name);
	platform_link(&g->platform, up);
	return 0;
}

/* clang-format off */
const struct command lan_commands[] = {
	{ "networks", "", "guests on their networks: addresses, links, frames", cmd_networks, 0, 0, COMPLETE_NOTHING,
	  COMMAND_JSON, "    forged: under another address than its own; wakes: it was woken or interrupted for a frame." },
	{ "link", "NAME up|down", "put in or pull the cable of a guest's network card", cmd_link, 2, 2, COMPLETE_GUEST, 0,
	  NULL },
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
/* clang-format on */
