/*
 * vmx_load.c - images of plain guests: the good ones stand where they should, the bad ones are
 * refused with the reason; and the walk of a guest's own page tables.
 *
 * links: kernel/vmx/load.c kernel/vmx/load_linux.c kernel/platform/acpi_tables.c
 * kernel/platform/aml.c kernel/vmx/guest_walk.c kernel/platform/memory.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/vmx/guest_walk.h"
#include "kernel/vmx/vm_room.h"
#include "tests/host/machine.h"

#define MEMORY (8u << 20)

static struct vm *vm;
static struct guest_config config;
static struct start_state first;
static char why[160];
static uint8_t file[32768];

static int start(void **state)
{
	(void)state;
	machine_start(MACHINE_DEFAULT_SIZE, 1);
	memset(&config, 0, sizeof(config));
	memset(file, 0, sizeof(file));
	config.memory = MEMORY;
	strcpy(config.cmdline, "a=b");
	vm = calloc(1, sizeof(*vm));
	vm->config = &config;
	guest_memory_init(&vm->memory);
	return guest_memory_add_ram(&vm->memory, guest_ram_usual(MEMORY));
}

static int end(void **state)
{
	(void)state;
	guest_memory_fini(&vm->memory);
	free(vm);
	return page_count(PAGE_GUEST) != 0;
}

static void put32(size_t at, uint32_t v) { memcpy(file + at, &v, 4); }
static void put16(size_t at, uint16_t v) { memcpy(file + at, &v, 2); }

/* From a heap block of exactly @size bytes, so that the sanitizer sees one too many. */
static int load(uint64_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	memcpy(copy, file, size);
	config.image.data = copy;
	config.image.size = size;
	why[0] = 0;
	int err = vm_load(vm, &first, why, sizeof(why));

	free(copy);
	return err;
}

static uint32_t guest32(uint64_t gpa)
{
	uint32_t v = 0;

	assert_int_equal(guest_memory_read(&vm->memory, &v, (gpa_t){ gpa }, 4), 0);
	return v;
}

static void refused_because(uint64_t size, const char *reason)
{
	assert_int_equal(load(size), -EINVAL);
	if (!strstr(why, reason))
		fail_msg("\"%s\" does not say \"%s\"", why, reason);
}

enum { MB_AT = 0x200, PH_AT = 52, TEXT_AT = 0x1000 };

static void header(uint32_t flags)
{
	put32(MB_AT, 0x1badb002);
	put32(MB_AT + 4, flags);
	put32(MB_AT + 8, -(0x1badb002 + flags));
}

/* One segment of 16 bytes in the file and 32 in memory, at 1 MiB; entry 4 behind. */
static void make_elf(void)
{
	header(0);
	memcpy(file, "\177ELF\1\1\1", 7);
	put16(16, 2), put16(18, 3);
	put32(24, 0x100004), put32(28, PH_AT);
	put16(42, 32), put16(44, 1);
	put32(PH_AT, 1), put32(PH_AT + 4, TEXT_AT), put32(PH_AT + 8, 0x100000);
	put32(PH_AT + 12, 0x100000), put32(PH_AT + 16, 16), put32(PH_AT + 20, 32);
	put32(TEXT_AT, 0x11223344);
}

static void a_flat_image_starts_where_it_is_put(void **state)
{
	(void)state;
	put32(0, 0xfeedface);
	config.image_load = 0x200000;
	assert_int_equal(load(5000), 0);
	assert_int_equal(first.mode, START_FLAT32);
	assert_int_equal(first.rip, 0x200000);
	assert_int_equal(guest32(0x200000), 0xfeedface);
	assert_int_equal(first.rax, 0x2badb002);
	assert_int_equal(guest32(first.rbx + 16), 0x9200);
	assert_int_equal(guest32(0x9200), 0x623d61); /* "a=b" */
	config.image_load = 0x8000; /* over the boot information: the image counts */
	assert_int_equal(load(0x1001), 0);
	assert_int_equal(first.rax, 0);
	assert_int_equal(guest32(0x9000), 0);
	config.image_load = 0x7c00;
	assert_int_equal(load(0x1400), 0);
	assert_int_equal(first.rax, 0x2badb002);
}

static void a_flat_image_must_fit(void **state)
{
	(void)state;
	config.image_load = MEMORY - 4096;
	assert_int_equal(load(4096), 0);
	refused_because(4097, "does not fit its memory");
	config.image_load = ~UINT64_C(0) - 100;
	refused_because(4096, "does not fit its memory");
}

