/*
 * vmx_memory.c - what the hypervisor writes for a plain guest is in the guest's log, and stands nowhere
 * that the guest may not write.
 *
 * links: kernel/vmx/memory.c kernel/platform/memory.c mmu/[a-z]*.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/vmx/vm_room.h"
#include "tests/fake/test.h"
#include "tests/host/machine.h"

#define RAM   (UINT64_C(8) << 20)
#define ROM   UINT64_C(0xfffc0000)
#define ROM_FRAMES 64

static struct vm *vm;
static struct memslot slots[2];
static uint64_t dirty[RAM / PAGE_SIZE / 64];

static int flush(struct mmu *mmu, enum mmu_root root, gfn_t start, uint64_t frames)
{
	(void)mmu, (void)root, (void)start, (void)frames;
	return 0;
}

static void no_external_spt(struct mmu *mmu, struct mmu_page *sp) { (void)mmu, (void)sp; }

static int resolve(struct memslot *s, enum mmu_root root, gfn_t gfn, pfn_t *pfn, int *level)
{
	(void)s, (void)root;
	return guest_memory_frame(&vm->memory, gfn, *level, pfn, level);
}

static const struct mmu_ops ops = { .free_external_spt = no_external_spt, .flush = flush };
static const struct memslot_ops slot_ops = { .resolve = resolve };

static int start(void **state)
{
	const struct mmu_config config = { .ops = &ops, .name = "vm", .levels = 4, .max_level = LEVEL_2M,
					   .memtype = SPTE_MEMTYPE_WB, .ad = MMU_AD_HARDWARE };

	(void)state;
	machine_start(MACHINE_DEFAULT_SIZE, 1);
	memset(dirty, 0, sizeof(dirty));
	vm = calloc(1, sizeof(*vm));
	guest_memory_init(&vm->memory);
	CHECK_INT(guest_memory_add_ram(&vm->memory, guest_ram_usual(RAM)), 0);
	CHECK_INT(guest_memory_add(&vm->memory, (gfn_t){ ROM >> PAGE_SHIFT }, ROM_FRAMES, true), 0);
	CHECK_INT(mmu_init(&vm->mmu, &config), 0);
	for (unsigned i = 0; i < 2; i++) {
		slots[i] = (struct memslot){ .base = vm->memory.regions[i].base,
					     .frames = vm->memory.regions[i].frames,
					     .flags = i ? MEMSLOT_READONLY : 0, .ops = &slot_ops };
		CHECK_INT(mmu_slot_add(&vm->mmu, &slots[i]), 0);
		vm->slots[vm->slot_count++] = &slots[i];
	}
	mmu_log_start(&vm->mmu, &slots[0], dirty);
	return 0;
}

static int end(void **state)
{
	(void)state;
	CHECK_INT(mmu_fini(&vm->mmu), 0);
	guest_memory_fini(&vm->memory);
	free(vm);
	return page_count(PAGE_GUEST) != 0;
}

static int put(uint64_t gpa, const char *text)
{
	return vm_memory_write(vm, (gpa_t){ gpa }, text, strlen(text));
}

static bool holds(uint64_t gpa, const char *text)
{
	char found[16];

	return !guest_memory_read(&vm->memory, found, (gpa_t){ gpa }, strlen(text)) &&
	       memcmp(found, text, strlen(text)) == 0;
}

static unsigned marked(void)
{
	unsigned count = 0;

	for (size_t i = 0; i < ARRAY_LEN(dirty); i++)
		count += (unsigned)__builtin_popcountll(dirty[i]);
	return count;
}

TEST(a_write_across_a_border_marks_both_pages)
{
	CHECK_INT(put(0x5ffe, "wxyz"), 0);
	CHECK(holds(0x5ffe, "wxyz"));
	CHECK_INT(dirty[0], BIT64(5) | BIT64(6));
	CHECK_INT(marked(), 2);
}

TEST(up_to_the_end_of_a_page_is_one_page)
{
	CHECK_INT(put(0x6ffc, "wxyz"), 0);
	CHECK_INT(dirty[0], BIT64(6));
	CHECK_INT(vm_memory_write(vm, (gpa_t){ 0x8000 }, "", 0), 0);
	CHECK_INT(marked(), 1);
}

TEST(a_collection_after_the_write_sees_it_and_arms_the_page_again)
{
	uint64_t round[ARRAY_LEN(dirty)];

	CHECK_INT(put(RAM - 1, "x"), 0);
	(void)mmu_log_take(&vm->mmu, &slots[0], round);
	CHECK_INT(round[ARRAY_LEN(round) - 1], BIT64(63));
	CHECK_INT(marked(), 0);
	CHECK_INT(put(RAM - 1, "y"), 0);
	CHECK_INT(marked(), 1);
}

TEST(read_only_memory_stays_as_it_is)
{
	CHECK_INT(guest_memory_write(&vm->memory, (gpa_t){ ROM }, "rom", 3), 0);
	CHECK_INT(put(ROM, "new"), -EROFS);
	CHECK(holds(ROM, "rom"));
	/* RAM that was made read-only while the guest ran. */
	mmu_log_stop(&vm->mmu, &slots[0]);
	CHECK_INT(put(0x1000, "old"), 0);
	CHECK_INT(mmu_slot_remove(&vm->mmu, &slots[0]), 0);
	slots[0].flags = MEMSLOT_READONLY;
	CHECK_INT(mmu_slot_add(&vm->mmu, &slots[0]), 0);
	CHECK_INT(put(0x1000, "new"), -EROFS);
	CHECK(holds(0x1000, "old"));
}

TEST(beyond_memory_is_nothing)
{
	CHECK_INT(put(RAM, "x"), -ENOENT);
	CHECK_INT(put(RAM - 1, "xy"), -ENOENT); /* the first part is there, and marked */
	CHECK_INT(marked(), 1);
	CHECK_INT(put(~UINT64_C(0), "xy"), -ENOENT);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start, end)
	const struct CMUnitTest tests[] = {
		T(a_write_across_a_border_marks_both_pages),
		T(up_to_the_end_of_a_page_is_one_page),
		T(a_collection_after_the_write_sees_it_and_arms_the_page_again),
		T(read_only_memory_stays_as_it_is),
		T(beyond_memory_is_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
