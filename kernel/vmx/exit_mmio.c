/*
 * exit_mmio.c - an access to guest-physical memory that is none: the instruction is fetched, decoded
 * and carried out on the device behind it.
 *
 * Invariants
 *   - The address that the exit names is the operand's, proven by the guest's own tables, and they say
 *     which side of a MOVS it is: an EPT misconfiguration tells neither. Another access (of the CPU to
 *     a page table, or over the edge of a page) ends the guest.
 *   - ROM takes writes and forgets them, as a chip does.
 *   - What cannot be decoded ends the guest with the bytes that stood there; nothing is guessed.
 *   - A string instruction moves one element per exit.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/vmx/insn.h"
#include "kernel/vmx/vm_room.h"

#define CS_LONG    BIT64(13)
#define CS_BIG     BIT64(14)
#define EFER_LMA   BIT64(10)
#define RFLAGS_CF  BIT64(0)
#define RFLAGS_DF  BIT64(10)

struct access {
	struct vm_vcpu *v;
	gpa_t gpa; /* of the memory operand */
	bool to;   /* MOVS: it is the destination */
	gpa_t other; /* MOVS: of the other side */
	struct insn insn;
};

/* ---- memory, ROM and devices ---- */

static bool is_lapic(const struct vm_vcpu *v, gpa_t gpa)
{
	return align_down(gpa.v, PAGE_SIZE) == LAPIC_GPA && lapic_in_memory(&v->lapic);
}

static uint64_t phys_read(struct vm_vcpu *v, gpa_t gpa, unsigned bytes)
{
	uint64_t value = 0;

	if (is_lapic(v, gpa))
		return lapic_mmio_read(&v->lapic, (uint32_t)(gpa.v % PAGE_SIZE));
	if (guest_memory_find(&v->vm->memory, gpa_to_gfn(gpa)) &&
	    !guest_memory_read(&v->vm->memory, &value, gpa, bytes))
		return value;
	return platform_mmio_read(v->vm->platform, gpa, bytes);
}

static void phys_write(struct vm_vcpu *v, gpa_t gpa, unsigned bytes, uint64_t value)
{
	int err;

	if (is_lapic(v, gpa)) {
		lapic_mmio_write(&v->lapic, (uint32_t)(gpa.v % PAGE_SIZE), (uint32_t)value);
		return;
	}
	err = vm_memory_write(v->vm, gpa, &value, bytes);
	if (err == -EROFS)
		v->vm->rom_writes++;
	else if (err)
		platform_mmio_write(v->vm->platform, gpa, bytes, value);
}

/* ---- registers ---- */

static uint64_t gpr(const struct vm_vcpu *v, unsigned reg)
{
	return reg == REG_RSP ? vmcs_read(VMCS_GUEST_RSP) : v->regs.gpr[reg];
}

static uint64_t width_mask(unsigned bytes)
{
	return bytes == 8 ? ~UINT64_C(0) : BIT64(bytes * 8) - 1;
}

static void set_gpr(struct vm_vcpu *v, unsigned reg, unsigned bytes, uint64_t value)
{
	uint64_t mask = bytes == 4 ? ~UINT64_C(0) : width_mask(bytes);

	value = (gpr(v, reg) & ~mask) | (value & width_mask(bytes));
	if (reg == REG_RSP)
		vmcs_write(VMCS_GUEST_RSP, value);
	else
		v->regs.gpr[reg] = value;
}

/* The register operand or immediate. */
static uint64_t operand(const struct access *a)
{
	const struct insn *i = &a->insn;

	if (i->has_immediate)
		return i->immediate;
	return gpr(a->v, i->reg) >> (i->reg_high ? 8 : 0);
}

static void set_operand(const struct access *a, unsigned bytes, uint64_t value)
{
	const struct insn *i = &a->insn;

	if (i->reg_high)
		set_gpr(a->v, i->reg, 2, (gpr(a->v, i->reg) & 0xff) | (value & 0xff) << 8);
	else
		set_gpr(a->v, i->reg, bytes, value);
}

/* ---- where the operands are ---- */

static enum insn_mode cpu_mode(void)
{
	uint64_t cs = vmcs_read(VMCS_GUEST_CS_ACCESS);

	if ((cs & CS_LONG) && (vmcs_read(VMCS_GUEST_IA32_EFER) & EFER_LMA))
		return INSN_64;
	return cs & CS_BIG ? INSN_32 : INSN_16;
}

static uint64_t segment_base(enum insn_segment segment)
{
	static const uint32_t fields[SEG_COUNT] = {
		[SEG_ES] = VMCS_GUEST_ES_BASE, [SEG_CS] = VMCS_GUEST_CS_BASE,
		[SEG_SS] = VMCS_GUEST_SS_BASE, [SEG_DS] = VMCS_GUEST_DS_BASE,
		[SEG_FS] = VMCS_GUEST_FS_BASE, [SEG_GS] = VMCS_GUEST_GS_BASE,
	};

	return cpu_mode() == INSN_64 && segment < SEG_FS ? 0 : vmcs_read(fields[segment]);
}

