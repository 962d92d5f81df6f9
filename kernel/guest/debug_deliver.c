/*
 * debug_deliver.c - an exception that came out of a TD and was the guest's own after all goes back into
 * it. The TDX module lets nobody inject one: so the frame is pushed and the gate taken here, by writing
 * registers and memory of the debug TD.
 *
 * Invariants
 *   - All that may fail (tables, stack) is read and written before the first register changes.
 *   - 64-bit mode only, no shadow stacks: what else a guest may be in is refused, not guessed.
 *
 * SDM volume 3A, "Interrupt 64-Bit Mode" in "Interrupt and Exception Handling", "Stack Switching in IA-32e
 * Mode".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/guest/debug_room.h"

#define EFER_LMA     BIT64(10)
#define CS_LONG      BIT64(13)
#define CR4_CET      BIT64(23)
#define VECTOR_BP    3
#define RFLAGS_TF    BIT64(8)
#define RFLAGS_IF    BIT64(9)
#define RFLAGS_NT    BIT64(14)
#define RFLAGS_RF    BIT64(16)
#define GATE_PRESENT BIT64(47)
#define GATE_TYPE(g) ((unsigned)((g) >> 40) & 15)
#define GATE_IST(g)  ((unsigned)((g) >> 32) & 7)
enum { GATE_INTERRUPT = 14, GATE_TRAP = 15 };
#define DESCRIPTOR_DPL(d)    ((unsigned)((d) >> 45) & 3)
#define DESCRIPTOR_RIGHTS(d) ((d) >> 40 & 0xf0ff)
#define RIGHTS_DPL(a)        ((unsigned)((a) >> 5) & 3)
#define SS_NULL              UINT64_C(0x10093) /* unusable, DPL 0 */
#define TSS_RSP0             4
#define TSS_IST1             36

struct frame {
	uint64_t rip, cs, rflags, rsp, ss;
};

struct gate {
	uint64_t low, high;
};

static bool read_gate(struct guest *g, const struct vcpu_regs *r, unsigned vector, struct gate *out)
{
	if (vector * sizeof(*out) + sizeof(*out) - 1 > r->r[VCPU_IDTR_LIMIT])
		return false;
	if (linear_read(g, r, r->r[VCPU_IDTR_BASE] + vector * sizeof(*out), out, sizeof(*out)) !=
	    sizeof(*out))
		return false;
	return (out->low & GATE_PRESENT) &&
	       (GATE_TYPE(out->low) == GATE_INTERRUPT || GATE_TYPE(out->low) == GATE_TRAP);
}

/* Where the frame ends. */
static bool new_stack(struct guest *g, const struct vcpu_regs *r, const struct gate *gate, bool inner,
		      uint64_t *rsp)
{
	unsigned ist = GATE_IST(gate->low);
	uint64_t at = r->r[VCPU_TR_BASE] + (ist ? TSS_IST1 + 8 * (ist - 1) : TSS_RSP0);

	*rsp = r->r[VCPU_RSP];
	if ((ist || inner) && linear_read(g, r, at, rsp, sizeof(*rsp)) != sizeof(*rsp))
		return false;
	*rsp &= ~UINT64_C(15);
	return true;
}

struct change {
	enum vcpu_reg reg;
	uint64_t value;
};

static bool make(struct sched_vcpu *v, const struct change *c, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (debug_set_here(v, c[i].reg, c[i].value))
			return false;
	return true;
}

bool debug_deliver(struct sched_vcpu *v, const struct vcpu_regs *r, unsigned vector,
		   unsigned instruction_length, const char **why)
{
	struct guest *g = v->guest;
	uint64_t flags = r->r[VCPU_RFLAGS], rsp, descriptor;
	struct gate gate;
	bool inner;

	*why = "the guest is not in 64-bit mode";
	if (!(r->r[VCPU_EFER] & EFER_LMA) || !(r->r[VCPU_CS_ACCESS] & CS_LONG) ||
	    (r->r[VCPU_CR4] & CR4_CET))
		return false;
	*why = "it has no gate for that";
	if (!read_gate(g, r, vector, &gate))
		return false;

	uint64_t cs = gate.low >> 16 & 0xfffc;

	if (linear_read(g, r, r->r[VCPU_GDTR_BASE] + (cs & ~UINT64_C(7)), &descriptor, 8) != 8)
		return false;
	inner = DESCRIPTOR_DPL(descriptor) < RIGHTS_DPL(r->r[VCPU_SS_ACCESS]);
	*why = "its stack is not mapped";
	if (!new_stack(g, r, &gate, inner, &rsp))
		return false;

	const struct frame frame = {
		.rip = r->r[VCPU_RIP] + (vector == VECTOR_BP ? instruction_length : 0),
		.cs = r->r[VCPU_CS],
		.rflags = flags,
		.rsp = r->r[VCPU_RSP],
		.ss = r->r[VCPU_SS],
	};

	rsp -= sizeof(frame);
	if (linear_write(g, r, rsp, &frame, sizeof(frame)) != sizeof(frame))
		return false;
	flags &= ~(RFLAGS_TF | RFLAGS_NT | RFLAGS_RF);
	if (GATE_TYPE(gate.low) == GATE_INTERRUPT)
		flags &= ~RFLAGS_IF;

	const struct change changes[] = {
		{ VCPU_RSP, rsp },
		{ VCPU_RFLAGS, flags },
		{ VCPU_RIP, (gate.low & BITS64(15, 0)) | (gate.low >> 32 & BITS64(31, 16)) |
				    gate.high << 32 },
		{ VCPU_CS, inner ? cs : (cs | (r->r[VCPU_CS] & 3)) },
		{ VCPU_CS_ACCESS, DESCRIPTOR_RIGHTS(descriptor) | 1 },
		{ VCPU_SS, 0 },
		{ VCPU_SS_ACCESS, SS_NULL },
	};

	*why = "the module would not take its new registers";
	return make(v, changes, inner ? ARRAY_LEN(changes) : ARRAY_LEN(changes) - 2);
}
