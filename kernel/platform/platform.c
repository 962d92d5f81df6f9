/*
 * platform.c - the virtual PC put together: which device stands at which port.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/platform/platform.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/log.h"
#include "kernel/platform/memory.h"

#define DEBUG_PORT_READS 0xe9 /* what firmware takes for "there is a debug port" */
#define KBD_RESET        0xfe
#define PORT92_RESET     0x01

enum { SLOT_CONSOLE = 2, SLOT_RNG = 3, SLOT_DISK = 4, SLOT_NET = 5 };

static void set_end(struct platform *p, enum platform_end end)
{
	if (p->end == PLATFORM_RUNS)
		__atomic_store_n(&p->end, end, __ATOMIC_RELAXED);
}

static void on_sleep(void *ctx, unsigned type)
{
	(void)type; /* every sleep state of ours is "off" */
	set_end(ctx, PLATFORM_POWEROFF);
}

static void on_reset(void *ctx)
{
	set_end(ctx, PLATFORM_RESET);
}

static void on_transmit(void *ctx, uint8_t byte)
{
	struct platform *p = ctx;

	p->config.console(p->config.console_ctx, byte);
}

static void on_com1(void *ctx, uint8_t byte)
{
	struct platform *p = ctx;

	p->console.used = false; /* what is typed goes where the guest printed last */
	on_transmit(p, byte);
}

/* Lines follow what their devices say now. */
static void update_lines(struct platform *p)
{
	bool com1 = serial_irq(&p->com1);

	if (com1 != p->com1_line) {
		p->com1_line = com1;
		intr_line(&p->intr, GSI_COM1, com1);
	}
}

static void on_pit(void *ctx)
{
	struct platform *p = ctx;

	spin_lock(&p->lock);
	p->pit.ticks++;
	intr_line(&p->intr, GSI_TIMER, false);
	intr_line(&p->intr, GSI_TIMER, true);
	pit_next_tick(&p->pit);
	spin_unlock(&p->lock);
}

static void on_rtc_line(void *ctx, bool high)
{
	struct platform *p = ctx;

	intr_line(&p->intr, GSI_RTC, high);
}

static void on_rtc(void *ctx)
{
	struct platform *p = ctx;

	spin_lock(&p->lock);
	rtc_tick(&p->cmos.rtc);
	spin_unlock(&p->lock);
}

static uint32_t com1_read(void *ctx, unsigned offset, unsigned bytes)
{
	struct platform *p = ctx;
	uint32_t value = serial_read(&p->com1, offset, bytes);

	update_lines(p);
	return value;
}

static void com1_write(void *ctx, unsigned offset, unsigned bytes, uint32_t value)
{
	struct platform *p = ctx;

	serial_write(&p->com1, offset, bytes, value);
	update_lines(p);
}

static uint32_t pic1_read(void *ctx, unsigned offset, unsigned bytes)
{
	struct platform *p = ctx;
	uint32_t value = pic_read(&p->intr.pic, 0, offset);

	(void)bytes;
	intr_pic_changed(&p->intr); /* a poll acknowledges */
	return value;
}

static void pic1_write(void *ctx, unsigned offset, unsigned bytes, uint32_t value)
{
	struct platform *p = ctx;

	(void)bytes;
	pic_write(&p->intr.pic, 0, offset, (uint8_t)value);
	intr_pic_changed(&p->intr);
}

static uint32_t pic2_read(void *ctx, unsigned offset, unsigned bytes)
{
	struct platform *p = ctx;
	uint32_t value = pic_read(&p->intr.pic, 1, offset);

	(void)bytes;
	intr_pic_changed(&p->intr);
	return value;
}

static void pic2_write(void *ctx, unsigned offset, unsigned bytes, uint32_t value)
{
	struct platform *p = ctx;

	(void)bytes;
	pic_write(&p->intr.pic, 1, offset, (uint8_t)value);
	intr_pic_changed(&p->intr);
}

