/*
 * fwcfg.c - fw_cfg items, their directory, and the two ports.
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
	f->item[f->count++] = (struct fwcfg_item){ FWCFG_ID, 1, NULL, 4 };
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

uint32_t fwcfg_read(void *fwcfg, unsigned offset, unsigned bytes)
{
	struct fwcfg *f = fwcfg;

	if (offset == PORT_DATA && bytes == 1)
		return next_byte(f);
	return ~UINT32_C(0);
}

void fwcfg_write(void *fwcfg, unsigned offset, unsigned bytes, uint32_t value)
{
	struct fwcfg *f = fwcfg;

	if (offset != PORT_SELECTOR || bytes != 2)
		return; /* the data port is read-only */
	f->selected = (uint16_t)value;
	f->offset = 0;
	f->selects++;
}
