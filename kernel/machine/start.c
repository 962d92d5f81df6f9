/*
 * start.c - machine_init(): the order in which this computer is taken over.
 *
 * Invariants
 *   - The console comes right after the per-CPU area, so that every later failure is seen.
 *   - Nothing runs on the loader's page tables once direct_map_init() has returned.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <string.h>

#include "kernel/base/guest_config.h"
#include "kernel/base/log.h"
#include "kernel/machine/apic.h"
#include "kernel/machine/console.h"
#include "kernel/machine/direct_map.h"
#include "kernel/machine/irq.h"
#include "kernel/machine/machine.h"
#include "kernel/machine/room.h"
#include "kernel/machine/screen.h"
#include "kernel/machine/time.h"

static struct boot_info boot;
static struct acpi acpi_tables;
static struct acpi_madt madt;
static struct acpi_fadt fadt;
static bool has_madt, has_fadt;

const struct boot_info *boot_info(void) { return &boot; }
const struct acpi *machine_acpi(void) { return &acpi_tables; }

const struct boot_mem *boot_mem_map(size_t *count)
{
	*count = boot.mem_count;
	return hpa_to_ptr((hpa_t){ boot.mem_hpa });
}

const struct boot_file *boot_files(size_t *count)
{
	*count = boot.file_count;
	return boot.file_count ? hpa_to_ptr((hpa_t){ boot.files_hpa }) : NULL;
}

/* As the file system compares: / is \, case does not count. */
static bool same_path(const char *a, const char *b)
{
	for (;; a++, b++) {
		char x = *a == '/' ? '\\' : *a, y = *b == '/' ? '\\' : *b;

		if (x >= 'A' && x <= 'Z')
			x = (char)(x + 32);
		if (y >= 'A' && y <= 'Z')
			y = (char)(y + 32);
		if (x != y)
			return false;
		if (!x)
			return true;
	}
}

const struct boot_file *boot_file_find(const char *path)
{
	size_t count;
	const struct boot_file *f = boot_files(&count);

	for (size_t i = 0; i < count; i++)
		if (same_path(f[i].path, path))
			return &f[i];
	return NULL;
}

const char *boot_file_status_text(const struct boot_file *f)
{
	static const char *const text[] = {
		[BOOT_FILE_OK] = NULL,
		[BOOT_FILE_MISSING] = "no such file",
		[BOOT_FILE_UNREADABLE] = "cannot be read",
		[BOOT_FILE_NO_MEMORY] = "no memory to load it",
	};

	return f->status < ARRAY_LEN(text) ? text[f->status] : "not loaded";
}

const char *boot_file_attach(struct guest_file *file)
{
	const struct boot_file *f = boot_file_find(file->path);

	if (!f)
		return "not loaded: the loader brings what tain.cfg names, spelt as there";
	if (f->status != BOOT_FILE_OK)
		return boot_file_status_text(f);
	file->data = hpa_to_ptr((hpa_t){ f->hpa });
	file->size = f->size;
	return f->size ? NULL : "the file is empty";
}

/* --- ACPI and the list of CPUs ------------------------------------------------------------- */

/* Tables are read through the direct map: only where the memory map has RAM. */
const void *machine_map_table(uint64_t hpa, uint64_t bytes)
{
	hpa_t where;

	if (bytes == 0 || hpa + bytes < hpa || hpa + bytes > DIRECT_MAP_MAX)
		return NULL;
	for (uint64_t at = align_down(hpa, PAGE_SIZE); at < hpa + bytes; at += PAGE_SIZE)
		if (kernel_translate(hpa_to_ptr((hpa_t){ at }), &where))
			return NULL;
	return hpa_to_ptr((hpa_t){ hpa });
}

static void add_madt_cpu(void *ctx, const struct acpi_cpu *c)
{
	(void)ctx;
	if (c->enabled && cpu_add(c->apic_id) < 0)
		log_warn("cpus: APIC id %u is one more than the %u we keep", c->apic_id, CPU_MAX);
}

static void add_listed_cpus(void)
{
	const struct boot_cpu *c = hpa_to_ptr((hpa_t){ boot.cpus_hpa });

	for (uint64_t i = 0; i < boot.cpu_count; i++)
		if ((c[i].flags & BOOT_CPU_ENABLED) && cpu_add(c[i].apic_id) < 0)
			log_warn("cpus: APIC id %u is one more than the %u we keep", c[i].apic_id,
				 CPU_MAX);
}

static void read_acpi(void)
{
	if (acpi_init(&acpi_tables, boot.rsdp, machine_map_table))
		return;
	if (acpi_tables.rejected)
		log_warn("acpi: %u table(s) left out, last: %s", acpi_tables.rejected,
			 acpi_tables.note);
	has_fadt = acpi_read_fadt(&acpi_tables, &fadt) == 0;
	has_madt = acpi_read_madt(&acpi_tables, &madt, NULL, NULL) == 0;
}

/* --- start --------------------------------------------------------------------------------- */

static void take_boot_info(const struct boot_info *bi)
{
	if (bi->magic != BOOT_INFO_MAGIC || bi->version != BOOT_INFO_VERSION ||
	    bi->size != sizeof(boot))
		panic("boot record: magic %#llx, version %u, %u bytes; expected version %u, %u "
		      "bytes",
		      (unsigned long long)bi->magic, bi->version, bi->size, BOOT_INFO_VERSION,
		      (unsigned)sizeof(boot));
	boot = *bi;
}

void machine_init(const struct boot_info *bi)
{
	cpu_init_boot();
	time_init(bi);
	console_init();
	take_boot_info(bi);
	page_init(&boot);
	direct_map_init(&boot);
	heap_init();
	if (boot.kept_log_hpa)
		log_keep(hpa_to_ptr((hpa_t){ boot.kept_log_hpa }));
	read_acpi();
	console_choose(&acpi_tables);
	console_start_screen(&boot, !has_fadt || fadt.has_8042);
	console_draw();
	apic_init(has_madt ? &madt : NULL);
	time_calibrate(has_fadt ? &fadt : NULL);
	power_init(&boot, &fadt, has_fadt);
	irq_init(has_madt ? &madt : NULL);
	console_start_interrupts(has_madt ? &madt : NULL);
	wire_init(has_madt ? &madt : NULL);
	add_listed_cpus();
	if (has_madt)
		(void)!acpi_read_madt(&acpi_tables, &madt, add_madt_cpu, NULL);
	(void)cpu_running("run loop");
	log_info("machine: %u CPUs listed, %llu MiB usable, TSC %llu.%03llu MHz by %s, %s, console "
		 "%s, screen %s%s",
		 cpu_count(), (unsigned long long)(page_count(PAGE_FREE) >> 8),
		 (unsigned long long)(tsc_hz() / 1000000),
		 (unsigned long long)(tsc_hz() / 1000 % 1000), tsc_source(),
		 apic_is_x2() ? "x2APIC" : "xAPIC", console_device(), screen_text(),
		 console_has_keyboard() ? ", keyboard" : "");
}
