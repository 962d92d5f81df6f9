/*
 * pic.h - the two 8259As of a PC: what a guest uses before, or instead of, its APICs.
 *
 * Invariants
 *   - The output follows the state at once: after each change the owner compares pic_output().
 *   - An acknowledge always yields a vector; with nothing left to ask it is the spurious one.
 *
 * Registers: 8259A data sheet; edge/level control (4D0h, 4D1h) as in the 82371AB.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_PLATFORM_PIC_H
#define TAIN_PLATFORM_PIC_H

#include "kernel/base/types.h"

struct pic_chip {
	uint8_t irr, isr, imr, lines, elcr;
	uint8_t base;      /* vector of IR0 */
	uint8_t lowest;    /* the input of lowest priority */
	uint8_t expect;    /* next initialisation word, 0: none */
	bool wants_icw4, auto_eoi, rotate_auto, special_mask, read_isr, poll;
};

struct pic {
	struct pic_chip chip[2]; /* first, and the second behind its input 2 */
	uint64_t acknowledged;
};

void pic_init(struct pic *p);
void pic_line(struct pic *p, unsigned irq, bool high); /* irq 0 to 15, not 2 */
bool pic_output(const struct pic *p);
uint8_t pic_acknowledge(struct pic *p);

uint32_t pic_read(struct pic *p, unsigned chip, unsigned offset);
void pic_write(struct pic *p, unsigned chip, unsigned offset, uint8_t value);
uint8_t pic_elcr_read(const struct pic *p, unsigned chip);
void pic_elcr_write(struct pic *p, unsigned chip, uint8_t value);

#endif
