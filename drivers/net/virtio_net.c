/*
 * virtio_net.c - virtio-net over PCI, modern (VIRTIO 1.x), split queues, one of each direction.
 *
 * Descriptor n of a queue is bound to buffer n. Receive: all are the device's; one that comes back is
 * taken and given again. Transmit: slots that are not the device's stand on a stack.
 *
 * Invariants
 *   - Of a used ring the index and its elements are read once and checked: not more elements than
 *     are out, an id below the queue's size that is out, a length that fits. Anything else stops the
 *     interface.
 *   - Only VERSION_1, MAC, STATUS and ACCESS_PLATFORM are accepted: a frame lies in one buffer behind
 *     a header of 12 bytes.
 *
 * Virtual I/O Device (VIRTIO) Version 1.1: 2.6 "Split Virtqueues", 4.1 "Virtio Over PCI Bus",
 * 5.1 "Network Device".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>

#include "drivers/io.h"
#include "drivers/net/nic_room.h"
#include "kernel/base/log.h"
#include "kernel/machine/time.h"

#define ID_MODERN       UINT32_C(0x10411af4)
#define ID_TRANSITIONAL UINT32_C(0x10001af4)

enum { CAP_COMMON = 1, CAP_NOTIFY = 2, CAP_DEVICE = 4 };

enum { /* struct virtio_pci_common_cfg */
	COMMON_DEVICE_FEATURE_SELECT = 0,
	COMMON_DEVICE_FEATURE = 4,
	COMMON_DRIVER_FEATURE_SELECT = 8,
	COMMON_DRIVER_FEATURE = 12,
	COMMON_MSIX_CONFIG = 16,
	COMMON_STATUS = 20,
	COMMON_QUEUE_SELECT = 22,
	COMMON_QUEUE_SIZE = 24,
	COMMON_QUEUE_MSIX = 26,
	COMMON_QUEUE_ENABLE = 28,
	COMMON_QUEUE_NOTIFY_OFF = 30,
	COMMON_QUEUE_DESC = 32,
	COMMON_QUEUE_AVAIL = 40,
	COMMON_QUEUE_USED = 48,
	COMMON_BYTES = 56,
};
enum { NETCFG_MAC = 0, NETCFG_STATUS = 6, NETCFG_BYTES = 8 };

#define STATUS_ACKNOWLEDGE 1u
#define STATUS_DRIVER      2u
#define STATUS_DRIVER_OK   4u
#define STATUS_FEATURES_OK 8u
#define STATUS_FAILED      128u

#define FEATURE_MAC             BIT64(5)
#define FEATURE_STATUS          BIT64(16)
#define FEATURE_VERSION_1       BIT64(32)
#define FEATURE_ACCESS_PLATFORM BIT64(33)
#define FEATURES_KNOWN                                                                             \
	(FEATURE_MAC | FEATURE_STATUS | FEATURE_VERSION_1 | FEATURE_ACCESS_PLATFORM)

#define NO_VECTOR      0xffffu
#define QUEUE_MAX      128u
#define BUFFERS_ORDER  6 /* of QUEUE_MAX buffers */
#define HEADER_BYTES   12u
#define RESET_MS       100u
#define DESC_WRITE     2u
#define AVAIL_SILENT   1u /* no interrupts, please */
#define USED_SILENT    1u /* no notifications, please */
_Static_assert(QUEUE_MAX * NIC_BUFFER == PAGE_SIZE << BUFFERS_ORDER, "buffers fill their pages");

struct vring_desc {
	uint64_t address;
	uint32_t length;
	uint16_t flags, next;
};
struct vring_used_elem {
	uint32_t id, length;
};
/* A queue's three parts in one page. */
struct vring {
	struct vring_desc desc[QUEUE_MAX];
	struct {
		uint16_t flags, index, ring[QUEUE_MAX];
	} avail;
	uint32_t unused[63];
	struct {
		uint16_t flags, index;
		struct vring_used_elem ring[QUEUE_MAX];
	} used;
};
_Static_assert(sizeof(struct vring) <= PAGE_SIZE, "a queue is a page");
_Static_assert(offsetof(struct vring, used) % 4 == 0, "used is aligned to 4");

struct queue {
	struct vring *ring;
	void *buffers;
	volatile uint8_t *notify;
	uint16_t number, size;
	uint16_t avail, used; /* our indices */
	bool out[QUEUE_MAX];  /* descriptor n is the device's */
	uint16_t free[QUEUE_MAX], free_count;
};