static void a_multiboot_elf_gets_its_boot_information(void **state)
{
	(void)state;
	make_elf();
	assert_int_equal(load(TEXT_AT + 16), 0);
	assert_int_equal(first.rip, 0x100004);
	assert_int_equal(first.rax, 0x2badb002);
	assert_int_equal(guest32(0x100000), 0x11223344);
	assert_int_equal(guest32(first.rbx) & 0x45, 0x45);
	assert_int_equal(guest32(first.rbx + 8), (MEMORY - (1 << 20)) / 1024);
	assert_int_equal(guest32(guest32(first.rbx + 16)), 0x623d61); /* "a=b" */
	assert_int_equal(guest32(first.rbx + 44), 2 * 24);
	assert_int_equal(guest32(guest32(first.rbx + 48)), 20);
}

static void broken_elf_files_are_refused(void **state)
{
	(void)state;
	make_elf();
	refused_because(TEXT_AT + 15, "ELF segment 0 reaches beyond the end of the file");
	put32(PH_AT + 4, 0xfffffff8);
	refused_because(sizeof(file), "reaches beyond the end");
	make_elf(), put32(PH_AT + 20, 15);
	refused_because(sizeof(file), "more bytes in the file than in memory");
	make_elf(), put32(PH_AT + 12, MEMORY - 31);
	refused_because(sizeof(file), "does not fit its memory");
	make_elf(), put32(PH_AT + 12, 0xffffffff);
	refused_because(sizeof(file), "does not fit its memory");
	make_elf(), put32(28, 0xfffffff0);
	refused_because(sizeof(file), "program headers");
	make_elf(), put16(44, 0xffff);
	refused_because(sizeof(file), "program headers");
	make_elf(), put32(PH_AT, 2);
	refused_because(sizeof(file), "nothing to load");
	make_elf(), file[4] = 2;
	refused_because(sizeof(file), "not a 32-bit x86 ELF");
	make_elf(), file[0] = 0;
	refused_because(sizeof(file), "not ELF");
	make_elf();
	refused_because(MB_AT + 12, "ELF segment 0 reaches beyond");
}

static void a_multiboot_header_may_ask_for_too_much(void **state)
{
	(void)state;
	make_elf(), header(4); /* video mode */
	refused_because(sizeof(file), "asks for what is not offered");
}

static void addresses_in_the_header_are_checked(void **state)
{
	(void)state;
	header(1 << 16);
	put32(MB_AT + 12, 0x100200), put32(MB_AT + 16, 0x100000); /* header, load */
	put32(MB_AT + 20, 0x101000), put32(MB_AT + 24, 0x103000); /* load end, bss end */
	put32(MB_AT + 28, 0x100220);
	assert_int_equal(load(sizeof(file)), 0);
	assert_int_equal(first.rip, 0x100220);
	assert_int_equal(guest32(0x100200), 0x1badb002);
	put32(MB_AT + 16, 0x100300);
	refused_because(sizeof(file), "before the file");
	put32(MB_AT + 16, 0xff000);
	refused_because(sizeof(file), "before the file");
	put32(MB_AT + 16, 0x100000), put32(MB_AT + 20, 0xfffff);
	refused_because(sizeof(file), "load end lies before");
	put32(MB_AT + 20, 0x200000);
	refused_because(sizeof(file), "beyond the end of the file");
	put32(MB_AT + 20, 0x101000), put32(MB_AT + 24, 0xf0000000);
	refused_because(sizeof(file), "does not fit its memory");
}

static void any_short_file_is_handled(void **state)
{
	(void)state;
	make_elf();
	for (unsigned size = 1; size < TEXT_AT + 16; size++)
		assert_int_equal(load(size), size < 4 ? 0 : -EINVAL); /* flat, or refused */
}

static void nothing_to_start_is_said(void **state)
{
	(void)state;
	config.image.data = NULL;
	assert_int_equal(vm_load(vm, &first, why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "nothing to start"));
}

/* ---- the guest's page walk ---- */

static void poke(uint64_t gpa, uint64_t v, unsigned bytes)
{
	assert_int_equal(guest_memory_write(&vm->memory, (gpa_t){ gpa }, &v, bytes), 0);
}

static int walk(const struct guest_paging *p, uint64_t linear, bool write, uint64_t *gpa)
{
	gpa_t at = { 0 };
	int err = guest_walk(&vm->memory, p, linear, write, &at);

	*gpa = at.v;
	return err;
}

