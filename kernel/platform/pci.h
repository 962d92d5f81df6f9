/*
 * pci.h - PCI configuration mechanism #1 (ports CF8h, CFCh) and bus 0 with the functions of a
 * i440FX PC: host bridge 0:0.0, ISA bridge 0:1.0, power management 0:1.3.
 *
 * Invariants
 *   - A function's 256 bytes of configuration space have a mask of writable bits; a write outside
 *     it changes nothing.
 *   - A function that does not exist reads all ones.
 *
 * Values: 82441FX and 82371AB data sheets.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_PLATFORM_PCI_H
#define TAIN_PLATFORM_PCI_H

#include "kernel/base/types.h"

#define PCI_FUNCTIONS_MAX 8

struct pci_function {
	uint8_t device, function;
	uint8_t config[256];
	uint8_t writable[256];
};

struct pci {
	uint32_t address; /* CF8h */
	struct pci_function fn[PCI_FUNCTIONS_MAX];
	unsigned count;
	uint64_t reads, writes, absent; /* absent: accesses to a function that is not there */
	void (*reset)(void *ctx);       /* port CF9h, which lies inside CF8h to CFBh */
	void *ctx;
};

/* The bus with its three functions. */
void pci_init(struct pci *pci, void (*reset)(void *ctx), void *ctx);

/* A new function with @vendor, @device_id and class; NULL: table full or taken. */
struct pci_function *pci_add(struct pci *pci, unsigned device, unsigned function,
			     uint32_t vendor_device, uint32_t class_revision) MUST_CHECK;

uint32_t pci_address_read(void *pci, unsigned offset, unsigned bytes);
void pci_address_write(void *pci, unsigned offset, unsigned bytes, uint32_t value);
uint32_t pci_data_read(void *pci, unsigned offset, unsigned bytes);
void pci_data_write(void *pci, unsigned offset, unsigned bytes, uint32_t value);

#endif
