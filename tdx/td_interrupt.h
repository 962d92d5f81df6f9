/*
 * td_interrupt.h - interrupts into a TD: by the posted-interrupt descriptor, the only way that the
 * module leaves open, and NMIs.
 *
 * Invariants
 *   - A posted vector is never lost: it stands in the descriptor before anybody is told, and the
 *     vCPU looks there before it sleeps.
 *   - Whoever finds ON set need tell nobody: the one who set it does.
 *
 * Facts: SDM volume 3C, "Posted-Interrupt Processing"; TDX module 1.5 ABI, "Interrupt Handling".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_TD_INTERRUPT_H
#define TAIN_TDX_TD_INTERRUPT_H

#include "kernel/base/types.h"

struct td;
struct td_vcpu;

/* The lowest vector that can be posted; those below are the CPU's own. */
#define TD_VECTOR_MIN 16

/* vCPU @index of @td; NULL: it has no such vCPU. A TD's x2APIC ids are its vCPU indices. */
struct td_vcpu *td_vcpu_at(struct td *td, unsigned index);

/*
 * Interrupt @vector for @v: into the guest at once where it runs, awake where it halted. Any CPU,
 * any context but NMI, no lock needed. False: no such vector.
 */
bool td_vcpu_post(struct td_vcpu *v, uint8_t vector);

/* An NMI for @v; one that is pending already stays one. As above. */
void td_vcpu_post_nmi(struct td_vcpu *v);

#endif
