/*
 * vm_debug.c - a plain guest under a debugger: its registers, exceptions that come out, single steps,
 * the debug registers.
 *
 * A step is RFLAGS.TF and an exit by #DB. An instruction that exits and is carried out by us makes no
 * #DB: RIP is compared after each exit then. Interrupts wait until the step is done.
 *
 * Invariants
 *   - While the debugger has the debug registers, the guest reads and writes copies: v->dr,
 *     v->guest_dr7; MOV DR exits.
 *   - A TF that we set is gone from RFLAGS when the vCPU is shown to the debugger.
 *
 * SDM volume 3C, "Debug Exceptions" in "VM Exits", and volume 3B, "Debug Registers".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <string.h>

#include "kernel/machine/cpu.h"
#include "kernel/machine/port.h"
#include "kernel/platform/vcpu_vmcs.h"
#include "kernel/vmx/vm_room.h"

#define VECTOR_DB  1
#define VECTOR_BP  3
#define RFLAGS_TF  BIT64(8)
#define DR6_FIXED  UINT64_C(0xffff0ff0)
#define DR7_FIXED  UINT64_C(0x400)
#define DR7_GD     BIT64(13)
#define XSTATE_BV  64 /* word of the XSAVE area */
#define XSAVE_X87  BIT64(0)
#define XSAVE_SSE  BIT64(1)

/* MOV DR's exit qualification. */
#define DR_NUMBER(q)   ((unsigned)(q) & 7)
#define DR_FROM(q)     (((q) >> 4 & 1) != 0) /* MOV from DR */
#define DR_REGISTER(q) ((unsigned)((q) >> 8) & 15)

/* ---- registers ---- */

/* Those that are VMCS fields as they are. */
static const struct vcpu_vmcs_field fields[] = { VCPU_VMCS_FIELDS };

/* False: it waits for its start-up and has no state yet. */
static bool has_state(struct vm_vcpu *v)
{
	if (!v->configured && v->sleep == SLEEP_STARTUP)
		return false;
	vm_arrive(v);
	if (!v->configured) {
		vmcs_setup(v);
		vmx_flush_vpid(v->vpid);
	}
	return true;
}

/* Another guest's stay may be under way here: its VMCS comes back. */
static void back_to(struct vmcs *was)
{
	if (was && vmcs_current() != was)
		vmcs_load(was);
}

static uint64_t visible(enum vmcs_field reg, enum vmcs_field shadow, uint64_t owned)
{
	return (vmcs_read(reg) & ~owned) | (vmcs_read(shadow) & owned);
}

static void read_all(struct vm_vcpu *v, struct vcpu_regs *out)
{
	bool taken = v->debug_dr;

	memcpy(out->r, v->regs.gpr, sizeof(v->regs.gpr));
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		out->r[fields[i].reg] = vmcs_read(fields[i].field);
	out->r[VCPU_CR0] = visible(VMCS_GUEST_CR0, VMCS_CR0_READ_SHADOW, GUEST_CR0_HOST_OWNED);
	out->r[VCPU_CR4] = visible(VMCS_GUEST_CR4, VMCS_CR4_READ_SHADOW, GUEST_CR4_HOST_OWNED);
	out->r[VCPU_CR2] = v->cr2;
	out->r[VCPU_KERNEL_GS_BASE] = v->switched[SWITCH_KERNEL_GS];
	memcpy(&out->r[VCPU_DR0], v->dr, sizeof(v->dr));
	out->r[VCPU_DR6] = v->dr6;
	out->r[VCPU_DR7] = taken ? v->guest_dr7 : vmcs_read(VMCS_GUEST_DR7);
}

int vm_debug_read(struct vm *vm, unsigned index, struct vcpu_regs *out)
{
	struct vm_vcpu *v = &vm->vcpu[index];
	struct vmcs *was = vmcs_current();

	*out = (struct vcpu_regs){ 0 };
	if (!has_state(v))
		return -ENODATA;
	read_all(v, out);
	back_to(was);
	return 0;
}

