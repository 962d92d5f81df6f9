/*
 * fuzz_virtio.c - a driver that does anything: registers, rings and buffers from the input.
 *
 * Each input is a list of operations: write to configuration space, to a BAR, or to the memory where the
 * rings lie. The devices must stay inside of the memory that they are shown, and come to an end.
 *
 * links: kernel/machine/vtimer.c kernel/platform/[a-z]*.c tests/host/machine.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdlib.h>
#include <string.h>

#include "kernel/machine/port.h"
#include "kernel/platform/platform.h"
#include "tests/fake/device_ram.h"

#define BAR   UINT64_C(0xc0000000)
#define SLOTS 4 /* 2 to 5 */

static struct platform pc;
static uint8_t memory[8192], image[4096 + 512];
static struct device_ram ram = { memory, sizeof(memory) };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void nothing(void *ctx, uint8_t byte) { (void)ctx, (void)byte; }
static void deliver(void *ctx, const struct intr_message *m) { (void)ctx, (void)m; }
static void entropy(uint8_t *to, size_t n) { memset(to, 1, n); }

static void bar_set(unsigned slot, unsigned at, unsigned bytes, uint64_t v)
{
	platform_mmio_write(&pc, (gpa_t){ BAR + slot * 0x10000 + at }, bytes, v);
}

/* As far as a driver must go before anything can happen. */
static void bring_up(unsigned slot)
{
	platform_mmio_write(&pc, (gpa_t){ PCI_ECAM_GPA + (slot << 15) + 0x10 }, 4, BAR + slot * 0x10000);
	platform_mmio_write(&pc, (gpa_t){ PCI_ECAM_GPA + (slot << 15) + 0x04 }, 4, 6);
	bar_set(slot, 8, 4, 1);
	bar_set(slot, 12, 4, 3);
	bar_set(slot, 20, 1, 11);
	for (unsigned q = 0; q < 2; q++) {
		bar_set(slot, 22, 2, q);
		bar_set(slot, 24, 2, 8);
		bar_set(slot, 32, 8, 0);
		bar_set(slot, 40, 8, 0x200);
		bar_set(slot, 48, 8, 0x300);
		bar_set(slot, 28, 2, 1);
	}
	bar_set(slot, 20, 1, 15);
}

/* Another vCPU, that changes what was just looked at: who fetches twice sees two values. */
static uint32_t restless;

static int restless_read(void *ctx, uint64_t gpa, void *to, uint64_t bytes)
{
	int err = device_ram_read(ctx, gpa, to, bytes);

	for (uint64_t i = 0; !err && i < bytes; i++)
		memory[gpa + i] ^= (uint8_t)(restless >> 8 * (i & 3));
	return err;
}

static struct lan_port *card, *other;

/* The guest's card, and a neighbour who sends to it. */
static void plug(void)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 }, neighbour[6] = { 2, 0, 0, 0, 0, 2 };

	card = lan_plug("f", LAN_GUEST, mac, NULL, NULL);
	other = lan_plug("f", LAN_GUEST, neighbour, NULL, NULL);
	if (!card || !other)
		abort();
}

static void neighbour_sends(uint32_t length)
{
	uint8_t frame[LAN_FRAME_MAX] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };

	(void)lan_send(other, frame, length % LAN_FRAME_MAX + 1);
	platform_take_frames(&pc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	plug();
	const struct platform_config config = {
		.name = "f", .memory_bytes = 64 << 20, .vcpus = 1, .console = nothing, .disk = image,
		.disk_size = sizeof(image), .virtio_console = true, .entropy = entropy,
		.lan = card,
	};
	static bool started;

	if (!started && vtimer_start())
		abort();
	started = true;
	if (platform_init(&pc, &config))
		abort();
	platform_set_sink(&pc, &(struct intr_sink){ .deliver = deliver });
	platform_set_dma(&pc, &(struct dma){ restless_read, device_ram_write, &ram });
	memset(memory, 0, sizeof(memory));
	restless = 0;
	for (unsigned slot = 2; slot < 2 + SLOTS; slot++)
		bring_up(slot);
	for (; size >= 8; data += 8, size -= 8) {
		unsigned slot = 2 + data[1] % SLOTS, at = (unsigned)data[2] | (unsigned)data[3] << 8;
		uint32_t v;

		memcpy(&v, data + 4, 4);
		if (data[0] < 0x80)
			memcpy(memory + at % (sizeof(memory) - 4), &v, 4);
		else if (data[0] < 0xc0)
			bar_set(slot, 0x3000 + 4 * (at & 1), 2, at & 1);
		else if (data[0] < 0xe0)
			bar_set(slot, at % 0x4000, 1u << (data[0] & 3), v);
		else if (data[0] < 0xf0)
			(void)platform_mmio_read(&pc, (gpa_t){ BAR + slot * 0x10000 + at % 0x4000 },
						 1u << (data[0] & 3));
		else if (data[0] < 0xf8)
			platform_mmio_write(&pc, (gpa_t){ PCI_ECAM_GPA + (slot << 15) + at % 0x1000 },
					    1u << (data[0] & 1), v);
		else if (data[0] < 0xfa)
			platform_type(&pc, (uint8_t)v);
		else if (data[0] < 0xfb)
			platform_link(&pc, v & 1);
		else if (data[0] < 0xfc)
			restless = v;
		else
			neighbour_sends(v);
	}
	platform_fini(&pc);
	lan_unplug(card);
	lan_unplug(other);
	if (page_count(PAGE_GUEST))
		abort();
	return 0;
}