static uint32_t elcr_read(void *ctx, unsigned offset, unsigned bytes)
{
	const struct platform *p = ctx;

	(void)bytes;
	return pic_elcr_read(&p->intr.pic, offset);
}

static void elcr_write(void *ctx, unsigned offset, unsigned bytes, uint32_t value)
{
	struct platform *p = ctx;

	(void)bytes;
	pic_elcr_write(&p->intr.pic, offset, (uint8_t)value);
	intr_pic_changed(&p->intr);
}

static void keyboard_write(void *ctx, unsigned offset, unsigned bytes, uint32_t value)
{
	(void)bytes;
	(void)offset;
	if (value == KBD_RESET)
		on_reset(ctx);
}

static uint32_t port92_read(void *ctx, unsigned offset, unsigned bytes)
{
	(void)ctx, (void)offset, (void)bytes;
	return 0x02; /* A20 is open, always */
}

static void port92_write(void *ctx, unsigned offset, unsigned bytes, uint32_t value)
{
	(void)offset, (void)bytes;
	if (value & PORT92_RESET)
		on_reset(ctx);
}

static void exit_write(void *ctx, unsigned offset, unsigned bytes, uint32_t value)
{
	struct platform *p = ctx;

	(void)offset, (void)bytes;
	p->exit_code = value;
	set_end(p, PLATFORM_EXIT);
}

static uint32_t debug_read(void *ctx, unsigned offset, unsigned bytes)
{
	(void)ctx, (void)offset, (void)bytes;
	return DEBUG_PORT_READS;
}

static void debug_write(void *ctx, unsigned offset, unsigned bytes, uint32_t value)
{
	(void)offset, (void)bytes;
	on_transmit(ctx, (uint8_t)value);
}

static int add_ranges(struct platform *p, const struct port_range *ranges, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int err = ports_add(&p->ports, &ranges[i]);

		if (err)
			return err;
	}
	return 0;
}

static int add_ports(struct platform *p)
{
	/* clang-format off */
	const struct port_range pic_ranges[] = {
		{ 0x0020, 0x0021, "PIC-1",     pic1_read,        pic1_write,        p,          0, 0 },
		{ 0x00a0, 0x00a1, "PIC-2",     pic2_read,        pic2_write,        p,          0, 0 },
		{ 0x04d0, 0x04d1, "ELCR",      elcr_read,        elcr_write,        p,          0, 0 },
	};
	/* clang-format on */

	/* clang-format off */
	const struct port_range ranges[] = {
		{ 0x0040, 0x0043, "PIT",       pit_read,         pit_write,         &p->pit,    0, 0 },
		{ 0x0060, 0x0060, "keyboard data", NULL,         NULL,              p,          0, 0 },
		{ 0x0061, 0x0061, "port 61h",  port61_read,      port61_write,      &p->pit,    0, 0 },
		{ 0x0064, 0x0064, "keyboard",  NULL,             keyboard_write,    p,          0, 0 },
		{ 0x0070, 0x0071, "CMOS",      cmos_read,        cmos_write,        &p->cmos,   0, 0 },
		{ 0x0080, 0x0080, "POST",      NULL,             NULL,              p,          0, 0 },
		{ 0x0092, 0x0092, "port 92h",  port92_read,      port92_write,      p,          0, 0 },
		{ 0x00f4, 0x00f7, "exit",      NULL,             exit_write,        p,          0, 0 },
		{ 0x03f8, 0x03ff, "COM1",      com1_read,        com1_write,        p,          0, 0 },
		{ 0x0402, 0x0402, "debug",     debug_read,       debug_write,       p,          0, 0 },
		{ 0x0510, 0x051b, "fw_cfg",    fwcfg_read,       fwcfg_write,       &p->fwcfg,  0, 0 },
		{ 0x0cf8, 0x0cfb, "PCI address", pci_address_read, pci_address_write, &p->pci,  0, 0 },
		{ 0x0cfc, 0x0cff, "PCI data",  pci_data_read,    pci_data_write,    &p->pci,    0, 0 },
		{ PM_BASE, PM_BASE + PM_SIZE - 1, "ACPI PM", pmtimer_read, pmtimer_write, &p->pm, 0, 0 },
	};
	/* clang-format on */

	int err = add_ranges(p, ranges, ARRAY_LEN(ranges));

	if (!err && p->config.pic)
		err = add_ranges(p, pic_ranges, ARRAY_LEN(pic_ranges));
	return err;
}

