/*
 * platform_pci.c - what the virtual PC promises about interrupts, PCI functions, ACPI tables and
 * fw_cfg's DMA.
 *
 * links: kernel/machine/vtimer.c kernel/platform/[a-z]*.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/machine/port.h"
#include "kernel/platform/platform.h"
#include "tests/fake/device_ram.h"

static struct platform pc;
static struct intr_message sent[16];
static unsigned sent_count, pic_changes;
static bool pic_now;
static uint8_t memory[64 * 1024];
static struct device_ram ram = { memory, sizeof(memory) };

static void deliver(void *ctx, const struct intr_message *m)
{
	(void)ctx;
	sent[sent_count++ % 16] = *m;
}

static void on_pic(void *ctx, bool asserted)
{
	(void)ctx;
	pic_changes++;
	pic_now = asserted;
}

static void print(void *ctx, uint8_t byte) { (void)ctx, (void)byte; }

static int start(void **state)
{
	const struct platform_config config = { .name = "t", .memory_bytes = 64 << 20, .vcpus = 2,
						.pic = true, .console = print };
	const struct intr_sink sink = { .deliver = deliver, .pic = on_pic };
	const struct dma dma = { device_ram_read, device_ram_write, &ram };

	(void)state;
	sent_count = pic_changes = 0;
	pic_now = false;
	memset(memory, 0, sizeof(memory));
	if (platform_init(&pc, &config))
		return -1;
	platform_set_sink(&pc, &sink);
	platform_set_dma(&pc, &dma);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	platform_fini(&pc);
	return 0;
}

static void out8(uint16_t port, uint8_t v) { platform_out(&pc, port, 1, v); }
static uint8_t in8(uint16_t port) { return (uint8_t)platform_in(&pc, port, 1); }

static uint32_t ioapic_get(uint32_t reg)
{
	platform_mmio_write(&pc, (gpa_t){ IOAPIC_GPA }, 4, reg);
	return (uint32_t)platform_mmio_read(&pc, (gpa_t){ IOAPIC_GPA + 0x10 }, 4);
}

static void ioapic_set(uint32_t reg, uint32_t value)
{
	platform_mmio_write(&pc, (gpa_t){ IOAPIC_GPA }, 4, reg);
	platform_mmio_write(&pc, (gpa_t){ IOAPIC_GPA + 0x10 }, 4, value);
}

static void route(unsigned pin, uint32_t low, uint32_t high)
{
	ioapic_set(0x11 + 2 * pin, high);
	ioapic_set(0x10 + 2 * pin, low);
}

static void line(unsigned gsi, bool high)
{
	spin_lock(&pc.lock);
	intr_line(&pc.intr, gsi, high);
	spin_unlock(&pc.lock);
}

/* ---- I/O APIC ---- */

static void an_edge_is_sent_once(void **state)
{
	(void)state;
	assert_int_equal(ioapic_get(1), 0x00170020);
	assert_int_equal(ioapic_get(0x10 + 2 * 5), 0x10000); /* masked at reset */
	route(5, 0x0831, 1u << 24); /* logical, vector 31h */
	line(5, true);
	line(5, true);
	assert_int_equal(sent_count, 1);
	assert_int_equal(sent[0].vector, 0x31);
	assert_int_equal(sent[0].dest, 1);
	assert_true(sent[0].logical);
	line(5, false);
	line(5, true);
	assert_int_equal(sent_count, 2);
	line(5, false);
	route(5, 0x10831, 0);
	line(5, true);
	route(5, 0x0831, 0);
	assert_int_equal(sent_count, 2); /* a rise at a masked pin is lost */
}

static void a_level_is_sent_until_its_end(void **state)
{
	(void)state;
	route(17, 0x8040, 0);
	line(17, true);
	line(17, false);
	line(17, true);
	assert_int_equal(sent_count, 1);
	assert_true(sent[0].level);
	assert_true(ioapic_get(0x10 + 2 * 17) & 1u << 14); /* Remote IRR */
	platform_eoi(&pc, 0x41);
	assert_int_equal(sent_count, 1);
	platform_eoi(&pc, 0x40);
	assert_int_equal(sent_count, 2); /* still high */
	line(17, false);
	platform_eoi(&pc, 0x40);
	assert_int_equal(sent_count, 2);
	assert_false(ioapic_get(0x10 + 2 * 17) & 1u << 14);
}

