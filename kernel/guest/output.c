/*
 * output.c - a guest's lines: prefixed, or raw while attached; the newest bytes kept.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/guest/output.h"

#include <stdio.h>
#include <string.h>

#include "kernel/base/guest_config.h"

void output_init(struct output *o, const char *name, output_sink_fn sink, void *ctx)
{
	memset(o, 0, sizeof(*o));
	o->name = name;
	o->sink = sink;
	o->sink_ctx = ctx;
}

static void send(struct output *o, const char *text, size_t length)
{
	if (!o->sink(o->sink_ctx, text, length))
		o->lost++;
}

/* True: nothing was lost, or the sink has taken the word about it. */
static bool tell_lost(struct output *o)
{
	char text[GUEST_NAME_MAX + 48];

	if (likely(o->lost == o->lost_shown))
		return true;
	int n = snprintf(text, sizeof(text), "%s| [%llu lines lost]\n", o->name,
			 (unsigned long long)(o->lost - o->lost_shown));

	if (!o->sink(o->sink_ctx, text, (size_t)n))
		return false;
	o->lost_shown = o->lost;
	return true;
}

static void send_line(struct output *o)
{
	char text[GUEST_NAME_MAX + 2 + OUTPUT_LINE_MAX + 2];
	int n = snprintf(text, sizeof(text), "%s| %.*s\n", o->name, (int)o->length, o->line);

	o->length = 0;
	if (tell_lost(o))
		send(o, text, (size_t)n);
	else
		o->lost++;
}

static bool is_shown(uint8_t byte)
{
	return byte == '\t' || (byte >= ' ' && byte != 0x7f);
}

static void line_byte(struct output *o, uint8_t byte)
{
	if (byte == '\n') {
		send_line(o);
		return;
	}
	if (!is_shown(byte))
		return;
	if (o->length == OUTPUT_LINE_MAX)
		send_line(o);
	o->line[o->length++] = (char)byte;
}

void output_byte(struct output *o, uint8_t byte)
{
	char raw = (char)byte;

	spin_lock(&o->lock);
	o->kept[o->total++ % OUTPUT_KEEP] = raw;
	if (o->attached)
		send(o, &raw, 1);
	else
		line_byte(o, byte);
	spin_unlock(&o->lock);
}

void output_flush(struct output *o)
{
	spin_lock(&o->lock);
	if (o->length)
		send_line(o);
	spin_unlock(&o->lock);
}

void output_attach(struct output *o, bool attached)
{
	output_flush(o);
	spin_lock(&o->lock);
	o->attached = attached;
	spin_unlock(&o->lock);
}

static bool matches_at(const struct output *o, uint64_t at, const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (o->kept[(at + i) % OUTPUT_KEEP] != text[i])
			return false;
	return true;
}

bool output_contains(struct output *o, uint64_t since, const char *text)
{
	size_t length = strlen(text);
	bool found = false;

	if (!length)
		return false;
	spin_lock(&o->lock);
	if (o->total > OUTPUT_KEEP && since < o->total - OUTPUT_KEEP)
		since = o->total - OUTPUT_KEEP;
	for (uint64_t at = since; !found && at + length <= o->total; at++)
		found = matches_at(o, at, text, length);
	spin_unlock(&o->lock);
	return found;
}

size_t output_read(struct output *o, uint64_t *from, char *to, size_t size, uint64_t *lost)
{
	uint64_t oldest;
	size_t n = 0;

	spin_lock(&o->lock);
	oldest = o->total > OUTPUT_KEEP ? o->total - OUTPUT_KEEP : 0;
	*lost = *from < oldest ? oldest - *from : 0;
	*from += *lost;
	for (; n < size && *from < o->total; n++, (*from)++)
		to[n] = o->kept[*from % OUTPUT_KEEP];
	spin_unlock(&o->lock);
	return n;
}
