/*
 * virtio.h - virtio-pci, modern: the transport that the devices of virtio_*.c share.
 *
 * One BAR of 16 KiB: common configuration, interrupt status, device configuration, notification,
 * MSI-X table and pending bits; through configuration space it is reached too. Interrupts by MSI-X, or by INTx where the driver has it off.
 *
 * Invariants
 *   - VERSION_1 and ACCESS_PLATFORM must be accepted by the driver: nobody drives the device
 *     otherwise, for only the DMA functions know what of a TD's memory it shares.
 *   - A queue is looked at only while the driver is ready (DRIVER_OK) and the queue enabled.
 *   - A ring that is broken sets NEEDS_RESET and is left alone.
 *
 * Virtual I/O Device (VIRTIO) 1.2, "Virtio Over PCI Bus".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_PLATFORM_VIRTIO_H
#define TAIN_PLATFORM_VIRTIO_H

#include "kernel/base/types.h"
#include "kernel/platform/pci.h"
#include "kernel/platform/virtqueue.h"

#define VIRTIO_QUEUES_MAX 2
#define VIRTIO_CONFIG_MAX 64

enum virtio_id { VIRTIO_NET = 1, VIRTIO_BLK = 2, VIRTIO_CONSOLE = 3, VIRTIO_RNG = 4 };

struct virtio;

struct virtio_model {
	enum virtio_id id;
	const char *name;
	uint32_t class_revision;
	unsigned queues;
	uint64_t features; /* besides those that all have */
	/* The driver rang for queue @queue. */
	void (*notify)(struct virtio *v, unsigned queue);
};

struct virtio {
	const struct virtio_model *model;
	struct pci_function *fn;
	const struct dma *dma;
	void *device; /* the model's */
	uint8_t status, isr, generation; /* generation: of the device configuration */
	uint32_t device_select, driver_select;
	uint64_t driver_features;
	uint16_t queue_select, config_vector, queue_vector[VIRTIO_QUEUES_MAX];
	struct virtq queue[VIRTIO_QUEUES_MAX];
	uint8_t config[VIRTIO_CONFIG_MAX]; /* device configuration: the driver only reads it */
	struct virtq_chain chain;          /* too large for a stack */
	unsigned left;                     /* chains that this piece of work may still take */
	uint64_t requests, errors, resets, broken;
};

/* Put @v at @slot of the bus. 0 or -ENOSPC. Before the guest runs. */
int virtio_add(struct virtio *v, struct pci *pci, unsigned slot, const struct dma *dma,
	       const struct virtio_model *model, void *device) MUST_CHECK;

/* ---- for models; under the platform's lock ---- */

/*
 * A piece of work begins: it takes at most what a full ring holds. What other vCPUs add meanwhile has
 * bells of its own, and cannot keep this one busy for ever.
 */
static inline void virtio_begin(struct virtio *v) { v->left = VIRTQ_SIZE_MAX; }

/* The next chain of queue @queue into v->chain; false: none (for now), or the ring is broken. */
bool virtio_next(struct virtio *v, unsigned queue);

/* v->chain is done. */
void virtio_done(struct virtio *v, unsigned queue, uint32_t written);

/* Tell the driver of what was done, if it wants to hear. */
void virtio_interrupt(struct virtio *v, unsigned queue);

/* Part of v->config was changed: the driver is told. */
void virtio_config_changed(struct virtio *v);

bool virtio_is_running(const struct virtio *v);

#endif
