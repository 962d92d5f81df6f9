/*
 * smbios.c - walk the SMBIOS table once and keep what a diagnosis needs. Contract: smbios.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "drivers/smbios.h"

#include <errno.h>
#include <string.h>

#define TABLE_MAX  (UINT64_C(16) << 20) /* a table that claims more is not one */
#define ENTRY3_MIN 24
#define ENTRY_MIN  31

/* clang-format off */
enum { SMBIOS_BIOS = 0, SMBIOS_SYSTEM = 1, SMBIOS_PROCESSOR = 4, SMBIOS_ARRAY = 16, SMBIOS_DIMM = 17,
       SMBIOS_END = 127 };
/* clang-format on */

static uint16_t get16(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }
static uint32_t get32(const uint8_t *p) { return get16(p) | (uint32_t)get16(p + 2) << 16; }
static uint64_t get64(const uint8_t *p) { return get32(p) | (uint64_t)get32(p + 4) << 32; }

static bool sums_to_zero(const uint8_t *p, unsigned bytes)
{
	uint8_t sum = 0;

	for (unsigned i = 0; i < bytes; i++)
		sum = (uint8_t)(sum + p[i]);
	return sum == 0;
}

/* ---- entry points ---- */

struct table {
	const uint8_t *bytes;
	uint64_t length;
};

static bool open_table(struct table *t, uint64_t hpa, uint64_t length, smbios_map_fn map)
{
	if (!hpa || length < 4 || length > TABLE_MAX)
		return false;
	*t = (struct table){ map(hpa, length), length };
	return t->bytes != NULL;
}

/* "_SM3_": version at 7, the table's greatest length at 12, its address at 16. */
static bool open_entry3(struct smbios *s, struct table *t, uint64_t entry, smbios_map_fn map)
{
	const uint8_t *e = entry ? map(entry, ENTRY3_MIN) : NULL;

	if (!e || memcmp(e, "_SM3_", 5) != 0 || e[6] < ENTRY3_MIN || e[6] > 64)
		return false;
	uint8_t length = e[6];

	e = map(entry, length);
	if (!e || !sums_to_zero(e, length))
		return false;
	s->major = e[7], s->minor = e[8];
	return open_table(t, get64(e + 16), get32(e + 12), map);
}

/* "_SM_": length at 5, version at 6; "_DMI_" at 16, the table's length at 22, its address at 24. */
static bool open_entry(struct smbios *s, struct table *t, uint64_t entry, smbios_map_fn map)
{
	const uint8_t *e = entry ? map(entry, ENTRY_MIN) : NULL;

	if (!e || memcmp(e, "_SM_", 4) != 0 || memcmp(e + 16, "_DMI_", 5) != 0 ||
	    !sums_to_zero(e + 16, 15))
		return false;
	s->major = e[6], s->minor = e[7];
	return open_table(t, get32(e + 24), get16(e + 22), map);
}

/* ---- structures ---- */

struct structure {
	const uint8_t *at; /* the formatted area */
	unsigned length;
	const char *strings, *end;
};

/* Printable text of string @n of the structure, blanks at the ends cut; empty if it has none. */
static void get_string(const struct structure *st, unsigned n, char out[SMBIOS_TEXT])
{
	const char *p = st->strings;
	size_t used = 0;

	out[0] = 0;
	for (; n > 1 && p < st->end; n--) {
		while (p < st->end && *p)
			p++;
		p++;
	}
	if (n != 1)
		return;
	for (; p < st->end && *p && used + 1 < SMBIOS_TEXT; p++)
		if (used || *p != ' ')
			out[used++] = *p >= ' ' && *p < 127 ? *p : '?';
	while (used && out[used - 1] == ' ')
		used--;
	out[used] = 0;
}

/* String whose number stands at @offset, if the structure is so long. */
static void string_at(const struct structure *st, unsigned offset, char out[SMBIOS_TEXT])
{
	out[0] = 0;
	if (offset < st->length)
		get_string(st, st->at[offset], out);
}

static void read_bios(struct smbios *s, const struct structure *st)
{
	string_at(st, 4, s->bios_vendor);
	string_at(st, 5, s->bios_version);
	string_at(st, 8, s->bios_date);
}

