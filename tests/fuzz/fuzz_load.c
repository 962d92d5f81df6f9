/*
 * fuzz_load.c - files that a guest is started from: a bzImage for a plain guest and for a trust domain
 * without firmware, a multiboot or flat image.
 *
 * The first bytes choose: what the file is, where it goes, how much memory there is; the rest is the file. A
 * plan that is made has its sections inside of the address space, apart from each other and whole.
 *
 * links: kernel/vmx/load.c kernel/vmx/load_linux.c kernel/platform/acpi_tables.c kernel/platform/aml.c
 *   kernel/platform/memory.c tdx/tdload_plan.c tdx/tdload_image.c tdx/tdvf.c kernel/base/sha384.c
 *   tests/host/machine.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdlib.h>
#include <string.h>

#include "kernel/vmx/vm_room.h"
#include "tdx/tdload_plan.h"

#define CHOICES 8
#define MIB     (UINT64_C(1) << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void load_vm(struct guest_config *config)
{
	struct vm *vm = calloc(1, sizeof(*vm));
	struct start_state first;
	char why[160];

	vm->config = config;
	guest_memory_init(&vm->memory);
	if (guest_memory_add_ram(&vm->memory, guest_config_ram(config)))
		abort();
	(void)vm_load(vm, &first, why, sizeof(why));
	guest_memory_fini(&vm->memory);
	free(vm);
	if (page_count(PAGE_GUEST))
		abort();
}

static void check_plan(const struct tdvf *t)
{
	for (unsigned i = 0; i < t->count; i++) {
		const struct tdvf_section *s = &t->section[i];

		if (s->gpa % PAGE_SIZE || s->bytes % PAGE_SIZE || s->raw > s->bytes ||
		    s->gpa + s->bytes < s->gpa)
			abort();
		for (unsigned j = 0; j < i; j++)
			if (s->gpa < t->section[j].gpa + t->section[j].bytes &&
			    t->section[j].gpa < s->gpa + s->bytes)
				abort();
	}
}

static void plan_td(struct guest_config *config)
{
	struct tdload_plan *plan = calloc(1, sizeof(*plan));
	struct tdvf *t = calloc(1, sizeof(*t));
	char why[TDVF_WHY_MAX];

	if (!tdload_plan_make(plan, t, config, why))
		check_plan(t);
	free(t);
	free(plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t sizes[] = { 2 * MIB, 8 * MIB, 64 * MIB, 256 * MIB };
	static const uint8_t initrd[300];
	struct guest_config *config;
	uint32_t at;

	if (size < CHOICES)
		return 0;
	memcpy(&at, data + 4, sizeof(at));

	/* A copy of exact size: the sanitizer sees a byte too far. */
	uint8_t *file = malloc(size - CHOICES ? size - CHOICES : 1);

	memcpy(file, data + CHOICES, size - CHOICES);
	config = calloc(1, sizeof(*config));
	config->memory = sizes[data[0] % ARRAY_LEN(sizes)];
	config->vcpus = 1 + data[2] % 8;
	strcpy(config->cmdline, "console=ttyS0");

	struct guest_file *slot = data[1] & 1 ? &config->image : &config->kernel;

	slot->data = file;
	slot->size = size - CHOICES;
	config->image_load = at;
	if (data[3] & 1) {
		config->initrd.data = initrd;
		config->initrd.size = sizeof(initrd);
	}
	if ((data[1] & 2) && !(data[1] & 1))
		plan_td(config);
	else
		load_vm(config);
	free(config);
	free(file);
	return 0;
}
