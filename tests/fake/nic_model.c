/*
 * nic_model.c - a PCI bus with one network interface on it. Contract: nic_model.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/fake/nic_model.h"

#include <string.h>

#include "drivers/io.h"
#include "drivers/net/intel_regs.h"
#include "kernel/machine/apic.h"
#include "kernel/machine/direct_map.h"
#include "kernel/machine/port.h"
#include "kernel/machine/time.h"
#include "kernel/machine/trap.h"
#include "tests/host/machine.h"

#define BAR0        UINT64_C(0xf0000000)
#define BAR1        UINT64_C(0xf1000000)
#define BAR_BYTES   0x20000u
#define COMMON_AT   0x0000u
#define NOTIFY_AT   0x3000u
#define DEVICE_AT   0x2000u
#define VQ_MAX      256u

struct nic_model model;

static const uint8_t mac[6] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };

static struct {
	uint32_t config[64], address;
	uint8_t bar[2][BAR_BYTES]; /* pointers to registers: only their addresses matter */
	uint32_t regs[BAR_BYTES / 4];
	bool oversize;
	struct virtq {
		uint16_t size, enable, vector;
		uint64_t desc, avail, used;
		uint16_t taken, put;
	} q[2];
	uint32_t feature_select, driver_select, driver_features[2];
	uint16_t queue_select, config_vector;
	uint8_t status;
} dev;

static void wrong(const char *what)
{
	if (!model.wrong)
		model.wrong = what;
}

static bool is_virtio(void) { return model.id == MODEL_VIRTIO; }
static bool is_igb(void) { return model.id == MODEL_I210 || model.id == MODEL_I350; }

/* Memory of the driver's by DMA, or NULL: not the network's. */
static void *dma(uint64_t address, size_t bytes)
{
	uint64_t last = address + bytes - 1;

	if (machine_owner((hpa_t){ address & ~(PAGE_SIZE - 1) }) != PAGE_NET ||
	    machine_owner((hpa_t){ last & ~(PAGE_SIZE - 1) }) != PAGE_NET) {
		wrong("DMA outside of the network's memory");
		return NULL;
	}
	return (uint8_t *)hpa_to_ptr((hpa_t){ address & ~(PAGE_SIZE - 1) }) + (address & (PAGE_SIZE - 1));
}

static void interrupt(void) { model.interrupts++; }

static void sent(const void *frame, size_t length)
{
	model.sent++;
	model.last_length = length;
	if (length > MODEL_SENT)
		wrong("a frame longer than any may be");
	else if (frame)
		memcpy(model.last, frame, length);
	if (frame && model.on_sent && length <= MODEL_SENT)
		model.on_sent(frame, length);
}

/* ------------------------------------------------------------------ Intel */

static uint32_t *reg(uint32_t at) { return &dev.regs[at / 4]; }
static uint32_t rx_ring(void) { return is_igb() ? (uint32_t)REG_RX_IGB : (uint32_t)REG_RX_OLD; }
static uint32_t tx_ring(void) { return is_igb() ? (uint32_t)REG_TX_IGB : (uint32_t)REG_TX_OLD; }
static uint32_t icr(void) { return is_igb() ? (uint32_t)REG_ICR_IGB : (uint32_t)REG_ICR_OLD; }
static uint32_t ims(void) { return icr() + (is_igb() ? 8u : 0x10u); }

static void cause(uint32_t bits)
{
	*reg(icr()) |= bits;
	if (*reg(ims()) & bits)
		interrupt();
}

static void *ring_slot(uint32_t ring, uint32_t n)
{
	uint64_t base = *reg(ring + RING_BASE_LOW) | (uint64_t)*reg(ring + RING_BASE_HIGH) << 32;
	uint32_t count = *reg(ring + RING_BYTES) / 16;

	if (n >= count || *reg(ring + RING_BYTES) % 128) {
		wrong("an index outside of the ring, or a ring of an odd size");
		return NULL;
	}
	return dma(base + 16 * (uint64_t)n, 16);
}

static bool queue_on(uint32_t ring)
{
	return !is_igb() || (*reg(ring + RING_CONTROL) & QUEUE_ENABLE);
}

