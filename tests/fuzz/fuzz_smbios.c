/*
 * fuzz_smbios.c - any bytes as an SMBIOS table: no read outside what was mapped, an end, and
 * terminated strings out.
 *
 * links: drivers/smbios.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdlib.h>
#include <string.h>

#include "drivers/smbios.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ENTRY UINT64_C(0x1000)
#define TABLE UINT64_C(0x100000)

static uint8_t entry[64];
static const uint8_t *table;
static size_t table_size;
static void *mapped[16];
static unsigned maps;

/* Each range is a block of its own, so that one byte too many is seen. */
static const void *copy_of(const uint8_t *from, size_t have, uint64_t at, uint64_t bytes)
{
	if (at > have || bytes > have - at || maps == ARRAY_LEN(mapped))
		return NULL;
	mapped[maps] = malloc(bytes ? bytes : 1);
	memcpy(mapped[maps], from + at, bytes);
	return mapped[maps++];
}

static const void *map(uint64_t hpa, uint64_t bytes)
{
	if (hpa >= TABLE)
		return copy_of(table, table_size, hpa - TABLE, bytes);
	return hpa >= ENTRY ? copy_of(entry, sizeof(entry), hpa - ENTRY, bytes) : NULL;
}

/* The first byte chooses the kind of entry point; the entry is right, the table is what came. */
static void make_entry(bool old, uint32_t length)
{
	uint8_t sum = 0;
	unsigned from = old ? 16 : 0, bytes = old ? 31 : 24;

	memset(entry, 0, sizeof(entry));
	memcpy(entry, old ? "_SM_" : "_SM3_", old ? 4 : 5);
	if (old) {
		memcpy(entry + 16, "_DMI_", 5);
		entry[22] = (uint8_t)length, entry[23] = (uint8_t)(length >> 8);
		entry[26] = (uint8_t)(TABLE >> 16);
	} else {
		entry[6] = 24;
		memcpy(entry + 12, &length, 4);
		entry[18] = (uint8_t)(TABLE >> 16);
	}
	for (unsigned i = from; i < bytes; i++)
		sum = (uint8_t)(sum + entry[i]);
	entry[old ? 21 : 5] = (uint8_t)-sum;
}

static bool ends(const char text[SMBIOS_TEXT]) { return strnlen(text, SMBIOS_TEXT) < SMBIOS_TEXT; }

static void must_be_sane(const struct smbios *s)
{
	bool good = s->found && s->dimms <= SMBIOS_DIMMS_MAX && s->sockets <= SMBIOS_SOCKETS_MAX &&
		    ends(s->bios_vendor) && ends(s->bios_version) && ends(s->bios_date) &&
		    ends(s->manufacturer) && ends(s->product);

	for (unsigned i = 0; i < s->dimms; i++)
		good = good && ends(s->dimm[i].locator) && ends(s->dimm[i].bank) &&
		       ends(s->dimm[i].part);
	for (unsigned i = 0; i < s->sockets; i++)
		good = good && ends(s->socket[i].name) && ends(s->socket[i].version);
	if (!good)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct smbios s;

	if (size < 1)
		return 0;
	bool old = data[0] & 1;

	table = data + 1, table_size = size - 1;
	if (old && table_size > UINT16_MAX)
		table_size = UINT16_MAX;
	make_entry(old, (uint32_t)table_size);
	if (smbios_read(&s, old ? 0 : ENTRY, old ? ENTRY : 0, map) == 0)
		must_be_sane(&s);
	while (maps)
		free(mapped[--maps]);
	/* The entry point itself as it came. */
	if (size >= sizeof(entry)) {
		memcpy(entry, data, sizeof(entry));
		(void)!smbios_read(&s, ENTRY, ENTRY, map);
		while (maps)
			free(mapped[--maps]);
	}
	return 0;
}
