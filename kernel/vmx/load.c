/*
 * load.c - a plain guest's image into its memory: a multiboot ELF, a flat image, or firmware.
 *
 * Invariants
 *   - The image is foreign bytes: every offset and size is checked against the file and the guest's
 *     memory before a byte is copied; what is wrong is said in one line.
 *   - Nothing is placed outside the RAM below 4 GiB.
 *
 * Multiboot Specification 0.6.96; ELF-32 from the System V ABI.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/vmx/load_room.h"

int load_refuse(const struct loader *l, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(l->why, l->why_size, fmt, args);
	va_end(args);
	return -EINVAL;
}

/* ---- multiboot ---- */

#define MB_MAGIC        0x1badb002u
#define MB_BOOT_MAGIC   0x2badb002u
#define MB_SEARCH       8192u
#define MB_ADDRESSES    BIT32(16)
#define MB_MANDATORY    0xfffcu /* bits 15:0 but the two that ask for nothing more */

#define INFO_GPA        UINT64_C(0x9000) /* boot information, then the command line */
#define INFO_CMDLINE    (INFO_GPA + 0x200)
#define INFO_HAS_MEM    BIT32(0)
#define INFO_HAS_CMDLINE BIT32(2)
#define INFO_HAS_MMAP   BIT32(6)

struct mb_header {
	uint32_t magic, flags, checksum;
	uint32_t header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr;
};

struct mb_mmap {
	uint32_t size; /* of the rest */
	uint64_t base, length;
	uint32_t type;
} PACKED;

struct mb_info {
	uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr;
	uint32_t syms[4];
	uint32_t mmap_length, mmap_addr;
	struct mb_mmap map[3];
} PACKED;

/* Offset of the multiboot header, or -1. */
static int64_t find_header(const uint8_t *image, uint64_t size, struct mb_header *h)
{
	memset(h, 0, sizeof(*h));
	for (uint64_t at = 0; at + 12 <= size && at + 12 <= MB_SEARCH; at += 4) {
		memcpy(h, image + at, size - at < sizeof(*h) ? size - at : sizeof(*h));
		if (h->magic == MB_MAGIC && h->magic + h->flags + h->checksum == 0)
			return (int64_t)at;
	}
	return -1;
}

/* ---- placing ---- */

int load_place(const struct loader *l, const char *what, uint64_t gpa, uint64_t offset,
	       uint64_t file_bytes, uint64_t memory_bytes)
{
	uint64_t ram = guest_config_ram(l->vm->config).low;

	if (offset > l->size || file_bytes > l->size - offset)
		return load_refuse(l, "%s reaches beyond the end of the file", what);
	if (file_bytes > memory_bytes)
		return load_refuse(l, "%s has more bytes in the file than in memory", what);
	if (gpa > ram || memory_bytes > ram - gpa)
		return load_refuse(l, "%s at %#llx (%llu bytes) does not fit its memory",
			      what, (unsigned long long)gpa, (unsigned long long)memory_bytes);
	if (guest_memory_write(&l->vm->memory, (gpa_t){ gpa }, l->image + offset, file_bytes)) {
		load_refuse(l, "no memory for %s", what);
		return -ENOMEM;
	}
	return 0;
}

