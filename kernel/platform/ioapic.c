/*
 * ioapic.c - the I/O APIC's window and redirection entries.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/platform/ioapic.h"

#include <string.h>

#include "kernel/platform/intr.h"

enum { WIN_SELECT = 0x00, WIN_DATA = 0x10, WIN_EOI = 0x40 };
enum { REG_ID = 0x00, REG_VERSION = 0x01, REG_ARBITRATION = 0x02, REG_ENTRIES = 0x10 };

#define VERSION      (0x20u | (IOAPIC_PINS - 1) << 16)
#define ID_WRITABLE  UINT32_C(0x0f000000)

#define RTE_VECTOR(e)  ((uint8_t)(e))
#define RTE_MODE(e)    ((unsigned)((e) >> 8) & 7)
#define RTE_LOGICAL    BIT64(11)
#define RTE_REMOTE_IRR BIT64(14)
#define RTE_LEVEL      BIT64(15)
#define RTE_MASKED     BIT64(16)
#define RTE_DEST(e)    ((uint32_t)((e) >> 56))
#define RTE_WRITABLE   (BITS64(63, 56) | BITS64(16, 15) | BIT64(13) | BITS64(11, 0))

void ioapic_init(struct ioapic *io, void (*send)(void *ctx, const struct intr_message *m), void *ctx)
{
	memset(io, 0, sizeof(*io));
	io->send = send;
	io->ctx = ctx;
	for (unsigned i = 0; i < IOAPIC_PINS; i++)
		io->entry[i] = RTE_MASKED;
}

static void send(struct ioapic *io, uint64_t entry)
{
	const struct intr_message m = {
		.dest = RTE_DEST(entry),
		.logical = (entry & RTE_LOGICAL) != 0,
		.level = (entry & RTE_LEVEL) != 0 && !io->edge_only,
		.mode = (uint8_t)RTE_MODE(entry),
		.vector = RTE_VECTOR(entry),
	};

	io->sent++;
	io->send(io->ctx, &m);
}

/* Pin @pin is high and open; a level that was sent already waits for its end. */
static void serve(struct ioapic *io, unsigned pin)
{
	uint64_t *entry = &io->entry[pin];

	if ((*entry & RTE_LEVEL) && !io->edge_only) {
		if (*entry & RTE_REMOTE_IRR)
			return;
		*entry |= RTE_REMOTE_IRR;
	}
	send(io, *entry);
}

static bool high(const struct ioapic *io, unsigned pin)
{
	return (io->lines & BIT32(pin)) != 0;
}

void ioapic_line(struct ioapic *io, unsigned pin, bool level)
{
	bool was = high(io, pin);

	io->lines = level ? io->lines | BIT32(pin) : io->lines & ~BIT32(pin);
	if (level && !was && !(io->entry[pin] & RTE_MASKED))
		serve(io, pin);
}

static void write_entry(struct ioapic *io, unsigned index, uint32_t value)
{
	unsigned pin = index / 2, shift = index % 2 * 32;
	uint64_t mask = RTE_WRITABLE & (BITS64(31, 0) << shift);
	uint64_t *entry = &io->entry[pin], old = *entry;

	*entry = (old & ~mask) | (((uint64_t)value << shift) & mask);
	if (!(*entry & RTE_LEVEL))
		*entry &= ~RTE_REMOTE_IRR;
	/* A level that waited behind the mask comes now. */
	bool opened = (old & RTE_MASKED) && !(*entry & RTE_MASKED);

	if (high(io, pin) && (*entry & RTE_LEVEL) && !(*entry & RTE_MASKED) &&
	    (opened || !io->edge_only))
		serve(io, pin);
}

void ioapic_eoi(struct ioapic *io, uint8_t vector)
{
	for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
		uint64_t *entry = &io->entry[pin];

		if (RTE_VECTOR(*entry) != vector || !(*entry & RTE_REMOTE_IRR))
			continue;
		*entry &= ~RTE_REMOTE_IRR;
		if (high(io, pin) && !(*entry & RTE_MASKED))
			serve(io, pin);
	}
}

static uint32_t read_register(const struct ioapic *io)
{
	uint32_t r = io->select;

	switch (r) {
	case REG_ID:
	case REG_ARBITRATION:
		return io->id;
	case REG_VERSION:
		return VERSION;
	default:
		if (r < REG_ENTRIES || r >= REG_ENTRIES + 2 * IOAPIC_PINS)
			return 0;
		return (uint32_t)(io->entry[(r - REG_ENTRIES) / 2] >> ((r - REG_ENTRIES) % 2 * 32));
	}
}

uint64_t ioapic_read(void *device, uint64_t offset, unsigned bytes)
{
	const struct ioapic *io = device;

	(void)bytes;
	switch (offset) {
	case WIN_SELECT:
		return io->select;
	case WIN_DATA:
		return read_register(io);
	default:
		return 0;
	}
}

void ioapic_write(void *device, uint64_t offset, unsigned bytes, uint64_t value)
{
	struct ioapic *io = device;

	(void)bytes;
	switch (offset) {
	case WIN_SELECT:
		io->select = (uint8_t)value;
		break;
	case WIN_DATA:
		if (io->select == REG_ID)
			io->id = (uint32_t)value & ID_WRITABLE;
		else if (io->select >= REG_ENTRIES && io->select < REG_ENTRIES + 2 * IOAPIC_PINS)
			write_entry(io, io->select - REG_ENTRIES, (uint32_t)value);
		break;
	case WIN_EOI:
		ioapic_eoi(io, (uint8_t)value);
		break;
	default:
		break;
	}
}
