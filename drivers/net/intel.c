/*
 * intel.c - Intel's gigabit controllers: 82540EM (e1000), 82574L (e1000e), I210 and I350 (igb).
 *
 * One ring code for all, by legacy descriptors, which each of them has; a row of models[] says where
 * the registers lie and what one wants to be told besides.
 *
 *     receive    every descriptor but one is the device's; we take the next one when its DD is set,
 *                write it anew and move the tail behind it
 *     transmit   [clean, next) is the device's; a slot is free again when its DD is set
 *
 * Invariants
 *   - Of a descriptor that came back only status, errors and length are read, once each, and the
 *     length is checked; addresses and indices are ours.
 *   - I210 and I350 were driven by a register model only, never by a device.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>

#include "drivers/io.h"
#include "drivers/net/intel_regs.h"
#include "drivers/net/nic_room.h"
#include "kernel/base/log.h"
#include "kernel/machine/time.h"

#define VENDOR_INTEL 0x8086u

#define RX_SLOTS 128u
#define TX_SLOTS 64u
#define RX_ORDER 6 /* pages of their buffers */
#define TX_ORDER 5
_Static_assert(RX_SLOTS * NIC_BUFFER == PAGE_SIZE << RX_ORDER, "receive buffers fill their pages");
_Static_assert(TX_SLOTS * NIC_BUFFER == PAGE_SIZE << TX_ORDER, "transmit buffers fill their pages");
_Static_assert((RX_SLOTS + TX_SLOTS) * 16 <= PAGE_SIZE, "both rings fit in a page");

#define REGISTERS_BYTES 0x10000u
#define RESET_MS        100u
#define EEPROM_MS       20u
#define THROTTLE        400u /* at most an interrupt in so many units of 256 ns: 10000 a second */
#define THROTTLE_IGB    (100u << 2) /* in us, from bit 2 on */

enum family { E1000, E1000E, IGB };

static const struct model {
	uint16_t device;
	uint8_t family;
	const char *name;
} models[] = {
	{ 0x100e, E1000, "82540EM" }, { 0x100f, E1000, "82545EM" }, { 0x10d3, E1000E, "82574L" },
	{ 0x1533, IGB, "I210" },      { 0x1536, IGB, "I210" },	    { 0x1537, IGB, "I210" },
	{ 0x157b, IGB, "I210" },      { 0x1521, IGB, "I350" },	    { 0x1522, IGB, "I350" },
	{ 0x1523, IGB, "I350" },
};

/* What differs between the families; 0 in tipg: as it is after a reset. */
static const struct layout {
	uint32_t rx, tx, icr, ims, imc, tipg;
	uint8_t eerd_done, eerd_shift;
} layouts[] = {
	[E1000] = { REG_RX_OLD, REG_TX_OLD, REG_ICR_OLD, REG_ICR_OLD + ICR_OLD_IMS,
		    REG_ICR_OLD + ICR_OLD_IMC, 10 | 8 << 10 | 6 << 20, 4, 8 },
	[E1000E] = { REG_RX_OLD, REG_TX_OLD, REG_ICR_OLD, REG_ICR_OLD + ICR_OLD_IMS,
		     REG_ICR_OLD + ICR_OLD_IMC, 8 | 8 << 10 | 6 << 20, 1, 2 },
	[IGB] = { REG_RX_IGB, REG_TX_IGB, REG_ICR_IGB, REG_ICR_IGB + ICR_IGB_IMS,
		  REG_ICR_IGB + ICR_IGB_IMC, 0, 1, 2 },
};

struct intel {
	volatile uint8_t *regs;
	const struct layout *at;
	enum family family;
	struct intel_rx *rx;
	struct intel_tx *tx;
	void *rx_buffers, *tx_buffers;
	unsigned rx_next;	    /* the descriptor that comes back next */
	unsigned tx_next, tx_clean; /* [clean, next) is the device's */
	bool oversize;		    /* within a frame that takes more than one buffer */
};

static const struct model *model_of(uint32_t id)
{
	if ((id & 0xffff) == VENDOR_INTEL)
		for (size_t i = 0; i < ARRAY_LEN(models); i++)
			if (models[i].device == id >> 16)
				return &models[i];
	return NULL;
}

bool intel_knows(uint32_t id) { return model_of(id) != NULL; }

