/*
 * load_linux.c - a bzImage and its initial RAM disk into a plain guest's memory, with all that the
 * boot protocol wants beside them.
 *
 *     6000h  GDT                9000h  page tables (64-bit entry): 4 GiB one to one
 *     7000h  boot parameters   20000h  command line
 *     E0000h ACPI tables, then the RSDP
 *     the kernel where it prefers to be, the RAM disk as high as it may be
 *
 * Invariant: the image is foreign bytes; what its header asks for is checked against its size and
 * the guest's memory.
 *
 * Linux's Documentation/arch/x86: "The Linux/x86 Boot Protocol", "The Zero Page".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <string.h>

#include "kernel/machine/port.h"
#include "kernel/platform/acpi_tables.h"
#include "kernel/vmx/load_room.h"

#define GDT_GPA     UINT64_C(0x6000)
#define PARAMS_GPA  UINT64_C(0x7000)
#define TABLES_GPA  UINT64_C(0x9000) /* PML4, PDPT, four PDs */
#define CMDLINE_GPA UINT64_C(0x20000)
#define ACPI_GPA    UINT64_C(0xe0000)
#define RSDP_GPA    (ACPI_GPA + ACPI_TABLES_BYTES)
#define HOLE        UINT64_C(0xa0000)
#define HOLE_END    UINT64_C(0x100000)

/* Offsets in the file's first sector and in the boot parameters alike. */
#define HDR             0x1f1
#define HDR_SETUP_SECTS 0x1f1
#define HDR_BOOT_FLAG   0x1fe
#define HDR_JUMP_LENGTH 0x201
#define HDR_MAGIC       0x202
#define HDR_VERSION     0x206
#define HDR_LOADER_TYPE 0x210
#define HDR_LOADFLAGS   0x211
#define HDR_CODE32      0x214
#define HDR_RD_IMAGE    0x218
#define HDR_RD_SIZE     0x21c
#define HDR_CMDLINE     0x228
#define HDR_INITRD_MAX  0x22c
#define HDR_XLOADFLAGS  0x236
#define HDR_CMDLINE_MAX 0x238
#define HDR_PREFERRED   0x258
#define HDR_INIT_SIZE   0x260
#define HDR_END_MIN     0x268

#define MAGIC           "HdrS"
#define VERSION_MIN     0x20a /* init_size is there */
#define LOADED_HIGH     0x01
#define XLF_KERNEL_64   0x01
#define ENTRY_64        0x200
#define LOADER_UNKNOWN  0xff

#define PARAM_ACPI_RSDP    0x070
#define PARAM_E820_ENTRIES 0x1e8
#define PARAM_E820_TABLE   0x2d0
enum { E820_RAM = 1, E820_RESERVED = 2, E820_ACPI = 3 };

static uint64_t get(const uint8_t *at, unsigned bytes)
{
	uint64_t v = 0;

	memcpy(&v, at, bytes);
	return v;
}

static void put(uint8_t *at, uint64_t v, unsigned bytes)
{
	memcpy(at, &v, bytes);
}

static uint64_t low_ram(const struct loader *l) { return guest_config_ram(l->vm->config).low; }

static int write_at(const struct loader *l, uint64_t gpa, const void *bytes, uint64_t count)
{
	if (guest_memory_write(&l->vm->memory, (gpa_t){ gpa }, bytes, count)) {
		load_refuse(l, "no memory for what the kernel needs at %#llx", (unsigned long long)gpa);
		return -ENOMEM;
	}
	return 0;
}

static int check_header(const struct loader *l)
{
	const uint8_t *k = l->image;

	if (l->size < HDR_END_MIN || get(k + HDR_BOOT_FLAG, 2) != 0xaa55 ||
	    memcmp(k + HDR_MAGIC, MAGIC, 4))
		return load_refuse(l, "kernel = is not a bzImage");
	if (get(k + HDR_VERSION, 2) < VERSION_MIN)
		return load_refuse(l, "the kernel's boot protocol %#x is too old",
				   (unsigned)get(k + HDR_VERSION, 2));
	if (!(k[HDR_LOADFLAGS] & LOADED_HIGH))
		return load_refuse(l, "the kernel wants to be loaded below 1 MiB");
	if (strlen(l->vm->config->cmdline) > get(k + HDR_CMDLINE_MAX, 4))
		return load_refuse(l, "the command line is longer than the kernel takes");
	if (low_ram(l) < 4 * HOLE_END)
		return load_refuse(l, "its memory is too small for a kernel");
	return 0;
}

static int place_kernel(const struct loader *l, uint64_t *gpa)
{
	const uint8_t *k = l->image;
	uint64_t setup = (1 + (k[HDR_SETUP_SECTS] ? k[HDR_SETUP_SECTS] : 4u)) * UINT64_C(512);
	uint64_t init_size = get(k + HDR_INIT_SIZE, 4);

	*gpa = get(k + HDR_PREFERRED, 8);
	if (setup >= l->size)
		return load_refuse(l, "the kernel's set-up part is longer than its file");
	if (*gpa < HOLE_END)
		*gpa = HOLE_END;

	uint64_t bytes = l->size - setup;

	return load_place(l, "the kernel", *gpa, setup, bytes, bytes > init_size ? bytes : init_size);
}

