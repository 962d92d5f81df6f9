/*
 * pci_function.c - capabilities, MSI-X and INTx of a function.
 *
 * PCI Local Bus 3.0, "MSI-X Capability and Table Structure".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <string.h>

#include "kernel/base/log.h"
#include "kernel/platform/pci_room.h"

enum { CFG_COMMAND = 0x04, CFG_STATUS = 0x06, CFG_CAPABILITIES = 0x34, CFG_INTERRUPT_PIN = 0x3d };
#define COMMAND_MASTER       0x04
#define COMMAND_INTX_OFF     0x04 /* of the upper byte */
#define STATUS_INTX          0x08
#define STATUS_CAPABILITIES  0x10

#define CAP_NEXT      1
#define MSIX_CONTROL  2 /* two bytes from the header; its upper byte holds the two switches */
#define MSIX_ENABLE   0x80
#define MSIX_MASK_ALL 0x40
#define MSIX_MASKED   BIT32(0)
#define ENTRY_BYTES   16

uint8_t pci_add_capability(struct pci_function *fn, uint8_t id, const void *body,
			   const void *writable, unsigned bytes)
{
	unsigned at = fn->next_free, end = at + 2 + bytes;

	if (end > sizeof(fn->config))
		return 0;
	fn->config[at] = id;
	memcpy(&fn->config[at + 2], body, bytes);
	if (writable)
		memcpy(&fn->writable[at + 2], writable, bytes);
	fn->config[fn->last_capability ? fn->last_capability + CAP_NEXT : CFG_CAPABILITIES] = (uint8_t)at;
	fn->config[CFG_STATUS] |= STATUS_CAPABILITIES;
	fn->last_capability = (uint8_t)at;
	fn->next_free = (unsigned)align_up(end, 4);
	return (uint8_t)at;
}

int pci_add_msix(struct pci_function *fn, unsigned vectors, unsigned bar, uint32_t table,
		 uint32_t pending)
{
	static const uint8_t writable[10] = { [1] = MSIX_ENABLE | MSIX_MASK_ALL };
	uint8_t body[10] = { (uint8_t)(vectors - 1) };

	assert(vectors && vectors <= PCI_MSIX_MAX && bar < 6);
	table |= bar;
	pending |= bar;
	memcpy(body + 2, &table, 4);
	memcpy(body + 6, &pending, 4);
	fn->msix_at = pci_add_capability(fn, PCI_CAP_MSIX, body, writable, sizeof(body));
	fn->msix_vectors = vectors;
	for (unsigned i = 0; i < vectors; i++)
		fn->msix[i].control = MSIX_MASKED;
	return fn->msix_at ? 0 : -ENOSPC;
}

/* From the capability's header; virtio's "struct virtio_pci_cfg_cap". */
enum { ACCESS_BAR = 4, ACCESS_OFFSET = 8, ACCESS_LENGTH = 12, ACCESS_DATA = 16, ACCESS_END = 20 };
#define ACCESS_TYPE 5

int pci_add_bar_access(struct pci_function *fn)
{
	static const uint8_t body[ACCESS_END - 2] = { ACCESS_END, ACCESS_TYPE };
	static const uint8_t writable[ACCESS_END - 2] = {
		[ACCESS_BAR - 2] = 0xff,
		[ACCESS_OFFSET - 2 ... ACCESS_END - 3] = 0xff,
	};

	fn->access_at = pci_add_capability(fn, PCI_CAP_VENDOR, body, writable, sizeof(body));
	return fn->access_at ? 0 : -ENOSPC;
}

void pci_bar_access(struct pci_function *fn, unsigned at, unsigned bytes, bool write)
{
	uint8_t *cap = &fn->config[fn->access_at], *data = cap + ACCESS_DATA;
	unsigned first = fn->access_at + ACCESS_DATA;
	uint32_t offset, length;
	uint64_t value = 0;

	if (!fn->access_at || at + bytes <= first || at >= first + 4)
		return;
	memcpy(&offset, cap + ACCESS_OFFSET, 4);
	memcpy(&length, cap + ACCESS_LENGTH, 4);

	const struct pci_bar *bar = cap[ACCESS_BAR] < ARRAY_LEN(fn->bar) ? &fn->bar[cap[ACCESS_BAR]] : NULL;
	bool there = bar && bar->size && (length == 1 || length == 2 || length == 4) &&
		     is_aligned(offset, length) && offset < bar->size;

	if (there && write) {
		memcpy(&value, data, length);
		bar->write(bar->device, offset, length, value);
	} else if (!write) {
		value = there ? bar->read(bar->device, offset, length) : ~UINT64_C(0);
		memset(data, 0, 4);
		memcpy(data, &value, there ? length : 4);
	}
}