static int add_mmio(struct platform *p)
{
	const struct mmio_range ranges[] = {
		{ IOAPIC_GPA, IOAPIC_GPA + IOAPIC_SIZE - 1, "I/O APIC", ioapic_read, ioapic_write,
		  &p->intr.ioapic, 0, 0, NULL },
		{ PCI_ECAM_GPA, PCI_ECAM_GPA + PCI_ECAM_SIZE - 1, "PCI ECAM", pci_ecam_read,
		  pci_ecam_write, &p->pci, 0, 0, NULL },
		{ p->pci.window_base, PCI_WINDOW_LAST, "PCI window", pci_window_read, pci_window_write,
		  &p->pci, 0, 0, pci_window_claims },
	};

	for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
		int err = mmio_add(&p->mmio, &ranges[i]);

		if (err)
			return err;
	}
	return 0;
}

/* Linux's boot protocol: the set-up part is 1 + setup_sects (offset 1F1h, 0 means 4) sectors. */
static uint64_t setup_bytes(const uint8_t *kernel, uint64_t size)
{
	if (size < 0x202 || kernel[0x1fe] != 0x55 || kernel[0x1ff] != 0xaa)
		return 0;

	uint64_t bytes = (1 + (kernel[0x1f1] ? kernel[0x1f1] : 4u)) * UINT64_C(512);

	return bytes < size ? bytes : 0;
}

static struct guest_ram platform_ram(const struct platform_config *c)
{
	return guest_ram_split(c->memory_bytes, c->memory_low);
}

/* RAM as firmware's memory map wants it: address, length, type 1. */
static unsigned build_e820(struct platform *p)
{
	const struct guest_ram split = platform_ram(&p->config);
	const struct {
		uint64_t base, length;
	} ram[] = { { 0, split.low }, { GUEST_HIGH_BASE, split.high } };
	unsigned size = 0;

	for (size_t i = 0; i < ARRAY_LEN(ram); i++) {
		if (!ram[i].length)
			continue;
		memcpy(p->e820 + size, &ram[i].base, 8);
		memcpy(p->e820 + size + 8, &ram[i].length, 8);
		memcpy(p->e820 + size + 16, &(uint32_t){ 1 }, 4);
		size += 20;
	}
	return size;
}

static int add_fwcfg_files(struct platform *p)
{
	const struct acpi_tables_config acpi = {
		.vcpus = p->config.vcpus,
		.low_ram = platform_ram(&p->config).low,
		.pic = p->config.pic,
	};
	struct acpi_tables *t = &p->acpi;
	int err = acpi_tables_build_loader(t, &acpi);

	err |= fwcfg_add_file(&p->fwcfg, "etc/e820", p->e820, build_e820(p));
	err |= fwcfg_add_file(&p->fwcfg, "etc/acpi/rsdp", t->rsdp, sizeof(t->rsdp));
	err |= fwcfg_add_file(&p->fwcfg, "etc/acpi/tables", t->bytes, t->size);
	err |= fwcfg_add_file(&p->fwcfg, "etc/table-loader", t->loader, t->loader_size);
	return err ? -ENOSPC : 0;
}

