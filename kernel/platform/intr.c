/*
 * intr.c - lines and messages to the sink.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/platform/intr.h"

#include <string.h>

#define ISA_LINES      16
#define ISA_TIMER      0
#define ISA_CASCADE    2

#define MSI_WINDOW(a)  ((a) >> 20 == 0xfee)
#define MSI_DEST(a)    ((uint32_t)((a) >> 12) & 0xff)
#define MSI_LOGICAL    BIT64(2)
#define MSI_MODE(d)    ((uint8_t)((d) >> 8) & 7)
#define MSI_LEVEL      BIT32(15)

#define DEST_ALL_8     0xffu
#define DEST_ALL_32    0xffffffffu

static void send(void *ctx, const struct intr_message *m)
{
	struct intr *in = ctx;

	if (in->sink.deliver)
		in->sink.deliver(in->sink.ctx, m);
	else
		in->lost++;
}

void intr_init(struct intr *in)
{
	memset(in, 0, sizeof(*in));
	pic_init(&in->pic);
	ioapic_init(&in->ioapic, send, in);
}

void intr_set_sink(struct intr *in, const struct intr_sink *sink)
{
	in->sink = *sink;
	in->ioapic.edge_only = sink->edge_only;
}

void intr_pic_changed(struct intr *in)
{
	bool asserted = pic_output(&in->pic);

	if (asserted == in->pic_asserted)
		return;
	in->pic_asserted = asserted;
	if (in->sink.pic)
		in->sink.pic(in->sink.ctx, asserted);
}

void intr_line(struct intr *in, unsigned gsi, bool high)
{
	unsigned irq = gsi == GSI_TIMER ? ISA_TIMER : gsi;

	if (gsi >= IOAPIC_PINS)
		return;
	ioapic_line(&in->ioapic, gsi, high);
	if (irq < ISA_LINES && irq != ISA_CASCADE) {
		pic_line(&in->pic, irq, high);
		intr_pic_changed(in);
	}
}

void intr_msi(struct intr *in, uint64_t address, uint32_t data)
{
	const struct intr_message m = {
		.dest = MSI_DEST(address),
		.logical = (address & MSI_LOGICAL) != 0,
		.level = (data & MSI_LEVEL) != 0,
		.mode = MSI_MODE(data),
		.vector = (uint8_t)data,
	};

	if (!MSI_WINDOW(address))
		return; /* no DMA: a message elsewhere would be a write to memory */
	in->msis++;
	send(in, &m);
}

bool intr_hits_x2apic(const struct intr_message *m, uint32_t id)
{
	if (!m->logical)
		return m->dest == id || m->dest == DEST_ALL_8 || m->dest == DEST_ALL_32;
	return m->dest >> 16 == id >> 4 && (m->dest & BIT32(id & 15)) != 0;
}
