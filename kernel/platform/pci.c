/*
 * pci.c - mechanism #1, ECAM and the configuration spaces of bus 0, and where BARs lie.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/platform/pci.h"

#include <string.h>

#include "kernel/base/log.h"
#include "kernel/platform/pci_room.h"
#include "kernel/platform/pmtimer.h"

#define ADDRESS_ENABLE BIT32(31)
#define RESET_CONTROL  1 /* CF9h as an offset from CF8h */
#define RESET_CPU      0x04

enum {
	CFG_VENDOR_DEVICE = 0x00,
	CFG_COMMAND = 0x04,
	CFG_CLASS_REVISION = 0x08,
	CFG_STATUS = 0x06,
	CFG_LATENCY = 0x0d,
	CFG_HEADER_TYPE = 0x0e,
	CFG_BAR = 0x10,
	CFG_INTERRUPT_LINE = 0x3c,
};
#define HEADER_MULTI_FUNCTION 0x80
#define COMMAND_MEMORY        0x02
#define FIRST_CAPABILITY      0x40
#define CONFIG_BYTES          256

#define ECAM_DEVICE(o)   ((unsigned)((o) >> 15) & 31)
#define ECAM_FUNCTION(o) ((unsigned)((o) >> 12) & 7)
#define ECAM_REGISTER(o) ((unsigned)(o) & 0xfff)

/* What firmware may change in a function besides the common registers. */
struct writable_range {
	uint8_t device, function, first, last, mask;
};

static const struct writable_range writable_ranges[] = {
	{ 0, 0, 0x59, 0x5f, 0xff }, /* PAM: which RAM hides behind the BIOS area */
	{ 0, 0, 0x72, 0x72, 0x7f }, /* SMRAM */
	{ 1, 0, 0x60, 0x63, 0x8f }, /* PIRQ routing */
	{ 1, 3, 0x80, 0x80, 0x01 }, /* PMREGMISC: PM I/O space enable */
};

static void put32(uint8_t *at, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		at[i] = (uint8_t)(v >> (8 * i));
}

static struct pci_function *find(struct pci *pci, unsigned device, unsigned function)
{
	for (unsigned i = 0; i < pci->count; i++)
		if (pci->fn[i].device == device && pci->fn[i].function == function)
			return &pci->fn[i];
	return NULL;
}

struct pci_function *pci_add(struct pci *pci, unsigned device, unsigned function,
			     uint32_t vendor_device, uint32_t class_revision)
{
	if (pci->count == PCI_FUNCTIONS_MAX || find(pci, device, function))
		return NULL;

	struct pci_function *fn = &pci->fn[pci->count++];

	memset(fn, 0, sizeof(*fn));
	fn->pci = pci;
	fn->next_free = FIRST_CAPABILITY;
	fn->device = (uint8_t)device;
	fn->function = (uint8_t)function;
	put32(&fn->config[CFG_VENDOR_DEVICE], vendor_device);
	put32(&fn->config[CFG_CLASS_REVISION], class_revision);
	fn->writable[CFG_COMMAND] = 0x07; /* I/O, memory, bus master */
	fn->writable[CFG_COMMAND + 1] = 0x05;
	fn->writable[CFG_LATENCY] = 0xff;
	fn->writable[CFG_INTERRUPT_LINE] = 0xff;
	for (size_t i = 0; i < ARRAY_LEN(writable_ranges); i++) {
		const struct writable_range *w = &writable_ranges[i];

		if (w->device == device && w->function == function)
			memset(&fn->writable[w->first], w->mask, (size_t)(w->last - w->first + 1));
	}
	return fn;
}

void pci_init(struct pci *pci, struct intr *intr, uint64_t low_ram, void (*reset)(void *ctx),
	      void *ctx)
{
	memset(pci, 0, sizeof(*pci));
	pci->intr = intr;
	pci->window_base = pci_window_base(low_ram);
	pci->reset = reset;
	pci->ctx = ctx;

	struct pci_function *host = pci_add(pci, 0, 0, 0x12378086, 0x06000002);
	struct pci_function *isa = pci_add(pci, 1, 0, 0x70008086, 0x06010000);
	struct pci_function *pm = pci_add(pci, 1, 3, 0x71138086, 0x06800003);

	host->config[CFG_COMMAND] = 0x06;
	isa->config[CFG_COMMAND] = 0x07;
	isa->config[CFG_HEADER_TYPE] = HEADER_MULTI_FUNCTION;
	memset(&isa->config[0x60], 0x80, 4); /* PIRQs routed nowhere */
	pm->config[CFG_COMMAND] = 0x01;
	put32(&pm->config[0x40], PM_BASE | 1);
	pm->config[0x80] = 0x01;
}

uint32_t pci_address_read(void *device, unsigned offset, unsigned bytes)
{
	const struct pci *pci = device;

	return offset == 0 && bytes == 4 ? pci->address : ~UINT32_C(0);
}

void pci_address_write(void *device, unsigned offset, unsigned bytes, uint32_t value)
{
	struct pci *pci = device;

	if (offset == 0 && bytes == 4)
		pci->address = value & (ADDRESS_ENABLE | 0x00fffffc);
	else if (offset == RESET_CONTROL && bytes == 1 && (value & RESET_CPU))
		pci->reset(pci->ctx);
}

