/*
 * virtio_rng.c - entropy for whoever asks, so much at a time.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/platform/virtio_devices.h"

#define CHAIN_BYTES_MAX 256

static void notify(struct virtio *v, unsigned queue)
{
	struct virtio_rng *r = v->device;
	uint8_t bytes[CHAIN_BYTES_MAX];
	bool any = false;

	while (virtio_next(v, queue)) {
		uint64_t want = virtq_writable(&v->chain);
		uint32_t n = want < sizeof(bytes) ? (uint32_t)want : (uint32_t)sizeof(bytes);

		r->entropy(bytes, n);
		if (!virtq_write(&v->queue[queue], &v->chain, 0, bytes, n)) {
			v->errors++;
			n = 0;
		}
		virtio_done(v, queue, n);
		any = true;
	}
	if (any)
		virtio_interrupt(v, queue);
}

static const struct virtio_model model = {
	.id = VIRTIO_RNG, .name = "rng", .class_revision = 0x00ff0001, .queues = 1, .notify = notify,
};

int virtio_rng_add(struct virtio_rng *r, struct pci *pci, unsigned slot, const struct dma *dma,
		   void (*entropy)(uint8_t *to, size_t bytes))
{
	r->entropy = entropy;
	return virtio_add(&r->v, pci, slot, dma, &model, r);
}
