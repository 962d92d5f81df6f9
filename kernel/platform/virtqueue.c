/*
 * virtqueue.c - walking a split virtqueue that cannot be trusted.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/platform/virtqueue.h"

#include <string.h>

#define DESC_BYTES    16
#define DESC_NEXT     1
#define DESC_WRITE    2
#define DESC_INDIRECT 4 /* never offered */

#define RING_INDEX    2 /* after the flags */
#define RING_ENTRIES  4
#define NO_INTERRUPT  1

struct descriptor {
	uint64_t gpa;
	uint32_t bytes;
	uint16_t flags, next;
};

_Static_assert(sizeof(struct descriptor) == DESC_BYTES, "as it lies in memory");

void virtq_reset(struct virtq *q, const struct dma *dma)
{
	memset(q, 0, sizeof(*q));
	q->dma = dma;
	q->size = VIRTQ_SIZE_MAX;
}

static int broken(struct virtq *q)
{
	q->broken = true;
	return -EIO;
}

static bool read16(struct virtq *q, uint64_t gpa, uint16_t *v)
{
	return dma_read(q->dma, gpa, v, sizeof(*v)) == 0;
}

/* All of the chain that begins at @at. */
static int walk(struct virtq *q, struct virtq_chain *chain, uint16_t at)
{
	struct descriptor d;

	chain->reads = chain->writes = 0;
	do {
		unsigned count = chain->reads + chain->writes;

		if (at >= q->size || count == q->size ||
		    dma_read(q->dma, q->table + (uint64_t)at * DESC_BYTES, &d, DESC_BYTES))
			return broken(q);
		if ((d.flags & DESC_INDIRECT) || (!(d.flags & DESC_WRITE) && chain->writes))
			return broken(q);
		chain->buffer[count] = (struct virtq_buffer){ d.gpa, d.bytes };
		if (d.flags & DESC_WRITE)
			chain->writes++;
		else
			chain->reads++;
		at = d.next;
	} while (d.flags & DESC_NEXT);
	return 1;
}

int virtq_next(struct virtq *q, struct virtq_chain *chain)
{
	uint16_t index;

	if (!q->ready)
		return 0;
	if (q->broken || !read16(q, q->avail + RING_INDEX, &index) ||
	    (uint16_t)(index - q->next_avail) > q->size)
		return broken(q);
	if (index == q->next_avail)
		return 0;
	if (!read16(q, q->avail + RING_ENTRIES + 2 * (q->next_avail % q->size), &chain->head))
		return broken(q);
	q->next_avail++;
	return walk(q, chain, chain->head);
}

bool virtq_done(struct virtq *q, const struct virtq_chain *chain, uint32_t written)
{
	const uint32_t element[2] = { chain->head, written };
	uint64_t at = q->used + RING_ENTRIES + 8 * (q->next_used % q->size);

	if (dma_write(q->dma, at, element, sizeof(element)))
		return broken(q) == 0;
	q->next_used++;
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* the element before the index */
	if (dma_write(q->dma, q->used + RING_INDEX, &q->next_used, sizeof(q->next_used)))
		return broken(q) == 0;
	return true;
}

bool virtq_wants_interrupt(struct virtq *q)
{
	uint16_t flags;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return q->ready && read16(q, q->avail, &flags) && !(flags & NO_INTERRUPT);
}

static uint64_t sum(const struct virtq_buffer *b, unsigned count)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < count; i++)
		bytes += b[i].bytes;
	return bytes;
}

uint64_t virtq_readable(const struct virtq_chain *chain)
{
	return sum(chain->buffer, chain->reads);
}

uint64_t virtq_writable(const struct virtq_chain *chain)
{
	return sum(chain->buffer + chain->reads, chain->writes);
}

/* One of @to and @from is NULL. */
static bool copy(struct virtq *q, const struct virtq_buffer *b, unsigned count, uint64_t offset,
		 void *to, const void *from, uint64_t bytes)
{
	uint64_t done = 0;

	for (unsigned i = 0; i < count && done < bytes; i++) {
		if (offset >= b[i].bytes) {
			offset -= b[i].bytes;
			continue;
		}
		uint64_t part = b[i].bytes - offset, gpa = b[i].gpa + offset;

		part = part < bytes - done ? part : bytes - done;
		if (gpa + part < gpa)
			return false; /* it wraps */
		if (to ? dma_read(q->dma, gpa, (char *)to + done, part)
		       : dma_write(q->dma, gpa, (const char *)from + done, part))
			return false;
		done += part;
		offset = 0;
	}
	return done == bytes;
}

bool virtq_read(struct virtq *q, const struct virtq_chain *chain, uint64_t offset, void *to,
		uint64_t bytes)
{
	return copy(q, chain->buffer, chain->reads, offset, to, NULL, bytes);
}

bool virtq_write(struct virtq *q, const struct virtq_chain *chain, uint64_t offset,
		 const void *from, uint64_t bytes)
{
	return copy(q, chain->buffer + chain->reads, chain->writes, offset, NULL, from, bytes);
}