static void a_level_behind_the_mask_comes_when_it_opens(void **state)
{
	(void)state;
	route(17, 0x18040, 0);
	line(17, true);
	assert_int_equal(sent_count, 0);
	route(17, 0x8040, 0);
	assert_int_equal(sent_count, 1);
}

static void without_ends_a_level_counts_as_an_edge(void **state)
{
	const struct intr_sink sink = { .deliver = deliver, .edge_only = true };

	(void)state;
	platform_set_sink(&pc, &sink);
	route(17, 0x8040, 0);
	line(17, true);
	line(17, false);
	line(17, true);
	assert_int_equal(sent_count, 2);
	assert_false(sent[0].level);
}

/* ---- 8259 ---- */

static void pic_start(void)
{
	out8(0x20, 0x11), out8(0x21, 0x30), out8(0x21, 0x04), out8(0x21, 0x01);
	out8(0xa0, 0x11), out8(0xa1, 0x38), out8(0xa1, 0x02), out8(0xa1, 0x01);
	out8(0x21, 0x00), out8(0xa1, 0x00);
}

static void the_pic_gives_vectors_by_priority(void **state)
{
	(void)state;
	pic_start();
	line(4, true);
	assert_true(pic_now);
	line(1, true);
	assert_int_equal(platform_pic_acknowledge(&pc), 0x31);
	assert_false(pc.intr.pic_asserted); /* 4 waits behind 1 */
	out8(0x20, 0x20);
	assert_int_equal(platform_pic_acknowledge(&pc), 0x34);
	line(12, true);
	assert_false(pc.intr.pic_asserted == false && pic_changes == 0);
	out8(0x20, 0x20);
	assert_int_equal(platform_pic_acknowledge(&pc), 0x3c);
	out8(0x20, 0x0b);
	assert_int_equal(in8(0x20), 1 << 2); /* the cascade is in service */
	out8(0xa0, 0x20), out8(0x20, 0x20);
	assert_int_equal(platform_pic_acknowledge(&pc), 0x37); /* spurious */
}

static void a_masked_pic_is_silent_and_reads_its_mask(void **state)
{
	(void)state;
	pic_start();
	out8(0x21, 0xfb), out8(0xa1, 0xff);
	assert_int_equal(in8(0x21), 0xfb);
	line(4, true);
	assert_false(pic_now);
	out8(0x21, 0xeb);
	assert_true(pic_now);
}

/* ---- COM1 ---- */

static void com1_interrupts_when_a_byte_comes_and_when_it_may_send(void **state)
{
	(void)state;
	route(4, 0x24, 0);
	out8(0x3fc, 0x08); /* OUT2 lets the interrupt out */
	out8(0x3f9, 0x01);
	assert_true(platform_type(&pc, 'x'));
	assert_int_equal(sent_count, 1);
	assert_int_equal(in8(0x3fa) & 0x0f, 0x04);
	assert_int_equal(in8(0x3f8), 'x');
	assert_int_equal(in8(0x3fa) & 0x0f, 0x01);
	out8(0x3f9, 0x03);
	assert_int_equal(sent_count, 2);
	assert_int_equal(in8(0x3fa) & 0x0f, 0x02);
	out8(0x3f8, 'y');
	assert_int_equal(sent_count, 3);
}

/* ---- PIT ---- */

static void the_pit_counts_down_at_its_rate(void **state)
{
	(void)state;
	out8(0x61, 1);
	out8(0x43, 0xb0); /* channel 2, low then high, mode 0 */
	out8(0x42, 0xff), out8(0x42, 0xff);
	assert_false(in8(0x61) & 0x20);
	uint64_t start = tsc_now(), window = tsc_hz() / 100;

	while (tsc_now() - start < window)
		;
	out8(0x43, 0x80);

	unsigned count = in8(0x42);

	count |= (unsigned)in8(0x42) << 8;
	assert_in_range(0xffff - count, PIT_HZ / 100, PIT_HZ / 20); /* a slow host may take longer */
	while (tsc_now() - start < tsc_hz() * 60 / 1000)
		;
	assert_true(in8(0x61) & 0x20);
}

/* ---- PCI ---- */

static uint64_t seen_offset, seen_value;

