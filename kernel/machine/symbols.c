/*
 * symbols.c - the table of symbols that was linked into the image. Contract: symbols.h.
 *
 * Layout: a count, rows { offset from KERNEL_VIRT_BASE, offset of the name }, ascending, names. The
 * last row is the end of the image (linker.ld gives it a name).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/machine/symbols.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/boot_info.h"

struct row {
	uint32_t offset, name;
};

extern const struct {
	uint32_t count;
	struct row row[];
} symbol_blob;

static const char *name_of(unsigned n)
{
	return (const char *)&symbol_blob.row[symbol_blob.count] + symbol_blob.row[n].name;
}

unsigned symbol_count(void) { return symbol_blob.count; }

const char *symbol_at(uint64_t address, uint64_t *offset)
{
	unsigned low = 0, high = symbol_blob.count; /* the answer is row low-1 */
	uint64_t at = address - KERNEL_VIRT_BASE;

	if (address < KERNEL_VIRT_BASE)
		return NULL;
	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (symbol_blob.row[middle].offset <= at)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || low == symbol_blob.count)
		return NULL;
	*offset = at - symbol_blob.row[low - 1].offset;
	return name_of(low - 1);
}

int symbol_find(const char *name, uint64_t *address)
{
	for (unsigned n = 0; n < symbol_blob.count; n++)
		if (strcmp(name_of(n), name) == 0) {
			*address = KERNEL_VIRT_BASE + symbol_blob.row[n].offset;
			return 0;
		}
	return -ENOENT;
}

const char *symbol_complete(const char *start, size_t length, unsigned nth)
{
	for (unsigned n = 0; n < symbol_blob.count; n++)
		if (strncmp(name_of(n), start, length) == 0 && nth-- == 0)
			return name_of(n);
	return NULL;
}

const char *symbol_text(uint64_t address, char *buf, size_t size)
{
	uint64_t offset;
	const char *name = symbol_at(address, &offset);

	if (name)
		snprintf(buf, size, "%.60s+0x%llx", name, (unsigned long long)offset);
	else
		snprintf(buf, size, "0x%llx", (unsigned long long)address);
	return buf;
}
