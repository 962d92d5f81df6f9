/*
 * aml.c - bytes of ACPI machine language. Lengths take the three-byte form always, so that a block's
 * length can be filled in when it ends.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/platform/aml.h"

#include <string.h>

enum { OP_ZERO = 0x00, OP_ONE = 0x01, OP_NAME = 0x08, OP_BYTE = 0x0a, OP_WORD = 0x0b,
       OP_DWORD = 0x0c, OP_STRING = 0x0d, OP_QWORD = 0x0e, OP_SCOPE = 0x10, OP_BUFFER = 0x11,
       OP_PACKAGE = 0x12, OP_EXTENDED = 0x5b, OP_DEVICE = 0x82 };

enum { RES_IRQ = 0x22, RES_IO = 0x47, RES_END = 0x79, RES_MEMORY32_FIXED = 0x86, RES_DWORD = 0x87,
       RES_WORD = 0x88 };
enum { WINDOW_MEMORY, WINDOW_IO, WINDOW_BUS };
#define WINDOW_FIXED  0x0c /* both ends are */
#define MEMORY_RW     0x01
#define IO_ENTIRE     0x03
#define IO_DECODE16   0x01

#define LENGTH_BYTES  3
#define BUFFER_SIZE_BYTES 3 /* a word constant */

void aml_bytes(struct aml *a, const void *bytes, uint32_t count)
{
	if (count > a->size - a->used) {
		a->overflow = true;
		return;
	}
	memcpy(a->at + a->used, bytes, count);
	a->used += count;
}

static void byte(struct aml *a, unsigned v)
{
	uint8_t b = (uint8_t)v;

	aml_bytes(a, &b, 1);
}

static void little(struct aml *a, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		byte(a, (uint8_t)(v >> (8 * i)));
}

void aml_integer(struct aml *a, uint64_t v)
{
	if (v <= 1) {
		byte(a, v ? OP_ONE : OP_ZERO);
	} else if (v <= 0xff) {
		byte(a, OP_BYTE);
		little(a, v, 1);
	} else if (v <= 0xffff) {
		byte(a, OP_WORD);
		little(a, v, 2);
	} else if (v <= UINT32_MAX) {
		byte(a, OP_DWORD);
		little(a, v, 4);
	} else {
		byte(a, OP_QWORD);
		little(a, v, 8);
	}
}

void aml_string(struct aml *a, const char *text)
{
	byte(a, OP_STRING);
	aml_bytes(a, text, (uint32_t)strlen(text) + 1);
}

static unsigned hex(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'A' + 10);
}

/* Three letters of five bits and four hexadecimal digits, big-endian in a dword. */
void aml_eisa_id(struct aml *a, const char *id)
{
	unsigned letters = (unsigned)(id[0] - '@') << 10 | (unsigned)(id[1] - '@') << 5 |
			   (unsigned)(id[2] - '@');

	byte(a, OP_DWORD);
	byte(a, letters >> 8);
	byte(a, letters);
	byte(a, hex(id[3]) << 4 | hex(id[4]));
	byte(a, hex(id[5]) << 4 | hex(id[6]));
}

void aml_name(struct aml *a, const char *name)
{
	byte(a, OP_NAME);
	aml_bytes(a, name, (uint32_t)strlen(name));
}

static struct aml_block begin(struct aml *a)
{
	struct aml_block b = { .length_at = a->used };

	little(a, 0, LENGTH_BYTES);
	return b;
}

struct aml_block aml_begin_scope(struct aml *a, const char *name)
{
	byte(a, OP_SCOPE);

	struct aml_block b = begin(a);

	aml_bytes(a, name, (uint32_t)strlen(name));
	return b;
}

struct aml_block aml_begin_device(struct aml *a, const char *name)
{
	byte(a, OP_EXTENDED);
	byte(a, OP_DEVICE);

	struct aml_block b = begin(a);

	aml_bytes(a, name, (uint32_t)strlen(name));
	return b;
}

struct aml_block aml_begin_package(struct aml *a, uint8_t elements)
{
	byte(a, OP_PACKAGE);

	struct aml_block b = begin(a);

	byte(a, elements);
	return b;
}

void aml_end(struct aml *a, struct aml_block b)
{
	uint32_t length = a->used - b.length_at;

	if (a->overflow)
		return;
	a->at[b.length_at] = (uint8_t)(2 << 6 | (length & 0xf)); /* two more bytes follow */
	a->at[b.length_at + 1] = (uint8_t)(length >> 4);
	a->at[b.length_at + 2] = (uint8_t)(length >> 12);
}

struct aml_block aml_begin_resources(struct aml *a)
{
	byte(a, OP_BUFFER);

	struct aml_block b = begin(a);

	little(a, 0, BUFFER_SIZE_BYTES);
	b.content_at = a->used;
	return b;
}

void aml_end_resources(struct aml *a, struct aml_block b)
{
	byte(a, RES_END);
	byte(a, 0); /* no checksum */

	uint32_t size = a->used - b.content_at;

	if (a->overflow)
		return;
	a->at[b.content_at - 3] = OP_WORD;
	a->at[b.content_at - 2] = (uint8_t)size;
	a->at[b.content_at - 1] = (uint8_t)(size >> 8);
	aml_end(a, b);
}

void aml_res_io(struct aml *a, uint16_t base, uint8_t length)
{
	byte(a, RES_IO);
	byte(a, IO_DECODE16);
	little(a, base, 2);
	little(a, base, 2);
	byte(a, 1);
	byte(a, length);
}

void aml_res_irq(struct aml *a, unsigned irq)
{
	byte(a, RES_IRQ); /* no flags: edge, active high */
	little(a, BIT32(irq), 2);
}

void aml_res_memory(struct aml *a, uint32_t base, uint32_t length)
{
	byte(a, RES_MEMORY32_FIXED);
	little(a, 9, 2);
	byte(a, MEMORY_RW);
	little(a, base, 4);
	little(a, length, 4);
}

/* An address-space descriptor with fields of @width bytes. */
static void window(struct aml *a, unsigned tag, unsigned width, unsigned type, unsigned flags,
		   uint64_t first, uint64_t last)
{
	byte(a, tag);
	little(a, 3 + 5 * width, 2);
	byte(a, type);
	byte(a, WINDOW_FIXED);
	byte(a, flags);
	little(a, 0, width); /* granularity */
	little(a, first, width);
	little(a, last, width);
	little(a, 0, width); /* translation */
	little(a, last - first + 1, width);
}

void aml_res_window_bus(struct aml *a, uint16_t first, uint16_t last)
{
	window(a, RES_WORD, 2, WINDOW_BUS, 0, first, last);
}

void aml_res_window_io(struct aml *a, uint16_t first, uint16_t last)
{
	window(a, RES_WORD, 2, WINDOW_IO, IO_ENTIRE, first, last);
}

void aml_res_window_memory(struct aml *a, uint32_t first, uint32_t last)
{
	window(a, RES_DWORD, 4, WINDOW_MEMORY, MEMORY_RW, first, last);
}
