/*
 * virtio_devices.h - the virtio devices of the virtual PC: entropy, console, disk, network.
 *
 * Invariants
 *   - Each ring of the bell does a bounded piece of work, whatever stands in the rings.
 *   - The disk's image is never changed: what the guest writes stands in pages of its own, which go
 *     back with virtio_disk_fini().
 *
 * Virtual I/O Device (VIRTIO) 1.2, chapter "Device Types".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_PLATFORM_VIRTIO_DEVICES_H
#define TAIN_PLATFORM_VIRTIO_DEVICES_H

#include "kernel/base/types.h"
#include "kernel/platform/lan.h"
#include "kernel/platform/virtio.h"

struct virtio_rng {
	struct virtio v;
	void (*entropy)(uint8_t *to, size_t bytes);
};

int virtio_rng_add(struct virtio_rng *r, struct pci *pci, unsigned slot, const struct dma *dma,
		   void (*entropy)(uint8_t *to, size_t bytes)) MUST_CHECK;

#define CONSOLE_FIFO 64

struct virtio_console {
	struct virtio v;
	void (*transmit)(void *ctx, uint8_t byte);
	void *ctx;
	uint8_t fifo[CONSOLE_FIFO]; /* typed, and no buffer of the guest's there yet */
	unsigned head, count;
	bool used; /* the guest printed here last */
};

int virtio_console_add(struct virtio_console *c, struct pci *pci, unsigned slot,
		       const struct dma *dma, void (*transmit)(void *ctx, uint8_t byte), void *ctx)
	MUST_CHECK;

/* A byte typed; false: full, try later. Under the platform's lock. */
bool virtio_console_receive(struct virtio_console *c, uint8_t byte);

struct virtio_disk {
	struct virtio v;
	const uint8_t *image;
	uint64_t bytes;
	uint8_t **page;      /* one for each 4 KiB: NULL: as in the image */
	uint64_t page_count;
	uint64_t written;    /* pages of our own */
	uint8_t buffer[4096];
};

/* @image is at least as large as a sector. 0, -ENOSPC, -ENOMEM. */
int virtio_disk_add(struct virtio_disk *d, struct pci *pci, unsigned slot, const struct dma *dma,
		    const void *image, uint64_t bytes) MUST_CHECK;
void virtio_disk_fini(struct virtio_disk *d);

struct virtio_net {
	struct virtio v;
	struct lan_port *port;
};

/* @port stays its owner's, and lives as long as the device. */
int virtio_net_add(struct virtio_net *n, struct pci *pci, unsigned slot, const struct dma *dma,
		   struct lan_port *port) MUST_CHECK;

/* The cable is put in, or pulled. Under the platform's lock. */
void virtio_net_link(struct virtio_net *n, bool up);

/* Hand what waits at the port to the driver. Under the platform's lock. */
void virtio_net_receive(struct virtio_net *n);

#endif
