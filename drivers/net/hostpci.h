/*
 * hostpci.h - PCI functions as a driver needs them: configuration space, BARs, MSI and MSI-X.
 *
 * Invariants
 *   - Configuration space is read by mechanism #1; capability lists are walked with a bound, and a
 *     BAR is mapped only as far as it reaches.
 *   - An MSI names the boot CPU and one vector.
 *
 * PCI Local Bus specification 3.0, chapter 6; PCI Express Base specification, "MSI", "MSI-X".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_NET_HOSTPCI_H
#define TAIN_NET_HOSTPCI_H

#include "kernel/base/types.h"

struct pci_at {
	uint8_t bus, device, function;
};

/* @offset is rounded down to 4. */
uint32_t hostpci_read32(struct pci_at at, unsigned offset);
void hostpci_write32(struct pci_at at, unsigned offset, uint32_t value);
uint8_t hostpci_read8(struct pci_at at, unsigned offset);
uint16_t hostpci_read16(struct pci_at at, unsigned offset);

enum { HOSTPCI_CAP_MSI = 0x05, HOSTPCI_CAP_VENDOR = 0x09, HOSTPCI_CAP_MSIX = 0x11 };

/* Offset of the capability @id that follows @after (0: the first one); 0: there is none. */
unsigned hostpci_capability(struct pci_at at, uint8_t id, unsigned after);

/* Calls @fn for each function that is there, until it returns false. */
void hostpci_scan(bool (*fn)(void *ctx, struct pci_at at, uint32_t id), void *ctx);

/* Memory and bus master on; or bus master off. */
void hostpci_enable(struct pci_at at);
void hostpci_disable(struct pci_at at);

/* Memory BAR @bar, mapped; *@bytes is its size. NULL: none, not memory, or not mapped. */
volatile uint8_t *hostpci_map_bar(struct pci_at at, unsigned bar, uint64_t *bytes);

/* Let the function interrupt the boot CPU with @vector. 0; -ENODEV: it has no such way. */
int hostpci_msi_enable(struct pci_at at, unsigned vector) MUST_CHECK;
/* All of the function's MSI-X table entries that matter to us, @entries of them. */
int hostpci_msix_enable(struct pci_at at, unsigned vector, unsigned entries) MUST_CHECK;

#endif
