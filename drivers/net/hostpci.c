/*
 * hostpci.c - configuration mechanism #1, BARs, MSI and MSI-X. Contract: hostpci.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "drivers/net/hostpci.h"

#include <errno.h>

#include "drivers/io.h"
#include "kernel/machine/apic.h"
#include "kernel/machine/direct_map.h"

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc
#define CONFIG_ENABLE  BIT32(31)
#define NOBODY         UINT32_MAX

#define REG_COMMAND      0x04
#define REG_HEADER       0x0c /* header type in bits 23:16 */
#define REG_BAR0         0x10
#define REG_CAPABILITIES 0x34
#define COMMAND_MEMORY   BIT32(1)
#define COMMAND_MASTER   BIT32(2)
#define COMMAND_NO_INTX  BIT32(10)
#define STATUS_CAPS      BIT32(20) /* of the word at 04h */
#define MULTIFUNCTION    BIT32(23)

#define BAR_IO           BIT32(0)
#define BAR_TYPE         0x6u
#define BAR_64BIT        0x4u
#define BAR_COUNT        6u
#define BAR_BYTES_MAX    (UINT64_C(16) << 20) /* no more of it is mapped */

#define CAPS_FIRST 0x40u
#define CAPS_MAX   48 /* 192 bytes, 4 each: a longer list is a ring */

#define MSI_ADDRESS     UINT32_C(0xfee00000)
#define MSI_DESTINATION 12
#define MSI_ENABLE      BIT32(16) /* of the word with the capability's id */
#define MSI_MULTIPLE    (UINT32_C(7) << 20)
#define MSI_64BIT       BIT32(23)
#define MSIX_ENABLE     BIT32(31)
#define MSIX_MASK_ALL   BIT32(30)

static uint32_t address_of(struct pci_at at, unsigned offset)
{
	return CONFIG_ENABLE | (uint32_t)at.bus << 16 | (uint32_t)(at.device & 31) << 11 |
	       (uint32_t)(at.function & 7) << 8 | (offset & 0xfc);
}

uint32_t hostpci_read32(struct pci_at at, unsigned offset)
{
	io_out32(CONFIG_ADDRESS, address_of(at, offset));
	return io_in32(CONFIG_DATA);
}

void hostpci_write32(struct pci_at at, unsigned offset, uint32_t value)
{
	io_out32(CONFIG_ADDRESS, address_of(at, offset));
	io_out32(CONFIG_DATA, value);
}

uint8_t hostpci_read8(struct pci_at at, unsigned offset)
{
	return (uint8_t)(hostpci_read32(at, offset) >> 8 * (offset & 3));
}

uint16_t hostpci_read16(struct pci_at at, unsigned offset)
{
	return (uint16_t)(hostpci_read32(at, offset) >> 8 * (offset & 2));
}

unsigned hostpci_capability(struct pci_at at, uint8_t id, unsigned after)
{
	unsigned where = after ? after + 1 : REG_CAPABILITIES;

	if (!(hostpci_read32(at, REG_COMMAND) & STATUS_CAPS))
		return 0;
	for (int i = 0; i < CAPS_MAX; i++) {
		unsigned cap = hostpci_read8(at, where) & 0xfcu;

		if (cap < CAPS_FIRST)
			return 0;
		if (hostpci_read8(at, cap) == id)
			return cap;
		where = cap + 1;
	}
	return 0;
}

/* False: the caller has seen enough. */
static bool scan_device(bool (*fn)(void *, struct pci_at, uint32_t), void *ctx, unsigned bus,
			unsigned device)
{
	for (unsigned function = 0; function < 8; function++) {
		struct pci_at at = { (uint8_t)bus, (uint8_t)device, (uint8_t)function };
		uint32_t id = hostpci_read32(at, 0);

		if (id != NOBODY && id != 0 && !fn(ctx, at, id))
			return false;
		if (function == 0 && (id == NOBODY || !(hostpci_read32(at, REG_HEADER) & MULTIFUNCTION)))
			break;
	}
	return true;
}

void hostpci_scan(bool (*fn)(void *ctx, struct pci_at at, uint32_t id), void *ctx)
{
	for (unsigned bus = 0; bus < 256; bus++)
		for (unsigned device = 0; device < 32; device++)
			if (!scan_device(fn, ctx, bus, device))
				return;
}