static uint64_t linear(const struct access *a, enum insn_segment segment, uint64_t offset)
{
	uint64_t at = segment_base(segment) + (offset & width_mask(a->insn.address_bytes));

	return cpu_mode() == INSN_64 ? at : (uint32_t)at;
}

static uint64_t source(const struct access *a)
{
	const struct insn_address *from = &a->insn.address;
	uint64_t offset = from->displacement;

	if (a->insn.op == INSN_MOVS || a->insn.op == INSN_LODS)
		offset = gpr(a->v, REG_RSI);
	if (from->base != INSN_NO_REG)
		offset += gpr(a->v, from->base);
	if (from->index != INSN_NO_REG)
		offset += gpr(a->v, from->index) << from->scale;
	if (from->after)
		offset += vmcs_read(VMCS_GUEST_RIP) + a->insn.length;
	return linear(a, from->segment, offset);
}

static uint64_t destination(const struct access *a)
{
	return linear(a, SEG_ES, gpr(a->v, REG_RDI));
}

/* Does @linear lie at the address of the exit? *@gpa: where it does lie. */
static bool is_here(const struct access *a, uint64_t at, gpa_t *gpa)
{
	struct guest_paging p = linear_paging();

	return !guest_walk(&a->v->vm->memory, &p, at, false, gpa) && gpa->v == a->gpa.v;
}

enum place { PLACE_FOUND, PLACE_FAULT, PLACE_UNKNOWN };

/* Of MOVS the CPU touches the source first: it is the exit's unless it is elsewhere. */
static enum place find_sides(struct access *a)
{
	struct guest_paging p = linear_paging();
	uint64_t from = source(a), to = destination(a);

	a->to = !is_here(a, from, &a->other);
	if (a->to && !is_here(a, to, &(gpa_t){ 0 }))
		return PLACE_UNKNOWN;
	if (!guest_walk(&a->v->vm->memory, &p, a->to ? from : to, !a->to, &a->other))
		return PLACE_FOUND;
	(void)linear_fault(a->v, a->to ? from : to, !a->to);
	return PLACE_FAULT;
}

static enum place find_operand(struct access *a)
{
	gpa_t gpa;

	if (a->insn.op == INSN_MOVS)
		return find_sides(a);
	uint64_t at = a->insn.op == INSN_STOS ? destination(a) : source(a);

	return is_here(a, at, &gpa) ? PLACE_FOUND : PLACE_UNKNOWN;
}

/* ---- the operations ---- */

static void load(const struct access *a)
{
	const struct insn *i = &a->insn;
	uint64_t value = phys_read(a->v, a->gpa, i->bytes), sign = BIT64(i->bytes * 8 - 1);

	value &= width_mask(i->bytes);
	if (i->sign && i->bytes < 8)
		value = (value ^ sign) - sign;
	set_operand(a, i->reg_bytes, value);
}

static void alu(const struct access *a)
{
	const struct insn *i = &a->insn;
	uint64_t flags = vmcs_read(VMCS_GUEST_RFLAGS);
	uint64_t memory = phys_read(a->v, a->gpa, i->bytes), other = operand(a);
	uint64_t result = i->to_register ? insn_alu(i->alu, other, memory, i->bytes, &flags)
					 : insn_alu(i->alu, memory, other, i->bytes, &flags);

	if (!insn_alu_only_flags(i->alu)) {
		if (i->to_register)
			set_operand(a, i->bytes, result);
		else
			phys_write(a->v, a->gpa, i->bytes, result);
	}
	vmcs_write(VMCS_GUEST_RFLAGS, flags);
}

static void bit(const struct access *a)
{
	const struct insn *i = &a->insn;
	uint64_t mask = BIT64(i->immediate), flags = vmcs_read(VMCS_GUEST_RFLAGS);
	uint64_t value = phys_read(a->v, a->gpa, i->bytes);
	const uint64_t changed[] = { [BIT_SET] = value | mask, [BIT_RESET] = value & ~mask,
				     [BIT_COMPLEMENT] = value ^ mask };

	vmcs_write(VMCS_GUEST_RFLAGS, value & mask ? flags | RFLAGS_CF : flags & ~RFLAGS_CF);
	if (i->bit != BIT_TEST)
		phys_write(a->v, a->gpa, i->bytes, changed[i->bit]);
}

static void exchange(const struct access *a)
{
	uint64_t was = phys_read(a->v, a->gpa, a->insn.bytes);

	phys_write(a->v, a->gpa, a->insn.bytes, operand(a));
	set_operand(a, a->insn.bytes, was);
}

/* ---- strings ---- */

