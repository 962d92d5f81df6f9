/*
 * virtio_net.c - a network card on a port of the switch: frames as they are, no offloads.
 *
 * What waits at the port is handed to the driver under the platform's lock, when the driver offers
 * buffers and by its first vCPU (virtio_net_receive()), before it runs and when the sender has kicked it.
 *
 * Virtual I/O Device (VIRTIO) 1.2, "Network Device".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <string.h>

#include "kernel/platform/virtio_devices.h"

enum { QUEUE_RECEIVE, QUEUE_TRANSMIT };

#define FEATURE_MTU    BIT64(3)
#define FEATURE_MAC    BIT64(5)
#define FEATURE_STATUS BIT64(16)
#define STATUS_UP      1
#define MTU            1500

/* struct virtio_net_hdr before each frame, both ways; the last field is num_buffers. */
#define HEADER_BYTES   LAN_ROOM
#define AT_NUM_BUFFERS 10u

/* In the device configuration. */
enum { AT_MAC = 0, AT_STATUS = 6, AT_MTU = 10 };

/* One frame into one chain: with its header it fits, or it is dropped. */
static uint32_t put_frame(struct virtio *v, struct lan_frame *f)
{
	uint64_t bytes = HEADER_BYTES + f->length;

	memset(f->room, 0, HEADER_BYTES);
	f->room[AT_NUM_BUFFERS] = 1;
	if (virtq_writable(&v->chain) < bytes ||
	    !virtq_write(&v->queue[QUEUE_RECEIVE], &v->chain, 0, f->room, bytes)) {
		v->errors++;
		return 0;
	}
	return (uint32_t)bytes;
}

static void receive(struct virtio_net *n)
{
	struct virtio *v = &n->v;
	bool any = false;

	while (lan_waiting(n->port) && virtio_is_running(v) && virtio_next(v, QUEUE_RECEIVE)) {
		struct lan_frame *f = lan_next(n->port);

		virtio_done(v, QUEUE_RECEIVE, f ? put_frame(v, f) : 0);
		lan_frame_put(f);
		any = true;
	}
	if (any)
		virtio_interrupt(v, QUEUE_RECEIVE);
}

/* The chain's bytes, fetched once; NULL: it is no frame, or there is no memory for it. */
static struct lan_frame *get_frame(struct virtio *v)
{
	uint64_t bytes = virtq_readable(&v->chain);
	struct lan_frame *f = NULL;

	if (bytes > HEADER_BYTES && bytes <= HEADER_BYTES + LAN_FRAME_MAX)
		f = lan_frame_get();
	if (f && virtq_read(&v->queue[QUEUE_TRANSMIT], &v->chain, 0, f->room, bytes)) {
		f->length = (uint16_t)(bytes - HEADER_BYTES);
		return f;
	}
	lan_frame_put(f);
	v->errors++;
	return NULL;
}

static void transmit(struct virtio_net *n)
{
	struct virtio *v = &n->v;
	bool any = false;

	while (virtio_next(v, QUEUE_TRANSMIT)) {
		struct lan_frame *f = get_frame(v);

		if (f)
			(void)lan_post(n->port, f);
		else
			lan_bad(n->port);
		virtio_done(v, QUEUE_TRANSMIT, 0);
		any = true;
	}
	if (any)
		virtio_interrupt(v, QUEUE_TRANSMIT);
}

static void notify(struct virtio *v, unsigned queue)
{
	if (queue == QUEUE_TRANSMIT)
		transmit(v->device);
	else
		receive(v->device);
}

static const struct virtio_model model = {
	.id = VIRTIO_NET, .name = "net", .class_revision = 0x02000001, .queues = 2,
	.features = FEATURE_MTU | FEATURE_MAC | FEATURE_STATUS, .notify = notify,
};

int virtio_net_add(struct virtio_net *n, struct pci *pci, unsigned slot, const struct dma *dma,
		   struct lan_port *port)
{
	const uint16_t status = STATUS_UP, mtu = MTU;
	int err;

	n->port = port;
	err = virtio_add(&n->v, pci, slot, dma, &model, n);
	memcpy(n->v.config + AT_MAC, port->mac, sizeof(port->mac));
	memcpy(n->v.config + AT_STATUS, &status, sizeof(status));
	memcpy(n->v.config + AT_MTU, &mtu, sizeof(mtu));
	return err;
}

void virtio_net_link(struct virtio_net *n, bool up)
{
	const uint16_t status = up ? STATUS_UP : 0;

	lan_cut(n->port, !up);
	memcpy(n->v.config + AT_STATUS, &status, sizeof(status));
	virtio_config_changed(&n->v);
}

void virtio_net_receive(struct virtio_net *n)
{
	virtio_begin(&n->v);
	receive(n);
}