static int place_initrd(const struct loader *l, uint64_t kernel_gpa, uint8_t *params)
{
	const struct guest_file *initrd = &l->vm->config->initrd;
	uint64_t max = get(l->image + HDR_INITRD_MAX, 4) + 1, top = low_ram(l);
	uint64_t kernel_end = kernel_gpa + get(l->image + HDR_INIT_SIZE, 4);

	if (!initrd->data)
		return 0;
	top = top < max ? top : max;
	if (initrd->size > top || align_down(top - initrd->size, PAGE_SIZE) < kernel_end)
		return load_refuse(l, "the initrd (%llu bytes) does not fit above the kernel",
				   (unsigned long long)initrd->size);

	uint64_t gpa = align_down(top - initrd->size, PAGE_SIZE);

	put(params + HDR_RD_IMAGE, gpa, 4);
	put(params + HDR_RD_SIZE, initrd->size, 4);
	return write_at(l, gpa, initrd->data, initrd->size);
}

static void add_e820(uint8_t *params, uint64_t base, uint64_t end, uint32_t type)
{
	uint8_t *e = params + PARAM_E820_TABLE + 20 * params[PARAM_E820_ENTRIES];

	if (end <= base)
		return;
	put(e, base, 8);
	put(e + 8, end - base, 8);
	put(e + 16, type, 4);
	params[PARAM_E820_ENTRIES]++;
}

static int place_acpi(const struct loader *l)
{
	const struct acpi_tables_config config = {
		.vcpus = l->vm->vcpu_count, .low_ram = low_ram(l), .pic = true,
	};
	struct acpi_tables *t = heap_alloc(sizeof(*t));
	int err;

	if (!t || acpi_tables_build(t, &config, ACPI_GPA)) {
		heap_free(t);
		return load_refuse(l, "no room for the ACPI tables");
	}
	err = write_at(l, ACPI_GPA, t->bytes, t->size);
	if (!err)
		err = write_at(l, RSDP_GPA, t->rsdp, sizeof(t->rsdp));
	heap_free(t);
	return err;
}

static int place_params(const struct loader *l, uint8_t *params)
{
	const struct guest_ram ram = guest_config_ram(l->vm->config);
	const char *cmdline = l->vm->config->cmdline;
	int err;

	params[HDR_LOADER_TYPE] = LOADER_UNKNOWN;
	put(params + HDR_CMDLINE, CMDLINE_GPA, 4);
	put(params + PARAM_ACPI_RSDP, RSDP_GPA, 8);
	add_e820(params, 0, HOLE, E820_RAM);
	add_e820(params, ACPI_GPA, align_up(RSDP_GPA + 1, PAGE_SIZE), E820_ACPI);
	add_e820(params, HOLE_END, ram.low, E820_RAM);
	add_e820(params, GUEST_HIGH_BASE, GUEST_HIGH_BASE + ram.high, E820_RAM);
	err = write_at(l, PARAMS_GPA, params, PAGE_SIZE);
	return err ? err : write_at(l, CMDLINE_GPA, cmdline, strlen(cmdline) + 1);
}

/* Flat descriptors at 10h and 18h, as both protocols want them. */
static int place_gdt(const struct loader *l, bool long_mode)
{
	const uint64_t gdt[] = { 0, 0, long_mode ? UINT64_C(0x00af9b000000ffff)
						 : UINT64_C(0x00cf9b000000ffff),
				 UINT64_C(0x00cf93000000ffff) };

	return write_at(l, GDT_GPA, gdt, sizeof(gdt));
}

#define PTE_TABLE  3 /* present, writable */
#define PTE_LARGE  0x83

static int place_page_tables(const struct loader *l)
{
	const uint64_t pdpt = TABLES_GPA + PAGE_SIZE, pd = pdpt + PAGE_SIZE;
	const uint64_t top = pdpt | PTE_TABLE;
	uint64_t entries[4];
	int err = write_at(l, TABLES_GPA, &top, 8);

	for (unsigned i = 0; i < 4; i++)
		entries[i] = (pd + i * PAGE_SIZE) | PTE_TABLE;
	if (!err)
		err = write_at(l, pdpt, entries, sizeof(entries));
	for (unsigned i = 0; !err && i < 4 * 512; i++) {
		uint64_t large = i * SIZE_2M | PTE_LARGE;

		err = write_at(l, pd + 8 * i, &large, 8);
	}
	return err;
}

int load_linux(const struct loader *l, struct start_state *start)
{
	uint8_t *params = heap_alloc(PAGE_SIZE);
	uint64_t gpa = 0;
	int err = params ? check_header(l) : load_refuse(l, "no memory");

	if (!err) {
		uint64_t end = HDR_MAGIC + l->image[HDR_JUMP_LENGTH];

		end = end < HDR_END_MIN ? HDR_END_MIN : end; /* one byte more can reach 301h at most */
		memcpy(params + HDR, l->image + HDR, (end < l->size ? end : l->size) - HDR);
		err = place_kernel(l, &gpa);
	}
	if (!err)
		err = place_initrd(l, gpa, params);
	if (!err)
		err = place_acpi(l);
	if (!err)
		err = place_params(l, params);
	heap_free(params);
	if (err)
		return err;

	bool long_mode = (l->image[HDR_XLOADFLAGS] & XLF_KERNEL_64) != 0;

	*start = (struct start_state){ .mode = long_mode ? START_LONG : START_FLAT32,
				       .rip = long_mode ? gpa + ENTRY_64 : gpa,
				       .rsi = PARAMS_GPA, .gdt = GDT_GPA, .cr3 = TABLES_GPA };
	err = place_gdt(l, long_mode);
	return !err && long_mode ? place_page_tables(l) : err;
}
