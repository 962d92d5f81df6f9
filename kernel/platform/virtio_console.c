/*
 * virtio_console.c - one port: what the guest prints goes out at once, what is typed waits for a
 * buffer.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/platform/virtio_devices.h"

enum { QUEUE_RECEIVE, QUEUE_TRANSMIT };
#define CHAIN_BYTES_MAX 4096 /* longer ones are cut: no console line is */

static void give_typed(struct virtio_console *c)
{
	struct virtio *v = &c->v;
	struct virtq *q = &v->queue[QUEUE_RECEIVE];
	bool any = false;

	while (c->count && virtio_is_running(v) && virtio_next(v, QUEUE_RECEIVE)) {
		uint64_t room = virtq_writable(&v->chain);
		uint32_t n = 0;

		while (n < room && c->count && virtq_write(q, &v->chain, n, &c->fifo[c->head], 1)) {
			c->head = (c->head + 1) % CONSOLE_FIFO;
			c->count--;
			n++;
		}
		virtio_done(v, QUEUE_RECEIVE, n);
		v->errors += n == 0;
		any = true;
	}
	if (any)
		virtio_interrupt(v, QUEUE_RECEIVE);
}

static void print(struct virtio_console *c)
{
	struct virtio *v = &c->v;
	bool any = false;

	while (virtio_next(v, QUEUE_TRANSMIT)) {
		uint64_t bytes = virtq_readable(&v->chain);
		uint8_t part[128];

		bytes = bytes < CHAIN_BYTES_MAX ? bytes : CHAIN_BYTES_MAX;
		for (uint64_t at = 0; at < bytes;) {
			uint64_t n = bytes - at < sizeof(part) ? bytes - at : sizeof(part);

			if (!virtq_read(&v->queue[QUEUE_TRANSMIT], &v->chain, at, part, n)) {
				v->errors++;
				break;
			}
			for (uint64_t i = 0; i < n; i++)
				c->transmit(c->ctx, part[i]);
			at += n;
		}
		virtio_done(v, QUEUE_TRANSMIT, 0);
		any = c->used = true;
	}
	if (any)
		virtio_interrupt(v, QUEUE_TRANSMIT);
}

static void notify(struct virtio *v, unsigned queue)
{
	if (queue == QUEUE_TRANSMIT)
		print(v->device);
	else
		give_typed(v->device);
}

static const struct virtio_model model = {
	.id = VIRTIO_CONSOLE, .name = "console", .class_revision = 0x07800001, .queues = 2,
	.notify = notify,
};

int virtio_console_add(struct virtio_console *c, struct pci *pci, unsigned slot,
		       const struct dma *dma, void (*transmit)(void *ctx, uint8_t byte), void *ctx)
{
	c->transmit = transmit;
	c->ctx = ctx;
	return virtio_add(&c->v, pci, slot, dma, &model, c);
}

bool virtio_console_receive(struct virtio_console *c, uint8_t byte)
{
	if (c->count == CONSOLE_FIFO)
		return false;
	c->fifo[(c->head + c->count++) % CONSOLE_FIFO] = byte;
	virtio_begin(&c->v);
	give_typed(c);
	return true;
}
