/*
 * fuzz_platform.c - a guest that does anything to the virtual PC: ports and device memory, each width,
 * interrupts, firmware's DMA, time that passes.
 *
 * Operations of eight bytes. Ports of the devices are named by a table, so that the input finds them; any
 * other port and address comes too. Devices must stay inside of the memory that they are shown, ends
 * must be ends, and nothing is left behind.
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

static struct platform pc;
static uint8_t memory[4096], image[1024];
static struct device_ram ram = { memory, sizeof(memory) };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void nothing(void *ctx, uint8_t byte) { (void)ctx, (void)byte; }
static void deliver(void *ctx, const struct intr_message *m) { (void)ctx, (void)m; }
static void output(void *ctx, bool high) { (void)ctx, (void)high; }
static void entropy(uint8_t *to, size_t n) { memset(to, 1, n); }

static const uint16_t ports[] = {
	0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1, 0x40, 0x41, 0x42, 0x43, 0x61, 0x64, 0x70, 0x71, 0x92, 0xf4,
	0x3f8, 0x3f9, 0x3fa, 0x3fb, 0x3fc, 0x3fd, 0x402, 0x510, 0x511, 0x514, 0x518, 0xcf8, 0xcf9, 0xcfc,
	0xcfe, 0xb000, 0xb004, 0xb008, 0x518, 0x70, 0x71,
};

static const uint64_t areas[] = { IOAPIC_GPA, IOAPIC_GPA + 0x10, PCI_ECAM_GPA, PCI_ECAM_GPA + (4 << 15),
				  0xc0000000, 0xfee00000, 0xfffffffffffff000 };

static void start(void)
{
	const struct platform_config config = {
		.name = "f", .memory_bytes = 64 << 20, .vcpus = 2, .pic = true, .console = nothing,
		.disk = image, .disk_size = sizeof(image), .virtio_console = true, .entropy = entropy,
		.kernel = image, .kernel_size = sizeof(image), .initrd = image, .initrd_size = 100,
		.cmdline = "quiet",
	};
	static bool started;

	if (!started && vtimer_start())
		abort();
	started = true;
	image[0x1f1] = 1;
	image[0x1fe] = 0x55;
	image[0x1ff] = 0xaa;
	if (platform_init(&pc, &config))
		abort();
	platform_set_sink(&pc, &(struct intr_sink){ .deliver = deliver, .pic = output });
	platform_set_dma(&pc, &(struct dma){ device_ram_read, device_ram_write, &ram });
	memset(memory, 0, sizeof(memory));
}

static void operation(const uint8_t *op)
{
	uint16_t port = op[1] < 0xf0 ? ports[op[1] % ARRAY_LEN(ports)]
				     : (uint16_t)(op[2] | op[3] << 8);
	uint64_t at = areas[op[1] % ARRAY_LEN(areas)] + (op[2] | (op[3] & 15u) << 8);
	unsigned bytes = 1u << (op[0] & 3);
	uint32_t v;

	memcpy(&v, op + 4, 4);
	switch (op[0] >> 4) {
	case 0: case 1: case 2: case 3: case 4:
		platform_out(&pc, port, bytes > 4 ? 4 : bytes, v);
		break;
	case 5: case 6: case 7:
		(void)platform_in(&pc, port, bytes > 4 ? 4 : bytes);
		break;
	case 8: case 9:
		platform_mmio_write(&pc, (gpa_t){ at }, bytes, v | (uint64_t)v << 32);
		break;
	case 10:
		(void)platform_mmio_read(&pc, (gpa_t){ at }, bytes);
		break;
	case 11: /* a request for firmware's DMA */
		memcpy(memory + (op[2] | (op[3] & 7u) << 8), &v, 4);
		break;
	case 12: /* time passes */
		pc.cmos.rtc.base_tsc -= v;
		pc.cmos.rtc.seen_tsc -= v;
		for (unsigned i = 0; i < 3; i++)
			pc.pit.channel[i].start_tsc -= v;
		rtc_tick(&pc.cmos.rtc);
		break;
	case 13:
		platform_eoi(&pc, op[1]);
		break;
	case 14:
		(void)platform_pic_acknowledge(&pc);
		break;
	default:
		(void)platform_type(&pc, op[1]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[40];

	start();
	for (; size >= 8; data += 8, size -= 8) {
		operation(data);
		vtimer_run();
	}
	(void)platform_end_text(&pc, text, sizeof(text));
	platform_fini(&pc);
	if (vtimer_next() != VTIMER_NEVER || page_count(PAGE_GUEST))
		abort();
	return 0;
}
