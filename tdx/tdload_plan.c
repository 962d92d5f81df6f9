/*
 * tdload_plan.c - where kernel, initrd, boot parameters and tables go, and what the loader is told.
 *
 *     10000h  boot parameters ("zero page")      11000h  command line
 *     the kernel at its preferred address, initrd at the end of the low RAM, the rest: tdload.h
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/tdload_plan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/sha384.h"
#include "tdx/tdload_image.h"

_Static_assert(ACPI_TABLES_BYTES <= TDLOAD_ACPI_BYTES, "the tables fit their place");
_Static_assert(GUEST_VCPUS_MAX <= TDLOAD_VCPUS_MAX, "each vCPU has a stack in the loader");

#define BOOT_PARAMS UINT64_C(0x10000)
#define CMDLINE     UINT64_C(0x11000)
#define LOW_END     UINT64_C(0xa0000)
#define HIGH_START  UINT64_C(0x100000)

/* boot.rst: offsets in the first sectors of a bzImage, the same in the boot parameters. */
enum {
	HDR_START = 0x1f1,
	HDR_SETUP_SECTS = 0x1f1,
	HDR_BOOT_FLAG = 0x1fe,
	HDR_JUMP = 0x200, /* EB xx: the header ends xx bytes behind 202h */
	HDR_MAGIC = 0x202,
	HDR_VERSION = 0x206,
	HDR_LOADER_TYPE = 0x210,
	HDR_LOAD_FLAGS = 0x211,
	HDR_INITRD = 0x218,
	HDR_INITRD_BYTES = 0x21c,
	HDR_CMDLINE = 0x228,
	HDR_INITRD_MAX = 0x22c,
	HDR_XLOAD_FLAGS = 0x236,
	HDR_CMDLINE_MAX = 0x238,
	HDR_PREFERRED = 0x258,
	HDR_INIT_BYTES = 0x260,
	HDR_END = 0x268,

	PARAMS_RSDP = 0x70,
	PARAMS_E820_COUNT = 0x1e8,
	PARAMS_E820 = 0x2d0,
};
#define SECTOR          512
#define BOOT_FLAG       0xaa55
#define MAGIC           UINT32_C(0x53726448) /* "HdrS" */
#define VERSION_MIN     0x20c                /* xloadflags */
#define XLF_KERNEL_64   1
#define ENTRY_64        0x200
#define LOADER_UNKNOWN  0xff
#define E820_ENTRY      20
enum { E820_RAM = 1, E820_RESERVED = 2, E820_ACPI = 3, E820_NVS = 4 };

