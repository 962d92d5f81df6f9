/*
 * slots.c - a running VM's memory changes shape: slots come, go, move and become read-only.
 *
 * Invariants
 *   - Slots change while no vCPU is in a stay: vm_hold() has them all out, and the next stay begins
 *     after vm_release(). So nobody sees memory half there.
 *   - vm->slots[i] serves vm->memory.regions[i], always.
 *   - A slot that is logged neither goes nor moves: its log is by place.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>

#include "kernel/machine/cpu.h"
#include "kernel/machine/port.h"
#include "kernel/vmx/vm_room.h"

static void vm_hold(struct vm *vm)
{
	__atomic_store_n(&vm->held, 1, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < vm->vcpu_count; i++) {
		const struct vm_vcpu *v = &vm->vcpu[i];
		unsigned cpu = __atomic_load_n(&v->vmcs.cpu, __ATOMIC_SEQ_CST);

		if (!__atomic_load_n(&v->in_stay, __ATOMIC_SEQ_CST))
			continue;
		if (cpu != VMCS_NOWHERE)
			cpu_kick(cpu);
		while (__atomic_load_n(&v->in_stay, __ATOMIC_SEQ_CST))
			cpu_pause();
	}
}

static void vm_release(struct vm *vm) { __atomic_store_n(&vm->held, 0, __ATOMIC_SEQ_CST); }

static int place_of(const struct vm *vm, gfn_t base)
{
	for (unsigned i = 0; i < vm->slot_count; i++)
		if (vm->slots[i]->base.v == base.v)
			return (int)i;
	return -ENOENT;
}

int vm_slot_serve(struct vm *vm, unsigned place)
{
	const struct guest_region *r = &vm->memory.regions[place];
	struct memslot *slot = heap_alloc(sizeof(*slot));

	if (!slot)
		return -ENOMEM;
	*slot = (struct memslot){ .base = r->base,
				  .frames = r->frames,
				  .flags = r->rom ? MEMSLOT_READONLY : 0,
				  .ops = &vm_slot_ops,
				  .owner = vm };

	int err = mmu_slot_add(&vm->mmu, slot);

	if (err) {
		heap_free(slot);
		return err;
	}
	for (unsigned i = vm->slot_count++; i > place; i--)
		vm->slots[i] = vm->slots[i - 1];
	vm->slots[place] = slot;
	return 0;
}

int vm_slot_add(struct vm *vm, gfn_t base, uint64_t frames)
{
	vm_hold(vm);

	int err = guest_memory_add(&vm->memory, base, frames, false);

	if (!err) {
		unsigned place = 0;

		while (vm->memory.regions[place].base.v != base.v)
			place++;
		err = vm_slot_serve(vm, place);
		if (err)
			guest_memory_remove(&vm->memory, base);
	}
	vm_release(vm);
	return err;
}

/* Out of the MMU; its memory stays. The caller has the vCPUs held. */
static int take_out(struct vm *vm, gfn_t base, unsigned *place)
{
	int at = place_of(vm, base);

	if (at < 0)
		return at;
	if (vm->slots[at]->dirty)
		return -EBUSY;
	*place = (unsigned)at;
	return mmu_slot_remove(&vm->mmu, vm->slots[at]);
}

int vm_slot_delete(struct vm *vm, gfn_t base)
{
	unsigned place;

	vm_hold(vm);

	int err = take_out(vm, base, &place);

	if (!err) {
		heap_free(vm->slots[place]);
		vm->slot_count--;
		for (unsigned i = place; i < vm->slot_count; i++)
			vm->slots[i] = vm->slots[i + 1];
		guest_memory_remove(&vm->memory, base);
	}
	vm_release(vm);
	return err;
}

/* The slots' order follows the regions'. */
static void sort_slots(struct vm *vm)
{
	for (unsigned i = 1; i < vm->slot_count; i++) {
		struct memslot *slot = vm->slots[i];
		unsigned at = i;

		for (; at > 0 && vm->slots[at - 1]->base.v > slot->base.v; at--)
			vm->slots[at] = vm->slots[at - 1];
		vm->slots[at] = slot;
	}
}

int vm_slot_move(struct vm *vm, gfn_t base, gfn_t to)
{
	unsigned place;

	vm_hold(vm);

	int err = take_out(vm, base, &place);

	if (!err) {
		struct memslot *slot = vm->slots[place];
		int moved = guest_memory_move(&vm->memory, base, to);

		if (!moved) {
			slot->base = to;
			sort_slots(vm);
		}
		err = mmu_slot_add(&vm->mmu, slot);
		err = moved ? moved : err;
	}
	vm_release(vm);
	return err;
}

int vm_slot_readonly(struct vm *vm, gfn_t base, bool readonly)
{
	unsigned place;

	vm_hold(vm);

	int err = take_out(vm, base, &place);

	if (!err) {
		struct memslot *slot = vm->slots[place];

		slot->flags = readonly ? MEMSLOT_READONLY : 0;
		err = mmu_slot_add(&vm->mmu, slot);
	}
	vm_release(vm);
	return err;
}

int vm_slot_renew(struct vm *vm, struct memslot *slot)
{
	vm_hold(vm);

	int err = mmu_slot_remove(&vm->mmu, slot);

	if (!err)
		err = mmu_slot_add(&vm->mmu, slot);
	vm_release(vm);
	return err;
}