static void command(struct pci_at at, uint32_t clear, uint32_t set)
{
	uint32_t was = hostpci_read32(at, REG_COMMAND) & 0xffff; /* status bits are cleared by ones */

	hostpci_write32(at, REG_COMMAND, (was & ~clear) | set);
}

void hostpci_enable(struct pci_at at) { command(at, 0, COMMAND_MEMORY | COMMAND_MASTER | COMMAND_NO_INTX); }
void hostpci_disable(struct pci_at at) { command(at, COMMAND_MASTER, 0); }

/* Address of memory BAR @bar, and its size by writing ones; the function must not be in use. */
static uint64_t bar_address(struct pci_at at, unsigned bar, uint64_t *bytes)
{
	unsigned reg = REG_BAR0 + 4 * bar;
	uint32_t low = hostpci_read32(at, reg), high = 0, mask_high = UINT32_MAX;
	bool wide = (low & BAR_TYPE) == BAR_64BIT;

	if ((low & BAR_IO) || (wide && bar + 1 == BAR_COUNT))
		return 0;
	command(at, COMMAND_MEMORY, 0);
	hostpci_write32(at, reg, UINT32_MAX);
	uint32_t mask_low = hostpci_read32(at, reg) & ~UINT32_C(0xf);

	hostpci_write32(at, reg, low);
	if (wide) {
		high = hostpci_read32(at, reg + 4);
		hostpci_write32(at, reg + 4, UINT32_MAX);
		mask_high = hostpci_read32(at, reg + 4);
		hostpci_write32(at, reg + 4, high);
	}
	command(at, 0, COMMAND_MEMORY);
	if (!mask_low && (!wide || !mask_high))
		return 0;
	*bytes = ~((uint64_t)mask_high << 32 | mask_low) + 1;
	return (uint64_t)high << 32 | (low & ~UINT32_C(0xf));
}

volatile uint8_t *hostpci_map_bar(struct pci_at at, unsigned bar, uint64_t *bytes)
{
	uint64_t base;

	if (bar >= BAR_COUNT || !(base = bar_address(at, bar, bytes)))
		return NULL;
	if (*bytes > BAR_BYTES_MAX)
		*bytes = BAR_BYTES_MAX;
	return mmio_map((hpa_t){ base }, align_up(*bytes, PAGE_SIZE), MMIO_UNCACHED);
}

/* An interrupt message to the boot CPU, whose APIC id must fit in 8 bits. 0: it does not. */
static uint32_t message_address(void)
{
	return apic_id() > 0xfe ? 0 : MSI_ADDRESS | apic_id() << MSI_DESTINATION;
}

int hostpci_msi_enable(struct pci_at at, unsigned vector)
{
	unsigned cap = hostpci_capability(at, HOSTPCI_CAP_MSI, 0);
	uint32_t address = message_address();

	if (!cap || !address)
		return -ENODEV;
	uint32_t control = hostpci_read32(at, cap);

	hostpci_write32(at, cap + 4, address);
	if (control & MSI_64BIT)
		hostpci_write32(at, cap + 8, 0);
	hostpci_write32(at, cap + (control & MSI_64BIT ? 12 : 8), vector);
	hostpci_write32(at, cap, (control & ~MSI_MULTIPLE) | MSI_ENABLE);
	return 0;
}

int hostpci_msix_enable(struct pci_at at, unsigned vector, unsigned entries)
{
	unsigned cap = hostpci_capability(at, HOSTPCI_CAP_MSIX, 0);
	uint32_t address = message_address();
	uint64_t bytes = 0;

	if (!cap || !address)
		return -ENODEV;
	uint32_t control = hostpci_read32(at, cap), table = hostpci_read32(at, cap + 4);
	unsigned count = (control >> 16 & 0x7ff) + 1;
	uint64_t offset = table & ~UINT32_C(7);
	volatile uint8_t *bar = hostpci_map_bar(at, table & 7, &bytes);

	if (!bar || entries > count || offset + 16 * (uint64_t)entries > bytes)
		return -ENODEV;
	hostpci_write32(at, cap, control | MSIX_ENABLE | MSIX_MASK_ALL);
	for (unsigned i = 0; i < entries; i++) {
		volatile uint8_t *entry = bar + offset + 16 * i;

		mmio_write32(entry, address);
		mmio_write32(entry + 4, 0);
		mmio_write32(entry + 8, vector);
		mmio_write32(entry + 12, 0); /* not masked */
	}
	hostpci_write32(at, cap, (control & ~MSIX_MASK_ALL) | MSIX_ENABLE);
	return 0;
}
