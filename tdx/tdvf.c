/*
 * tdvf.c - find and check a firmware image's TDVF metadata.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/tdvf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FOOTER_END 0x20 /* bytes behind the GUID table: the reset vector */
#define GUID_BYTES 16
#define ENTRY_TAIL 18 /* u16 length, GUID */

struct guid {
	uint8_t b[GUID_BYTES];
};

/* In file order (EFI layout). */
static const struct guid guid_table_footer = { { 0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45,
						 0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d } };
static const struct guid guid_tdvf_offset = { { 0x35, 0x65, 0x7a, 0xe4, 0x4a, 0x98, 0x98, 0x47,
						0x86, 0x5e, 0x46, 0x85, 0xa7, 0xbf, 0x8e, 0xc2 } };
static const struct guid guid_descriptor = { { 0xf3, 0xf9, 0xea, 0xe9, 0x8e, 0x16, 0xd5, 0x44, 0xa8,
					       0xeb, 0x7f, 0x4d, 0x87, 0x38, 0xf6, 0xae } };

struct descriptor {
	char signature[4]; /* "TDVF" */
	uint32_t length, version, count;
};

struct raw_section {
	uint32_t offset, raw;
	uint64_t gpa, bytes;
	uint32_t type, attributes;
};
_Static_assert(sizeof(struct raw_section) == 32, "TDVF section layout");

