/*
 * nic.c - finding interfaces, and what is the same for all of them. Contract: nic.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "drivers/net/nic.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "drivers/net/nic_room.h"
#include "kernel/base/log.h"
#include "kernel/machine/port.h"
#include "kernel/machine/trap.h"

#define LINK_LOOK_MS 500u

static struct nic nics[NIC_MAX];
static unsigned nic_total;

/* ------------------------------------------------------------------ memory for DMA */

void *dma_alloc(unsigned order)
{
	hpa_t page = pages_alloc(PAGE_NET, order);

	return hpa_is_none(page) ? NULL : hpa_to_ptr(page);
}

void dma_free(void *p, unsigned order)
{
	if (p)
		pages_free(ptr_to_hpa(p), PAGE_NET, order);
}

uint64_t dma_address(const void *p) { return ptr_to_hpa(p).v; }

/* ------------------------------------------------------------------ finding */

static const struct {
	bool (*knows)(uint32_t id);
	nic_start_fn start;
} drivers[] = { { virtio_net_knows, virtio_net_start }, { intel_knows, intel_start } };

/* Interrupt handler: nothing but a note; the run loop looks. */
static void on_interrupt(unsigned vector)
{
	for (unsigned i = 0; i < nic_total; i++)
		if (nics[i].vector == vector)
			__atomic_store_n(&nics[i].pending, NIC_INTERRUPT, __ATOMIC_RELEASE);
}

static bool look_at(void *ctx, struct pci_at at, uint32_t id)
{
	(void)ctx;
	for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
		struct nic *nic = &nics[nic_total];
		unsigned vector = VEC_NET + nic_total;

		if (!drivers[i].knows(id))
			continue;
		*nic = (struct nic){ .at = at, .pending = NIC_AGAIN };
		snprintf(nic->name, sizeof(nic->name), "net%u", nic_total);
		irq_register(vector, on_interrupt);
		if (drivers[i].start(nic, id, vector) == 0) {
			nic->ops->link(nic);
			nic_total++;
		}
	}
	return nic_total < NIC_MAX;
}

unsigned nic_find(void)
{
	if (!nic_total)
		hostpci_scan(look_at, NULL);
	return nic_total;
}

unsigned nic_count(void) { return nic_total; }
struct nic *nic_get(unsigned index) { return index < nic_total ? &nics[index] : NULL; }

static bool same_word(const char *a, const char *b)
{
	for (; *a && *b; a++, b++)
		if ((*a >= 'A' && *a <= 'Z' ? *a | 0x20 : *a) != (*b >= 'A' && *b <= 'Z' ? *b | 0x20 : *b))
			return false;
	return *a == *b;
}

struct nic *nic_named(const char *word)
{
	for (unsigned i = 0; i < nic_total; i++) {
		struct nic *n = &nics[i];
		char at[16], mac[20];

		snprintf(at, sizeof(at), "%02x:%02x.%x", n->at.bus, n->at.device, n->at.function);
		snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", n->mac[0], n->mac[1], n->mac[2],
			 n->mac[3], n->mac[4], n->mac[5]);
		if (same_word(word, n->name) || same_word(word, n->model) || same_word(word, at) ||
		    same_word(word, mac))
			return n;
	}
	return NULL;
}

/* ------------------------------------------------------------------ frames */

int nic_send(struct nic *nic, const void *frame, size_t length)
{
	void *to;

	if (length < NIC_FRAME_MIN || length > NIC_FRAME_MAX)
		return -EMSGSIZE;
	if (nic->broken)
		return -EIO;
	to = nic->ops->send_buffer(nic);
	if (!to) {
		nic->stats.tx_full++;
		return nic->broken ? -EIO : -EAGAIN;
	}
	memcpy(to, frame, length);
	nic_send_filled(nic, length);
	return 0;
}

void nic_send_filled(struct nic *nic, size_t length)
{
	nic->ops->send(nic, length);
	nic->stats.tx_frames++;
	nic->stats.tx_bytes += length;
}

void nic_deliver(struct nic *nic, const volatile void *frame, size_t length)
{
	uint8_t here[NIC_FRAME_MAX];
	uint8_t *copy = NULL;

	if (length < NIC_FRAME_MIN || length > NIC_FRAME_MAX || !nic->receive) {
		nic->stats.rx_dropped++;
		return;
	}
	if (nic->room)
		copy = nic->room(nic->receive_ctx, length);
	if (!copy)
		copy = here;
	/* The device is done with it; if it is not, the copy is what we look at. */
	memcpy(copy, (const void *)(uintptr_t)frame, length);
	nic->stats.rx_frames++;
	nic->stats.rx_bytes += length;
	nic->receive(nic->receive_ctx, copy, length);
}

void nic_bad(struct nic *nic, const char *what)
{
	if (!nic->stats.bad++)
		log_error("%s: %s: %s", nic->name, nic->model, what);
}

void nic_break(struct nic *nic, const char *what)
{
	nic_bad(nic, what);
	if (nic->broken)
		return;
	nic->broken = true;
	nic->link_up = false;
	nic->ops->stop(nic);
	log_error("%s: stopped", nic->name);
}

/* An interrupt that was noted meanwhile stays noted. */
void nic_again(struct nic *nic)
{
	uint32_t nothing = 0;

	(void)__atomic_compare_exchange_n(&nic->pending, &nothing, NIC_AGAIN, false, __ATOMIC_ACQ_REL,
					  __ATOMIC_RELAXED);
}

static void look_at_link(struct nic *nic)
{
	bool was = nic->link_up;

	nic->ops->link(nic);
	nic->link_look = tsc_now() + tsc_hz() / 1000 * LINK_LOOK_MS;
	if (nic->link_up != was) {
		nic->stats.link_changes++;
		if (nic->link_up && nic->mbps)
			log_info("%s: link up, %u Mbit/s", nic->name, nic->mbps);
		else
			log_info("%s: link %s", nic->name, nic->link_up ? "up" : "down");
	}
}

bool nic_poll(struct nic *nic)
{
	unsigned got;
	uint32_t pending;

	if (nic->broken)
		return false;
	nic->stats.polls++;
	pending = __atomic_exchange_n(&nic->pending, 0, __ATOMIC_ACQ_REL);
	if (pending == NIC_INTERRUPT)
		nic->stats.interrupts++;
	if (pending) {
		nic->ops->irq_ack(nic);
		nic->link_look = 0;
	}
	got = nic->ops->receive(nic, NIC_BUDGET);
	if (nic->broken)
		return false;
	if (tsc_now() >= nic->link_look)
		look_at_link(nic);
	if (got == NIC_BUDGET) {
		nic_again(nic);
		return true;
	}
	if (nic->vector)
		nic->ops->irq_arm(nic);
	return false;
}