static void read_system(struct smbios *s, const struct structure *st)
{
	string_at(st, 4, s->manufacturer);
	string_at(st, 5, s->product);
}

/* Byte 18h: bit 6 populated, bits 2:0 = 1 enabled. */
static void read_processor(struct smbios *s, const struct structure *st)
{
	struct smbios_socket *k = &s->socket[s->sockets];

	if (st->length < 0x19 || st->at[5] != 3)
		return; /* not a central processor */
	if (s->sockets == SMBIOS_SOCKETS_MAX) {
		s->sockets_lost++;
		return;
	}
	string_at(st, 4, k->name);
	string_at(st, 0x10, k->version);
	k->populated = (st->at[0x18] & 0x40) != 0;
	k->enabled = (st->at[0x18] & 7) == 1;
	s->sockets++;
}

static void read_array(struct smbios *s, const struct structure *st)
{
	s->arrays += st->length > 5 && st->at[5] == 3; /* used as system memory */
}

/* Size: word at 0Ch, bit 15 KiB instead of MiB, 7FFFh see 1Ch, FFFFh unknown. */
static void read_dimm(struct smbios *s, const struct structure *st)
{
	struct smbios_dimm *d = &s->dimm[s->dimms];

	if (st->length < 0x15)
		return;
	if (s->dimms == SMBIOS_DIMMS_MAX) {
		s->dimms_lost++;
		return;
	}
	uint16_t size = get16(st->at + 0x0c);

	*d = (struct smbios_dimm){ .array = get16(st->at + 4), .type = st->at[0x12] };
	if (size == 0xffff)
		d->size_unknown = true;
	else if (size == 0x7fff && st->length >= 0x20)
		d->size_mib = get32(st->at + 0x1c) & 0x7fffffff;
	else
		d->size_mib = size & 0x8000 ? (size & 0x7fff) >> 10 : size;
	if (st->length >= 0x17)
		d->speed = get16(st->at + 0x15);
	string_at(st, 0x10, d->locator);
	string_at(st, 0x11, d->bank);
	string_at(st, 0x1a, d->part);
	s->dimms++;
}

static const struct {
	uint8_t type;
	void (*read)(struct smbios *s, const struct structure *st);
} readers[] = {
	{ SMBIOS_BIOS, read_bios },   { SMBIOS_SYSTEM, read_system }, { SMBIOS_PROCESSOR, read_processor },
	{ SMBIOS_ARRAY, read_array }, { SMBIOS_DIMM, read_dimm },
};

/* The structure at @at; *@next: the one after it. False: it runs past the table. */
static bool next_structure(const struct table *t, uint64_t at, struct structure *st, uint64_t *next)
{
	if (at + 4 > t->length)
		return false;
	const uint8_t *p = t->bytes + at;
	uint64_t strings = at + p[1], end = strings;

	if (p[1] < 4 || strings + 2 > t->length)
		return false;
	while (end + 2 <= t->length && (t->bytes[end] || t->bytes[end + 1]))
		end++;
	if (end + 2 > t->length)
		return false;
	*st = (struct structure){ p, p[1], (const char *)t->bytes + strings,
				  (const char *)t->bytes + end + 1 };
	*next = end + 2;
	return true;
}

int smbios_read(struct smbios *s, uint64_t entry3, uint64_t entry, smbios_map_fn map)
{
	struct structure st;
	struct table t;
	uint64_t at = 0;

	memset(s, 0, sizeof(*s));
	if (!open_entry3(s, &t, entry3, map) && !open_entry(s, &t, entry, map)) {
		memset(s, 0, sizeof(*s));
		return -ENOENT;
	}
	s->found = true;
	while (next_structure(&t, at, &st, &at)) {
		if (st.at[0] == SMBIOS_END) {
			s->complete = true;
			return 0;
		}
		for (size_t i = 0; i < ARRAY_LEN(readers); i++)
			if (readers[i].type == st.at[0])
				readers[i].read(s, &st);
	}
	s->complete = at == t.length;
	return 0;
}