bool pci_is_master(const struct pci_function *fn)
{
	return (fn->config[CFG_COMMAND] & COMMAND_MASTER) != 0;
}

static uint8_t msix_switches(const struct pci_function *fn)
{
	return fn->msix_at ? fn->config[fn->msix_at + MSIX_CONTROL + 1] : 0;
}

bool pci_msix_enabled(const struct pci_function *fn)
{
	return (msix_switches(fn) & MSIX_ENABLE) != 0;
}

static bool masked(const struct pci_function *fn, unsigned vector)
{
	return (msix_switches(fn) & MSIX_MASK_ALL) || (fn->msix[vector].control & MSIX_MASKED);
}

void pci_msix_fire(struct pci_function *fn, unsigned vector)
{
	if (vector >= fn->msix_vectors || !pci_msix_enabled(fn))
		return;
	if (masked(fn, vector) || !pci_is_master(fn)) {
		fn->msix_pending |= BIT32(vector);
		return;
	}
	fn->msix_pending &= ~BIT32(vector);
	intr_msi(fn->pci->intr, fn->msix[vector].address, fn->msix[vector].data);
}

static void fire_pending(struct pci_function *fn)
{
	for (unsigned i = 0; i < fn->msix_vectors; i++)
		if ((fn->msix_pending & BIT32(i)) && !masked(fn, i))
			pci_msix_fire(fn, i);
}

uint64_t pci_msix_pending(const struct pci_function *fn)
{
	return fn->msix_pending;
}

uint64_t pci_msix_read(struct pci_function *fn, uint64_t offset, unsigned bytes)
{
	uint64_t entry = offset / ENTRY_BYTES, at = offset % ENTRY_BYTES, value = 0;

	if (entry >= fn->msix_vectors || at + bytes > ENTRY_BYTES)
		return 0;
	memcpy(&value, (const uint8_t *)&fn->msix[entry] + at, bytes);
	return value;
}

void pci_msix_write(struct pci_function *fn, uint64_t offset, unsigned bytes, uint64_t value)
{
	uint64_t entry = offset / ENTRY_BYTES, at = offset % ENTRY_BYTES;

	/* Aligned dwords and qwords only, as the specification has it. */
	if (entry >= fn->msix_vectors || bytes < 4 || at % bytes)
		return;
	memcpy((uint8_t *)&fn->msix[entry] + at, &value, bytes);
	fn->msix[entry].control &= MSIX_MASKED;
	fire_pending(fn);
}

_Static_assert(sizeof(struct pci_msix_entry) == ENTRY_BYTES, "the table's layout is its bytes");

/* ---- INTx ---- */

static bool drives(const struct pci_function *fn, unsigned gsi)
{
	return fn->intx && !(fn->config[CFG_COMMAND + 1] & COMMAND_INTX_OFF) &&
	       pci_intx_gsi(fn->device, 0) == gsi;
}

/* The GSI is the sum of all that share it. */
static void update_line(struct pci *pci, unsigned gsi)
{
	bool high = false;

	for (unsigned i = 0; i < pci->count; i++)
		high |= drives(&pci->fn[i], gsi);
	intr_line(pci->intr, gsi, high);
}

void pci_intx(struct pci_function *fn, bool asserted)
{
	fn->intx = asserted;
	fn->config[CFG_STATUS] = asserted ? fn->config[CFG_STATUS] | STATUS_INTX
					  : fn->config[CFG_STATUS] & (uint8_t)~STATUS_INTX;
	update_line(fn->pci, pci_intx_gsi(fn->device, 0));
}

void pci_config_changed(struct pci_function *fn)
{
	if (fn->msix_pending)
		fire_pending(fn);
	if (fn->intx)
		update_line(fn->pci, pci_intx_gsi(fn->device, 0));
}