struct virtio_net {
	struct nic *nic;
	volatile uint8_t *common, *device, *notify;
	uint64_t common_bytes, device_bytes, notify_bytes;
	uint32_t notify_step;
	uint64_t features;
	struct queue rx, tx;
};

bool virtio_net_knows(uint32_t id) { return id == ID_MODERN || id == ID_TRANSITIONAL; }

/* ------------------------------------------------------------------ queues */

/* Descriptor @n with @length bytes is the device's. */
static void queue_give(struct queue *q, uint16_t n, uint32_t length, uint16_t flags)
{
	struct vring *r = q->ring;

	r->desc[n] = (struct vring_desc){ dma_address(nic_buffer(q->buffers, n)), length, flags, 0 };
	r->avail.ring[q->avail % q->size] = n;
	q->out[n] = true;
	q->avail++;
	__atomic_store_n(&r->avail.index, q->avail, __ATOMIC_RELEASE);
}

static void queue_notify(struct queue *q)
{
	dma_publish();
	if (!(__atomic_load_n(&q->ring->used.flags, __ATOMIC_ACQUIRE) & USED_SILENT))
		mmio_write16(q->notify, q->number);
}

/* The next descriptor that came back: 1 with *@n and *@length; 0: none; -EIO: stopped. */
static int queue_take(struct nic *nic, struct queue *q, uint16_t *n, uint32_t *length)
{
	uint16_t index = __atomic_load_n(&q->ring->used.index, __ATOMIC_ACQUIRE);
	uint16_t waiting = (uint16_t)(index - q->used);
	const volatile struct vring_used_elem *e = &q->ring->used.ring[q->used % q->size];

	if (!waiting)
		return 0;

	uint32_t id = e->id;

	*length = e->length;
	if (waiting > q->size || id >= q->size || !q->out[id]) {
		nic_break(nic, "its used ring makes no sense");
		return -EIO;
	}
	q->used++;
	q->out[id] = false;
	*n = (uint16_t)id;
	return 1;
}

/* ------------------------------------------------------------------ frames */

static void rx_give(struct virtio_net *d, uint16_t n) { queue_give(&d->rx, n, NIC_BUFFER, DESC_WRITE); }

static unsigned vnet_receive(struct nic *nic, unsigned budget)
{
	struct virtio_net *d = nic->driver;
	unsigned taken = 0;
	uint32_t length;
	uint16_t n;

	for (; taken < budget && queue_take(nic, &d->rx, &n, &length) > 0; taken++) {
		if (length < HEADER_BYTES || length > NIC_BUFFER)
			nic_bad(nic, "a frame longer than its buffer, or without its header");
		else
			nic_deliver(nic, nic_buffer(d->rx.buffers, n) + HEADER_BYTES,
				    length - HEADER_BYTES);
		rx_give(d, n);
	}
	if (taken && !nic->broken)
		queue_notify(&d->rx);
	return taken;
}

static bool vnet_waiting(const struct nic *nic)
{
	const struct virtio_net *d = nic->driver;

	return __atomic_load_n(&d->rx.ring->used.index, __ATOMIC_ACQUIRE) != d->rx.used;
}

static void *vnet_send_buffer(struct nic *nic)
{
	struct virtio_net *d = nic->driver;
	uint32_t length;
	uint16_t n;

	while (queue_take(nic, &d->tx, &n, &length) > 0)
		d->tx.free[d->tx.free_count++] = n;
	if (nic->broken || !d->tx.free_count)
		return NULL;
	return nic_buffer(d->tx.buffers, d->tx.free[d->tx.free_count - 1]) + HEADER_BYTES;
}

/* The header in front of it is all zeroes: no offloads. Nobody writes there. */
static void vnet_send(struct nic *nic, size_t length)
{
	struct virtio_net *d = nic->driver;

	queue_give(&d->tx, d->tx.free[--d->tx.free_count], (uint32_t)(HEADER_BYTES + length), 0);
	queue_notify(&d->tx);
}

/* ------------------------------------------------------------------ the rest */

static void vnet_link(struct nic *nic)
{
	struct virtio_net *d = nic->driver;

	/* A device that is gone reads all ones. */
	if (mmio_read8(d->common + COMMON_STATUS) == 0xff) {
		nic_break(nic, "the device is gone");
		return;
	}
	nic->link_up = !(d->features & FEATURE_STATUS) ||
		       (mmio_read16(d->device + NETCFG_STATUS) & 1);
}

