/*
 * td_debug.c - a debug TD under a debugger: its registers by VP.RD and VP.WR, exceptions that come out,
 * single steps, the debug registers.
 *
 * The module keeps every register of a debug TD readable, and nearly all writable, while the vCPU is out.
 * Exceptions come out by the exception bitmap of the TD VMCS; a step is RFLAGS.TF and a #DB.
 *
 * Invariants
 *   - All here runs on the CPU that the vCPU is associated with, and the vCPU is not inside.
 *   - After a TDVMCALL the registers that its mask selects are in v->regs: the module takes them from
 *     there at the next entry, so there they are read and written until then.
 *   - An event cannot be injected into a TD by its host: who wants the guest to have an exception after
 *     all must do what the CPU would have done.
 *
 * Facts: TDX module 1.5 ABI, "Metadata Access", "TDH.VP.WR"; SDM volume 3B, "Debug Registers".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>

#include "kernel/platform/vcpu_vmcs.h"
#include "tdx/retry.h"
#include "tdx/td_impl.h"

#define RFLAGS_TF BIT64(8)
#define SHADOW    BITS64(1, 0) /* interruptibility: blocked by STI, by MOV SS */
#define VECTOR_DB 1
#define DR7_FIXED UINT64_C(0x400)
#define XSTATE_BV 64 /* word of the XSAVE area */

#define ALL_BITS  (~UINT64_C(0))
#define DEBUG_BITMAP (BIT64(1) | BIT64(3)) /* #DB, #BP */

/* A field of the TD VMCS by its encoding. */
static uint64_t vmcs_id(enum vmcs_field field)
{
	static const uint8_t size_code[] = { 1, 3, 2, 3 }; /* 16, 64, 32 bits, natural */

	return UINT64_C(0x0020000000000000) | (uint64_t)size_code[field >> 13 & 3] << 32 | field;
}

static const struct vcpu_vmcs_field fields[] = {
	VCPU_VMCS_FIELDS
	{ VCPU_CR0, VMCS_GUEST_CR0 },
	{ VCPU_CR4, VMCS_GUEST_CR4 },
	{ VCPU_DR7, VMCS_GUEST_DR7 },
};

/* The id of @reg; 0: none. */
static uint64_t id_of(enum vcpu_reg reg)
{
	if (reg <= VCPU_R15 && reg != VCPU_RSP)
		return md_element(MD_VP_GPR, reg);
	if (reg >= VCPU_DR0 && reg <= VCPU_DR3)
		return md_element(MD_VP_DR, (uint64_t)(reg - VCPU_DR0));
	if (reg == VCPU_DR6)
		return md_element(MD_VP_DR, 6);
	if (reg == VCPU_CR2)
		return MD_VP_CR2;
	if (reg == VCPU_KERNEL_GS_BASE)
		return MD_VP_KERNEL_GS_BASE;
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (fields[i].reg == reg)
			return vmcs_id(fields[i].field);
	return 0;
}

static int read_id(struct td_vcpu *v, uint64_t id, uint64_t *value)
{
	*value = 0;
	return tdx_ok(TDX_RETRY(tdh_vp_rd(v->vp, id, value))) ? 0 : -EIO;
}

static int write_id(struct td_vcpu *v, uint64_t id, uint64_t value, uint64_t mask)
{
	return tdx_ok(TDX_RETRY(tdh_vp_wr(v->vp, id, value, mask))) ? 0 : -EIO;
}

static int read_field(struct td_vcpu *v, enum vmcs_field field, uint64_t *value)
{
	return read_id(v, vmcs_id(field), value);
}

static int write_field(struct td_vcpu *v, enum vmcs_field field, uint64_t value)
{
	return write_id(v, vmcs_id(field), value, ALL_BITS);
}

bool td_debuggable(const struct td *td) { return (td->params.attributes & TD_ATTR_DEBUG) != 0; }

unsigned td_vcpu_cpu(const struct td *td, unsigned index, unsigned otherwise)
{
	uint32_t cpu = __atomic_load_n(&td->vcpus[index].cpu, __ATOMIC_RELAXED);

	return cpu == NO_CPU ? otherwise : cpu;
}

