/*
 * virtio.c - common configuration, notification and interrupts of a virtio-pci function.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/platform/virtio.h"

#include <errno.h>
#include <string.h>

#define VENDOR_VIRTIO  0x1af4u
#define DEVICE_BASE    0x1040u

/* In the BAR. */
#define BAR_BYTES      0x4000u
#define AT_COMMON      0x0000u
#define AT_ISR         0x1000u
#define AT_DEVICE      0x2000u
#define AT_NOTIFY      0x3000u
#define AT_MSIX        0x3800u
#define AT_PENDING     0x3c00u
#define COMMON_BYTES   56u
#define NOTIFY_STEP    4u
#define NOTIFY_BYTES   (NOTIFY_STEP * VIRTIO_QUEUES_MAX)

enum { CAP_COMMON = 1, CAP_NOTIFY = 2, CAP_ISR = 3, CAP_DEVICE = 4 };

#define FEATURE_VERSION_1       BIT64(32)
#define FEATURE_ACCESS_PLATFORM BIT64(33)
#define FEATURES_ALL            (FEATURE_VERSION_1 | FEATURE_ACCESS_PLATFORM)

enum { STATUS_DRIVER_OK = 4, STATUS_FEATURES_OK = 8, STATUS_NEEDS_RESET = 64 };
enum { ISR_QUEUE = 1, ISR_CONFIG = 2 };
#define NO_VECTOR 0xffffu

#define INTERRUPT_PIN 0x3d
#define SUBSYSTEM     0x2c

/* ---- common configuration ---- */

enum {
	DEVICE_FEATURE_SELECT = 0, DEVICE_FEATURE = 4, DRIVER_FEATURE_SELECT = 8,
	DRIVER_FEATURE = 12, CONFIG_VECTOR = 16, NUM_QUEUES = 18, STATUS = 20, GENERATION = 21,
	QUEUE_SELECT = 22, QUEUE_SIZE = 24, QUEUE_VECTOR = 26, QUEUE_ENABLE = 28,
	QUEUE_NOTIFY_OFF = 30, QUEUE_DESC = 32, QUEUE_DRIVER = 40, QUEUE_DEVICE = 48,
};

static void reset(struct virtio *v)
{
	v->status = v->isr = 0;
	v->device_select = v->driver_select = 0;
	v->driver_features = 0;
	v->queue_select = 0;
	v->config_vector = NO_VECTOR;
	for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++) {
		v->queue_vector[i] = NO_VECTOR;
		virtq_reset(&v->queue[i], v->dma);
	}
	pci_intx(v->fn, false);
	v->resets++;
}

static struct virtq *selected(struct virtio *v)
{
	return v->queue_select < v->model->queues ? &v->queue[v->queue_select] : NULL;
}

static uint64_t offered(const struct virtio *v)
{
	return v->model->features | FEATURES_ALL;
}

static uint32_t half(uint64_t features, uint32_t select)
{
	return select < 2 ? (uint32_t)(features >> (32 * select)) : 0;
}

/* Aligned 32 bits of the structure, at @at. */
static uint32_t common_word(struct virtio *v, unsigned at)
{
	const struct virtq *q = selected(v);
	unsigned s = v->queue_select;

	switch (at) {
	case DEVICE_FEATURE_SELECT:
		return v->device_select;
	case DEVICE_FEATURE:
		return half(offered(v), v->device_select);
	case DRIVER_FEATURE_SELECT:
		return v->driver_select;
	case DRIVER_FEATURE:
		return half(v->driver_features, v->driver_select);
	case CONFIG_VECTOR:
		return v->config_vector | v->model->queues << 16;
	case STATUS:
		return v->status | (uint32_t)v->generation << 8 | (uint32_t)s << 16;
	case QUEUE_SIZE:
		return q ? q->size | (uint32_t)v->queue_vector[s] << 16 : 0xffff0000;
	case QUEUE_ENABLE:
		return q ? (uint32_t)q->ready | s << 16 : 0;
	case QUEUE_DESC:
	case QUEUE_DESC + 4:
		return q ? half(q->table, at / 4 & 1) : 0;
	case QUEUE_DRIVER:
	case QUEUE_DRIVER + 4:
		return q ? half(q->avail, at / 4 & 1) : 0;
	case QUEUE_DEVICE:
	case QUEUE_DEVICE + 4:
		return q ? half(q->used, at / 4 & 1) : 0;
	default:
		return 0;
	}
}

