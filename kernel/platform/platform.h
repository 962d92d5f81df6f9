/*
 * platform.h - the virtual PC around a guest: ports and MMIO with the devices behind them. Plain
 * guests and TDs use the same objects.
 *
 * An access goes to the device whose range holds it (ports.c). One that nobody claims reads all
 * ones, is ignored when written, and is counted and traced; nothing is guessed.
 *
 * Files   ports.c    the range table      serial.c  16550 COM1        cmos.c    CMOS, with the RTC (rtc.c)
 *         pmtimer.c  ACPI PM block        pci.c     bus 0             fwcfg.c   fw_cfg
 *         mmio.c     MMIO ranges          intr.c    interrupts to vCPUs ioapic.c  I/O APIC
 *         pic.c      8259 pair            pit.c     8254
 *         acpi_tables.c  ACPI tables, by aml.c    dma.h     devices to memory
 *         virtio.c   virtio-pci, on virtqueue.c: virtio_console.c virtio_rng.c virtio_disk.c virtio_net.c,
 *                    which is a port of lan.c, the switch between guests
 *         memory.c   backing frames       platform.c  the sum of them
 *
 * Invariants
 *   - Values from the guest (port, size, data, index) are checked once, in the range table and at
 *     the device's border; no access can reach beyond a device's own state.
 *   - One vCPU at a time is inside a platform: platform->lock.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_PLATFORM_PLATFORM_H
#define TAIN_PLATFORM_PLATFORM_H

#include "kernel/base/lock.h"
#include "kernel/base/types.h"
#include "kernel/platform/acpi_tables.h"
#include "kernel/platform/cmos.h"
#include "kernel/platform/dma.h"
#include "kernel/platform/fault.h"
#include "kernel/platform/fwcfg.h"
#include "kernel/platform/intr.h"
#include "kernel/platform/mmio.h"
#include "kernel/platform/pci.h"
#include "kernel/platform/pit.h"
#include "kernel/platform/pmtimer.h"
#include "kernel/platform/ports.h"
#include "kernel/platform/serial.h"
#include "kernel/platform/virtio_devices.h"

/* What the guest asked of its power button, reset line or debug-exit port. */
enum platform_end {
	PLATFORM_RUNS,
	PLATFORM_POWEROFF, /* PM1a_CNT.SLP_EN with type S5 */
	PLATFORM_RESET,    /* CF9, keyboard controller, port 92h */
	PLATFORM_EXIT,     /* port F4h: exit_code */
};

struct platform_config {
	const char *name;      /* of the guest; lives as long as the platform */
	uint64_t memory_bytes; /* for CMOS and fw_cfg */
	uint64_t memory_low;   /* of it at most so much below 4 GiB; 0: as usual */
	unsigned vcpus;
	bool pic; /* the 8259 pair is there; without it Linux takes interrupts by APICs alone */
	const void *kernel, *initrd; /* fw_cfg items; NULL: none */
	uint64_t kernel_size, initrd_size;
	const char *cmdline;
	/* virtio devices; NULL or false: not there */
	const void *disk;
	uint64_t disk_size;
	bool virtio_console;
	struct lan_port *lan;
	void (*entropy)(uint8_t *to, size_t bytes);
	/* Called with each byte the guest prints on COM1 or the debug port. */
	void (*console)(void *ctx, uint8_t byte);
	void *console_ctx;
	struct fault_table *faults; /* wrong answers on demand; NULL: never */
	/* Called for each access that no device claims. May be NULL. */
	void (*unclaimed)(void *ctx, bool write, uint16_t port, unsigned bytes, uint32_t value);
};

struct platform {
	struct platform_config config;
	spinlock_t lock;
	struct port_table ports;
	struct mmio_table mmio;
	struct intr intr;
	struct dma dma;
	struct acpi_tables acpi; /* as firmware gets it */
	uint8_t e820[20 * 3];
	struct pit pit;
	struct serial com1;
	bool com1_line;
	struct cmos cmos;
	struct pmtimer pm;
	struct pci pci;
	struct fwcfg fwcfg;
	struct virtio_console console;
	struct virtio_rng rng;
	struct virtio_disk disk;
	struct virtio_net net;
	enum platform_end end;
	uint32_t exit_code;
};

/* Returns 0 or -ENOMEM. @config is copied. */
int platform_init(struct platform *p, const struct platform_config *config) MUST_CHECK;
void platform_fini(struct platform *p);

/* @bytes is 1, 2 or 4. All ones where nobody answers. Any CPU. */
uint32_t platform_in(struct platform *p, uint16_t port, unsigned bytes);
void platform_out(struct platform *p, uint16_t port, unsigned bytes, uint32_t value);

/* @bytes is 1, 2, 4 or 8. */
uint64_t platform_mmio_read(struct platform *p, gpa_t gpa, unsigned bytes);
void platform_mmio_write(struct platform *p, gpa_t gpa, unsigned bytes, uint64_t value);

/*
 * Interrupts of this platform go to @sink from now on. Before the guest runs, and with NULL before
 * the sink goes.
 */
void platform_set_sink(struct platform *p, const struct intr_sink *sink);

/* Devices reach the guest's memory by @dma from now on; NULL: no more. Before the guest runs. */
void platform_set_dma(struct platform *p, const struct dma *dma);

/* The level-triggered interrupt @vector was ended by a local APIC. Any CPU, not from a sink. */
void platform_eoi(struct platform *p, uint8_t vector);

/* The local APIC that the 8259s interrupt takes their vector. Any CPU, not from a sink. */
uint8_t platform_pic_acknowledge(struct platform *p);

/* What the guest asked for so far: looked at after each access by the one who runs the vCPU. */
static inline enum platform_end platform_ended(const struct platform *p)
{
	return __atomic_load_n(&p->end, __ATOMIC_RELAXED);
}

/* One understandable line for platform_ended(): "powered off", "reset", "exit 3". */
const char *platform_end_text(const struct platform *p, char *buf, size_t size);

/* Frames wait for the guest: hand them over. Cheap when there are none. Before a vCPU of it runs. */
void platform_take_frames(struct platform *p);

/* The cable of its network card, if it has one: in or pulled. */
void platform_link(struct platform *p, bool up);

/* A byte typed for the guest; false: its FIFO is full. */
bool platform_type(struct platform *p, uint8_t byte);

#endif