static int add_fwcfg_items(struct platform *p)
{
	const struct platform_config *c = &p->config;
	uint64_t setup = c->kernel ? setup_bytes(c->kernel, c->kernel_size) : 0;
	const char *cmdline = c->cmdline ? c->cmdline : "";
	const uint8_t *kernel = c->kernel;
	int err = 0;

	fwcfg_init(&p->fwcfg);
	err |= fwcfg_add_value(&p->fwcfg, FWCFG_RAM_SIZE, c->memory_bytes, 8);
	err |= fwcfg_add_value(&p->fwcfg, FWCFG_NB_CPUS, c->vcpus, 2);
	err |= fwcfg_add_value(&p->fwcfg, FWCFG_MAX_CPUS, c->vcpus, 2);
	err |= fwcfg_add_value(&p->fwcfg, FWCFG_BOOT_MENU, 0, 2);
	err |= fwcfg_add_value(&p->fwcfg, FWCFG_KERNEL_SIZE, kernel ? c->kernel_size - setup : 0, 4);
	err |= fwcfg_add_value(&p->fwcfg, FWCFG_SETUP_SIZE, setup, 4);
	err |= fwcfg_add_value(&p->fwcfg, FWCFG_INITRD_SIZE, c->initrd ? c->initrd_size : 0, 4);
	err |= fwcfg_add_value(&p->fwcfg, FWCFG_CMDLINE_SIZE, strlen(cmdline) + 1, 4);
	err |= fwcfg_add(&p->fwcfg, FWCFG_CMDLINE_DATA, cmdline, strlen(cmdline) + 1);
	if (kernel) {
		err |= fwcfg_add(&p->fwcfg, FWCFG_SETUP_DATA, kernel, setup);
		err |= fwcfg_add(&p->fwcfg, FWCFG_KERNEL_DATA, kernel + setup, c->kernel_size - setup);
	}
	if (c->initrd)
		err |= fwcfg_add(&p->fwcfg, FWCFG_INITRD_DATA, c->initrd, c->initrd_size);
	return err ? -ENOSPC : add_fwcfg_files(p);
}

static int add_virtio(struct platform *p)
{
	const struct platform_config *c = &p->config;
	int err = 0;

	if (c->virtio_console)
		err = virtio_console_add(&p->console, &p->pci, SLOT_CONSOLE, &p->dma, on_transmit, p);
	if (!err && c->entropy)
		err = virtio_rng_add(&p->rng, &p->pci, SLOT_RNG, &p->dma, c->entropy);
	if (!err && c->disk)
		err = virtio_disk_add(&p->disk, &p->pci, SLOT_DISK, &p->dma, c->disk, c->disk_size);
	if (!err && c->lan)
		err = virtio_net_add(&p->net, &p->pci, SLOT_NET, &p->dma, c->lan);
	return err;
}

int platform_init(struct platform *p, const struct platform_config *config)
{
	memset(p, 0, sizeof(*p));
	p->config = *config;
	p->ports.unclaimed = config->unclaimed;
	p->ports.unclaimed_ctx = config->console_ctx;
	intr_init(&p->intr);
	pit_init(&p->pit, on_pit, p);
	serial_init(&p->com1, on_com1, p);
	cmos_init(&p->cmos, platform_ram(config), config->vcpus, on_rtc_line, on_rtc, p);
	pmtimer_init(&p->pm, on_sleep, p);
	pci_init(&p->pci, &p->intr, platform_ram(config).low, on_reset, p);

	int err = add_fwcfg_items(p);

	if (!err)
		err = add_ports(p);
	if (!err)
		err = add_mmio(p);
	return err ? err : add_virtio(p);
}

void platform_fini(struct platform *p)
{
	if (p->ports.count)
		pit_fini(&p->pit);
	if (p->ports.count)
		rtc_fini(&p->cmos.rtc);
	virtio_disk_fini(&p->disk);
	p->ports.count = 0;
}

uint32_t platform_in(struct platform *p, uint16_t port, unsigned bytes)
{
	spin_lock(&p->lock);
	uint64_t value = ports_in(&p->ports, port, bytes);
	spin_unlock(&p->lock);
	fault_answer(p->config.faults, FAULT_PORT, port, &value);
	return (uint32_t)value;
}