static uint32_t reg_read(const struct intel *d, uint32_t reg) { return mmio_read32(d->regs + reg); }
static void reg_write(struct intel *d, uint32_t reg, uint32_t value)
{
	mmio_write32(d->regs + reg, value);
}

/* ------------------------------------------------------------------ receive */

static void rx_give(struct intel *d, unsigned n)
{
	d->rx[n] = (struct intel_rx){ .address = dma_address(nic_buffer(d->rx_buffers, n)) };
}

/* Take descriptor @n, which came back. */
static void rx_take(struct nic *nic, struct intel *d, unsigned n, uint8_t status)
{
	const volatile struct intel_rx *rx = &d->rx[n];
	uint16_t length = rx->length;
	uint8_t errors = rx->errors;
	bool first = !d->oversize;

	d->oversize = !(status & RX_EOP);
	if (length > NIC_BUFFER)
		nic_bad(nic, "a frame longer than its buffer");
	else if (errors & RX_DAMAGE)
		nic->stats.rx_errors++;
	else if (first && !d->oversize)
		nic_deliver(nic, nic_buffer(d->rx_buffers, n), length);
	else if (first)
		nic->stats.rx_dropped++; /* its other parts are not counted again */
}

static unsigned intel_receive(struct nic *nic, unsigned budget)
{
	struct intel *d = nic->driver;
	unsigned taken = 0, last = d->rx_next;

	while (taken < budget && !nic->broken) {
		unsigned n = d->rx_next;
		uint8_t status = __atomic_load_n(&d->rx[n].status, __ATOMIC_ACQUIRE);

		if (!(status & RX_DD))
			break;
		rx_take(nic, d, n, status);
		rx_give(d, n);
		last = n;
		d->rx_next = (n + 1) % RX_SLOTS;
		taken++;
	}
	if (taken) {
		dma_publish();
		reg_write(d, d->at->rx + RING_TAIL, last);
	}
	return taken;
}

static bool intel_waiting(const struct nic *nic)
{
	const struct intel *d = nic->driver;

	return __atomic_load_n(&d->rx[d->rx_next].status, __ATOMIC_ACQUIRE) & RX_DD;
}

/* ------------------------------------------------------------------ transmit */

static void tx_reclaim(struct intel *d)
{
	while (d->tx_clean != d->tx_next &&
	       (__atomic_load_n(&d->tx[d->tx_clean].status, __ATOMIC_ACQUIRE) & TX_DD))
		d->tx_clean = (d->tx_clean + 1) % TX_SLOTS;
}

static void *intel_send_buffer(struct nic *nic)
{
	struct intel *d = nic->driver;

	if ((d->tx_next + 1) % TX_SLOTS == d->tx_clean)
		tx_reclaim(d);
	if ((d->tx_next + 1) % TX_SLOTS == d->tx_clean)
		return NULL;
	return nic_buffer(d->tx_buffers, d->tx_next);
}

static void intel_send(struct nic *nic, size_t length)
{
	struct intel *d = nic->driver;
	unsigned n = d->tx_next;

	d->tx[n] = (struct intel_tx){
		.address = dma_address(nic_buffer(d->tx_buffers, n)),
		.length = (uint16_t)length,
		.command = TX_EOP | TX_IFCS | TX_RS,
	};
	d->tx_next = (n + 1) % TX_SLOTS;
	dma_publish();
	reg_write(d, d->at->tx + RING_TAIL, d->tx_next);
}

/* ------------------------------------------------------------------ the rest */

static void intel_link(struct nic *nic)
{
	static const uint16_t speeds[] = { 10, 100, 1000, 1000 };
	struct intel *d = nic->driver;
	uint32_t status = reg_read(d, REG_STATUS);

	if (status == UINT32_MAX) { /* nobody answers any more */
		nic_break(nic, "the device is gone");
		return;
	}
	nic->link_up = (status & STATUS_LU) != 0;
	nic->mbps = speeds[status >> STATUS_SPEED & 3];
	nic->stats.rx_missed += reg_read(d, REG_MPC);
}

static void intel_irq_ack(struct nic *nic)
{
	struct intel *d = nic->driver;

	(void)reg_read(d, d->at->icr); /* taken by reading; what comes from here on interrupts anew */
}

/* Nothing was masked: the device itself keeps interrupts apart (THROTTLE). */
static void intel_irq_arm(struct nic *nic) { (void)nic; }

