/*
 * output.h - what a guest prints: whole lines prefixed with its name to the console, or raw while
 * the console is attached to it; the last few KiB are kept.
 *
 * Invariants
 *   - Nothing is interleaved within a line: a line reaches the console in one call.
 *   - A guest that prints without end costs the others nothing but lines: an over-long line is
 *     cut into pieces, control characters but tab are dropped from prefixed lines.
 *   - Nobody waits for the physical line: a line that the sink does not take is dropped whole and
 *     counted, and the loss is shown before the next one that it takes.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_GUEST_OUTPUT_H
#define TAIN_GUEST_OUTPUT_H

#include "kernel/base/lock.h"
#include "kernel/base/types.h"

#define OUTPUT_LINE_MAX 240
#define OUTPUT_KEEP     8192

/* Where text goes: the console in the image, a buffer in tests. False: not now, it is dropped. */
typedef bool (*output_sink_fn)(void *ctx, const char *text, size_t length);

struct output {
	const char *name;
	output_sink_fn sink;
	void *sink_ctx;
	spinlock_t lock;
	bool attached; /* bytes go to the sink as they come */
	char line[OUTPUT_LINE_MAX];
	unsigned length;
	uint64_t lost, lost_shown; /* lines (bytes while attached) that the sink did not take */
	uint64_t total; /* bytes ever printed; kept[total % OUTPUT_KEEP] is next */
	char kept[OUTPUT_KEEP];
};

void output_init(struct output *o, const char *name, output_sink_fn sink, void *ctx);

/* One byte from the guest. */
void output_byte(struct output *o, uint8_t byte);

/* An unfinished line goes out with its newline: the guest has ended or the console was detached. */
void output_flush(struct output *o);

void output_attach(struct output *o, bool attached);

/*
 * Does @text stand in what was printed from byte number @since on (as far as it is kept)? For
 * `expect`: remember output.total, then ask again and again. False for an empty @text.
 */
bool output_contains(struct output *o, uint64_t since, const char *text);

/*
 * Up to @size bytes from number *@from on, which moves behind them. *@lost: so many before them are not kept
 * any more.
 */
size_t output_read(struct output *o, uint64_t *from, char *to, size_t size, uint64_t *lost);

#endif