/* It is associated with this CPU from now on. */
static struct td_vcpu *here(struct td *td, unsigned index)
{
	struct td_vcpu *v = &td->vcpus[index];

	__atomic_store_n(&v->cpu, cpu_index(), __ATOMIC_RELAXED);
	return v;
}

/* ---- registers ---- */

/* Where the module will take @reg from at the next entry; NULL: from where VP.RD reads it. */
static uint64_t *in_reply(struct td_vcpu *v, enum vcpu_reg reg)
{
	if (reg > VCPU_R15 || reg <= VCPU_RCX || reg == VCPU_RSP || !(v->reply_mask >> reg & 1))
		return NULL;
	return &((uint64_t *)(void *)&v->regs)[reg]; /* in the order of their numbers */
}

static int read_visible(struct td_vcpu *v, enum vcpu_reg reg, uint64_t *value)
{
	bool is_cr0 = reg == VCPU_CR0;
	uint64_t mask, shadow;

	if (read_field(v, is_cr0 ? VMCS_CR0_GUEST_HOST_MASK : VMCS_CR4_GUEST_HOST_MASK, &mask) ||
	    read_field(v, is_cr0 ? VMCS_CR0_READ_SHADOW : VMCS_CR4_READ_SHADOW, &shadow) ||
	    read_id(v, id_of(reg), value))
		return -EIO;
	*value = (*value & ~mask) | (shadow & mask);
	return 0;
}

static int read_one(struct td_vcpu *v, enum vcpu_reg reg, uint64_t *value)
{
	const uint64_t *reply = in_reply(v, reg);

	if (reply)
		return *value = *reply, 0;
	if (reg == VCPU_RAX && v->reply_mask)
		return *value = 0, 0;
	if (reg == VCPU_CR0 || reg == VCPU_CR4)
		return read_visible(v, reg, value);
	if (v->debug_dr && reg >= VCPU_DR0 && reg <= VCPU_DR3)
		return *value = v->guest_dr[reg - VCPU_DR0], 0;
	if (v->debug_dr && reg == VCPU_DR7)
		return *value = v->guest_dr7, 0;
	return read_id(v, id_of(reg), value);
}

int td_debug_read(struct td *td, unsigned index, struct vcpu_regs *out)
{
	struct td_vcpu *v = here(td, index);

	for (unsigned i = 0; i < VCPU_REG_COUNT; i++)
		if (read_one(v, (enum vcpu_reg)i, &out->r[i]))
			return -EIO;
	return 0;
}

int td_debug_write(struct td *td, unsigned index, enum vcpu_reg reg, uint64_t value)
{
	struct td_vcpu *v = here(td, index);
	uint64_t *reply = in_reply(v, reg);

	if (reply)
		return *reply = value, 0;
	if (v->debug_dr && reg >= VCPU_DR0 && reg <= VCPU_DR3)
		return v->guest_dr[reg - VCPU_DR0] = value, 0;
	if (v->debug_dr && reg == VCPU_DR7)
		return v->guest_dr7 = value, 0;
	if (!id_of(reg) || write_id(v, id_of(reg), value, ALL_BITS))
		return -EINVAL;
	return 0;
}

int td_debug_fpu(struct td *td, unsigned index, struct vcpu_fpu *out)
{
	struct td_vcpu *v = here(td, index);
	uint64_t in_use;

	for (unsigned i = 0; i < ARRAY_LEN(out->word); i++)
		if (read_id(v, md_element(MD_VP_XBUFF, i), &out->word[i]))
			return -EIO;
	if (read_id(v, md_element(MD_VP_XBUFF, XSTATE_BV), &in_use))
		return -EIO;
	vcpu_fpu_settle(out, in_use);
	return 0;
}

/* ---- a stay begins ---- */