/* What a mode switch would have to go with is refused: the VMCS must stay one that enters. */
#define CR0_MODE  (CR0_PE | CR0_PG)
#define CR4_MODE  CR4_PAE
#define EFER_MODE (BIT64(8) | BIT64(10)) /* LME, LMA */

static int write_cr0(uint64_t value)
{
	uint64_t now = visible(VMCS_GUEST_CR0, VMCS_CR0_READ_SHADOW, GUEST_CR0_HOST_OWNED);

	if (((now ^ value) & CR0_MODE) || value >> 32)
		return -EINVAL;
	vmcs_write(VMCS_CR0_READ_SHADOW, value);
	vmcs_write(VMCS_GUEST_CR0, (value & ~GUEST_CR0_HOST_OWNED) | CR0_NE);
	return 0;
}

static int write_cr4(uint64_t value)
{
	uint64_t now = visible(VMCS_GUEST_CR4, VMCS_CR4_READ_SHADOW, GUEST_CR4_HOST_OWNED);

	if (((now ^ value) & CR4_MODE) || (value & GUEST_CR4_HOST_OWNED) ||
	    (value & ~vmx_caps()->cr4_fixed1))
		return -EINVAL;
	vmcs_write(VMCS_CR4_READ_SHADOW, value);
	vmcs_write(VMCS_GUEST_CR4, value | CR4_VMXE);
	return 0;
}

static int write_efer(uint64_t value)
{
	uint64_t now = vmcs_read(VMCS_GUEST_IA32_EFER);

	if (((now ^ value) & EFER_MODE) || (value & ~(EFER_MODE | BIT64(0) | BIT64(11))))
		return -EINVAL;
	vmcs_write(VMCS_GUEST_IA32_EFER, value);
	return 0;
}

static int write_dr7(struct vm_vcpu *v, uint64_t value)
{
	value = (value & BITS64(31, 0) & ~(BITS64(15, 14) | BIT64(12))) | DR7_FIXED;
	if (v->debug_dr)
		v->guest_dr7 = value;
	else
		vmcs_write(VMCS_GUEST_DR7, value);
	return 0;
}

static int write_one(struct vm_vcpu *v, enum vcpu_reg reg, uint64_t value)
{
	if (reg <= VCPU_R15 && reg != VCPU_RSP)
		return v->regs.gpr[reg] = value, 0;
	switch (reg) {
	case VCPU_CR0:
		return write_cr0(value);
	case VCPU_CR4:
		return write_cr4(value);
	case VCPU_EFER:
		return write_efer(value);
	case VCPU_CR2:
		return v->cr2 = value, 0;
	case VCPU_KERNEL_GS_BASE:
		return v->switched[SWITCH_KERNEL_GS] = value, 0;
	case VCPU_DR0 ... VCPU_DR3:
		return v->dr[reg - VCPU_DR0] = value, 0;
	case VCPU_DR6:
		return v->dr6 = (value & BITS64(15, 0)) | DR6_FIXED, 0;
	case VCPU_DR7:
		return write_dr7(v, value);
	case VCPU_RFLAGS:
		value = (value & (BITS64(21, 0) & ~(BIT64(15) | BIT64(5) | BIT64(3)))) | BIT64(1);
		break;
	default:
		break;
	}
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (fields[i].reg == reg)
			return vmcs_write(fields[i].field, value), 0;
	return -EINVAL;
}

int vm_debug_write(struct vm *vm, unsigned index, enum vcpu_reg reg, uint64_t value)
{
	struct vm_vcpu *v = &vm->vcpu[index];
	struct vmcs *was = vmcs_current();
	int err = has_state(v) ? write_one(v, reg, value) : -ENODATA;

	back_to(was);
	return err;
}