static uint64_t bar_read(void *device, uint64_t offset, unsigned bytes)
{
	(void)device, (void)bytes;
	seen_offset = offset;
	return 0x1122334455667788;
}

static void bar_write(void *device, uint64_t offset, unsigned bytes, uint64_t value)
{
	(void)device, (void)bytes;
	seen_offset = offset;
	seen_value = value;
}

static uint32_t ecam(unsigned device, unsigned reg)
{
	return (uint32_t)platform_mmio_read(&pc, (gpa_t){ PCI_ECAM_GPA + (device << 15) + reg }, 4);
}

static void ecam_set(unsigned device, unsigned reg, uint32_t v)
{
	platform_mmio_write(&pc, (gpa_t){ PCI_ECAM_GPA + (device << 15) + reg }, 4, v);
}

static void a_bar_is_sized_placed_and_found(void **state)
{
	const struct pci_bar bar = { 0x4000, bar_read, bar_write, NULL };
	struct pci_function *fn = pci_add(&pc.pci, 3, 0, 0x10421af4, 0x01000001);

	(void)state;
	pci_add_bar(fn, 0, &bar);
	assert_int_equal(ecam(0, 0), 0x12378086);
	assert_int_equal(ecam(3, 0), 0x10421af4);
	assert_int_equal(ecam(4, 0), 0xffffffff);
	ecam_set(3, 0x10, 0xffffffff);
	assert_int_equal(ecam(3, 0x10), 0xffffc000);
	platform_mmio_write(&pc, (gpa_t){ PCI_ECAM_GPA + (3 << 15) + 0x38 }, 8, UINT64_C(0x0b) << 32);
	assert_int_equal(ecam(3, 0x3c), 0x0b);
	assert_int_equal(platform_mmio_read(&pc, (gpa_t){ PCI_ECAM_GPA + (3 << 15) + 0x38 }, 8),
			 UINT64_C(0x0b) << 32);
	ecam_set(3, 0x14, 0xffffffff);
	assert_int_equal(ecam(3, 0x14), 0); /* no such BAR */
	ecam_set(3, 0x10, 0xc0010000);
	assert_int_equal(platform_mmio_read(&pc, (gpa_t){ 0xc0010008 }, 4), 0xffffffff); /* off */
	ecam_set(3, 0x04, 0x06);
	assert_int_equal(platform_mmio_read(&pc, (gpa_t){ 0xc0010008 }, 4), 0x55667788);
	assert_int_equal(seen_offset, 8);
	platform_mmio_write(&pc, (gpa_t){ 0xc0013ffc }, 4, 5);
	assert_int_equal(seen_offset, 0x3ffc);
	assert_int_equal(seen_value, 5);
	assert_int_equal(platform_mmio_read(&pc, (gpa_t){ 0xc0013ffc }, 8), ~UINT64_C(0)); /* leaves it */
	assert_int_equal(platform_mmio_read(&pc, (gpa_t){ 0xc0014000 }, 4), 0xffffffff);
}

static void msix_messages_go_out_masked_ones_later(void **state)
{
	struct pci_function *fn = pci_add(&pc.pci, 3, 0, 0x10421af4, 0x01000001);

	(void)state;
	assert_int_equal(pci_add_msix(fn, 2, 0, 0x1000, 0x1800), 0);
	ecam_set(3, 0x04, 0x06);
	assert_int_equal(ecam(3, 0x34) & 0xff, 0x40);
	assert_int_equal(ecam(3, 0x40), 0x00010011);
	pci_msix_write(fn, 16, 4, 0xfee01000);
	pci_msix_write(fn, 24, 4, 0x4055);
	pci_msix_fire(fn, 1);
	assert_int_equal(fn->msix_pending, 0); /* MSI-X is off */
	ecam_set(3, 0x40, 0x80000000);
	pci_msix_fire(fn, 1);
	assert_int_equal(sent_count, 0);
	assert_int_equal(fn->msix_pending, 2); /* the entry is masked */
	pci_msix_write(fn, 28, 4, 0);
	assert_int_equal(sent_count, 1);
	assert_int_equal(sent[0].vector, 0x55);
	assert_int_equal(sent[0].dest, 1);
	assert_int_equal(fn->msix_pending, 0);
	ecam_set(3, 0x40, 0xc0000000);
	pci_msix_fire(fn, 1);
	assert_int_equal(sent_count, 1);
	ecam_set(3, 0x40, 0x80000000);
	assert_int_equal(sent_count, 2);
	pci_msix_fire(fn, 7); /* there is no such vector */
	pci_msix_write(fn, 16, 4, 0x1000); /* a message to memory is none */
	pci_msix_fire(fn, 1);
	assert_int_equal(sent_count, 2);
}

