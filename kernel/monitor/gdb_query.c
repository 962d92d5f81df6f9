/*
 * gdb_query.c - packets that ask and set nothing in a guest: what the stub can do, the description of the
 * registers, threads; and `monitor`, which runs a command of the console.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <string.h>

#include "kernel/monitor/gdb_room.h"

static void supported(struct gdb_scan *s)
{
	/* A new GDB: nothing of the one before holds. */
	gdb.extended = gdb.going = false;
	gdb.multiprocess = gdb.swbreak = gdb.hwbreak = false;
	for (; s->at < s->end; s->at++) {
		if (gdb_scan_text(s, "multiprocess+"))
			gdb.multiprocess = true;
		else if (gdb_scan_text(s, "swbreak+"))
			gdb.swbreak = true;
		else if (gdb_scan_text(s, "hwbreak+"))
			gdb.hwbreak = true;
		if (s->at >= s->end)
			break;
	}
	gdb_put(&gdb.out, "PacketSize=%x;qXfer:features:read+;QStartNoAckMode+;vContSupported+;"
			  "swbreak+;hwbreak+;error-message+%s",
		GDB_PACKET_MAX - 16, gdb.multiprocess ? ";multiprocess+" : "");
}

static void no_ack_mode(struct gdb_scan *s)
{
	(void)s;
	gdb_ok();
	gdb.no_ack = true;
}

static void features(struct gdb_scan *s)
{
	struct gdb_out *o = &gdb.out;
	uint64_t from, count;
	bool more;

	if (!gdb_scan_hex(s, &from) || !gdb_scan_text(s, ",") || !gdb_scan_hex(s, &count) ||
	    from > UINT32_MAX) {
		gdb_error("expected: qXfer:features:read:target.xml:OFFSET,LENGTH");
		return;
	}
	if (count > GDB_PACKET_MAX / 2)
		count = GDB_PACKET_MAX / 2;
	/* The first thing that GDB asks for: which registers depends on the guest. */
	if (from == 0 && !gdb_find_guest()) {
		gdb.arch = &gdb_arch_64;
		o->length = 0; /* gdb_attach()'s error */
		o->overflow = false;
	}
	gdb_put(o, "m");
	gdb_target_xml(o, gdb.arch, (size_t)from, (size_t)count, &more);
	o->text[0] = more ? 'm' : 'l';
}

static void first_threads(struct gdb_scan *s)
{
	(void)s;
	if (!gdb.guest) {
		gdb_put(&gdb.out, "l");
		return;
	}
	gdb_put(&gdb.out, "m");
	for (unsigned i = 0; i < gdb.guest->config->vcpus; i++) {
		gdb_put(&gdb.out, "%s", i ? "," : "");
		gdb_put_thread(i);
	}
}

static void more_threads(struct gdb_scan *s)
{
	(void)s;
	gdb_put(&gdb.out, "l");
}

static void current_thread(struct gdb_scan *s)
{
	(void)s;
	if (!gdb.guest)
		return;
	gdb_put(&gdb.out, "QC");
	gdb_put_thread(gdb.vcpu);
}

static void thread_info(struct gdb_scan *s)
{
	struct gdb_thread t;
	unsigned vcpu;
	char text[64];

	if (!gdb_scan_thread(s, &t) || !gdb_vcpu_of(&t, &vcpu)) {
		gdb_error("no such thread");
		return;
	}
	snprintf(text, sizeof(text), "vCPU %u of %s", vcpu, gdb.guest->config->name);
	gdb_put_bytes(&gdb.out, text, strlen(text));
}

/* Asked before "?", and the first packet before whose answer GDB shows text. Tracepoints there are none. */
static void trace_status(struct gdb_scan *s)
{
	(void)s;
	gdb_say_why();
}

static void attached(struct gdb_scan *s)
{
	(void)s;
	gdb_put(&gdb.out, "1"); /* leaving it detaches */
}

static void write_output(void *ctx, const char *text, size_t n)
{
	(void)ctx;
	gdb_say(text, n);
}

static void command(struct gdb_scan *s)
{
	char line[512];
	size_t n = (size_t)(s->end - s->at) / 2;

	if (n >= sizeof(line) || !gdb_scan_bytes(s, line, n)) {
		gdb_error("the command is too long");
		return;
	}
	line[n] = 0;
	gdb.line.command(line, write_output, NULL);
	gdb_ok();
}

static const struct {
	const char *name;
	void (*answer)(struct gdb_scan *s);
} rows[] = {
	{ "qSupported", supported },
	{ "QStartNoAckMode", no_ack_mode },
	{ "qXfer:features:read:target.xml:", features },
	{ "qfThreadInfo", first_threads },
	{ "qsThreadInfo", more_threads },
	{ "qThreadExtraInfo,", thread_info },
	{ "qTStatus", trace_status },
	{ "qAttached", attached },
	{ "qRcmd,", command },
	{ "qC", current_thread },
};

bool gdb_query(struct gdb_scan *s)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (gdb_scan_text(s, rows[i].name)) {
			rows[i].answer(s);
			return true;
		}
	return false;
}