static uint64_t common_read(struct virtio *v, unsigned at, unsigned bytes)
{
	uint64_t value = common_word(v, at & ~3u) >> (at & 3) * 8;

	return bytes == 8 ? value | (uint64_t)common_word(v, at + 4) << 32 : value;
}

static void set_features(struct virtio *v, uint32_t value)
{
	unsigned shift = v->driver_select * 32;

	if (v->driver_select < 2 && !(v->status & STATUS_FEATURES_OK))
		v->driver_features = (v->driver_features & ~(BITS64(31, 0) << shift)) |
				     (uint64_t)value << shift;
}

static void set_status(struct virtio *v, uint8_t value)
{
	if (!value) {
		reset(v);
		return;
	}
	if ((value & ~v->status & STATUS_FEATURES_OK) &&
	    ((v->driver_features & ~offered(v)) ||
	     (v->driver_features & FEATURES_ALL) != FEATURES_ALL))
		value &= (uint8_t)~STATUS_FEATURES_OK; /* the driver reads back that it is refused */
	v->status = value | (v->status & STATUS_NEEDS_RESET);
}

static uint16_t checked_vector(const struct virtio *v, uint32_t value)
{
	return value < v->fn->msix_vectors ? (uint16_t)value : NO_VECTOR;
}

static bool good_size(uint32_t size)
{
	return size && size <= VIRTQ_SIZE_MAX && !(size & (size - 1));
}

/* One half of a ring's address. */
static void set_half(uint64_t *gpa, unsigned upper, uint32_t value)
{
	unsigned shift = upper * 32;

	*gpa = (*gpa & ~(BITS64(31, 0) << shift)) | (uint64_t)value << shift;
}

/* Fields of the selected queue, which is fixed once it is enabled. */
static void write_queue(struct virtio *v, unsigned at, uint32_t value)
{
	struct virtq *q = selected(v);

	if (!q)
		return;
	if (at == QUEUE_VECTOR)
		v->queue_vector[v->queue_select] = checked_vector(v, value);
	if (q->ready)
		return;
	if (at == QUEUE_SIZE && good_size(value))
		q->size = (uint16_t)value;
	else if (at == QUEUE_ENABLE)
		q->ready = value == 1;
	else if (at >= QUEUE_DESC && at < QUEUE_DRIVER)
		set_half(&q->table, at / 4 & 1, value);
	else if (at >= QUEUE_DRIVER && at < QUEUE_DEVICE)
		set_half(&q->avail, at / 4 & 1, value);
	else if (at >= QUEUE_DEVICE)
		set_half(&q->used, at / 4 & 1, value);
}

static void common_write(struct virtio *v, unsigned at, uint32_t value)
{
	switch (at) {
	case DEVICE_FEATURE_SELECT:
		v->device_select = value;
		break;
	case DRIVER_FEATURE_SELECT:
		v->driver_select = value;
		break;
	case DRIVER_FEATURE:
		set_features(v, value);
		break;
	case CONFIG_VECTOR:
		v->config_vector = checked_vector(v, value);
		break;
	case STATUS:
		set_status(v, (uint8_t)value);
		break;
	case QUEUE_SELECT:
		v->queue_select = (uint16_t)value;
		break;
	default:
		write_queue(v, at, value);
		break;
	}
}

/* ---- the BAR ---- */

static uint8_t take_isr(struct virtio *v)
{
	uint8_t isr = v->isr;

	v->isr = 0;
	pci_intx(v->fn, false);
	return isr;
}

static uint64_t bar_read(void *device, uint64_t offset, unsigned bytes)
{
	struct virtio *v = device;
	uint64_t value = 0;

	if (offset + bytes <= COMMON_BYTES)
		return common_read(v, (unsigned)offset, bytes);
	if (offset == AT_ISR)
		return take_isr(v);
	if (offset >= AT_DEVICE && offset + bytes <= AT_DEVICE + VIRTIO_CONFIG_MAX)
		memcpy(&value, v->config + (offset - AT_DEVICE), bytes);
	else if (offset >= AT_MSIX && offset < AT_PENDING)
		value = pci_msix_read(v->fn, offset - AT_MSIX, bytes);
	else if (offset == AT_PENDING)
		value = pci_msix_pending(v->fn);
	return value;
}

static void ring(struct virtio *v, unsigned queue)
{
	if (queue >= v->model->queues || !virtio_is_running(v) || !v->queue[queue].ready)
		return;
	virtio_begin(v);
	v->model->notify(v, queue);
}

