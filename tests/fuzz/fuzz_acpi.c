/*
 * fuzz_acpi.c - any bytes as physical memory with ACPI tables in it: no read outside what was mapped,
 * an end, and plain values out.
 *
 * links: drivers/acpi.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdlib.h>
#include <string.h>

#include "drivers/acpi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_MAPS 4096
#define RSDP_AT  16

static const uint8_t *memory;
static size_t memory_size, maps;
static void *mapped[MAX_MAPS];
static unsigned cpus;

/* Each range is a block of its own, so that one byte too many is seen. */
static const void *map(uint64_t hpa, uint64_t bytes)
{
	if (hpa >= memory_size || bytes > memory_size - hpa || maps == MAX_MAPS)
		return NULL;
	void *copy = malloc(bytes ? bytes : 1);

	memcpy(copy, memory + hpa, bytes);
	mapped[maps++] = copy;
	return copy;
}

static void count_cpu(void *ctx, const struct acpi_cpu *c)
{
	(void)ctx;
	cpus += c->enabled || c->online_capable;
}

/* Checksums would keep nearly every input out: make them right first. */
static void repair(uint8_t *m, size_t size)
{
	if (size < 36)
		return;
	memcpy(m, "RSD PTR ", 8);
	m[8] = 0;
	for (unsigned i = 0; i < 20; i++)
		m[8] = (uint8_t)(m[8] - (i == 8 ? 0 : m[i]));
	m[32] = 0;
	for (unsigned i = 0; i < 36; i++)
		m[32] = (uint8_t)(m[32] - (i == 32 ? 0 : m[i]));
	for (size_t at = 36; at + 36 <= size;) {
		uint32_t bytes = m[at + 4] | (uint32_t)m[at + 5] << 8;

		if (bytes < 36 || bytes > size - at)
			break;
		m[at + 9] = 0;
		uint8_t sum = 0;

		for (uint32_t i = 0; i < bytes; i++)
			sum = (uint8_t)(sum + m[at + i]);
		m[at + 9] = (uint8_t)-sum;
		at += bytes;
	}
}

static void see_node(void *ctx, const struct acpi_node *n) { (void)ctx, (void)n; }
static void see_remapper(void *ctx, const struct acpi_remapper *r) { (void)ctx, (void)r; }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct acpi a;
	static struct acpi_madt madt;
	struct acpi_fadt fadt;
	struct acpi_serial serial;
	uint8_t *copy = malloc(size ? size : 1);

	memcpy(copy, data, size);
	repair(copy, size);
	/* Address 0 means "no RSDP", so everything lies 16 bytes up. */
	uint8_t *shifted = calloc(1, size + RSDP_AT);

	memcpy(shifted + RSDP_AT, copy, size);
	memory = shifted, memory_size = size + RSDP_AT, maps = 0;
	if (acpi_init(&a, RSDP_AT, map) == 0) {
		if (a.count > ACPI_MAX_TABLES || strnlen(a.note, sizeof(a.note)) == sizeof(a.note))
			abort();
		(void)!acpi_read_madt(&a, &madt, count_cpu, NULL);
		(void)!acpi_read_fadt(&a, &fadt);
		(void)!acpi_read_srat(&a, see_node, NULL);
		(void)!acpi_read_dmar(&a, see_remapper, NULL);
		for (unsigned n = 0; n < 8 && acpi_read_serial(&a, n, &serial) == 0; n++)
			if (!serial.base.address && !serial.is_pci)
				abort();
	}
	free(shifted);
	while (maps)
		free(mapped[--maps]);
	free(copy);
	return 0;
}
