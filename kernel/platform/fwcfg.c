/*
 * fwcfg.c - fw_cfg items, their directory, the two ports and DMA.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/platform/fwcfg.h"

#include <errno.h>
#include <string.h>

#define PORT_SELECTOR 0
#define PORT_DATA     1
#define NAME_BYTES    56 /* of a directory entry, NUL included */
#define ENTRY_BYTES   64
#define PORT_DMA_HIGH 4
#define PORT_DMA_LOW  8
#define DMA_SIGNATURE "QEMU CFG"
#define ID_TRADITIONAL 1
#define ID_DMA         2

/* The request's control word; the key to select in its upper half. */
#define DMA_ERROR  BIT32(0)
#define DMA_READ   BIT32(1)
#define DMA_SKIP   BIT32(2)
#define DMA_SELECT BIT32(3)
#define DMA_WRITE  BIT32(4)
#define DMA_BEYOND (UINT64_C(1) << 20) /* so many zeros behind an item, not more */

static void put_be(uint8_t *at, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (uint8_t)(v >> (8 * (bytes - 1 - i)));
}

static const struct fwcfg_item *find(const struct fwcfg *f, uint16_t key)
{
	for (unsigned i = 0; i < f->count; i++)
		if (f->item[i].key == key)
			return &f->item[i];
	return NULL;
}

static struct fwcfg_item *new_item(struct fwcfg *f, uint16_t key)
{
	if (f->count == FWCFG_ITEMS_MAX || find(f, key))
		return NULL;

	struct fwcfg_item *item = &f->item[f->count++];

	*item = (struct fwcfg_item){ .key = key };
	return item;
}

int fwcfg_add(struct fwcfg *f, uint16_t key, const void *data, uint64_t size)
{
	struct fwcfg_item *item = new_item(f, key);

	if (!item)
		return -ENOSPC;
	item->data = data;
	item->size = size;
	return 0;
}

int fwcfg_add_value(struct fwcfg *f, uint16_t key, uint64_t value, unsigned bytes)
{
	struct fwcfg_item *item = new_item(f, key);

	if (!item)
		return -ENOSPC;
	item->small = value;
	item->size = bytes;
	return 0;
}

int fwcfg_add_file(struct fwcfg *f, const char *name, const void *data, uint64_t size)
{
	uint16_t key = (uint16_t)(FWCFG_FILE_FIRST + f->files);

	if (f->files == FWCFG_FILES_MAX || size > UINT32_MAX || strlen(name) >= NAME_BYTES)
		return -ENOSPC;

	int err = fwcfg_add(f, key, data, size);

	if (err)
		return err;

	uint8_t *entry = f->directory + 4 + ENTRY_BYTES * f->files++;

	put_be(entry, size, 4);
	put_be(entry + 4, key, 2);
	strcpy((char *)entry + 8, name);
	put_be(f->directory, f->files, 4);
	return 0;
}

void fwcfg_init(struct fwcfg *f)
{
	memset(f, 0, sizeof(*f));
	f->item[f->count++] = (struct fwcfg_item){ FWCFG_SIGNATURE, 0, "QEMU", 4 };
	f->item[f->count++] = (struct fwcfg_item){ FWCFG_ID, ID_TRADITIONAL, NULL, 4 };
	f->item[f->count++] = (struct fwcfg_item){ FWCFG_FILE_DIR, 0, f->directory,
						   sizeof(f->directory) };
}

static uint8_t next_byte(struct fwcfg *f)
{
	const struct fwcfg_item *item = find(f, f->selected);
	uint64_t at = f->offset;

	f->reads++;
	if (!item || at >= item->size)
		return 0;
	f->offset++;
	return item->data ? ((const uint8_t *)item->data)[at] : (uint8_t)(item->small >> (8 * at));
}

/* ---- DMA ---- */

