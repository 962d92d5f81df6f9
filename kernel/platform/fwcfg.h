/*
 * fwcfg.h - fw_cfg, how firmware asks its hypervisor: selector port 510h, data port 511h, address
 * of a DMA request at 514h and 518h.
 *
 * Items are byte strings; the data port reads the selected one from its start on and zeroes beyond
 * its end.
 *
 * Invariants
 *   - DMA is offered (bit 1 of the id item) only if devices can reach memory.
 *   - A request is done when its port write is: its time is bounded by the item's size.
 *
 * Item keys and formats: QEMU's docs/specs/fw_cfg.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_PLATFORM_FWCFG_H
#define TAIN_PLATFORM_FWCFG_H

#include "kernel/base/types.h"
#include "kernel/platform/dma.h"

#define FWCFG_ITEMS_MAX 32
#define FWCFG_FILES_MAX 12

enum {
	FWCFG_SIGNATURE = 0x00,
	FWCFG_ID = 0x01,
	FWCFG_RAM_SIZE = 0x03,
	FWCFG_NB_CPUS = 0x05,
	FWCFG_KERNEL_SIZE = 0x08,
	FWCFG_INITRD_SIZE = 0x0b,
	FWCFG_BOOT_MENU = 0x0e,
	FWCFG_MAX_CPUS = 0x0f,
	FWCFG_KERNEL_DATA = 0x11,
	FWCFG_INITRD_DATA = 0x12,
	FWCFG_CMDLINE_SIZE = 0x14,
	FWCFG_CMDLINE_DATA = 0x15,
	FWCFG_SETUP_SIZE = 0x17,
	FWCFG_SETUP_DATA = 0x18,
	FWCFG_FILE_DIR = 0x19,
	FWCFG_FILE_FIRST = 0x20,
};

struct fwcfg_item {
	uint16_t key;
	uint64_t small; /* little-endian value of an item that needs no memory of its own */
	const void *data; /* NULL: the bytes of @small */
	uint64_t size;
};

struct fwcfg {
	uint16_t selected;
	uint64_t offset;
	struct fwcfg_item item[FWCFG_ITEMS_MAX];
	unsigned count;
	uint8_t directory[4 + 64 * FWCFG_FILES_MAX];
	unsigned files;
	uint64_t reads, selects, transfers;
	const struct dma *dma; /* NULL: not offered */
	uint32_t dma_high;     /* upper half of the next request's address */
};

void fwcfg_init(struct fwcfg *f);
int fwcfg_add(struct fwcfg *f, uint16_t key, const void *data, uint64_t size) MUST_CHECK;
int fwcfg_add_value(struct fwcfg *f, uint16_t key, uint64_t value, unsigned bytes) MUST_CHECK;
int fwcfg_add_file(struct fwcfg *f, const char *name, const void *data, uint64_t size) MUST_CHECK;

uint32_t fwcfg_read(void *fwcfg, unsigned offset, unsigned bytes);

/* Offer the DMA interface. */
void fwcfg_set_dma(struct fwcfg *f, const struct dma *dma);

void fwcfg_write(void *fwcfg, unsigned offset, unsigned bytes, uint32_t value);

#endif