struct elf32_header {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version, entry, phoff, shoff, flags;
	uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf32_segment {
	uint32_t type, offset, vaddr, paddr, filesz, memsz, flags, align;
};

#define ELF_MAGIC     "\177ELF"
#define ELF_CLASS_32  1
#define ELF_LITTLE    1
#define ELF_MACHINE_386 3
#define ELF_PT_LOAD   1
#define ELF_SEGMENTS_MAX 32

static int load_elf(const struct loader *l, uint64_t *entry)
{
	struct elf32_header h;

	if (l->size < sizeof(h) || memcmp(l->image, ELF_MAGIC, 4))
		return load_refuse(l, "multiboot header without addresses in a file that is not ELF");
	memcpy(&h, l->image, sizeof(h));
	if (h.ident[4] != ELF_CLASS_32 || h.ident[5] != ELF_LITTLE || h.machine != ELF_MACHINE_386)
		return load_refuse(l, "not a 32-bit x86 ELF file");
	if (h.phentsize != sizeof(struct elf32_segment) || h.phnum == 0 ||
	    h.phnum > ELF_SEGMENTS_MAX || h.phoff > l->size ||
	    h.phnum * sizeof(struct elf32_segment) > l->size - h.phoff)
		return load_refuse(l, "ELF program headers are not all there");

	unsigned loaded = 0;

	for (unsigned i = 0; i < h.phnum; i++) {
		struct elf32_segment s;
		char what[24];

		memcpy(&s, l->image + h.phoff + i * sizeof(s), sizeof(s));
		if (s.type != ELF_PT_LOAD || !s.memsz)
			continue;
		snprintf(what, sizeof(what), "ELF segment %u", i);

		int err = load_place(l, what, s.paddr, s.offset, s.filesz, s.memsz);

		if (err)
			return err;
		loaded++;
	}
	if (!loaded)
		return load_refuse(l, "the ELF file has nothing to load");
	*entry = h.entry;
	return 0;
}

/* The header itself says where its bytes go (its bit 16). */
static int load_by_addresses(const struct loader *l, const struct mb_header *h, uint64_t at,
			     uint64_t *entry)
{
	if (h->header_addr < h->load_addr || h->header_addr - h->load_addr > at)
		return load_refuse(l, "multiboot load address lies before the file");

	uint64_t offset = at - (h->header_addr - h->load_addr);
	uint64_t bytes = h->load_end_addr ? (uint64_t)h->load_end_addr - h->load_addr
					  : l->size - offset;
	uint64_t memory = h->bss_end_addr ? (uint64_t)h->bss_end_addr - h->load_addr : bytes;

	if (h->load_end_addr && h->load_end_addr < h->load_addr)
		return load_refuse(l, "multiboot load end lies before its start");
	if (h->bss_end_addr && h->bss_end_addr < h->load_addr)
		return load_refuse(l, "multiboot bss end lies before the image");
	*entry = h->entry_addr;
	return load_place(l, "the multiboot image", h->load_addr, offset, bytes, memory);
}

static int write_info(const struct loader *l)
{
	const struct guest_config *c = l->vm->config;
	const struct guest_ram ram = guest_config_ram(c);
	uint64_t low = ram.low;
	const uint64_t hole = 0xa0000, hole_end = 0x100000;
	struct mb_info info = {
		.flags = INFO_HAS_MEM | INFO_HAS_CMDLINE | INFO_HAS_MMAP,
		.mem_lower = (uint32_t)((low < hole ? low : hole) / 1024),
		.mem_upper = (uint32_t)(low > hole_end ? (low - hole_end) / 1024 : 0),
		.cmdline = INFO_CMDLINE,
		.mmap_addr = INFO_GPA + offsetof(struct mb_info, map),
	};
	unsigned n = 0;

	info.map[n++] = (struct mb_mmap){ 20, 0, low < hole ? low : hole, 1 };
	if (low > hole_end)
		info.map[n++] = (struct mb_mmap){ 20, hole_end, low - hole_end, 1 };
	if (ram.high)
		info.map[n++] = (struct mb_mmap){ 20, GUEST_HIGH_BASE, ram.high, 1 };
	info.mmap_length = n * (uint32_t)sizeof(struct mb_mmap);
	if (guest_memory_write(&l->vm->memory, (gpa_t){ INFO_GPA }, &info, sizeof(info)) ||
	    guest_memory_write(&l->vm->memory, (gpa_t){ INFO_CMDLINE }, c->cmdline,
			       strlen(c->cmdline) + 1))
		return load_refuse(l, "no memory for the boot information");
	return 0;
}

/* It learns of its memory and command line as a multiboot image does, unless it lies where that would. */
static int load_flat(const struct loader *l, struct start_state *start)
{
	uint64_t at = l->vm->config->image_load, info_end = INFO_CMDLINE + GUEST_CMDLINE_MAX + 1;
	int err = load_place(l, "the flat image", at, 0, l->size, l->size);

	start->rip = at;
	if (err || (at < info_end && at + l->size > INFO_GPA))
		return err;
	start->rax = MB_BOOT_MAGIC;
	start->rbx = INFO_GPA;
	return write_info(l);
}

static int load_image(const struct loader *l, struct start_state *start)
{
	struct mb_header h;
	int64_t at = find_header(l->image, l->size, &h);
	int err;

	*start = (struct start_state){ .mode = START_FLAT32 };
	if (at < 0 && l->size >= 4 && !memcmp(l->image, ELF_MAGIC, 4))
		return load_refuse(l, "an ELF file without a multiboot header in its first 8 KiB");
	if (at < 0)
		return load_flat(l, start);
	if (h.flags & MB_MANDATORY)
		return load_refuse(l, "the multiboot header asks for what is not offered (flags %#x)",
			      (unsigned)h.flags);
	start->rax = MB_BOOT_MAGIC;
	start->rbx = INFO_GPA;
	err = h.flags & MB_ADDRESSES ? load_by_addresses(l, &h, (uint64_t)at, &start->rip)
				     : load_elf(l, &start->rip);
	return err ? err : write_info(l);
}

static int load_firmware(const struct loader *l, struct start_state *start)
{
	gpa_t base = { GUEST_HIGH_BASE - align_up(l->size, PAGE_SIZE) };

	if (l->size % PAGE_SIZE)
		return load_refuse(l, "firmware is not a whole number of pages");
	*start = (struct start_state){ .mode = START_REAL, .rip = RESET_RIP };
	if (guest_memory_write(&l->vm->memory, base, l->image, l->size)) {
		load_refuse(l, "no memory for the firmware");
		return -ENOMEM;
	}
	return 0;
}

int vm_load(struct vm *vm, struct start_state *start, char *why, size_t why_size)
{
	const struct guest_config *c = vm->config;
	/* With firmware a kernel is its business: it gets it by fw_cfg. */
	const struct guest_file *file = c->image.data ? &c->image
				      : c->firmware.data ? &c->firmware : &c->kernel;
	const struct loader l = { vm, file->data, file->size, why, why_size };

	if (!file->data)
		return load_refuse(&l, "it has nothing to start: image =, firmware = or kernel =");
	if (file == &c->kernel)
		return load_linux(&l, start);
	return file == &c->image ? load_image(&l, start) : load_firmware(&l, start);
}