static void intel_transmit(void)
{
	uint32_t ring = tx_ring(), count = *reg(ring + RING_BYTES) / 16;

	while (!model.slow && count && *reg(ring + RING_HEAD) != *reg(ring + RING_TAIL)) {
		struct intel_tx *t = ring_slot(ring, *reg(ring + RING_HEAD));

		if (!t || !(*reg(REG_TCTL) & TCTL_EN) || !queue_on(ring))
			return;
		if (t->command != (TX_EOP | TX_IFCS | TX_RS))
			wrong("a transmit command that is not the usual one");
		sent(dma(t->address, t->length), t->length);
		t->status |= TX_DD;
		*reg(ring + RING_HEAD) = (*reg(ring + RING_HEAD) + 1) % count;
	}
}

static bool intel_receive_as(const void *frame, size_t length, uint16_t says, uint8_t status,
			     uint8_t errors)
{
	uint32_t ring = rx_ring(), count = *reg(ring + RING_BYTES) / 16;
	struct intel_rx *r;
	void *to;

	if (!(*reg(REG_RCTL) & RCTL_EN) || !queue_on(ring) || !count ||
	    *reg(ring + RING_HEAD) == *reg(ring + RING_TAIL)) {
		(*reg(REG_MPC))++;
		return false;
	}
	r = ring_slot(ring, *reg(ring + RING_HEAD));
	to = r ? dma(r->address, 2048) : NULL;
	if (!to)
		return false;
	memcpy(to, frame, length > 2048 ? 2048 : length);
	r->length = says;
	r->errors = errors;
	r->status = status;
	*reg(ring + RING_HEAD) = (*reg(ring + RING_HEAD) + 1) % count;
	cause(INT_RXT);
	return true;
}

static uint32_t eerd(uint32_t command)
{
	bool old = model.id == MODEL_E1000;
	unsigned n = command >> (old ? 8 : 2) & 0xff;

	if (!(command & EERD_START) || n > 2)
		return 0;
	return (uint32_t)(mac[2 * n] | mac[2 * n + 1] << 8) << 16 | BIT32(old ? 4 : 1);
}

static void intel_reset(void)
{
	memset(dev.regs, 0, sizeof(dev.regs));
	if (!model.no_mac_in_ra) {
		*reg(REG_RAL0) = mac[0] | (uint32_t)mac[1] << 8 | (uint32_t)mac[2] << 16 | (uint32_t)mac[3] << 24;
		*reg(REG_RAH0) = mac[4] | (uint32_t)mac[5] << 8 | RAH_VALID;
	}
	if (model.never_resets)
		*reg(REG_CTRL) = CTRL_RST;
}

static uint32_t intel_read(uint32_t at)
{
	uint32_t value = *reg(at);

	if (at == REG_STATUS)
		return (model.link ? STATUS_LU : 0) | 2u << STATUS_SPEED;
	if (at == icr() || at == REG_MPC)
		*reg(at) = 0;
	return value;
}

static void intel_write(uint32_t at, uint32_t value)
{
	*reg(at) = value;
	if (at == REG_CTRL && (value & CTRL_RST))
		intel_reset();
	else if (at == REG_EERD)
		*reg(at) = eerd(value);
	else if (at == tx_ring() + RING_TAIL)
		intel_transmit();
	else if (is_igb() && at == rx_ring() + RING_TAIL && value && !queue_on(rx_ring()))
		wrong("the tail of a queue that is off");
}

/* ------------------------------------------------------------------ virtio */

struct vdesc {
	uint64_t address;
	uint32_t length;
	uint16_t flags, next;
};

int model_take(unsigned queue)
{
	struct virtq *q = &dev.q[queue];
	uint16_t *avail = q->enable ? dma(q->avail, 4 + 2 * (size_t)q->size) : NULL;
	int n;

	if (!avail || !(dev.status & 4) || avail[1] == q->taken)
		return -1;
	n = avail[2 + q->taken++ % q->size];
	if (n >= q->size)
		wrong("an available descriptor outside of the queue");
	return n;
}

void model_used(unsigned queue, uint32_t id, uint32_t length, uint16_t step)
{
	struct virtq *q = &dev.q[queue];
	uint16_t *used = q->enable ? dma(q->used, 4 + 8 * (size_t)q->size) : NULL;
	uint32_t element[2] = { id, length };

	if (!used)
		return;
	memcpy((uint8_t *)used + 4 + 8 * (q->put % q->size), element, sizeof(element));
	q->put = (uint16_t)(q->put + step);
	used[1] = q->put;
	uint16_t *avail = dma(q->avail, 4);

	if (avail && !(avail[0] & 1) && q->vector != 0xffff)
		interrupt();
}

