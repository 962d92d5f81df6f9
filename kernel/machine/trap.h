/*
 * trap.h - exceptions, interrupts and NMIs taken in root mode.
 *
 * Invariants
 *   - An exception that nobody claims ends in a crash report; none is ignored.
 *   - The NMI handler takes no lock, logs nothing and cannot fault: it counts, rewinds RIP out of
 *     the marked entry and idle windows, and stops the CPU if another one has crashed.
 *   - Handlers of external interrupts run with interrupts off and acknowledge (EOI) after them.
 *
 * The entry stubs are in trap_entry.asm; struct trap_frame is what they push.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MACHINE_TRAP_H
#define TAIN_MACHINE_TRAP_H

#include "kernel/base/types.h"

struct trap_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
	uint64_t rbp, rdi, rsi, rdx, rcx, rbx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};
_Static_assert(sizeof(struct trap_frame) == 22 * 8, "trap_entry.asm pushes 22 quadwords");

/* clang-format off */
enum {
	VEC_DE = 0, VEC_DB = 1, VEC_NMI = 2, VEC_BP = 3, VEC_OF = 4, VEC_BR = 5, VEC_UD = 6,
	VEC_NM = 7, VEC_DF = 8, VEC_TS = 10, VEC_NP = 11, VEC_SS = 12, VEC_GP = 13, VEC_PF = 14,
	VEC_MF = 16, VEC_AC = 17, VEC_MC = 18, VEC_XM = 19, VEC_VE = 20, VEC_CP = 21,

	VEC_PIC_BASE = 0x20,  /* 16 legacy lines, only when the PIC delivers */
	VEC_KEYBOARD = 0x21,  /* IRQ 1 */
	VEC_SERIAL2 = 0x23,   /* IRQ 3, by PIC or I/O APIC */
	VEC_SERIAL = 0x24,    /* IRQ 4, likewise */
	VEC_DYNAMIC = 0x30,   /* first of those that no ISA line has */
	VEC_NET = 0x30,       /* network interfaces, up to 8 */
	VEC_TIMER = 0xf0,
	VEC_CALL = 0xf1,      /* cpu_call and wake */
	VEC_POSTED = 0xf2,    /* look at a posted-interrupt descriptor */
	VEC_SPURIOUS = 0xff,
};
/* clang-format on */

/* Give every CPU the IDT. The boot CPU calls it first; APs load the same table. */
void trap_init_cpu(void);

/* True: handled, resume at frame->rip (which the handler may have moved). One handler; #UD only. */
typedef bool (*ud_handler_t)(struct trap_frame *frame);
void register_ud_handler(ud_handler_t fn);

/* Handler of an external interrupt; runs with interrupts off. */
typedef void (*irq_handler_t)(unsigned vector);
void irq_register(unsigned vector, irq_handler_t fn);

/*
 * Open interrupts for one instruction; if one arrives, only take its vector off the LAPIC: neither
 * its handler runs nor is it acknowledged. That is what a VM exit with "acknowledge interrupt on
 * exit" does. Returns the vector or -1. Whoever takes a vector owes irq_deliver() for it.
 * Interrupts off before and after.
 */
int trap_capture_interrupt(void);

/* Run the handler of @vector as if it had just been delivered, with its EOI. Interrupts off. */
void irq_deliver(unsigned vector);

/* RDMSR/WRMSR that answer -EIO instead of #GP when the MSR is not there. */
int msr_read_safe(uint32_t msr, uint64_t *value) MUST_CHECK;
int msr_write_safe(uint32_t msr, uint64_t value) MUST_CHECK;

/*
 * Copy that answers -EFAULT when a byte of source or destination is not mapped (for the monitor's
 * memory commands and the crash report). What was copied before the fault stays copied.
 */
int copy_safe(void *dst, const void *src, size_t bytes) MUST_CHECK;

#endif