void fwcfg_set_dma(struct fwcfg *f, const struct dma *dma)
{
	f->dma = dma;
	for (unsigned i = 0; i < f->count; i++)
		if (f->item[i].key == FWCFG_ID)
			f->item[i].small = ID_TRADITIONAL | (dma ? ID_DMA : 0);
}

static uint64_t get_be(const uint8_t *at, unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < bytes; i++)
		v = v << 8 | at[i];
	return v;
}

static int copy_zeros(struct fwcfg *f, uint64_t gpa, uint64_t bytes)
{
	static const uint8_t zeros[512];

	while (bytes) {
		uint64_t part = bytes < sizeof(zeros) ? bytes : sizeof(zeros);
		int err = dma_write(f->dma, gpa, zeros, part);

		if (err)
			return err;
		gpa += part;
		bytes -= part;
	}
	return 0;
}

/* @length bytes of the selected item from where it stands to @gpa, or nowhere (@skip). */
static int transfer(struct fwcfg *f, uint64_t gpa, uint64_t length, bool skip)
{
	const struct fwcfg_item *item = find(f, f->selected);
	uint64_t size = item ? item->size : 0;
	uint64_t rest = f->offset < size ? size - f->offset : 0;
	uint64_t part = length < rest ? length : rest;
	const uint8_t *from = NULL;
	int err = 0;

	if (length - part > DMA_BEYOND)
		return -EINVAL;
	if (part)
		from = (item->data ? (const uint8_t *)item->data : (const uint8_t *)&item->small) +
		       f->offset;
	if (!skip && part)
		err = dma_write(f->dma, gpa, from, part);
	if (!skip && !err)
		err = copy_zeros(f, gpa + part, length - part);
	f->offset += part;
	return err;
}

static void run_request(struct fwcfg *f, uint64_t at)
{
	uint8_t request[16], result[4];

	if (!f->dma || dma_read(f->dma, at, request, sizeof(request)))
		return; /* nowhere to say so */

	uint32_t control = (uint32_t)get_be(request, 4);
	uint64_t length = get_be(request + 4, 4), gpa = get_be(request + 8, 8);
	int err = 0;

	f->transfers++;
	if (control & DMA_SELECT) {
		f->selected = (uint16_t)(control >> 16);
		f->offset = 0;
		f->selects++;
	}
	if (control & (DMA_READ | DMA_SKIP))
		err = transfer(f, gpa, length, !(control & DMA_READ));
	else if (control & DMA_WRITE)
		err = -EACCES; /* no item is writable */
	put_be(result, err ? DMA_ERROR : 0, sizeof(result));
	if (dma_write(f->dma, at, result, sizeof(result)))
		return;
}

uint32_t fwcfg_read(void *fwcfg, unsigned offset, unsigned bytes)
{
	struct fwcfg *f = fwcfg;

	if (offset == PORT_DATA && bytes == 1)
		return next_byte(f);
	if (f->dma && bytes == 4 && (offset == PORT_DMA_HIGH || offset == PORT_DMA_LOW)) {
		uint32_t word;

		memcpy(&word, &DMA_SIGNATURE[offset - PORT_DMA_HIGH], 4);
		return word;
	}
	return ~UINT32_C(0);
}

void fwcfg_write(void *fwcfg, unsigned offset, unsigned bytes, uint32_t value)
{
	struct fwcfg *f = fwcfg;

	uint32_t swapped = __builtin_bswap32(value); /* these two ports are big-endian */

	if (offset == PORT_DMA_HIGH && bytes == 4)
		f->dma_high = swapped;
	if (offset == PORT_DMA_LOW && bytes == 4) {
		uint64_t at = (uint64_t)f->dma_high << 32 | swapped;

		f->dma_high = 0;
		run_request(f, at);
	}
	if (offset != PORT_SELECTOR || bytes != 2)
		return; /* the data port is read-only */
	f->selected = (uint16_t)value;
	f->offset = 0;
	f->selects++;
}