static void intel_promiscuous(struct nic *nic, bool on)
{
	struct intel *d = nic->driver;
	uint32_t rctl = reg_read(d, REG_RCTL) & ~RCTL_UPE;

	reg_write(d, REG_RCTL, rctl | (on ? RCTL_UPE : 0));
}

static void quiet(struct intel *d)
{
	reg_write(d, d->at->imc, UINT32_MAX);
	reg_write(d, REG_RCTL, 0);
	reg_write(d, REG_TCTL, 0);
}

static void intel_stop(struct nic *nic)
{
	quiet(nic->driver);
	hostpci_disable(nic->at);
}

static const struct nic_ops intel_ops = {
	.send_buffer = intel_send_buffer,
	.send = intel_send,
	.receive = intel_receive,
	.waiting = intel_waiting,
	.link = intel_link,
	.irq_ack = intel_irq_ack,
	.irq_arm = intel_irq_arm,
	.promiscuous = intel_promiscuous,
	.stop = intel_stop,
};

/* ------------------------------------------------------------------ start */

/* Until (register & mask) == want, for at most @ms. */
static int wait_for(const struct intel *d, uint32_t reg, uint32_t mask, uint32_t want, unsigned ms)
{
	for (unsigned i = 0; (reg_read(d, reg) & mask) != want; i++) {
		if (i == 10 * ms)
			return -EIO;
		delay_us(100);
	}
	return 0;
}

static int reset(struct intel *d)
{
	quiet(d);
	delay_us(10000); /* what is under way on the bus comes to its end */
	reg_write(d, REG_CTRL, reg_read(d, REG_CTRL) | CTRL_RST);
	delay_us(1000);
	if (wait_for(d, REG_CTRL, CTRL_RST, 0, RESET_MS))
		return -EIO;
	delay_us(10000); /* it reads its EEPROM */
	reg_write(d, d->at->imc, UINT32_MAX);
	(void)reg_read(d, d->at->icr);
	return 0;
}

/* Word @n of the EEPROM, or -EIO. */
static int eeprom_word(struct intel *d, unsigned n, uint16_t *out)
{
	reg_write(d, REG_EERD, n << d->at->eerd_shift | EERD_START);
	if (wait_for(d, REG_EERD, BIT32(d->at->eerd_done), BIT32(d->at->eerd_done), EEPROM_MS))
		return -EIO;
	*out = (uint16_t)(reg_read(d, REG_EERD) >> 16);
	return 0;
}

/* The reset has read the address into the first receive address; else the EEPROM is asked. */
static int read_mac(struct nic *nic, struct intel *d)
{
	uint64_t mac = (uint64_t)(reg_read(d, REG_RAH0) & 0xffff) << 32 | reg_read(d, REG_RAL0);
	uint16_t word;

	for (unsigned i = 0; !mac && i < 3; i++) {
		if (eeprom_word(d, i, &word))
			return -EIO;
		nic->mac[2 * i] = (uint8_t)word;
		nic->mac[2 * i + 1] = (uint8_t)(word >> 8);
	}
	for (unsigned i = 0; mac && i < 6; i++)
		nic->mac[i] = (uint8_t)(mac >> 8 * i);
	if ((nic->mac[0] & 1) || !(nic->mac[0] | nic->mac[1] | nic->mac[2] | nic->mac[3] |
				   nic->mac[4] | nic->mac[5]))
		return -EIO;
	reg_write(d, REG_RAL0, nic->mac[0] | (uint32_t)nic->mac[1] << 8 |
				       (uint32_t)nic->mac[2] << 16 | (uint32_t)nic->mac[3] << 24);
	reg_write(d, REG_RAH0, nic->mac[4] | (uint32_t)nic->mac[5] << 8 | RAH_VALID);
	return 0;
}

static int alloc_rings(struct intel *d)
{
	uint8_t *page = dma_alloc(0);

	d->rx = (struct intel_rx *)(void *)page;
	d->rx_buffers = dma_alloc(RX_ORDER);
	d->tx_buffers = dma_alloc(TX_ORDER);
	if (!page || !d->rx_buffers || !d->tx_buffers)
		return -ENOMEM;
	d->tx = (struct intel_tx *)(void *)(page + RX_SLOTS * sizeof(struct intel_rx));
	for (unsigned n = 0; n < RX_SLOTS; n++)
		rx_give(d, n);
	return 0;
}