/* ---- configuration space ---- */

static uint32_t config_read(struct pci *pci, struct pci_function *fn, unsigned at,
			    unsigned bytes)
{
	uint32_t value = 0;

	pci->reads++;
	if (!fn) {
		pci->absent++;
		return ~UINT32_C(0);
	}
	pci_bar_access(fn, at, bytes, false);
	for (unsigned i = 0; i < bytes && at + i < CONFIG_BYTES; i++)
		value |= (uint32_t)fn->config[at + i] << (8 * i);
	return value;
}

static void config_write(struct pci *pci, struct pci_function *fn, unsigned at, unsigned bytes,
			 uint32_t value)
{
	pci->writes++;
	if (!fn) {
		pci->absent++;
		return;
	}
	for (unsigned i = 0; i < bytes && at + i < CONFIG_BYTES; i++) {
		uint8_t mask = fn->writable[at + i], v = (uint8_t)(value >> (8 * i));

		fn->config[at + i] = (uint8_t)((fn->config[at + i] & ~mask) | (v & mask));
	}
	pci_config_changed(fn);
	pci_bar_access(fn, at, bytes, true);
}

/* The function that CF8h selects, or NULL. */
static struct pci_function *selected(struct pci *pci)
{
	uint32_t a = pci->address;

	if (!(a & ADDRESS_ENABLE) || ((a >> 16) & 0xff))
		return NULL;
	return find(pci, (a >> 11) & 0x1f, (a >> 8) & 7);
}

uint32_t pci_data_read(void *device, unsigned offset, unsigned bytes)
{
	struct pci *pci = device;

	return config_read(pci, selected(pci), (pci->address & 0xfc) + offset, bytes);
}

void pci_data_write(void *device, unsigned offset, unsigned bytes, uint32_t value)
{
	struct pci *pci = device;

	config_write(pci, selected(pci), (pci->address & 0xfc) + offset, bytes, value);
}

/* Configuration space is four bytes wide: eight are two accesses. */
uint64_t pci_ecam_read(void *device, uint64_t offset, unsigned bytes)
{
	struct pci *pci = device;
	struct pci_function *fn = find(pci, ECAM_DEVICE(offset), ECAM_FUNCTION(offset));
	uint64_t value = config_read(pci, fn, ECAM_REGISTER(offset), bytes < 4 ? bytes : 4);

	if (bytes == 8)
		value |= (uint64_t)config_read(pci, fn, ECAM_REGISTER(offset) + 4, 4) << 32;
	return value;
}

void pci_ecam_write(void *device, uint64_t offset, unsigned bytes, uint64_t value)
{
	struct pci *pci = device;
	struct pci_function *fn = find(pci, ECAM_DEVICE(offset), ECAM_FUNCTION(offset));

	config_write(pci, fn, ECAM_REGISTER(offset), bytes < 4 ? bytes : 4, (uint32_t)value);
	if (bytes == 8)
		config_write(pci, fn, ECAM_REGISTER(offset) + 4, 4, (uint32_t)(value >> 32));
}

/* ---- BARs ---- */

void pci_add_bar(struct pci_function *fn, unsigned index, const struct pci_bar *bar)
{
	assert(index < ARRAY_LEN(fn->bar) && bar->size >= 16 && is_aligned(bar->size, bar->size));
	fn->bar[index] = *bar;
	put32(&fn->writable[CFG_BAR + 4 * index], ~(bar->size - 1));
}

static uint32_t bar_address(const struct pci_function *fn, unsigned index)
{
	const uint8_t *at = &fn->config[CFG_BAR + 4 * index];

	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
	       (uint32_t)at[3] << 24;
}

/* The BAR that holds all of @bytes at @gpa and, in *@offset, where; NULL: none. */
static const struct pci_bar *bar_at(const struct pci *pci, uint64_t gpa, unsigned bytes,
				    uint64_t *offset)
{
	for (unsigned f = 0; f < pci->count; f++) {
		const struct pci_function *fn = &pci->fn[f];

		if (!(fn->config[CFG_COMMAND] & COMMAND_MEMORY))
			continue;
		for (unsigned i = 0; i < ARRAY_LEN(fn->bar); i++) {
			const struct pci_bar *bar = &fn->bar[i];

			if (!bar->size)
				continue;
			*offset = gpa - bar_address(fn, i);
			if (*offset < bar->size && bytes <= bar->size - *offset)
				return bar;
		}
	}
	return NULL;
}

bool pci_window_claims(void *device, uint64_t offset, unsigned bytes)
{
	const struct pci *pci = device;

	return bar_at(pci, pci->window_base + offset, bytes, &offset) != NULL;
}

uint64_t pci_window_read(void *device, uint64_t offset, unsigned bytes)
{
	struct pci *pci = device;
	const struct pci_bar *bar = bar_at(pci, pci->window_base + offset, bytes, &offset);

	return bar ? bar->read(bar->device, offset, bytes) : ~UINT64_C(0);
}

void pci_window_write(void *device, uint64_t offset, unsigned bytes, uint64_t value)
{
	struct pci *pci = device;
	const struct pci_bar *bar = bar_at(pci, pci->window_base + offset, bytes, &offset);

	if (bar)
		bar->write(bar->device, offset, bytes, value);
}