void vm_debug_fpu(struct vm *vm, unsigned index, struct vcpu_fpu *out)
{
	const uint64_t *area = hpa_to_ptr(vm->vcpu[index].xsave);

	memcpy(out, area, sizeof(*out));
	vcpu_fpu_settle(out, area[XSTATE_BV]);
}

/* ---- a stay begins ---- */

static void take_debug_registers(struct vm_vcpu *v, bool take)
{
	if (take && !v->debug_dr)
		v->guest_dr7 = vmcs_read(VMCS_GUEST_DR7);
	else if (!take && v->debug_dr)
		vmcs_write(VMCS_GUEST_DR7, v->guest_dr7);
	v->debug_dr = take;
	if (take)
		vmcs_write(VMCS_GUEST_DR7, v->run->debug.dr7 | DR7_FIXED);
}

uint32_t vm_debug_controls(const struct vm_vcpu *v) { return v->debug_dr ? PROC_MOV_DR : 0; }

/* The guest gets what came out by mistake. */
static void deliver(struct vm_vcpu *v)
{
	const struct vcpu_debug *d = &v->run->debug;

	if (d->vector == VECTOR_BP) {
		vmcs_write(VMCS_ENTRY_INSTRUCTION_LENGTH, d->length);
		vmcs_write(VMCS_ENTRY_INTERRUPTION_INFO,
			   INTR_INFO_VALID | INTR_TYPE_SW_EXCEPTION << 8 | VECTOR_BP);
		return;
	}
	v->dr6 = (v->dr6 & ~DEBUG_HIT_MASK) | d->qualification;
	(void)inject_exception(v, VECTOR_DB);
}

static void begin_step(struct vm_vcpu *v)
{
	uint64_t flags = vmcs_read(VMCS_GUEST_RFLAGS), blocked;

	if (!v->stepping)
		v->guest_tf = (flags & RFLAGS_TF) != 0;
	v->stepping = true;
	v->step_rip = vmcs_read(VMCS_GUEST_RIP);
	v->exits_left = 1; /* each exit looks whether it is done */
	vmcs_write(VMCS_GUEST_RFLAGS, flags | RFLAGS_TF);
	/* With TF, a shadow of STI or MOV SS would want a #DB pending. Interrupts wait anyway. */
	blocked = vmcs_read(VMCS_GUEST_INTERRUPTIBILITY);
	if (blocked & BLOCKED_BY_STI_OR_MOV_SS)
		vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, blocked & ~BLOCKED_BY_STI_OR_MOV_SS);
	vmcs_write(VMCS_GUEST_PENDING_DEBUG, 0);
}

static void end_step(struct vm_vcpu *v)
{
	uint64_t flags = vmcs_read(VMCS_GUEST_RFLAGS);

	/* In a handler of the guest's it is not there: the TF that was pushed comes back with IRET. */
	v->stray_tf = !v->guest_tf && !(flags & RFLAGS_TF);
	if (!v->guest_tf)
		vmcs_write(VMCS_GUEST_RFLAGS, flags & ~RFLAGS_TF);
	v->stepping = false;
}

void vm_debug_begin(struct vm_vcpu *v)
{
	struct vcpu_debug *d = &v->run->debug;

	if (d->followed != d->generation) {
		d->followed = d->generation;
		vmcs_write(VMCS_EXCEPTION_BITMAP, d->exceptions);
		take_debug_registers(v, d->dr7 != 0);
		v->windows = ~v->windows; /* the controls are written anew */
	}
	if (d->deliver)
		deliver(v);
	d->deliver = false;
	if (d->step)
		begin_step(v);
	else if (v->stepping)
		end_step(v);
}

/* ---- exits ---- */

static enum exit_action trap(struct vm_vcpu *v, uint8_t vector, uint64_t qualification)
{
	v->run->debug.vector = vector;
	v->run->debug.qualification = qualification;
	if (v->stepping && vector == VECTOR_DB && (qualification & DEBUG_STEPPED))
		end_step(v);
	v->outcome = RUN_TRAPPED;
	return EXIT_LEAVE;
}