static void four_levels_and_large_pages(void **state)
{
	struct guest_paging p = { CR0_PG | CR0_PE | CR0_WP, 0x1000, CR4_PAE, 1 << 10, false };
	uint64_t gpa;

	(void)state;
	poke(0x1000, 0x2003, 8), poke(0x2000, 0x3003, 8), poke(0x3000, 0x4003, 8);
	poke(0x4008, 0x7001, 8);            /* 4K, read-only */
	poke(0x3008, 0x400083, 8);          /* 2M */
	poke(0x2008, 0x40000083, 8);        /* 1G */
	assert_int_equal(walk(&p, 0x1234, false, &gpa), 0);
	assert_int_equal(gpa, 0x7234);
	assert_int_equal(walk(&p, 0x1234, true, &gpa), -EFAULT);
	assert_int_equal(walk(&p, 0x212345, true, &gpa), 0);
	assert_int_equal(gpa, 0x412345);
	assert_int_equal(walk(&p, 0x52345678, true, &gpa), 0);
	assert_int_equal(gpa, 0x52345678);
	assert_int_equal(walk(&p, 0x3000, false, &gpa), -EFAULT);
	poke(0x1008, 0xd0000003, 8); /* a table that is not in memory */
	assert_int_equal(walk(&p, UINT64_C(1) << 39, false, &gpa), -ENOENT);
	p.cr0 &= ~CR0_WP;
	assert_int_equal(walk(&p, 0x1234, true, &gpa), 0);
}

/* A user's bit in each table on the way; and CR0.WP does not help a user. */
static void a_users_walk_stays_in_users_pages(void **state)
{
	struct guest_paging p = { CR0_PG | CR0_PE, 0x1000, CR4_PAE, 1 << 10, true };
	uint64_t gpa;

	(void)state;
	poke(0x1000, 0x2007, 8), poke(0x2000, 0x3007, 8), poke(0x3000, 0x4007, 8);
	poke(0x4008, 0x7005, 8); /* a user's, read-only */
	poke(0x4010, 0x8003, 8); /* the kernel's */
	assert_int_equal(walk(&p, 0x1234, false, &gpa), 0);
	assert_int_equal(walk(&p, 0x1234, true, &gpa), -EFAULT);
	assert_int_equal(walk(&p, 0x2234, false, &gpa), -EFAULT);
	p.user = false;
	assert_int_equal(walk(&p, 0x1234, true, &gpa), 0);
	assert_int_equal(walk(&p, 0x2234, true, &gpa), 0);
	p.user = true;
	poke(0x2000, 0x3003, 8);
	assert_int_equal(walk(&p, 0x1234, false, &gpa), -EFAULT);
}

static void legacy_paging_too(void **state)
{
	struct guest_paging p = { CR0_PG | CR0_PE, 0x1000, BIT64(4), 0, false };
	uint64_t gpa;

	(void)state;
	poke(0x1000, 0x2003, 4), poke(0x2004, 0x5003, 4), poke(0x1004, 0x800083, 4);
	assert_int_equal(walk(&p, 0x1abc, true, &gpa), 0);
	assert_int_equal(gpa, 0x5abc);
	assert_int_equal(walk(&p, 0x412345, true, &gpa), 0);
	assert_int_equal(gpa, 0x812345);
	p.cr4 = CR4_PAE;
	poke(0x1000, 0x2001, 8), poke(0x2000, 0x600083, 8);
	assert_int_equal(walk(&p, 0x12345, true, &gpa), 0);
	assert_int_equal(gpa, 0x612345);
	p.cr0 = CR0_PE;
	assert_int_equal(walk(&p, 0xabcd, true, &gpa), 0);
	assert_int_equal(gpa, 0xabcd);
}

/* ---- bzImage ---- */

enum { BODY_AT = 1024 }; /* one sector of set-up behind the first */

static void make_bzimage(void)
{
	file[0x1f1] = 1;
	put16(0x1fe, 0xaa55);
	file[0x201] = 0x6a; /* the header ends at 26ch */
	memcpy(file + 0x202, "HdrS", 4);
	put16(0x206, 0x20f);
	file[0x211] = 1;
	put32(0x22c, 0x7fffffff);
	file[0x236] = 1;
	put32(0x238, 255);
	put32(0x258, 0x200000);
	put32(0x260, 0x100000);
	put32(BODY_AT + 0x200, 0x55667788);
}

static int load_kernel(uint64_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	memcpy(copy, file, size);
	config.kernel.data = copy;
	config.kernel.size = size;
	why[0] = 0;
	int err = vm_load(vm, &first, why, sizeof(why));

	free(copy);
	config.kernel.data = NULL;
	return err;
}

