/*
 * virtqueue.h - a split virtqueue, seen from the device.
 *
 * The rings lie in the guest's memory and may hold anything, and change at any moment: each word is
 * fetched once and then checked.
 *
 * Invariants
 *   - Indices are below the queue's size, chains are finite (no longer than the queue), what the device
 *     reads stands before what it writes; a ring that breaks this is broken until the device is reset.
 *   - Nothing is read or written outside of what the guest's memory (struct dma) allows.
 *
 * Virtual I/O Device (VIRTIO) 1.2, "Split Virtqueues".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_PLATFORM_VIRTQUEUE_H
#define TAIN_PLATFORM_VIRTQUEUE_H

#include "kernel/base/types.h"
#include "kernel/platform/dma.h"

#define VIRTQ_SIZE_MAX 128

struct virtq {
	const struct dma *dma;
	uint16_t size; /* a power of two */
	bool ready, broken;
	uint64_t table, avail, used; /* GPAs */
	uint16_t next_avail, next_used;
};

struct virtq_buffer {
	uint64_t gpa;
	uint32_t bytes;
};

struct virtq_chain {
	uint16_t head;
	unsigned reads, writes; /* buffers for the device to read, then those for it to write */
	struct virtq_buffer buffer[VIRTQ_SIZE_MAX];
};

/* Forget the rings; size back to the largest. */
void virtq_reset(struct virtq *q, const struct dma *dma);

/* The next chain that the driver offers: 1; 0: none; -EIO: the ring is broken. */
int virtq_next(struct virtq *q, struct virtq_chain *chain) MUST_CHECK;

/* @chain is done, and @written bytes of it hold what the device wrote. False: the ring is broken. */
bool virtq_done(struct virtq *q, const struct virtq_chain *chain, uint32_t written);

/* Does the driver want to hear of it? */
bool virtq_wants_interrupt(struct virtq *q);

/* Sums of the two parts, in bytes. */
uint64_t virtq_readable(const struct virtq_chain *chain);
uint64_t virtq_writable(const struct virtq_chain *chain);

/*
 * Copy @bytes at @offset of the readable part, or into the writable one. False: the part is shorter,
 * or its memory is not there.
 */
bool virtq_read(struct virtq *q, const struct virtq_chain *chain, uint64_t offset, void *to,
		uint64_t bytes) MUST_CHECK;
bool virtq_write(struct virtq *q, const struct virtq_chain *chain, uint64_t offset,
		 const void *from, uint64_t bytes) MUST_CHECK;

#endif