static void step(struct vm_vcpu *v, unsigned reg, const struct insn *i)
{
	uint64_t by = i->bytes;

	if (vmcs_read(VMCS_GUEST_RFLAGS) & RFLAGS_DF)
		by = -by;
	set_gpr(v, reg, i->address_bytes, gpr(v, reg) + by);
}

/* One element; true: the instruction is complete. */
static bool string(const struct access *a)
{
	const struct insn *i = &a->insn;
	struct vm_vcpu *v = a->v;
	uint64_t mask = width_mask(i->address_bytes);

	if (i->rep && !(gpr(v, REG_RCX) & mask))
		return true;
	switch (i->op) {
	case INSN_STOS:
		phys_write(v, a->gpa, i->bytes, gpr(v, REG_RAX));
		step(v, REG_RDI, i);
		break;
	case INSN_LODS:
		set_gpr(v, REG_RAX, i->bytes, phys_read(v, a->gpa, i->bytes));
		step(v, REG_RSI, i);
		break;
	default:
		phys_write(v, a->to ? a->gpa : a->other, i->bytes,
			   phys_read(v, a->to ? a->other : a->gpa, i->bytes));
		step(v, REG_RSI, i);
		step(v, REG_RDI, i);
		break;
	}
	if (!i->rep)
		return true;
	set_gpr(v, REG_RCX, i->address_bytes, gpr(v, REG_RCX) - 1);
	return (gpr(v, REG_RCX) & mask) == 0;
}

/* ---- all together ---- */

static unsigned fetch(struct vm_vcpu *v, uint8_t *bytes)
{
	struct guest_paging p = linear_paging();
	uint64_t linear = vmcs_read(VMCS_GUEST_RIP);
	unsigned n = 0;

	if (cpu_mode() != INSN_64)
		linear = (uint32_t)(linear + vmcs_read(VMCS_GUEST_CS_BASE));
	while (n < INSN_MAX) {
		uint64_t rest = PAGE_SIZE - (linear + n) % PAGE_SIZE;
		unsigned part = rest < INSN_MAX - n ? (unsigned)rest : INSN_MAX - n;
		gpa_t gpa;

		if (guest_walk(&v->vm->memory, &p, linear + n, false, &gpa) ||
		    guest_memory_read(&v->vm->memory, bytes + n, gpa, part))
			break;
		n += part;
	}
	return n;
}

static void advance(const struct access *a)
{
	uint64_t blocked = vmcs_read(VMCS_GUEST_INTERRUPTIBILITY);

	vmcs_write(VMCS_GUEST_RIP, vmcs_read(VMCS_GUEST_RIP) + a->insn.length);
	if (blocked & BLOCKED_BY_STI_OR_MOV_SS)
		vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, blocked & ~BLOCKED_BY_STI_OR_MOV_SS);
}

static void carry_out(const struct access *a)
{
	bool complete = true;

	switch (a->insn.op) {
	case INSN_STORE:
		phys_write(a->v, a->gpa, a->insn.bytes, operand(a));
		break;
	case INSN_LOAD:
		load(a);
		break;
	case INSN_ALU:
		alu(a);
		break;
	case INSN_XCHG:
		exchange(a);
		break;
	case INSN_BIT:
		bit(a);
		break;
	default:
		complete = string(a);
		break;
	}
	if (complete)
		advance(a);
}

static enum exit_action not_emulated(struct vm_vcpu *v, gpa_t gpa, const char *what,
				     const uint8_t *bytes, unsigned n)
{
	char text[3 * INSN_MAX + 1] = "";

	for (unsigned i = 0; i < n; i++)
		snprintf(text + 3 * i, 4, " %02x", bytes[i]);
	return leave(v, RUN_DEAD, "device access at %#llx by %s:%s (RIP %#llx)",
		     (unsigned long long)gpa.v, what, text,
		     (unsigned long long)vmcs_read(VMCS_GUEST_RIP));
}

enum exit_action vm_mmio(struct vm_vcpu *v, gpa_t gpa)
{
	struct access a = { .v = v, .gpa = gpa };
	uint8_t bytes[INSN_MAX];
	unsigned n = fetch(v, bytes);

	if (!n)
		return leave(v, RUN_DEAD, "fetch at %#llx, where it has no memory (RIP %#llx)",
			     (unsigned long long)gpa.v,
			     (unsigned long long)vmcs_read(VMCS_GUEST_RIP));
	if (insn_decode(&a.insn, bytes, n, cpu_mode()))
		return not_emulated(v, gpa, "an instruction not emulated", bytes, n);

	enum place place = find_operand(&a);

	if (place == PLACE_UNKNOWN)
		return not_emulated(v, gpa, "something else than the operand of", bytes, n);
	if (place == PLACE_FOUND)
		carry_out(&a);
	return EXIT_CHECK;
}