bool vm_debug_stepped(struct vm_vcpu *v)
{
	if (!v->stepping || vmcs_read(VMCS_GUEST_RIP) == v->step_rip) {
		v->exits_left = v->stepping ? 1 : v->exits_left;
		return false;
	}
	v->stray_tf = false;
	(void)trap(v, VECTOR_DB, DEBUG_STEPPED);
	return true;
}

/* The TF of a step that ended in a handler: it has come back. */
static bool is_stray(struct vm_vcpu *v, uint64_t qualification)
{
	if (!v->stray_tf || v->stepping || (qualification & (DEBUG_HIT_MASK | DEBUG_STEPPED)) != DEBUG_STEPPED)
		return false;
	v->stray_tf = false;
	vmcs_write(VMCS_GUEST_RFLAGS, vmcs_read(VMCS_GUEST_RFLAGS) & ~RFLAGS_TF);
	vmcs_write(VMCS_GUEST_PENDING_DEBUG, 0);
	return true;
}

bool vm_debug_exception(struct vm_vcpu *v, uint32_t info, enum exit_action *action)
{
	uint8_t vector = INTR_INFO_VECTOR(info);
	uint64_t qualification = 0;

	if (vector > 31 || !(v->run->debug.exceptions >> vector & 1))
		return false;
	if (vector == VECTOR_DB)
		qualification = vmcs_read(VMCS_EXIT_QUALIFICATION);
	else
		v->run->debug.length = (uint8_t)vmcs_read(VMCS_EXIT_INSTRUCTION_LENGTH);
	*action = is_stray(v, qualification) ? EXIT_RESUME : trap(v, vector, qualification);
	return true;
}

/* The guest's own debug registers, while the real ones are the debugger's. */
static uint64_t *copy_of(struct vm_vcpu *v, unsigned number)
{
	if (number < VCPU_BREAKPOINTS)
		return &v->dr[number];
	return number == 4 || number == 6 ? &v->dr6 : &v->guest_dr7;
}

enum exit_action exit_mov_dr(struct vm_vcpu *v)
{
	uint64_t q = vmcs_read(VMCS_EXIT_QUALIFICATION), *copy = copy_of(v, DR_NUMBER(q)), value;
	unsigned reg = DR_REGISTER(q);

	if (!v->debug_dr)
		return leave(v, RUN_DEAD, "MOV DR exited, which nobody asked for");
	if (DR_FROM(q)) {
		if (reg == REG_RSP)
			vmcs_write(VMCS_GUEST_RSP, *copy);
		else
			v->regs.gpr[reg] = *copy;
		return skip_instruction(v);
	}
	value = reg == REG_RSP ? vmcs_read(VMCS_GUEST_RSP) : v->regs.gpr[reg];
	if (copy == &v->dr6 || copy == &v->guest_dr7) {
		if (value >> 32)
			return inject_gp(v);
		value = copy == &v->dr6 ? (value & BITS64(15, 0)) | DR6_FIXED
					: (value & ~DR7_GD) | DR7_FIXED;
	}
	*copy = value;
	return skip_instruction(v);
}

void vm_debug_load(struct vm_vcpu *v)
{
	const uint64_t *dr = v->debug_dr ? v->run->debug.dr : v->dr;

	dr0_write(dr[0]);
	dr1_write(dr[1]);
	dr2_write(dr[2]);
	dr3_write(dr[3]);
	dr6_write(v->dr6);
}

void vm_debug_save(struct vm_vcpu *v)
{
	if (v->debug_dr)
		return;
	v->dr[0] = dr0_read();
	v->dr[1] = dr1_read();
	v->dr[2] = dr2_read();
	v->dr[3] = dr3_read();
	v->dr6 = dr6_read();
}