static void vnet_irq_ack(struct nic *nic)
{
	struct virtio_net *d = nic->driver;

	__atomic_store_n(&d->rx.ring->avail.flags, AVAIL_SILENT, __ATOMIC_RELEASE);
}

static void vnet_irq_arm(struct nic *nic)
{
	struct virtio_net *d = nic->driver;

	__atomic_store_n(&d->rx.ring->avail.flags, 0, __ATOMIC_RELEASE);
	dma_publish();
	/* What came before the device saw that does not interrupt. */
	if (vnet_waiting(nic))
		nic_again(nic);
}

/* Without the control queue the device hands over whatever it receives. */
static void vnet_promiscuous(struct nic *nic, bool on) { (void)nic, (void)on; }

static void vnet_stop(struct nic *nic)
{
	struct virtio_net *d = nic->driver;

	mmio_write8(d->common + COMMON_STATUS, 0);
	hostpci_disable(nic->at);
}

static const struct nic_ops vnet_ops = {
	.send_buffer = vnet_send_buffer,
	.send = vnet_send,
	.receive = vnet_receive,
	.waiting = vnet_waiting,
	.link = vnet_link,
	.irq_ack = vnet_irq_ack,
	.irq_arm = vnet_irq_arm,
	.promiscuous = vnet_promiscuous,
	.stop = vnet_stop,
};

/* ------------------------------------------------------------------ start */

/* Map the structure of @type; *@bytes is its length, *@cap its capability. NULL: it has none. */
static volatile uint8_t *find_structure(struct pci_at at, uint8_t type, uint64_t *bytes,
					unsigned *cap)
{
	unsigned c = 0;

	while ((c = hostpci_capability(at, HOSTPCI_CAP_VENDOR, c))) {
		uint64_t offset = hostpci_read32(at, c + 8), length = hostpci_read32(at, c + 12), size = 0;
		volatile uint8_t *bar;

		if (hostpci_read8(at, c + 3) != type)
			continue;
		bar = hostpci_map_bar(at, hostpci_read8(at, c + 4), &size);
		if (!bar || offset > size || length > size - offset)
			continue;
		*bytes = length;
		*cap = c;
		return bar + offset;
	}
	return NULL;
}

static int find_structures(struct virtio_net *d, struct pci_at at)
{
	unsigned cap;

	d->common = find_structure(at, CAP_COMMON, &d->common_bytes, &cap);
	d->device = find_structure(at, CAP_DEVICE, &d->device_bytes, &cap);
	d->notify = find_structure(at, CAP_NOTIFY, &d->notify_bytes, &cap);
	if (!d->common || d->common_bytes < COMMON_BYTES || !d->device ||
	    d->device_bytes < NETCFG_BYTES || !d->notify)
		return -ENODEV;
	d->notify_step = hostpci_read32(at, cap + 16);
	return 0;
}

static void add_status(struct virtio_net *d, uint8_t bits)
{
	mmio_write8(d->common + COMMON_STATUS, mmio_read8(d->common + COMMON_STATUS) | bits);
}

static int reset(struct virtio_net *d)
{
	mmio_write8(d->common + COMMON_STATUS, 0);
	for (unsigned i = 0; mmio_read8(d->common + COMMON_STATUS); i++) {
		if (i == 10 * RESET_MS)
			return -EIO;
		delay_us(100);
	}
	return 0;
}

static int negotiate(struct virtio_net *d)
{
	uint64_t offered = 0;

	add_status(d, STATUS_ACKNOWLEDGE);
	add_status(d, STATUS_DRIVER);
	for (unsigned half = 0; half < 2; half++) {
		mmio_write32(d->common + COMMON_DEVICE_FEATURE_SELECT, half);
		offered |= (uint64_t)mmio_read32(d->common + COMMON_DEVICE_FEATURE) << 32 * half;
	}
	d->features = offered & FEATURES_KNOWN;
	if (!(d->features & FEATURE_VERSION_1))
		return -ENODEV;
	for (unsigned half = 0; half < 2; half++) {
		mmio_write32(d->common + COMMON_DRIVER_FEATURE_SELECT, half);
		mmio_write32(d->common + COMMON_DRIVER_FEATURE, (uint32_t)(d->features >> 32 * half));
	}
	add_status(d, STATUS_FEATURES_OK);
	return mmio_read8(d->common + COMMON_STATUS) & STATUS_FEATURES_OK ? 0 : -EIO;
}

