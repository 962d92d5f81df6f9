/*
 * fuzz_gdb.c - any bytes over the debugger's line: no answer leaves its buffers, and a good packet is
 * understood after all of them. Input: a byte 0xff is a stop of the guest, the rest goes over the line; a
 * '$' without its checksum gets one, so that the packets behind the framing are reached.
 *
 * links: kernel/monitor/gdb.c kernel/monitor/gdb_packet.c kernel/monitor/gdb_regs.c
 *   kernel/monitor/gdb_query.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdlib.h>

#include "kernel/monitor/gdb_packet.h"
#include "tests/fake/gdb_guest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t sent;
static bool empty_list;

static void put(const void *bytes, size_t count)
{
	const char *text = bytes;

	if (count > GDB_FRAME_MAX)
		abort();
	for (size_t i = 0; i < count; i++) /* the sanitizer looks at each */
		sent += (uint8_t)text[i] != 0;
	empty_list = count == 5 && !memcmp(text, "$l#6c", 5);
}

static size_t room(void) { return 16384; }

static void command(const char *line, void (*write)(void *ctx, const char *text, size_t n), void *ctx)
{
	write(ctx, line, strlen(line));
}

static void whole(const uint8_t *text, size_t length)
{
	static const char hex[] = "0123456789abcdef";
	uint8_t sum = 0;

	gdb_byte('$');
	for (size_t i = 0; i < length; i++) {
		gdb_byte(text[i]);
		sum = (uint8_t)(sum + text[i]);
	}
	gdb_byte('#');
	gdb_byte((uint8_t)hex[sum >> 4]);
	gdb_byte((uint8_t)hex[sum & 15]);
}

static void one(const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size;) {
		size_t end = i + 1;

		if (data[i] == 0xff) {
			fake.fresh = fake.held = true;
			fake.stop.why = (enum debug_why)(i % (DEBUG_ENDED + 1));
			fake.stop.vcpu = (unsigned)i;
			gdb_look();
		} else if (data[i] == '$') {
			while (end < size && data[end] != '$' && data[end] != '#' && data[end] != 0xff)
				end++;
			whole(data + i + 1, end - i - 1);
		} else {
			gdb_byte(data[i]);
		}
		i = end;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct gdb_line line = { put, room, command };

	fake_reset();
	gdb_init(&line);
	one(data, size);
	/* Whatever came: the end of a packet, then a good one. */
	gdb_byte('#');
	gdb_byte('0');
	gdb_byte('0');
	whole((const uint8_t *)"qsThreadInfo", 12);
	if (!empty_list)
		abort();
	return 0;
}