static int bad(char *why, const char *fmt, ...) PRINTF_LIKE(2, 3);
static int bad(char *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, TDVF_WHY_MAX, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static uint64_t get(const uint8_t *p, unsigned bytes)
{
	uint64_t v = 0;

	memcpy(&v, p, bytes);
	return v;
}

static void put(uint8_t *p, uint64_t v, unsigned bytes) { memcpy(p, &v, bytes); }

/* ---- the kernel ---- */

struct kernel {
	const uint8_t *file;
	uint64_t body, body_bytes;       /* the part that is loaded; offset in the file */
	uint64_t load, end;              /* memory that it wants from the start on */
	uint64_t initrd_max;             /* last address of an initrd */
	uint64_t cmdline_max, header_end;
};

static int read_kernel(struct kernel *k, const struct guest_config *c, char *why)
{
	const uint8_t *f = c->kernel.data;
	uint64_t bytes = c->kernel.size;

	if (bytes < 2 * SECTOR || get(f + HDR_BOOT_FLAG, 2) != BOOT_FLAG ||
	    get(f + HDR_MAGIC, 4) != MAGIC)
		return bad(why, "%s: not a Linux bzImage", c->kernel.path);
	if (get(f + HDR_VERSION, 2) < VERSION_MIN || !(f[HDR_XLOAD_FLAGS] & XLF_KERNEL_64))
		return bad(why, "%s: a kernel without 64-bit entry", c->kernel.path);
	k->file = f;
	k->body = (f[HDR_SETUP_SECTS] ? f[HDR_SETUP_SECTS] + 1u : 5u) * SECTOR;
	if (k->body + ENTRY_64 >= bytes)
		return bad(why, "%s: cut off behind its set-up part", c->kernel.path);
	k->body_bytes = bytes - k->body;
	k->load = get(f + HDR_PREFERRED, 8);
	k->end = k->load + align_up(get(f + HDR_INIT_BYTES, 4), PAGE_SIZE);
	k->initrd_max = get(f + HDR_INITRD_MAX, 4);
	k->cmdline_max = get(f + HDR_CMDLINE_MAX, 4);
	k->header_end = HDR_MAGIC + f[HDR_JUMP + 1];
	if (k->header_end > HDR_END)
		k->header_end = HDR_END;
	if (!is_aligned(k->load, PAGE_SIZE) || k->load < HIGH_START || k->load >= TDLOAD_BOTTOM ||
	    k->end < k->load + k->body_bytes)
		return bad(why, "%s: wants to be loaded at 0x%llx, 0x%llx bytes", c->kernel.path,
			   (unsigned long long)k->load, (unsigned long long)(k->end - k->load));
	return 0;
}

/* At the end of the low RAM, where the kernel's own memory does not reach. */
static int place_initrd(const struct kernel *k, const struct guest_config *c, uint64_t *at,
			char *why)
{
	uint64_t top = guest_config_ram(c).low;
	uint64_t bytes = align_up(c->initrd.size, PAGE_SIZE);

	if (k->end > top)
		return bad(why, "%s needs memory up to 0x%llx, this guest has 0x%llx", c->kernel.path,
			   (unsigned long long)k->end, (unsigned long long)top);
	if (top > k->initrd_max + 1)
		top = align_down(k->initrd_max + 1, PAGE_SIZE);
	if (bytes > top || top - bytes < k->end)
		return bad(why, "%s: %llu KiB find no room behind the kernel", c->initrd.path,
			   (unsigned long long)(bytes >> 10));
	*at = c->initrd.data ? top - bytes : 0;
	return 0;
}

/* ---- sections ---- */

static void add(struct tdvf *t, uint32_t type, uint64_t gpa, const void *data, uint64_t raw,
		uint64_t bytes)
{
	t->section[t->count++] = (struct tdvf_section){
		.gpa = gpa,
		.bytes = align_up(bytes, PAGE_SIZE),
		.raw = (uint32_t)raw,
		.type = type,
		.attributes = data ? TDVF_EXTEND : 0,
		.data = data,
	};
}

static void add_sections(struct tdload_plan *p, struct tdvf *t, const struct guest_config *c,
			 const struct kernel *k, uint64_t initrd)
{
	*t = (struct tdvf){
		.image_bytes = TDLOAD_IMAGE_BYTES, .base = TDLOAD_IMAGE, .bottom = TDLOAD_BOTTOM,
	};
	add(t, TDVF_BFV, TDLOAD_IMAGE, tdload_image, TDLOAD_IMAGE_BYTES, TDLOAD_IMAGE_BYTES);
	add(t, TDVF_TEMP_MEM, TDLOAD_WORK, NULL, 0, TDLOAD_WORK_BYTES);
	add(t, TDVF_PAYLOAD_PARAM, TDLOAD_PARAMS, p->params_page, PAGE_SIZE, PAGE_SIZE);
	add(t, TDVF_PAYLOAD_PARAM, TDLOAD_RSDP, p->acpi.rsdp, ACPI_RSDP_BYTES, PAGE_SIZE);
	add(t, TDVF_PAYLOAD_PARAM, TDLOAD_ACPI, p->acpi.bytes, p->acpi.size, TDLOAD_ACPI_BYTES);
	add(t, TDVF_PAYLOAD_PARAM, BOOT_PARAMS, p->boot_params, PAGE_SIZE, PAGE_SIZE);
	add(t, TDVF_PAYLOAD_PARAM, CMDLINE, p->cmdline, PAGE_SIZE, PAGE_SIZE);
	add(t, TDVF_PAYLOAD, k->load, k->file + k->body, k->body_bytes, k->body_bytes);
	if (initrd)
		add(t, TDVF_PAYLOAD, initrd, c->initrd.data, c->initrd.size, c->initrd.size);
}

/* ---- what the loader is told ---- */

/* The first section that reaches into [gpa, end), by address; NULL. */
static const struct tdvf_section *next_section(const struct tdvf *t, uint64_t gpa, uint64_t end)
{
	const struct tdvf_section *best = NULL;

	for (unsigned i = 0; i < t->count; i++) {
		const struct tdvf_section *s = &t->section[i];

		if (s->gpa + s->bytes > gpa && s->gpa < end && (!best || s->gpa < best->gpa))
			best = s;
	}
	return best;
}

static void add_ranges(struct tdload_params *p, const struct tdvf *t, uint64_t gpa, uint64_t end)
{
	while (gpa < end) {
		const struct tdvf_section *s = next_section(t, gpa, end);
		uint64_t stop = s ? s->gpa : end;

		if (stop > gpa && p->range_count < TDLOAD_RANGES_MAX) {
			p->range[p->range_count].start = gpa;
			p->range[p->range_count++].end = stop;
		}
		gpa = s ? s->gpa + s->bytes : end;
	}
}

static void make_params(struct tdload_plan *p, const struct tdvf *t, const struct guest_config *c,
			const struct kernel *k)
{
	struct sha384 s;

	p->params.magic = TDLOAD_MAGIC;
	p->params.entry = k->load + ENTRY_64;
	p->params.boot_params = BOOT_PARAMS;
	p->params.vcpus = c->vcpus;
	sha384_init(&s);
	sha384_update(&s, c->cmdline, strlen(c->cmdline));
	sha384_final(&s, p->params.cmdline_digest);
	if (c->accept == TD_ACCEPT_ADDED || c->accept == TD_ACCEPT_MEASURED)
		return; /* all of it is added */
	add_ranges(&p->params, t, 0, guest_config_ram(c).low);
	add_ranges(&p->params, t, TDLOAD_TOP, TDLOAD_TOP + guest_config_ram(c).high);
}

/* ---- what the kernel is told ---- */

static void add_e820(uint8_t *zero_page, uint64_t start, uint64_t end, uint32_t type)
{
	unsigned n = zero_page[PARAMS_E820_COUNT];
	uint8_t *e = zero_page + PARAMS_E820 + n * E820_ENTRY;

	if (start >= end)
		return;
	put(e, start, 8);
	put(e + 8, end - start, 8);
	put(e + 16, type, 4);
	zero_page[PARAMS_E820_COUNT] = (uint8_t)(n + 1);
}

static void make_boot_params(struct tdload_plan *p, const struct guest_config *c,
			     const struct kernel *k, uint64_t initrd)
{
	uint8_t *z = p->boot_params;

	memcpy(z + HDR_START, k->file + HDR_START, k->header_end - HDR_START);
	z[HDR_LOADER_TYPE] = LOADER_UNKNOWN;
	put(z + HDR_INITRD, initrd, 4);
	put(z + HDR_INITRD_BYTES, initrd ? c->initrd.size : 0, 4);
	put(z + HDR_CMDLINE, CMDLINE, 4);
	put(z + PARAMS_RSDP, TDLOAD_RSDP, 8);
	add_e820(z, 0, LOW_END, E820_RAM);
	add_e820(z, HIGH_START, guest_config_ram(c).low, E820_RAM);
	add_e820(z, TDLOAD_RSDP, TDLOAD_PARAMS, E820_ACPI);
	add_e820(z, TDLOAD_PARAMS, TDLOAD_MAILBOX, E820_RESERVED);
	add_e820(z, TDLOAD_MAILBOX, TDLOAD_MAILBOX + PAGE_SIZE, E820_NVS);
	add_e820(z, TDLOAD_MAILBOX + PAGE_SIZE, TDLOAD_TOP, E820_RESERVED);
	add_e820(z, TDLOAD_TOP, TDLOAD_TOP + guest_config_ram(c).high, E820_RAM);
}

int tdload_plan_make(struct tdload_plan *plan, struct tdvf *out, const struct guest_config *config,
		     char why[TDVF_WHY_MAX])
{
	const struct acpi_tables_config acpi = {
		.vcpus = config->vcpus,
		.low_ram = guest_config_ram(config).low,
		.wakeup = true,
		.mailbox = TDLOAD_MAILBOX,
	};
	struct kernel k = { 0 };
	uint64_t initrd = 0;
	int err = read_kernel(&k, config, why);

	if (!err)
		err = place_initrd(&k, config, &initrd, why);
	if (err)
		return err;
	if (config->initrd.size > UINT32_MAX || k.body_bytes > UINT32_MAX)
		return bad(why, "kernel or initrd of 4 GiB or more");
	if (strlen(config->cmdline) > k.cmdline_max)
		return bad(why, "cmdline of %zu characters: %s takes %llu", strlen(config->cmdline),
			   config->kernel.path, (unsigned long long)k.cmdline_max);
	memset(plan, 0, sizeof(*plan));
	snprintf((char *)plan->cmdline, sizeof(plan->cmdline), "%s", config->cmdline);
	if (acpi_tables_build(&plan->acpi, &acpi, TDLOAD_ACPI))
		return bad(why, "%u vCPUs: the ACPI tables have no room for them", config->vcpus);
	add_sections(plan, out, config, &k, initrd);
	make_params(plan, out, config, &k);
	make_boot_params(plan, config, &k, initrd);
	return 0;
}