static void free_rings(struct intel *d)
{
	dma_free(d->rx, 0);
	dma_free(d->rx_buffers, RX_ORDER);
	dma_free(d->tx_buffers, TX_ORDER);
}

static void set_ring(struct intel *d, uint32_t ring, const void *base, uint32_t bytes)
{
	uint64_t address = dma_address(base);

	reg_write(d, ring + RING_BASE_LOW, (uint32_t)address);
	reg_write(d, ring + RING_BASE_HIGH, (uint32_t)(address >> 32));
	reg_write(d, ring + RING_BYTES, bytes);
	reg_write(d, ring + RING_HEAD, 0);
	reg_write(d, ring + RING_TAIL, 0);
}

static int enable_queue(struct intel *d, uint32_t ring)
{
	uint32_t control = reg_read(d, ring + RING_CONTROL);

	if (d->family != IGB)
		return 0;
	reg_write(d, ring + RING_CONTROL, control | QUEUE_ENABLE);
	return wait_for(d, ring + RING_CONTROL, QUEUE_ENABLE, QUEUE_ENABLE, RESET_MS);
}

static int start_rings(struct intel *d)
{
	for (unsigned i = 0; i < 128; i++)
		reg_write(d, REG_MTA + 4 * i, 0);
	set_ring(d, d->at->tx, d->tx, TX_SLOTS * sizeof(struct intel_tx));
	set_ring(d, d->at->rx, d->rx, RX_SLOTS * sizeof(struct intel_rx));
	if (d->at->tipg)
		reg_write(d, REG_TIPG, d->at->tipg);
	if (d->family == IGB)
		reg_write(d, d->at->rx + RING_SRRCTL, SRRCTL_2K);
	reg_write(d, REG_TCTL, TCTL_EN | TCTL_PSP | TCTL_CT | TCTL_COLD);
	reg_write(d, REG_RCTL, RCTL_EN | RCTL_MPE | RCTL_BAM | RCTL_SECRC);
	if (enable_queue(d, d->at->tx) || enable_queue(d, d->at->rx))
		return -EIO;
	/* Only now: an igb takes the tail of a queue that is enabled. */
	reg_write(d, d->at->rx + RING_TAIL, RX_SLOTS - 1);
	reg_write(d, REG_CTRL, (reg_read(d, REG_CTRL) & ~CTRL_UNUSED) | CTRL_SLU | CTRL_ASDE);
	return 0;
}

/* One vector for all causes; a model without MSI is polled. */
static void start_interrupts(struct nic *nic, struct intel *d, unsigned vector)
{
	nic->irq = "polled";
	if (hostpci_msi_enable(nic->at, vector) != 0)
		return;
	nic->irq = "MSI";
	nic->vector = vector;
	if (d->family == IGB)
		reg_write(d, REG_EITR0, THROTTLE_IGB);
	else
		reg_write(d, REG_ITR, THROTTLE);
	reg_write(d, d->at->ims, INT_WANTED);
}

static int bring_up(struct nic *nic, struct intel *d)
{
	int err = reset(d);

	if (!err)
		err = read_mac(nic, d);
	if (!err)
		err = alloc_rings(d);
	return err ? err : start_rings(d);
}

int intel_start(struct nic *nic, uint32_t id, unsigned vector)
{
	const struct model *m = model_of(id);
	struct intel *d = heap_alloc(sizeof(*d));
	uint64_t bytes = 0;
	int err = -ENOMEM;

	if (!d || !m)
		goto failed;
	hostpci_enable(nic->at);
	nic->model = m->name;
	nic->ops = &intel_ops;
	nic->driver = d;
	d->family = (enum family)m->family;
	d->at = &layouts[m->family];
	d->regs = hostpci_map_bar(nic->at, 0, &bytes);
	err = -ENODEV;
	if (!d->regs || bytes < REGISTERS_BYTES)
		goto failed;
	err = bring_up(nic, d);
	if (err) {
		quiet(d);
		goto failed;
	}
	start_interrupts(nic, d, vector);
	return 0;
failed:
	hostpci_disable(nic->at);
	log_error("%s: %s: it could not be started (%d)", nic->name, m ? m->name : "?", err);
	if (d)
		free_rings(d);
	heap_free(d);
	return err;
}