static int bad(char *why, const char *fmt, ...) PRINTF_LIKE(2, 3);
static int bad(char *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, TDVF_WHY_MAX, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static uint16_t get16(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }
static uint32_t get32(const uint8_t *p) { return get16(p) | (uint32_t)get16(p + 2) << 16; }

static bool is_guid(const uint8_t *p, const struct guid *g)
{
	return memcmp(p, g, GUID_BYTES) == 0;
}

/*
 * The GUID table ends FOOTER_END bytes before the file's end and is read backwards. Finds the entry
 * with the descriptor's offset; old images keep that offset where the table would end.
 */
static int find_offset(const uint8_t *image, uint64_t bytes, uint32_t *offset, char *why)
{
	uint64_t end = bytes - FOOTER_END; /* of the table */
	uint64_t table, at;

	if (!is_guid(image + end - GUID_BYTES, &guid_table_footer)) {
		*offset = get32(image + end);
		return 0;
	}
	table = get16(image + end - ENTRY_TAIL);
	if (table < ENTRY_TAIL || table > end)
		return bad(why, "GUID table at 0x%llx: length %llu", (unsigned long long)end,
			   (unsigned long long)table);
	for (at = end - ENTRY_TAIL; at >= end - table + ENTRY_TAIL;) {
		uint64_t length = get16(image + at - ENTRY_TAIL);

		if (length < ENTRY_TAIL || length > at - (end - table))
			return bad(why, "GUID table entry ending at 0x%llx: length %llu",
				   (unsigned long long)at, (unsigned long long)length);
		if (is_guid(image + at - GUID_BYTES, &guid_tdvf_offset)) {
			if (length < ENTRY_TAIL + 4)
				return bad(why, "TDVF entry of the GUID table is too short");
			*offset = get32(image + at - length);
			return 0;
		}
		at -= length;
	}
	return bad(why, "the GUID table has no TDVF entry: no TDVF metadata in this image");
}

static int find_descriptor(const uint8_t *image, struct tdvf *out, struct descriptor *d, char *why)
{
	uint64_t bytes = out->image_bytes;
	uint32_t offset = 0;
	int err = find_offset(image, bytes, &offset, why);

	if (err)
		return err;
	if (offset < sizeof(*d) || offset > bytes - GUID_BYTES)
		return bad(why, "no TDVF metadata: descriptor offset 0x%x is outside the image",
			   offset);
	out->descriptor = bytes - offset;
	memcpy(d, image + out->descriptor, sizeof(*d));
	if (memcmp(d->signature, "TDVF", 4) ||
	    !is_guid(image + out->descriptor - GUID_BYTES, &guid_descriptor))
		return bad(why, "no TDVF metadata: no descriptor at file offset 0x%llx",
			   (unsigned long long)out->descriptor);
	if (d->version != 1)
		return bad(why, "TDVF descriptor: version %u, expected 1", d->version);
	if (d->count == 0 || d->count > TDVF_SECTIONS_MAX)
		return bad(why, "TDVF descriptor: %u sections, expected 1 to %u", d->count,
			   TDVF_SECTIONS_MAX);
	if (d->length != sizeof(*d) + d->count * sizeof(struct raw_section))
		return bad(why, "TDVF descriptor: length %u does not fit %u sections", d->length,
			   d->count);
	if (d->length > bytes - out->descriptor)
		return bad(why, "TDVF descriptor: %u sections reach beyond the image", d->count);
	return 0;
}

const char *tdvf_type_name(uint32_t type)
{
	static const char *const names[] = {
#define X(number, name, text) [number] = text,
		TDVF_TYPE_TABLE(X)
#undef X
	};

	return type < ARRAY_LEN(names) ? names[type] : "unknown type";
}

/* Sections that bring no bytes of their own. */
static bool must_be_empty(uint32_t type)
{
	return type == TDVF_TD_HOB || type == TDVF_TEMP_MEM || type == TDVF_PERM_MEM;
}

static int check_section(const struct tdvf *t, unsigned i, char *why)
{
	const struct tdvf_section *s = &t->section[i];
	const char *name = tdvf_type_name(s->type);

	if (s->type >= TDVF_TYPES)
		return bad(why, "section %u: unknown type %u", i, s->type);
	if (s->attributes & ~(TDVF_EXTEND | TDVF_AUG))
		return bad(why, "section %u (%s): unknown attributes 0x%x", i, name, s->attributes);
	if (!is_aligned(s->gpa | s->bytes, PAGE_SIZE))
		return bad(why,
			   "section %u (%s): address 0x%llx or size 0x%llx is not 4 KiB aligned", i,
			   name, (unsigned long long)s->gpa, (unsigned long long)s->bytes);
	if (s->bytes == 0)
		return bad(why, "section %u (%s): is empty", i, name);
	if (s->gpa + s->bytes < s->gpa || s->gpa + s->bytes > (UINT64_C(1) << 46))
		return bad(why, "section %u (%s): 0x%llx + 0x%llx wraps or is beyond any address",
			   i, name, (unsigned long long)s->gpa, (unsigned long long)s->bytes);
	if (s->raw > s->bytes)
		return bad(why, "section %u (%s): 0x%x bytes of data for 0x%llx of memory", i, name,
			   s->raw, (unsigned long long)s->bytes);
	if ((uint64_t)s->offset + s->raw > t->image_bytes)
		return bad(why, "section %u (%s): data at 0x%x + 0x%x is beyond the image", i, name,
			   s->offset, s->raw);
	if (must_be_empty(s->type) && s->raw)
		return bad(why, "section %u (%s): must not have data", i, name);
	if (s->type == TDVF_BFV && s->raw == 0)
		return bad(why, "section %u (%s): has no data", i, name);
	if ((s->attributes & TDVF_AUG) && (s->raw || (s->attributes & TDVF_EXTEND)))
		return bad(why, "section %u (%s): memory that is not added cannot have contents", i,
			   name);
	return 0;
}

static int check_pair(const struct tdvf *t, unsigned i, unsigned j, char *why)
{
	const struct tdvf_section *a = &t->section[i], *b = &t->section[j];

	if (a->gpa < b->gpa + b->bytes && b->gpa < a->gpa + a->bytes)
		return bad(why, "sections %u (%s) and %u (%s) overlap at 0x%llx", j,
			   tdvf_type_name(b->type), i, tdvf_type_name(a->type),
			   (unsigned long long)(a->gpa > b->gpa ? a->gpa : b->gpa));
	if (a->type == TDVF_TD_HOB && b->type == TDVF_TD_HOB)
		return bad(why, "sections %u and %u are both TD_HOB", j, i);
	return 0;
}

static int check_sections(const struct tdvf *t, char *why)
{
	bool code = false;

	for (unsigned i = 0; i < t->count; i++) {
		int err = check_section(t, i, why);

		for (unsigned j = 0; j < i && !err; j++)
			err = check_pair(t, i, j, why);
		if (err)
			return err;
		code |= t->section[i].type == TDVF_BFV;
	}
	return code ? 0 : bad(why, "no BFV section: nothing to run");
}

/* Sections below the image but near 4 GiB are the firmware's own memory, like the image itself. */
static void find_bottom(struct tdvf *t)
{
	t->bottom = t->base;
	for (unsigned i = 0; i < t->count; i++) {
		uint64_t gpa = t->section[i].gpa;

		if (gpa >= TDVF_TOP - TDVF_IMAGE_MAX && gpa < t->bottom)
			t->bottom = gpa;
	}
}

int tdvf_parse(const void *image, uint64_t bytes, struct tdvf *out, char why[TDVF_WHY_MAX])
{
	struct descriptor d;
	int err;

	*out = (struct tdvf){ .image_bytes = bytes };
	if (bytes < PAGE_SIZE || bytes > TDVF_IMAGE_MAX)
		return bad(why, "image of %llu bytes: expected 4 KiB to 64 MiB",
			   (unsigned long long)bytes);
	if (!is_aligned(bytes, PAGE_SIZE))
		return bad(why, "image of %llu bytes: not whole pages (truncated?)",
			   (unsigned long long)bytes);
	out->base = TDVF_TOP - bytes;
	err = find_descriptor(image, out, &d, why);
	if (err)
		return err;
	out->count = d.count;
	for (unsigned i = 0; i < out->count; i++) {
		struct raw_section raw;

		memcpy(&raw, (const uint8_t *)image + out->descriptor + sizeof(d) + i * sizeof(raw),
		       sizeof(raw));
		out->section[i] = (struct tdvf_section){
			.gpa = raw.gpa,
			.bytes = raw.bytes,
			.offset = raw.offset,
			.raw = raw.raw,
			.type = raw.type,
			.attributes = raw.attributes,
		};
	}
	find_bottom(out);
	return check_sections(out, why);
}

int tdvf_check_memory(const struct tdvf *t, struct guest_ram ram, char why[TDVF_WHY_MAX])
{
	uint64_t low = ram.low, high = TDVF_TOP + ram.high;

	for (unsigned i = 0; i < t->count; i++) {
		const struct tdvf_section *s = &t->section[i];
		uint64_t end = s->gpa + s->bytes;

		if (end <= low || (s->gpa >= t->bottom && end <= TDVF_TOP) ||
		    (s->gpa >= TDVF_TOP && end <= high))
			continue;
		return bad(
			why,
			"section %u (%s): 0x%llx to 0x%llx is not in the guest's memory (%llu MiB)",
			i, tdvf_type_name(s->type), (unsigned long long)s->gpa,
			(unsigned long long)end, (unsigned long long)(guest_ram_bytes(ram) >> 20));
	}
	return 0;
}

const struct tdvf_section *tdvf_hob(const struct tdvf *t)
{
	for (unsigned i = 0; i < t->count; i++)
		if (t->section[i].type == TDVF_TD_HOB)
			return &t->section[i];
	return NULL;
}