static void write64(volatile uint8_t *at, uint64_t value)
{
	mmio_write32(at, (uint32_t)value);
	mmio_write32(at + 4, (uint32_t)(value >> 32));
}

/* A queue has 2^n descriptors, at most as many as the device says. */
static uint16_t queue_size(uint16_t most)
{
	uint16_t size = QUEUE_MAX;

	while (size > most)
		size /= 2;
	return size;
}

static int start_queue(struct virtio_net *d, struct queue *q, uint16_t number, bool vector)
{
	volatile uint8_t *c = d->common;
	uint64_t notify;

	mmio_write16(c + COMMON_QUEUE_SELECT, number);
	q->number = number;
	q->size = queue_size(mmio_read16(c + COMMON_QUEUE_SIZE));
	notify = (uint64_t)mmio_read16(c + COMMON_QUEUE_NOTIFY_OFF) * d->notify_step;
	if (q->size < 2 || notify + 2 > d->notify_bytes)
		return -ENODEV;
	q->notify = d->notify + notify;
	q->ring = dma_alloc(0);
	q->buffers = dma_alloc(BUFFERS_ORDER);
	if (!q->ring || !q->buffers)
		return -ENOMEM;
	mmio_write16(c + COMMON_QUEUE_SIZE, q->size);
	mmio_write16(c + COMMON_QUEUE_MSIX, vector ? 0 : NO_VECTOR);
	write64(c + COMMON_QUEUE_DESC, dma_address(q->ring->desc));
	write64(c + COMMON_QUEUE_AVAIL, dma_address(&q->ring->avail));
	write64(c + COMMON_QUEUE_USED, dma_address(&q->ring->used));
	mmio_write16(c + COMMON_QUEUE_ENABLE, 1);
	return 0;
}

static void start_interrupts(struct nic *nic, struct virtio_net *d, unsigned vector)
{
	nic->irq = "polled";
	if (hostpci_msix_enable(nic->at, vector, 1) == 0) {
		mmio_write16(d->common + COMMON_MSIX_CONFIG, 0);
		if (mmio_read16(d->common + COMMON_MSIX_CONFIG) == 0) {
			nic->irq = "MSI-X";
			nic->vector = vector;
			return;
		}
	}
	mmio_write16(d->common + COMMON_MSIX_CONFIG, NO_VECTOR);
}

static int bring_up(struct nic *nic, struct virtio_net *d, unsigned vector)
{
	int err = find_structures(d, nic->at);

	if (!err)
		err = reset(d);
	if (!err)
		err = negotiate(d);
	if (err)
		return err;
	start_interrupts(nic, d, vector);
	err = start_queue(d, &d->rx, 0, nic->vector != 0);
	if (!err)
		err = start_queue(d, &d->tx, 1, false);
	if (err)
		return err;
	for (unsigned i = 0; i < 6; i++) /* locally administered, where the device has none */
		nic->mac[i] = d->features & FEATURE_MAC ? mmio_read8(d->device + NETCFG_MAC + i)
							 : (uint8_t)(i ? nic->at.device + i : 2);
	for (uint16_t n = 0; n < d->rx.size; n++)
		rx_give(d, n);
	for (uint16_t n = 0; n < d->tx.size; n++)
		d->tx.free[d->tx.free_count++] = n;
	d->tx.ring->avail.flags = AVAIL_SILENT;
	add_status(d, STATUS_DRIVER_OK);
	queue_notify(&d->rx);
	return 0;
}

static void free_queue(struct queue *q)
{
	dma_free(q->ring, 0);
	dma_free(q->buffers, BUFFERS_ORDER);
}

int virtio_net_start(struct nic *nic, uint32_t id, unsigned vector)
{
	struct virtio_net *d = heap_alloc(sizeof(*d));
	int err;

	(void)id;
	if (!d)
		return -ENOMEM;
	d->nic = nic;
	nic->model = "virtio-net";
	nic->ops = &vnet_ops;
	nic->driver = d;
	hostpci_enable(nic->at);
	err = bring_up(nic, d, vector);
	if (!err)
		return 0;
	if (d->common && d->common_bytes >= COMMON_BYTES)
		mmio_write8(d->common + COMMON_STATUS, 0);
	hostpci_disable(nic->at);
	log_error("%s: virtio-net: it could not be started (%d)", nic->name, err);
	free_queue(&d->rx);
	free_queue(&d->tx);
	heap_free(d);
	return err;
}
