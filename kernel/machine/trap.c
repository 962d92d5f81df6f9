/*
 * trap.c - the IDT, and who handles what arrives.
 *
 * Keeps the invariants of trap.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/machine/trap.h"

#include "kernel/base/log.h"
#include "kernel/machine/apic.h"
#include "kernel/machine/cpu.h"
#include "kernel/machine/direct_map.h"
#include "kernel/machine/irq.h"
#include "kernel/machine/mc.h"
#include "kernel/machine/room.h"

/* SDM volume 3, "64-Bit IDT Gate Descriptors". */
struct gate {
	uint16_t offset_low, selector;
	uint8_t ist, type;
	uint16_t offset_middle;
	uint32_t offset_high, reserved;
};
_Static_assert(sizeof(struct gate) == 16, "the CPU indexes the IDT by 16 bytes");

#define GATE_INTERRUPT 0x8e /* present, DPL 0: interrupts off */
#define STUB_BYTES     16

static struct gate idt[256] ALIGNED(16);
static irq_handler_t irq_handlers[256];
static ud_handler_t ud_handler;

/* A fault at .at continues at .resume (rows are written by FIXUP in the NASM files). */
struct fixup {
	uint64_t at, resume;
};
extern const struct fixup ex_table_start[], ex_table_end[];

/* Where the VM-entry stub may be interrupted by a kick; absent until there is a stub. */
extern char vmx_entry_window_start[] __attribute__((weak));
extern char vmx_entry_window_end[] __attribute__((weak));
extern char vmx_entry_abort[] __attribute__((weak));

/* Exceptions with a stack of their own: whatever RSP is, these must be able to run. */
static const struct {
	uint8_t vector, ist;
} ist_use[] = { { VEC_NMI, 1 }, { VEC_DF, 2 }, { VEC_MC, 3 } };

static void idt_fill(void)
{
	for (unsigned v = 0; v < 256; v++) {
		uint64_t stub = (uint64_t)trap_stubs + v * STUB_BYTES;

		idt[v] = (struct gate){
			.offset_low = (uint16_t)stub,
			.selector = CPU_GDT_CODE,
			.type = GATE_INTERRUPT,
			.offset_middle = (uint16_t)(stub >> 16),
			.offset_high = (uint32_t)(stub >> 32),
		};
	}
	for (size_t i = 0; i < ARRAY_LEN(ist_use); i++)
		idt[ist_use[i].vector].ist = ist_use[i].ist;
}

void trap_init_cpu(void)
{
	struct table_register r = { sizeof(idt) - 1, (uint64_t)idt };

	if (!idt[0].type)
		idt_fill();
	lidt(&r);
}

void register_ud_handler(ud_handler_t fn) { ud_handler = fn; }

void irq_register(unsigned vector, irq_handler_t fn)
{
	assert(vector >= VEC_PIC_BASE && vector < 256);
	irq_handlers[vector] = fn;
}

/* --- NMI: no lock, no log, no fault -------------------------------------------------------- */

static void nmi(struct trap_frame *f)
{
	if (crash_under_way()) {
		this_cpu()->crash_frame = f;
		crash_stop_here();
	}
	this_cpu()->nmi_count++;
	if (this_cpu()->probe == PROBE_WANTED) {
		this_cpu()->probe_rip = f->rip;
		this_cpu()->probe_rbp = f->rbp;
		__atomic_store_n(&this_cpu()->probe, PROBE_TAKEN, __ATOMIC_RELEASE);
	}
	if (f->rip >= (uint64_t)vmx_entry_window_start && f->rip < (uint64_t)vmx_entry_window_end)
		f->rip = (uint64_t)vmx_entry_abort;
	else if (f->rip >= (uint64_t)cpu_sleep_window_start &&
		 f->rip < (uint64_t)cpu_sleep_window_end)
		f->rip = (uint64_t)cpu_sleep_window_end;
}

/* --- exceptions ---------------------------------------------------------------------------- */

/* clang-format off */
static const char *const exception_name[32] = {
	"#DE divide error", "#DB debug", "NMI", "#BP breakpoint", "#OF overflow", "#BR bound",
	"#UD invalid opcode", "#NM no FPU", "#DF double fault", "vector 9", "#TS invalid TSS",
	"#NP segment not present", "#SS stack fault", "#GP general protection", "#PF page fault",
	"vector 15", "#MF x87", "#AC alignment", "#MC machine check", "#XM SIMD",
	"#VE virtualization", "#CP control protection", [28] = "#HV", "#VC", "#SX",
};
/* clang-format on */

static bool fixed_up(struct trap_frame *f)
{
	size_t rows = ((uintptr_t)ex_table_end - (uintptr_t)ex_table_start) / sizeof(struct fixup);

	for (size_t i = 0; i < rows; i++)
		if (ex_table_start[i].at == f->rip) {
			f->rip = ex_table_start[i].resume;
			return true;
		}
	return false;
}

static void exception(struct trap_frame *f)
{
	char what[240];

	if (f->vector == VEC_UD && ud_handler && ud_handler(f)) {
		direct_map_sync();
		return;
	}
	if (f->vector == VEC_PF && direct_map_fault(f->error, cr2_read()))
		return;
	if (f->vector == VEC_MC && mc_handle(what, sizeof(what)))
		return;
	if (fixed_up(f))
		return;
	const char *name = exception_name[f->vector];

	/* A full stack cannot take the page fault's frame: that is a double fault. */
	if ((f->vector == VEC_PF || f->vector == VEC_DF) &&
	    direct_map_explain(cr2_read(), f->error, what, sizeof(what)))
		name = what;
	else if (f->vector == VEC_MC)
		name = what;
	crash(name ? name : "reserved exception", f);
}

/* --- external interrupts ------------------------------------------------------------------- */

void irq_deliver(unsigned vector)
{
	struct cpu *c = this_cpu();
	uint64_t start = rdtsc();

	c->interrupt_count++;
	/* A real one is not in service; one that somebody sent with this vector is, and blocks all. */
	if (vector == VEC_SPURIOUS && !apic_isr(VEC_SPURIOUS))
		return;
	if (irq_handlers[vector])
		irq_handlers[vector](vector);
	irq_eoi(vector);
	direct_map_sync();
	c->interrupt_ticks += rdtsc() - start;
}

int trap_capture_interrupt(void)
{
	struct cpu *c = this_cpu();

	c->captured = -1;
	c->capturing = 1;
	irq_open_once();
	c->capturing = 0;
	return c->captured;
}

void trap_dispatch(struct trap_frame *f)
{
	if (f->vector == VEC_NMI) {
		nmi(f);
	} else if (f->vector < 32) {
		exception(f);
	} else if (this_cpu()->capturing) {
		this_cpu()->captured = (int32_t)f->vector;
		f->rflags &= ~RFLAGS_IF; /* one is enough */
	} else {
		irq_deliver((unsigned)f->vector);
	}
}
