/*
 * use.c - starts the network's uses and gives them their turns; gathers what the pages show.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/net/use.h"

#include <stdarg.h>
#include <stdio.h>

#include "drivers/net/net.h"
#include "kernel/base/config.h"
#include "kernel/base/log.h"
#include "kernel/base/version.h"
#include "kernel/guest/guest.h"
#include "kernel/machine/cpu.h"
#include "kernel/machine/port.h"
#include "kernel/machine/time.h"
#include "kernel/net/fetch.h"
#include "kernel/net/files.h"
#include "kernel/net/gdb_tcp.h"
#include "kernel/net/http_server.h"
#include "kernel/net/remote.h"
#include "kernel/net/state.h"
#include "kernel/net/stream.h"
#include "kernel/net/syslog.h"
#include "kernel/net/uplink.h"

static const struct net_above *above;

bool net_use_is_on(void) { return above != NULL; }

/* ---- what the pages show ---- */

static void machine_lines(state_line_fn line, void *ctx) { above->machine_stats(line, ctx); }

static void guest_facts(unsigned index, struct state_guest *out)
{
	const struct guest *g = guest_at(index);
	bool runs = g->state == GUEST_RUNNING;

	*out = (struct state_guest){
		.name = g->config->name,
		.kind = g->config->kind == GUEST_TD ? "td" : "vm",
		.state = guest_state_name(g->state),
		.reason = runs ? "" : g->reason,
		.vcpus = g->config->vcpus,
		.memory = g->config->memory,
		.starts = g->starts,
		.running_us = runs ? ticks_to_us(tsc_now() - g->started_tsc) : 0,
	};
}

static void guest_lines(unsigned index, state_line_fn line, void *ctx)
{
	guest_stats(guest_at(index), line, ctx);
}

static void render(struct text *t, void (*page)(struct text *t, const struct state_source *s))
{
	char module[160];
	const struct state_source source = {
		.version = TAIN_VERSION,
		.module = above->tdx_text(module, sizeof(module)),
		.cpus = cpu_online_count(),
		.machine = machine_lines,
		.network = net_use_stats,
		.guests = guest_count(),
		.guest = guest_facts,
		.guest_lines = guest_lines,
	};

	page(t, &source);
}

static void render_metrics(struct text *t) { render(t, metrics_render); }
static void render_json(struct text *t) { render(t, status_json_render); }
static void render_html(struct text *t) { render(t, status_html_render); }
static void render_counters(struct text *t) { render(t, status_counters_render); }

static const struct http_page pages[] = {
	{ "/metrics", "text/plain; version=0.0.4; charset=utf-8", render_metrics },
	{ "/status", "application/json", render_json },
	{ "/", "text/html; charset=utf-8", render_html },
	{ "/counters", "text/html; charset=utf-8", render_counters },
	{ NULL, NULL, NULL },
};

/* ---- counters ---- */

static void put_line(state_line_fn line, void *ctx, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void put_line(state_line_fn line, void *ctx, const char *fmt, ...)
{
	char text[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	line(ctx, text);
}

#define N(x) ((unsigned long long)(x))

static void nic_lines(state_line_fn line, void *ctx)
{
	const struct nic *nic = net_nic();

	if (!nic)
		return;
	const struct nic_stats *s = &nic->stats;

	put_line(line, ctx, "link up %u mbps %u changes %llu", nic->link_up, nic->mbps, N(s->link_changes));
	put_line(line, ctx, "rx frames %llu bytes %llu errors %llu dropped %llu missed %llu", N(s->rx_frames),
		 N(s->rx_bytes), N(s->rx_errors), N(s->rx_dropped), N(s->rx_missed));
	put_line(line, ctx, "tx frames %llu bytes %llu full %llu", N(s->tx_frames), N(s->tx_bytes), N(s->tx_full));
	put_line(line, ctx, "device bad %llu interrupts %llu", N(s->bad), N(s->interrupts));
}

void net_use_stats(state_line_fn line, void *ctx)
{
	struct http_counts h;
	struct syslog_counts l;
	struct remote_counts r;
	struct uplink_counts u;

	nic_lines(line, ctx);
	http_server_counts(&h);
	syslog_counts(&l);
	remote_counts(&r);
	uplink_counts(&u);
	put_line(line, ctx, "http requests %llu answered %llu refused %llu dropped %llu", N(h.requests),
		 N(h.answered), N(h.refused), N(h.dropped));
	put_line(line, ctx, "syslog sent %llu retried %llu lost_bytes %llu", N(l.sent), N(l.refused),
		 N(l.lost_bytes));
	put_line(line, ctx, "remote logins %llu wrong %llu refused %llu lines %llu active %u", N(r.logins),
		 N(r.wrong), N(r.refused), N(r.lines), r.active);
	put_line(line, ctx, "uplink out %llu in %llu full %llu", N(u.out), N(u.in), N(u.full));
}

/* ---- turns ---- */

static void poll(void)
{
	fetch_poll();
	files_poll();
	http_server_poll();
	remote_poll();
	gdb_tcp_poll();
	uplink_poll();
	if (syslog_poll())
		net_again();
}

static bool quiet(void)
{
	return !stream_any() && uplink_quiet() && syslog_quiet() && fetch_quiet() && files_quiet();
}

static struct net_service service = { .name = "uses", .poll = poll, .quiet = quiet };

/* ---- the start ---- */

static void say_listening(const char *what, const struct net_service_config *s, int err)
{
	if (err)
		log_error("net: %s: cannot listen on port %u (%d)", what, s->port, err);
	else
		log_info("net: %s on port %u, for %s", what, s->port,
			 s->range_count ? "the ranges given" : "everybody");
}

void net_use_start(struct config *cfg, const struct net_above *what_is_above)
{
	const struct net_use_config *use = &cfg->tain.use;

	above = what_is_above;
	files_start(cfg);
	if (net_nic())
		guests_set_lan_seed(net_nic()->mac);
	if (cfg->tain.uplink[0] && uplink_start(cfg->tain.uplink) != 0)
		log_error("net: no memory for the uplink of %s", cfg->tain.uplink);
	if (use->syslog_port && syslog_start(&use->syslog, use->syslog_port) != 0)
		log_error("net: no memory for syslog");
	if (use->http.port)
		say_listening("status pages", &use->http, http_server_start(&use->http, pages));
	if (use->remote.port && !use->secret[0])
		log_error("net: remote without `secret =`: the console does not listen");
	else if (use->remote.port)
		say_listening("console", &use->remote, remote_start(&use->remote, use->secret));
	if (use->gdb.port)
		say_listening("gdb", &use->gdb, gdb_tcp_start(&use->gdb));
	net_service_add(&service);
}