static const struct vdesc *descriptor(unsigned queue, int n)
{
	struct virtq *q = &dev.q[queue];

	return n < 0 || n >= q->size ? NULL : dma(q->desc + 16 * (uint64_t)n, 16);
}

static void virtio_transmit(void)
{
	int n;

	while (!model.slow && (n = model_take(1)) >= 0) {
		const struct vdesc *d = descriptor(1, n);
		const uint8_t *data = d ? dma(d->address, d->length) : NULL;

		if (!data || d->flags || d->length < 12)
			wrong("a transmit descriptor that makes no sense");
		else
			sent(data + 12, d->length - 12);
		for (unsigned i = 0; data && i < 12; i++)
			if (data[i])
				wrong("a header that asks for something");
		model_used(1, (uint32_t)n, 0, 1);
	}
}

static bool virtio_receive(const void *frame, size_t length)
{
	int n = model_take(0);
	const struct vdesc *d = descriptor(0, n);
	uint8_t *to = d ? dma(d->address, d->length) : NULL;

	if (!to || length + 12 > d->length)
		return false;
	if (d->flags != 2)
		wrong("a receive descriptor that cannot be written");
	memset(to, 0, 12);
	memcpy(to + 12, frame, length);
	model_used(0, (uint32_t)n, (uint32_t)(length + 12), 1);
	return true;
}

static uint32_t common_read(uint32_t at)
{
	struct virtq *q = &dev.q[dev.queue_select & 1];

	switch (at) {
	case 4:
		return dev.feature_select == 0 ? BIT32(5) | BIT32(16) | BIT32(15) : BIT32(0);
	case 16:
		return dev.config_vector;
	case 18:
		return 2;
	case 20:
		return model.never_resets ? 1 : dev.status;
	case 24:
		return q->size ? q->size : model.queue_max ? model.queue_max : VQ_MAX;
	case 30:
		return dev.queue_select;
	default:
		return 0;
	}
}

static void common_write(uint32_t at, uint32_t value)
{
	struct virtq *q = &dev.q[dev.queue_select & 1];
	uint64_t *const words[] = { &q->desc, &q->avail, &q->used };

	if (at >= 32 && at < 56) {
		uint64_t *w = words[(at - 32) / 8];

		*w = at % 8 ? (uint32_t)*w | (uint64_t)value << 32 : (*w & ~UINT64_C(0xffffffff)) | value;
		return;
	}
	switch (at) {
	case 0:
		dev.feature_select = value;
		break;
	case 8:
		dev.driver_select = value;
		break;
	case 12:
		dev.driver_features[dev.driver_select & 1] = value;
		if (value & ~(dev.driver_select ? BIT32(0) : BIT32(5) | BIT32(16)))
			wrong("a feature that was not offered, or that the driver cannot do");
		break;
	case 16:
		dev.config_vector = (uint16_t)value;
		break;
	case 20:
		dev.status = (uint8_t)value;
		if (model.no_features)
			dev.status &= (uint8_t)~8u;
		if (!value)
			memset(dev.q, 0, sizeof(dev.q));
		break;
	case 22:
		dev.queue_select = (uint16_t)value;
		break;
	case 24:
		q->size = (uint16_t)value;
		break;
	case 26:
		q->vector = (uint16_t)value;
		break;
	case 28:
		q->enable = (uint16_t)value;
		break;
	}
}

static uint32_t virtio_read(uint32_t at)
{
	if (at >= DEVICE_AT && at < DEVICE_AT + 6)
		return mac[at - DEVICE_AT];
	if (at == DEVICE_AT + 6)
		return model.link;
	return at < 56 ? common_read(at) : 0;
}

static void virtio_write(uint32_t at, uint32_t value)
{
	if (at < 56)
		common_write(at, value);
	else if (at == NOTIFY_AT + 4)
		virtio_transmit();
}

/* ------------------------------------------------------------------ both */

bool model_receive(const void *frame, size_t length)
{
	return is_virtio() ? virtio_receive(frame, length)
			   : intel_receive_as(frame, length, (uint16_t)length, RX_DD | RX_EOP, 0);
}