static void kernel_refused_because(uint64_t size, const char *reason)
{
	assert_int_equal(load_kernel(size), -EINVAL);
	if (!strstr(why, reason))
		fail_msg("\"%s\" does not say \"%s\"", why, reason);
}

static void a_bzimage_gets_what_the_protocol_promises(void **state)
{
	static const uint8_t initrd[5000] = { 0x42 };

	(void)state;
	make_bzimage();
	config.initrd.data = initrd;
	config.initrd.size = sizeof(initrd);
	vm->vcpu_count = 2;
	assert_int_equal(load_kernel(sizeof(file)), 0);
	assert_int_equal(first.mode, START_LONG);
	assert_int_equal(first.rip, 0x200200);
	assert_int_equal(guest32(first.rip), 0x55667788);

	uint64_t zero = first.rsi, at = guest32(zero + 0x218);

	assert_int_equal(at, MEMORY - 8192); /* whole pages, at the top */
	assert_int_equal(guest32(zero + 0x21c), sizeof(initrd));
	assert_int_equal(guest32(at), 0x42);
	assert_int_equal(guest32(guest32(zero + 0x228)), 0x00623d61); /* "a=b" */
	assert_int_equal(guest32(guest32(zero + 0x70)), 0x20445352);          /* "RSD " */
	assert_int_equal(guest32(zero + 0x1e8) & 0xff, 3);
	assert_int_equal(guest32(zero + 0x210) & 0xff, 0xff);
	assert_int_equal(guest32(first.cr3) & 0xfff, 3);

	/* The tables map one to one. */
	const struct guest_paging paging = { .cr0 = BIT64(31) | 1, .cr3 = first.cr3, .cr4 = BIT64(5),
					     .efer = BIT64(10) };
	gpa_t gpa;

	assert_int_equal(guest_walk(&vm->memory, &paging, 0xfee00123, true, &gpa), 0);
	assert_int_equal(gpa.v, 0xfee00123);
}

static void a_kernel_without_a_64_bit_entry_gets_the_other(void **state)
{
	(void)state;
	make_bzimage();
	file[0x236] = 0;
	vm->vcpu_count = 1;
	assert_int_equal(load_kernel(sizeof(file)), 0);
	assert_int_equal(first.mode, START_FLAT32);
	assert_int_equal(first.rip, 0x200000);
}

static void bad_kernels_are_refused(void **state)
{
	static const uint8_t initrd[4096] = { 1 };

	(void)state;
	kernel_refused_because(sizeof(file), "not a bzImage");
	make_bzimage();
	for (uint64_t size = 0; size < 0x268; size += 8)
		kernel_refused_because(size, "not a bzImage");
	kernel_refused_because(1000, "longer than its file");
	put16(0x206, 0x200);
	kernel_refused_because(sizeof(file), "too old");
	put16(0x206, 0x20f);
	file[0x211] = 0;
	kernel_refused_because(sizeof(file), "below 1 MiB");
	file[0x211] = 1;
	put32(0x238, 2);
	kernel_refused_because(sizeof(file), "command line");
	put32(0x238, 255);
	put32(0x260, 0x7fffffff);
	kernel_refused_because(sizeof(file), "does not fit");
	put32(0x260, 0x100000);
	put32(0x25c, 0xffffffff); /* a preferred address beyond everything */
	kernel_refused_because(sizeof(file), "does not fit");
	put32(0x25c, 0);
	config.initrd.data = initrd;
	config.initrd.size = 6 << 20;
	kernel_refused_because(sizeof(file), "initrd");
	config.initrd.size = ~UINT64_C(0);
	kernel_refused_because(sizeof(file), "initrd");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start, end)
	const struct CMUnitTest tests[] = {
		T(a_flat_image_starts_where_it_is_put), T(a_flat_image_must_fit),
		T(a_multiboot_elf_gets_its_boot_information), T(broken_elf_files_are_refused),
		T(a_multiboot_header_may_ask_for_too_much), T(addresses_in_the_header_are_checked),
		T(any_short_file_is_handled), T(nothing_to_start_is_said),
		T(a_bzimage_gets_what_the_protocol_promises),
		T(a_kernel_without_a_64_bit_entry_gets_the_other), T(bad_kernels_are_refused),
		T(four_levels_and_large_pages), T(a_users_walk_stays_in_users_pages),
		T(legacy_paging_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
