/*
 * pci.c - mechanism #1 and the configuration spaces of bus 0.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/platform/pci.h"

#include <string.h>

#include "kernel/platform/pmtimer.h"

#define ADDRESS_ENABLE BIT32(31)
#define RESET_CONTROL  1 /* CF9h as an offset from CF8h */
#define RESET_CPU      0x04

enum {
	CFG_VENDOR_DEVICE = 0x00,
	CFG_COMMAND = 0x04,
	CFG_CLASS_REVISION = 0x08,
	CFG_HEADER_TYPE = 0x0e,
	CFG_LATENCY = 0x0d,
	CFG_INTERRUPT_LINE = 0x3c,
};
#define HEADER_MULTI_FUNCTION 0x80

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

void pci_init(struct pci *pci, void (*reset)(void *ctx), void *ctx)
{
	memset(pci, 0, sizeof(*pci));
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

/* The function that CF8h selects, or NULL. */
static struct pci_function *selected(struct pci *pci)
{
	uint32_t a = pci->address;
	struct pci_function *fn = NULL;

	if ((a & ADDRESS_ENABLE) && ((a >> 16) & 0xff) == 0)
		fn = find(pci, (a >> 11) & 0x1f, (a >> 8) & 7);
	if (!fn)
		pci->absent++;
	return fn;
}

uint32_t pci_data_read(void *device, unsigned offset, unsigned bytes)
{
	struct pci *pci = device;
	const struct pci_function *fn = selected(pci);
	unsigned at = (pci->address & 0xfc) + offset;
	uint32_t value = 0;

	pci->reads++;
	if (!fn)
		return ~UINT32_C(0);
	for (unsigned i = 0; i < bytes; i++)
		value |= (uint32_t)fn->config[at + i] << (8 * i);
	return value;
}

void pci_data_write(void *device, unsigned offset, unsigned bytes, uint32_t value)
{
	struct pci *pci = device;
	struct pci_function *fn = selected(pci);
	unsigned at = (pci->address & 0xfc) + offset;

	pci->writes++;
	if (!fn)
		return;
	for (unsigned i = 0; i < bytes; i++) {
		uint8_t mask = fn->writable[at + i], v = (uint8_t)(value >> (8 * i));

		fn->config[at + i] = (uint8_t)((fn->config[at + i] & ~mask) | (v & mask));
	}
}