static void bar_write(void *device, uint64_t offset, unsigned bytes, uint64_t value)
{
	struct virtio *v = device;

	if (offset + bytes <= COMMON_BYTES) {
		common_write(v, (unsigned)offset, (uint32_t)value);
		if (bytes == 8)
			common_write(v, (unsigned)offset + 4, (uint32_t)(value >> 32));
	} else if (offset >= AT_NOTIFY && offset < AT_NOTIFY + NOTIFY_BYTES) {
		ring(v, (unsigned)(offset - AT_NOTIFY) / NOTIFY_STEP);
	} else if (offset >= AT_MSIX && offset < AT_PENDING) {
		pci_msix_write(v->fn, offset - AT_MSIX, bytes, value);
	}
}

/* ---- for the models ---- */

bool virtio_is_running(const struct virtio *v)
{
	return (v->status & STATUS_DRIVER_OK) && !(v->status & STATUS_NEEDS_RESET) &&
	       pci_is_master(v->fn);
}

static void tell(struct virtio *v, uint16_t vector, uint8_t isr)
{
	if (pci_msix_enabled(v->fn)) {
		if (vector != NO_VECTOR)
			pci_msix_fire(v->fn, vector);
		return;
	}
	v->isr |= isr;
	pci_intx(v->fn, true);
}

bool virtio_next(struct virtio *v, unsigned queue)
{
	int got = v->left ? virtq_next(&v->queue[queue], &v->chain) : 0;

	if (got >= 0) {
		v->left -= got > 0;
		v->requests += got > 0;
		return got > 0;
	}
	v->broken++;
	v->status |= STATUS_NEEDS_RESET;
	tell(v, v->config_vector, ISR_CONFIG);
	return false;
}

void virtio_done(struct virtio *v, unsigned queue, uint32_t written)
{
	if (virtq_done(&v->queue[queue], &v->chain, written))
		return;
	v->broken++;
	v->status |= STATUS_NEEDS_RESET;
}

void virtio_interrupt(struct virtio *v, unsigned queue)
{
	if (virtq_wants_interrupt(&v->queue[queue]))
		tell(v, v->queue_vector[queue], ISR_QUEUE);
}

void virtio_config_changed(struct virtio *v)
{
	v->generation++;
	if (virtio_is_running(v))
		tell(v, v->config_vector, ISR_CONFIG);
}

/* ---- on the bus ---- */

static int add_capability(struct virtio *v, uint8_t type, uint32_t offset, uint32_t length)
{
	uint8_t body[18] = { 0 };
	unsigned bytes = type == CAP_NOTIFY ? 18 : 14;

	body[0] = (uint8_t)(bytes + 2);
	body[1] = type;
	memcpy(body + 6, &offset, 4);
	memcpy(body + 10, &length, 4);
	memcpy(body + 14, &(uint32_t){ NOTIFY_STEP }, 4);
	return pci_add_capability(v->fn, PCI_CAP_VENDOR, body, NULL, bytes) ? 0 : -ENOSPC;
}

int virtio_add(struct virtio *v, struct pci *pci, unsigned slot, const struct dma *dma,
	       const struct virtio_model *model, void *device)
{
	const struct pci_bar bar = { BAR_BYTES, bar_read, bar_write, v };
	uint16_t subsystem[2] = { VENDOR_VIRTIO, (uint16_t)model->id };
	int err;

	v->model = model;
	v->device = device;
	v->dma = dma;
	v->fn = pci_add(pci, slot, 0, (DEVICE_BASE + model->id) << 16 | VENDOR_VIRTIO,
			model->class_revision);
	if (!v->fn)
		return -ENOSPC;
	memcpy(&v->fn->config[SUBSYSTEM], subsystem, sizeof(subsystem));
	v->fn->config[INTERRUPT_PIN] = 1;
	pci_add_bar(v->fn, 0, &bar);
	err = add_capability(v, CAP_COMMON, AT_COMMON, COMMON_BYTES);
	err |= add_capability(v, CAP_NOTIFY, AT_NOTIFY, NOTIFY_BYTES);
	err |= add_capability(v, CAP_ISR, AT_ISR, 1);
	err |= add_capability(v, CAP_DEVICE, AT_DEVICE, VIRTIO_CONFIG_MAX);
	err |= pci_add_msix(v->fn, model->queues + 1, 0, AT_MSIX, AT_PENDING);
	err |= pci_add_bar_access(v->fn);
	reset(v);
	return err ? -ENOSPC : 0;
}