static void intx_pins_share_their_gsi(void **state)
{
	struct pci_function *a = pci_add(&pc.pci, 3, 0, 1, 0), *b = pci_add(&pc.pci, 7, 0, 1, 0);

	(void)state;
	assert_int_equal(pci_intx_gsi(3, 0), pci_intx_gsi(7, 0));
	route(pci_intx_gsi(3, 0), 0x8050, 0);
	pci_intx(a, true);
	pci_intx(b, true);
	pci_intx(a, false);
	assert_int_equal(sent_count, 1);
	platform_eoi(&pc, 0x50);
	assert_int_equal(sent_count, 2); /* b still asks */
	ecam_set(7, 0x04, 0x400);
	platform_eoi(&pc, 0x50);
	assert_int_equal(sent_count, 2); /* b may not */
}

/* ---- fw_cfg DMA ---- */

static void be(uint8_t *at, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (uint8_t)(v >> (8 * (bytes - 1 - i)));
}

static uint32_t dma(uint32_t control, uint32_t length, uint64_t gpa)
{
	be(memory + 0x100, control, 4);
	be(memory + 0x104, length, 4);
	be(memory + 0x108, gpa, 8);
	platform_out(&pc, 0x514, 4, 0);
	platform_out(&pc, 0x518, 4, 0x00010000); /* 100h, big-endian */
	return (uint32_t)memory[0x103] | memory[0x100];
}

static void dma_copies_items_and_refuses_the_rest(void **state)
{
	(void)state;
	assert_int_equal(platform_in(&pc, 0x514, 4), 0x554d4551); /* "QEMU" */
	memset(memory + 0x1000, 0xee, 16);
	assert_int_equal(dma(0x0000000a, 6, 0x1000), 0); /* select item 0, read 6 bytes */
	assert_memory_equal(memory + 0x1000, "QEMU\0\0\xee", 7);
	assert_int_equal(dma(0x0001000a, 4, 0x1000), 0);
	assert_int_equal(memory[0x1000], 3); /* both interfaces */
	assert_int_equal(dma(0x0000000c, 1, 0), 0); /* select, skip one */
	assert_int_equal(dma(0x00000002, 3, 0x1000), 0);
	assert_memory_equal(memory + 0x1000, "EMU", 3);
	assert_int_equal(dma(0x0000000a, 4, sizeof(memory) - 2), 1); /* not memory */
	assert_int_equal(dma(0x0000000a, 0xffffffff, 0x1000), 1);    /* not an item */
	assert_int_equal(dma(0x00000018, 4, 0x1000), 1);             /* nothing is writable */
	platform_out(&pc, 0x514, 4, 0xffffffff); /* a request outside of memory: no answer, no harm */
	platform_out(&pc, 0x518, 4, 0xffffffff);
}

/* ---- ACPI ---- */

static uint8_t sum(const uint8_t *at, size_t n)
{
	uint8_t s = 0;

	while (n--)
		s = (uint8_t)(s + *at++);
	return s;
}

static uint64_t get(const uint8_t *at, unsigned bytes)
{
	uint64_t v = 0;

	memcpy(&v, at, bytes);
	return v;
}

/* The table @signature through the XSDT, or NULL. */
static const uint8_t *table(const struct acpi_tables *t, uint64_t base, const char *signature)
{
	const uint8_t *xsdt = t->bytes + (get(t->rsdp + 24, 8) - base);

	assert_memory_equal(xsdt, "XSDT", 4);
	for (unsigned at = 36; at < get(xsdt + 4, 4); at += 8) {
		const uint8_t *found = t->bytes + (get(xsdt + at, 8) - base);

		if (!memcmp(found, signature, 4))
			return found;
	}
	return NULL;
}