bool model_receive_as(const void *frame, size_t length, uint16_t says, uint8_t status, uint8_t errors)
{
	return intel_receive_as(frame, length, says, status, errors);
}

void model_transmit(void)
{
	model.slow = false;
	if (is_virtio())
		virtio_transmit();
	else
		intel_transmit();
}

static void capability(unsigned at, uint32_t word0, uint32_t word1, uint32_t word2, uint32_t word3,
		       uint32_t word4)
{
	const uint32_t words[] = { word0, word1, word2, word3, word4 };

	memcpy(&dev.config[at / 4], words, sizeof(words));
}

void model_start(uint32_t id)
{
	memset(&model, 0, sizeof(model));
	memset(&dev, 0, sizeof(dev));
	model.id = id;
	model.link = true;
	dev.config[0] = id;
	dev.config[1] = BIT32(20);
	dev.config[4] = (uint32_t)BAR0;
	dev.config[5] = (uint32_t)BAR1;
	if (is_virtio()) {
		dev.config[0x34 / 4] = 0x40;
		capability(0x40, 0x01105409, 0, COMMON_AT, 56, 0);
		capability(0x54, 0x04106c09, 0, DEVICE_AT, 8, 0);
		capability(0x6c, 0x02148409, 0, NOTIFY_AT, 0x1000, 4);
		capability(0x84, 0x00020011, 1, 1 | 0x800, 0, 0);
	} else if (id != MODEL_E1000) {
		dev.config[0x34 / 4] = 0x40;
		capability(0x40, 0x00800005, 0, 0, 0, 0);
	} else {
		dev.config[1] = 0;
	}
	intel_reset();
}

/* ------------------------------------------------------------------ what the driver asks of the machine */

void io_out32(uint16_t port, uint32_t value)
{
	uint32_t n = dev.address >> 2 & 0x3f;

	if (port == 0xcf8) {
		dev.address = value;
	} else if (port == 0xcfc && (dev.address & 0x7fffff00) == 3u << 11) {
		if (n >= 4 && n <= 9) /* BARs of 128 KiB */
			dev.config[n] = n > 5 ? 0 : value & ~(BAR_BYTES - 1);
		else
			dev.config[n] = n == 1 ? (dev.config[1] & 0xffff0000) | (value & 0xffff) : value;
	}
}

uint32_t io_in32(uint16_t port)
{
	if (port != 0xcfc || (dev.address & 0x7fffff00) != 3u << 11 || !dev.config[0])
		return UINT32_MAX;
	return dev.config[dev.address >> 2 & 0x3f];
}

void *mmio_map(hpa_t base, uint64_t bytes, enum mmio_kind kind)
{
	(void)kind;
	if (bytes > BAR_BYTES || (base.v != BAR0 && base.v != BAR1))
		return NULL;
	return dev.bar[base.v == BAR1];
}

static uint32_t mmio_read(const volatile void *at)
{
	uintptr_t offset = (uintptr_t)at - (uintptr_t)dev.bar[0];

	if (model.gone || offset >= BAR_BYTES)
		return UINT32_MAX;
	return is_virtio() ? virtio_read((uint32_t)offset) : intel_read((uint32_t)offset);
}

static void mmio_write(volatile void *at, uint32_t value)
{
	uintptr_t offset = (uintptr_t)at - (uintptr_t)dev.bar[0];

	if (model.gone || offset >= BAR_BYTES)
		return;
	if (is_virtio())
		virtio_write((uint32_t)offset, value);
	else
		intel_write((uint32_t)offset, value);
}

uint8_t mmio_read8(const volatile void *r) { return (uint8_t)mmio_read(r); }
uint16_t mmio_read16(const volatile void *r) { return (uint16_t)mmio_read(r); }
uint32_t mmio_read32(const volatile void *r) { return mmio_read(r); }
void mmio_write8(volatile void *r, uint8_t v) { mmio_write(r, v); }
void mmio_write16(volatile void *r, uint16_t v) { mmio_write(r, v); }
void mmio_write32(volatile void *r, uint32_t v) { mmio_write(r, v); }

uint32_t apic_id(void) { return 0; }
void irq_register(unsigned vector, irq_handler_t fn) { (void)vector, (void)fn; }
void delay_us(uint64_t us) { (void)us; }