static int take_debug_registers(struct td_vcpu *v, bool take)
{
	const struct vcpu_debug *d = &v->run->debug;
	int err = 0;

	if (take && !v->debug_dr) {
		for (unsigned i = 0; i < VCPU_BREAKPOINTS; i++)
			err |= read_id(v, md_element(MD_VP_DR, i), &v->guest_dr[i]);
		err |= read_field(v, VMCS_GUEST_DR7, &v->guest_dr7);
	}
	if (!take && !v->debug_dr)
		return 0;
	for (unsigned i = 0; i < VCPU_BREAKPOINTS; i++)
		err |= write_id(v, md_element(MD_VP_DR, i), take ? d->dr[i] : v->guest_dr[i], ALL_BITS);
	err |= write_field(v, VMCS_GUEST_DR7, take ? d->dr7 | DR7_FIXED : v->guest_dr7);
	v->debug_dr = take;
	return err;
}

static int begin_step(struct td_vcpu *v)
{
	uint64_t flags, blocked;

	if (read_field(v, VMCS_GUEST_RFLAGS, &flags) ||
	    read_field(v, VMCS_GUEST_INTERRUPTIBILITY, &blocked))
		return -EIO;
	if (!v->stepping)
		v->guest_tf = (flags & RFLAGS_TF) != 0;
	/* With TF, a shadow of STI or MOV SS would want a #DB pending. */
	if ((blocked & SHADOW) && write_field(v, VMCS_GUEST_INTERRUPTIBILITY, blocked & ~SHADOW))
		return -EIO;
	if (!(flags & RFLAGS_TF) && write_field(v, VMCS_GUEST_RFLAGS, flags | RFLAGS_TF))
		return -EIO;
	v->stepping = true;
	return 0;
}

static int clear_tf(struct td_vcpu *v)
{
	uint64_t flags;

	if (read_field(v, VMCS_GUEST_RFLAGS, &flags))
		return -EIO;
	/* In a handler of the guest's it is not there: the TF that was pushed comes back with IRET. */
	v->stray_tf = !(flags & RFLAGS_TF);
	if (write_field(v, VMCS_GUEST_RFLAGS, flags & ~RFLAGS_TF))
		return -EIO;
	return write_field(v, VMCS_GUEST_PENDING_DEBUG, 0);
}

static int end_step(struct td_vcpu *v)
{
	v->stepping = v->stray_tf = false;
	return v->guest_tf ? 0 : clear_tf(v);
}

int td_debug_begin(struct td_vcpu *v)
{
	struct vcpu_debug *d = &v->run->debug;
	int err = 0;

	if (d->followed != d->generation) {
		d->followed = d->generation;
		err = write_id(v, vmcs_id(VMCS_EXCEPTION_BITMAP), d->exceptions & DEBUG_BITMAP,
			       DEBUG_BITMAP);
		err |= take_debug_registers(v, d->dr7 != 0);
	}
	if (d->step)
		err |= begin_step(v);
	else if (v->stepping)
		err |= end_step(v);
	return err ? -EIO : 0;
}

/* ---- exits ---- */

bool td_debug_stepped(struct td_vcpu *v)
{
	if (!v->stepping)
		return false;
	v->run->debug.vector = VECTOR_DB;
	v->run->debug.qualification = DEBUG_STEPPED;
	(void)end_step(v); /* it has been read just now */
	return true;
}

bool td_debug_exception(struct td_vcpu *v, enum td_next *next)
{
	struct vcpu_debug *d = &v->run->debug;
	uint8_t vector = (uint8_t)(v->regs.r9 & TDX_INTR_VECTOR);
	uint64_t hit = vector == VECTOR_DB ? v->regs.rcx : 0;

	if (vector > 31 || !(d->exceptions >> vector & 1))
		return false;
	if (v->stray_tf && !v->stepping && (hit & (DEBUG_HIT_MASK | DEBUG_STEPPED)) == DEBUG_STEPPED) {
		*next = clear_tf(v) ? td_dead(v, "its step could not be ended") : TD_NEXT_ENTER;
		v->stray_tf = false;
		return true;
	}
	d->vector = vector;
	d->length = 1;
	d->qualification = hit;
	if (v->stepping && (hit & DEBUG_STEPPED) && end_step(v))
		*next = td_dead(v, "its step could not be ended");
	else
		*next = TD_NEXT_TRAPPED;
	return true;
}
