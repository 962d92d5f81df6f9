/*
 * exit_io.c - IN, OUT, INS, OUTS: to the virtual PC, and what the guest asked of its power button.
 *
 * A string instruction moves one element per exit and is entered again until its count is done, so
 * a long one cannot hold the CPU.
 *
 * SDM volume 3C, table "Exit Qualification for I/O Instructions".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>

#include "kernel/vmx/vm_room.h"

#define IO_BYTES(q) ((unsigned)((q) & 7) + 1)
#define IO_IN       BIT64(3)
#define IO_STRING   BIT64(4)
#define IO_REP      BIT64(5)
#define IO_PORT(q)  ((uint16_t)((q) >> 16))

#define RFLAGS_DF BIT64(10)
#define PORT_PIT  0x40

/* EXIT_INSTRUCTION_INFO of INS and OUTS, bits 9:7. */
enum { ADDRESS_16, ADDRESS_32, ADDRESS_64 };
#define ADDRESS_SIZE(info) (((info) >> 7) & 7)

static enum exit_action after_access(struct vm_vcpu *v)
{
	char text[32];

	switch (platform_ended(v->vm->platform)) {
	case PLATFORM_RUNS:
		return EXIT_RESUME;
	case PLATFORM_EXIT:
	case PLATFORM_POWEROFF:
	case PLATFORM_RESET:
	default:
		return leave(v, RUN_STOPPED, "%s",
			     platform_end_text(v->vm->platform, text, sizeof(text)));
	}
}

/* The low @bytes of RAX change; a 32-bit result clears the upper half, as the instruction does. */
static void set_rax(struct vm_vcpu *v, uint32_t value, unsigned bytes)
{
	uint64_t mask = bytes == 4 ? ~UINT64_C(0) : BIT64(bytes * 8) - 1;

	v->regs.gpr[REG_RAX] = (v->regs.gpr[REG_RAX] & ~mask) | (value & mask);
}

static uint64_t address_mask(uint64_t info)
{
	static const uint64_t mask[] = { 0xffff, 0xffffffff, ~UINT64_C(0) };
	uint64_t size = ADDRESS_SIZE(info);

	return mask[size <= ADDRESS_64 ? size : ADDRESS_64];
}

/* The element lies at the linear address of the exit; it may straddle two pages. */
static int element(struct vm_vcpu *v, uint64_t linear, void *data, unsigned bytes, bool to_guest)
{
	struct guest_paging paging = linear_paging();
	uint8_t *at = data;

	for (unsigned i = 0; i < bytes; i++) {
		gpa_t gpa;
		int err = guest_walk(&v->vm->memory, &paging, linear + i, to_guest, &gpa);

		if (!err)
			err = to_guest ? vm_memory_write(v->vm, gpa, at + i, 1)
				       : guest_memory_read(&v->vm->memory, at + i, gpa, 1);
		if (err == -EROFS)
			v->vm->rom_writes++; /* ROM takes it, and forgets it */
		else if (err)
			return err;
	}
	return 0;
}

/* Before the port is touched: may the guest do this to its memory? -EFAULT: not at *@bad. */
static int may_touch(const struct vm_vcpu *v, uint64_t linear, unsigned bytes, bool write, uint64_t *bad)
{
	struct guest_paging paging = linear_paging();
	int err = 0;

	for (unsigned i = 0; !err && i < bytes; i++) {
		gpa_t gpa;

		*bad = linear + i;
		err = guest_walk(&v->vm->memory, &paging, *bad, write, &gpa);
	}
	return err;
}

/* Registers after one element; true: the instruction is complete. */
static bool advance(struct vm_vcpu *v, uint64_t q, uint64_t mask)
{
	uint64_t *index = &v->regs.gpr[q & IO_IN ? REG_RDI : REG_RSI];
	uint64_t *count = &v->regs.gpr[REG_RCX];
	uint64_t step = IO_BYTES(q);

	if (vmcs_read(VMCS_GUEST_RFLAGS) & RFLAGS_DF)
		step = -step;
	*index = (*index & ~mask) | ((*index + step) & mask);
	if (!(q & IO_REP))
		return true;
	*count = (*count & ~mask) | ((*count - 1) & mask);
	return (*count & mask) == 0;
}

static int transfer(struct vm_vcpu *v, uint64_t linear, uint64_t q)
{
	uint32_t data = 0;
	int err;

	if (q & IO_IN) {
		data = platform_in(v->vm->platform, IO_PORT(q), IO_BYTES(q));
		return element(v, linear, &data, IO_BYTES(q), true);
	}
	err = element(v, linear, &data, IO_BYTES(q), false);
	if (!err)
		platform_out(v->vm->platform, IO_PORT(q), IO_BYTES(q), data);
	return err;
}

static enum exit_action string_io(struct vm_vcpu *v, uint64_t q)
{
	uint64_t mask = address_mask(vmcs_read(VMCS_EXIT_INSTRUCTION_INFO));
	uint64_t linear = vmcs_read(VMCS_GUEST_LINEAR_ADDRESS);
	uint64_t bad;
	int err;

	if ((q & IO_REP) && !(v->regs.gpr[REG_RCX] & mask))
		return skip_instruction(v);
	err = may_touch(v, linear, IO_BYTES(q), (q & IO_IN) != 0, &bad);
	if (err == -EFAULT)
		return linear_fault(v, bad, (q & IO_IN) != 0);
	if (!err)
		err = transfer(v, linear, q);
	if (err)
		return leave(v, RUN_DEAD, "string I/O at linear address %#llx: no memory there",
			     (unsigned long long)linear);
	if (advance(v, q, mask))
		skip_instruction(v);
	return after_access(v);
}

enum exit_action exit_io(struct vm_vcpu *v)
{
	uint64_t q = vmcs_read(VMCS_EXIT_QUALIFICATION);

	if (unlikely(q & IO_STRING))
		return string_io(v, q);
	if (q & IO_IN) {
		set_rax(v, platform_in(v->vm->platform, IO_PORT(q), IO_BYTES(q)), IO_BYTES(q));
	} else {
		platform_out(v->vm->platform, IO_PORT(q), IO_BYTES(q),
			     (uint32_t)v->regs.gpr[REG_RAX]);
		if (IO_PORT(q) == PORT_PIT) /* its next tick may come within this stay */
			vm_stay_until(v, vtimer_next());
	}
	skip_instruction(v);
	return after_access(v);
}