void platform_out(struct platform *p, uint16_t port, unsigned bytes, uint32_t value)
{
	spin_lock(&p->lock);
	ports_out(&p->ports, port, bytes, value);
	spin_unlock(&p->lock);
}

/* The first one is worth a line to the guest's author; a driver that probes would make thousands. */
static void nobody_at(struct platform *p, const char *what, gpa_t gpa, unsigned bytes)
{
	if (p->mmio.unclaimed_reads + p->mmio.unclaimed_writes == 1)
		log_warn("%s: %s of %u bytes at %#llx: no device there (more are only counted)",
			 p->config.name, what, bytes, (unsigned long long)gpa.v);
}

uint64_t platform_mmio_read(struct platform *p, gpa_t gpa, unsigned bytes)
{
	uint64_t value;

	spin_lock(&p->lock);
	bool there = mmio_read(&p->mmio, gpa.v, bytes, &value);
	spin_unlock(&p->lock);
	if (!there)
		nobody_at(p, "read", gpa, bytes);
	fault_answer(p->config.faults, FAULT_MMIO, gpa.v, &value);
	return value;
}

void platform_mmio_write(struct platform *p, gpa_t gpa, unsigned bytes, uint64_t value)
{
	spin_lock(&p->lock);
	bool there = mmio_write(&p->mmio, gpa.v, bytes, value);
	spin_unlock(&p->lock);
	if (!there)
		nobody_at(p, "write", gpa, bytes);
}

void platform_set_sink(struct platform *p, const struct intr_sink *sink)
{
	static const struct intr_sink none;

	spin_lock(&p->lock);
	intr_set_sink(&p->intr, sink ? sink : &none);
	spin_unlock(&p->lock);
}

void platform_set_dma(struct platform *p, const struct dma *dma)
{
	static const struct dma none;

	spin_lock(&p->lock);
	p->dma = dma ? *dma : none;
	fwcfg_set_dma(&p->fwcfg, dma ? &p->dma : NULL);
	spin_unlock(&p->lock);
}

void platform_eoi(struct platform *p, uint8_t vector)
{
	spin_lock(&p->lock);
	ioapic_eoi(&p->intr.ioapic, vector);
	spin_unlock(&p->lock);
}

uint8_t platform_pic_acknowledge(struct platform *p)
{
	spin_lock(&p->lock);
	uint8_t vector = pic_acknowledge(&p->intr.pic);

	p->intr.pic_asserted = false; /* the output falls with the acknowledge; what is left asks anew */
	intr_pic_changed(&p->intr);
	spin_unlock(&p->lock);
	return vector;
}

const char *platform_end_text(const struct platform *p, char *buf, size_t size)
{
	static const char *const text[] = {
		[PLATFORM_RUNS] = "running",
		[PLATFORM_POWEROFF] = "powered off",
		[PLATFORM_RESET] = "reset",
	};
	enum platform_end end = platform_ended(p);

	if (end == PLATFORM_EXIT)
		snprintf(buf, size, "exit %u", (unsigned)p->exit_code);
	else
		snprintf(buf, size, "%s", text[end]);
	return buf;
}

void platform_take_frames(struct platform *p)
{
	if (likely(!p->config.lan || !lan_waiting(p->config.lan)))
		return;
	spin_lock(&p->lock);
	virtio_net_receive(&p->net);
	spin_unlock(&p->lock);
}

void platform_link(struct platform *p, bool up)
{
	if (!p->config.lan)
		return;
	spin_lock(&p->lock);
	virtio_net_link(&p->net, up);
	spin_unlock(&p->lock);
}

bool platform_type(struct platform *p, uint8_t byte)
{
	spin_lock(&p->lock);
	bool taken = p->console.used && virtio_is_running(&p->console.v)
			     ? virtio_console_receive(&p->console, byte)
			     : serial_receive(&p->com1, byte);

	update_lines(p);
	spin_unlock(&p->lock);
	return taken;
}