static void tables_in_place_are_linked_and_summed(void **state)
{
	static struct acpi_tables t;
	const struct acpi_tables_config c = { .vcpus = 64, .low_ram = 1 << 30, .wakeup = true,
					      .mailbox = 0x7ff000 };
	const uint64_t base = 0x3f000000;

	(void)state;
	assert_int_equal(acpi_tables_build(&t, &c, base), 0);
	assert_int_equal(t.loader_size, 0);
	assert_int_equal(sum(t.rsdp, 20), 0);
	assert_int_equal(sum(t.rsdp, 36), 0);

	const uint8_t *fadt = table(&t, base, "FACP"), *madt = table(&t, base, "APIC");
	const uint8_t *mcfg = table(&t, base, "MCFG"), *dsdt;

	assert_true(fadt && madt && mcfg);
	dsdt = t.bytes + (get(fadt + 140, 8) - base);
	assert_memory_equal(dsdt, "DSDT", 4);
	assert_int_equal(get(fadt + 40, 4), get(fadt + 140, 8));
	assert_int_equal(sum(fadt, get(fadt + 4, 4)), 0);
	assert_int_equal(sum(madt, get(madt + 4, 4)), 0);
	assert_int_equal(sum(mcfg, get(mcfg + 4, 4)), 0);
	assert_int_equal(sum(dsdt, get(dsdt + 4, 4)), 0);
	assert_int_equal(get(mcfg + 44, 8), PCI_ECAM_GPA);

	unsigned cpus = 0, mailboxes = 0;

	for (unsigned at = 44; at < get(madt + 4, 4); at += madt[at + 1]) {
		assert_true(madt[at + 1] >= 6);
		cpus += madt[at] == 0;
		if (madt[at] == 16 && ++mailboxes)
			assert_int_equal(get(madt + at + 8, 8), 0x7ff000);
	}
	assert_int_equal(cpus, 64);
	assert_int_equal(mailboxes, 1);

	const char *out = getenv("TAIN_DSDT_OUT"); /* for a disassembler */
	FILE *f = out ? fopen(out, "wb") : NULL;

	if (f) {
		fwrite(dsdt, get(dsdt + 4, 4), 1, f);
		fclose(f);
	}
}

/* What firmware does with the script: the result must be the tables in place. */
static void the_loader_script_makes_the_same_tables(void **state)
{
	static struct acpi_tables placed;
	struct acpi_tables *t = &pc.acpi;
	const struct acpi_tables_config c = { .vcpus = 2, .low_ram = 64 << 20, .pic = true };
	const uint64_t base = 0x3f00000;

	(void)state;
	assert_int_equal(acpi_tables_build(&placed, &c, base), 0);
	for (unsigned at = 0; at < t->loader_size; at += 128) {
		const uint8_t *e = t->loader + at;
		uint8_t *file = strcmp((const char *)e + 4, "etc/acpi/rsdp") ? t->bytes : t->rsdp;
		uint32_t command = (uint32_t)get(e, 4);

		if (command == 2) {
			uint8_t *where = file + get(e + 116, 4);
			uint64_t v = get(where, e[120]) + base;

			memcpy(where, &v, e[120]);
		} else if (command == 3) {
			assert_int_equal(file[get(e + 60, 4)], 0);
			file[get(e + 60, 4)] = (uint8_t)-sum(file + get(e + 64, 4), get(e + 68, 4));
		} else {
			assert_int_equal(command, 1);
		}
	}
	assert_int_equal(t->size, placed.size);
	assert_memory_equal(t->bytes, placed.bytes, placed.size);
	assert_memory_equal(t->rsdp, placed.rsdp, sizeof(placed.rsdp));
}

#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_edge_is_sent_once),
		T(a_level_is_sent_until_its_end),
		T(a_level_behind_the_mask_comes_when_it_opens),
		T(without_ends_a_level_counts_as_an_edge),
		T(the_pic_gives_vectors_by_priority),
		T(a_masked_pic_is_silent_and_reads_its_mask),
		T(com1_interrupts_when_a_byte_comes_and_when_it_may_send),
		T(the_pit_counts_down_at_its_rate),
		T(a_bar_is_sized_placed_and_found),
		T(msix_messages_go_out_masked_ones_later),
		T(intx_pins_share_their_gsi),
		T(dma_copies_items_and_refuses_the_rest),
		T(tables_in_place_are_linked_and_summed),
		T(the_loader_script_makes_the_same_tables),
	};

	if (vtimer_start())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
