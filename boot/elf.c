/*
 * elf.c - the kernel's ELF image: checked, and laid out in memory.
 *
 * The image was linked by the same make that built the loader; the checks catch a build that went
 * wrong, and keep every copy inside its bounds.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "boot/boot.h"

struct elf_header {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, phoff, shoff;
	uint32_t flags;
	uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf_segment {
	uint32_t type, flags;
	uint64_t offset, vaddr, paddr, filesz, memsz, align;
};
_Static_assert(sizeof(struct elf_header) == 64, "ELF-64 header");
_Static_assert(sizeof(struct elf_segment) == 56, "ELF-64 program header");

#define PT_LOAD  1
#define SPAN_MAX (UINT64_C(64) << 20)

static const struct elf_segment *segments(const void *elf)
{
	const struct elf_header *h = elf;

	return (const struct elf_segment *)((const uint8_t *)elf + h->phoff);
}

static bool segment_fits(const struct elf_segment *s, size_t size)
{
	return s->filesz <= s->memsz && s->offset <= size && s->filesz <= size - s->offset &&
	       s->vaddr >= KERNEL_VIRT_BASE && s->vaddr - KERNEL_VIRT_BASE <= SPAN_MAX &&
	       s->memsz <= SPAN_MAX;
}

const char *elf_check(const void *elf, size_t size, uint64_t *span, uint64_t *entry)
{
	static const uint8_t magic[] = { 0x7f, 'E', 'L', 'F', 2, 1 };
	const struct elf_header *h = elf;

	if (size < sizeof(*h))
		return "kernel image is too short";
	for (size_t i = 0; i < sizeof(magic); i++)
		if (h->ident[i] != magic[i])
			return "kernel image is not ELF-64";
	if (h->phentsize != sizeof(struct elf_segment) || h->phoff > size ||
	    h->phnum * sizeof(struct elf_segment) > size - h->phoff)
		return "kernel image has a bad segment table";
	*span = 0;
	for (unsigned i = 0; i < h->phnum; i++) {
		const struct elf_segment *s = &segments(elf)[i];

		if (s->type != PT_LOAD)
			continue;
		if (!segment_fits(s, size))
			return "kernel image has a bad segment";
		if (s->vaddr - KERNEL_VIRT_BASE + s->memsz > *span)
			*span = s->vaddr - KERNEL_VIRT_BASE + s->memsz;
	}
	*entry = h->entry - KERNEL_VIRT_BASE;
	return *entry < *span ? NULL : "kernel image has its entry outside";
}

void elf_place(const void *elf, void *to, uint64_t span)
{
	const struct elf_header *h = elf;

	__builtin_memset(to, 0, span);
	for (unsigned i = 0; i < h->phnum; i++) {
		const struct elf_segment *s = &segments(elf)[i];

		if (s->type == PT_LOAD)
			__builtin_memcpy((uint8_t *)to + (s->vaddr - KERNEL_VIRT_BASE),
					 (const uint8_t *)elf + s->offset, s->filesz);
	}
}
