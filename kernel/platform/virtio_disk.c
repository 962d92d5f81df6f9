/*
 * virtio_disk.c - a disk whose sectors are a file in memory; written pages are copies.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/platform/virtio_devices.h"

#include <errno.h>
#include <string.h>

#include "kernel/machine/port.h"

#define SECTOR_BYTES   UINT64_C(512)
#define HEADER_BYTES   16
#define ID_BYTES       20
#define REQUEST_MAX    (UINT64_C(4) << 20) /* larger ones are refused: each is done in one piece */

enum { TYPE_READ = 0, TYPE_WRITE = 1, TYPE_FLUSH = 4, TYPE_ID = 8 };
enum { RESULT_OK = 0, RESULT_IO_ERROR = 1, RESULT_UNSUPPORTED = 2 };
#define FEATURE_SEG_MAX BIT64(2)
#define FEATURE_FLUSH   BIT64(9)
#define CONFIG_SEG_MAX  12 /* offset; the capacity is at 0 */

struct request {
	uint32_t type, reserved;
	uint64_t sector;
};
_Static_assert(sizeof(struct request) == HEADER_BYTES, "as it lies in memory");

/* What stands at @at now, to the end of its 4 KiB. */
static const uint8_t *stored(const struct virtio_disk *d, uint64_t at)
{
	const uint8_t *page = d->page[at / PAGE_SIZE];

	return page ? page + at % PAGE_SIZE : d->image + at;
}

/* The page around @at, ours; NULL: no memory. */
static uint8_t *writable(struct virtio_disk *d, uint64_t at)
{
	uint64_t index = at / PAGE_SIZE, start = index * PAGE_SIZE;
	uint64_t there = d->bytes - start < PAGE_SIZE ? d->bytes - start : PAGE_SIZE;

	if (!d->page[index]) {
		hpa_t page = page_alloc(PAGE_GUEST);

		if (hpa_is_none(page))
			return NULL;
		d->page[index] = hpa_to_ptr(page);
		memcpy(d->page[index], d->image + start, there);
		d->written++;
	}
	return d->page[index];
}

static bool in_range(const struct virtio_disk *d, uint64_t sector, uint64_t bytes)
{
	uint64_t capacity = d->bytes / SECTOR_BYTES;

	return bytes % SECTOR_BYTES == 0 && bytes <= REQUEST_MAX && sector <= capacity &&
	       bytes / SECTOR_BYTES <= capacity - sector;
}

/* All of the chain but header and status. */
static uint8_t move(struct virtio_disk *d, uint64_t sector, uint64_t bytes, bool to_disk)
{
	struct virtio *v = &d->v;
	struct virtq *q = &v->queue[0];

	if (!in_range(d, sector, bytes))
		return RESULT_IO_ERROR;
	for (uint64_t done = 0; done < bytes;) {
		uint64_t at = sector * SECTOR_BYTES + done, rest = PAGE_SIZE - at % PAGE_SIZE;
		uint64_t n = bytes - done < rest ? bytes - done : rest;
		bool ok;

		if (to_disk) {
			uint8_t *page = writable(d, at);

			ok = page && virtq_read(q, &v->chain, HEADER_BYTES + done, d->buffer, n);
			if (ok)
				memcpy(page + at % PAGE_SIZE, d->buffer, n);
		} else {
			ok = virtq_write(q, &v->chain, done, stored(d, at), n);
		}
		if (!ok)
			return RESULT_IO_ERROR;
		done += n;
	}
	return RESULT_OK;
}

static uint8_t carry_out(struct virtio_disk *d, const struct request *r, uint64_t in, uint64_t out)
{
	static const char id[ID_BYTES] = "tain-disk";

	switch (r->type) {
	case TYPE_READ:
		return move(d, r->sector, in, false);
	case TYPE_WRITE:
		return move(d, r->sector, out, true);
	case TYPE_FLUSH:
		return RESULT_OK; /* memory is as stable as it gets */
	case TYPE_ID:
		return virtq_write(&d->v.queue[0], &d->v.chain, 0, id, in < ID_BYTES ? in : ID_BYTES)
			       ? RESULT_OK : RESULT_IO_ERROR;
	default:
		return RESULT_UNSUPPORTED;
	}
}

/* One request. Its last writable byte takes the result. */
static void serve(struct virtio_disk *d)
{
	struct virtio *v = &d->v;
	struct virtq *q = &v->queue[0];
	uint64_t in = virtq_writable(&v->chain), out = virtq_readable(&v->chain);
	uint8_t result = RESULT_IO_ERROR;
	struct request r;

	if (in && out >= HEADER_BYTES && virtq_read(q, &v->chain, 0, &r, HEADER_BYTES))
		result = carry_out(d, &r, in - 1, out - HEADER_BYTES);
	v->errors += result != RESULT_OK;
	if (!in || !virtq_write(q, &v->chain, in - 1, &result, 1))
		in = 0;
	virtio_done(v, 0, in < UINT32_MAX ? (uint32_t)in : UINT32_MAX);
}

static void notify(struct virtio *v, unsigned queue)
{
	bool any = false;

	while (virtio_next(v, queue)) {
		serve(v->device);
		any = true;
	}
	if (any)
		virtio_interrupt(v, queue);
}

static const struct virtio_model model = {
	.id = VIRTIO_BLK, .name = "disk", .class_revision = 0x01000001, .queues = 1,
	.features = FEATURE_SEG_MAX | FEATURE_FLUSH, .notify = notify,
};

int virtio_disk_add(struct virtio_disk *d, struct pci *pci, unsigned slot, const struct dma *dma,
		    const void *image, uint64_t bytes)
{
	uint64_t capacity = bytes / SECTOR_BYTES;
	uint32_t segments = VIRTQ_SIZE_MAX - 2; /* header and status */

	d->image = image;
	d->bytes = capacity * SECTOR_BYTES;
	d->page_count = align_up(d->bytes, PAGE_SIZE) / PAGE_SIZE;
	d->page = heap_alloc(d->page_count * sizeof(d->page[0]));
	if (!d->page)
		return -ENOMEM;
	memcpy(d->v.config, &capacity, sizeof(capacity));
	memcpy(d->v.config + CONFIG_SEG_MAX, &segments, sizeof(segments));
	return virtio_add(&d->v, pci, slot, dma, &model, d);
}

void virtio_disk_fini(struct virtio_disk *d)
{
	for (uint64_t i = 0; d->page && i < d->page_count; i++)
		if (d->page[i])
			page_free(ptr_to_hpa(d->page[i]), PAGE_GUEST);
	heap_free(d->page);
	d->page = NULL;
}
