/*
 * memory.c - what the hypervisor writes into a running VM's memory: devices' DMA, and emulated
 * instructions.
 *
 * Invariants
 *   - A guest that is logged has these writes in its log too: marked after they are there, so a copy that
 *     came too early is made again.
 *   - What the guest may not write, nothing writes for it: ROM, and slots that are read-only.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>

#include "kernel/vmx/vm_room.h"

/* A slot is of the region with its number: slots.c. */
static bool may_be_written(const struct vm *vm, const struct guest_region *r)
{
	unsigned i = (unsigned)(r - vm->memory.regions);

	return !r->rom && !(i < vm->slot_count && (vm->slots[i]->flags & MEMSLOT_READONLY));
}

int vm_memory_write(struct vm *vm, gpa_t to, const void *from, uint64_t bytes)
{
	const char *source = from;

	while (bytes) {
		const struct guest_region *r = guest_memory_find(&vm->memory, gpa_to_gfn(to));
		uint64_t rest = PAGE_SIZE - to.v % PAGE_SIZE, part = bytes < rest ? bytes : rest;
		int err = !r ? -ENOENT : may_be_written(vm, r) ? 0 : -EROFS;

		if (!err)
			err = guest_memory_write(&vm->memory, to, source, part);
		if (err)
			return err;
		mmu_log_host_write(&vm->mmu, to);
		to = gpa_add(to, part);
		source += part;
		bytes -= part;
	}
	return 0;
}
