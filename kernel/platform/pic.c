/*
 * pic.c - initialisation words, priorities and end-of-interrupt commands of the 8259A pair.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/platform/pic.h"

#include <string.h>

#define CASCADE      2
#define SPURIOUS     7
#define ICW1         0x10
#define ICW1_ICW4    0x01
#define ICW1_SINGLE  0x02
#define ICW4_AEOI    0x02
#define OCW3         0x08
#define OCW3_POLL    0x04
#define OCW3_READ    0x02
#define OCW3_READ_ISR 0x01
#define OCW3_SMM_SET 0x40
#define OCW3_SMM     0x20
#define OCW2_ROTATE  0x80
#define OCW2_SPECIFIC 0x40
#define OCW2_EOI     0x20
#define EOI_LEVEL(v) ((v) & 7)

/* Inputs that cannot be levels: timer, keyboard, cascade; RTC and FPU on the second. */
static const uint8_t elcr_mask[2] = { 0xf8, 0xde };

void pic_init(struct pic *p)
{
	memset(p, 0, sizeof(*p));
	for (unsigned i = 0; i < 2; i++) {
		p->chip[i].imr = 0xff;
		p->chip[i].lowest = 7;
	}
}

/* Priority of the highest bit of @set, 0 best; 8: none. */
static unsigned best(const struct pic_chip *c, uint8_t set)
{
	for (unsigned i = 0; i < 8; i++)
		if (set & BIT32((c->lowest + 1 + i) & 7))
			return i;
	return 8;
}

static unsigned input_at(const struct pic_chip *c, unsigned priority)
{
	return (c->lowest + 1 + priority) & 7;
}

/* The input that asks and may interrupt now, or -1. */
static int asking(const struct pic_chip *c)
{
	uint8_t serving = c->special_mask ? c->isr & (uint8_t)~c->imr : c->isr;
	unsigned want = best(c, c->irr & (uint8_t)~c->imr);

	return want < best(c, serving) ? (int)input_at(c, want) : -1;
}

static void chip_line(struct pic_chip *c, unsigned input, bool high)
{
	uint8_t bit = (uint8_t)BIT32(input);

	if (high) {
		if ((c->elcr & bit) || !(c->lines & bit))
			c->irr |= bit;
		c->lines |= bit;
	} else {
		c->lines &= (uint8_t)~bit;
		c->irr &= (uint8_t)~bit; /* edge too: the request must stay until the acknowledge */
	}
}

/* The second chip's output is the first one's input 2. */
static void cascade(struct pic *p)
{
	struct pic_chip *first = &p->chip[0];
	uint8_t bit = BIT32(CASCADE);
	bool out = asking(&p->chip[1]) >= 0;

	first->irr = out ? first->irr | bit : first->irr & (uint8_t)~bit;
}

void pic_line(struct pic *p, unsigned irq, bool high)
{
	chip_line(&p->chip[irq / 8], irq % 8, high);
	cascade(p);
}

bool pic_output(const struct pic *p)
{
	return asking(&p->chip[0]) >= 0;
}

static void accept(struct pic_chip *c, unsigned input)
{
	uint8_t bit = (uint8_t)BIT32(input);

	if (!(c->elcr & bit))
		c->irr &= (uint8_t)~bit;
	if (!c->auto_eoi)
		c->isr |= bit;
	else if (c->rotate_auto)
		c->lowest = (uint8_t)input;
}

static uint8_t acknowledge_chip(struct pic_chip *c, int *input)
{
	*input = asking(c);
	if (*input >= 0)
		accept(c, (unsigned)*input);
	return (uint8_t)(c->base + (*input >= 0 ? *input : SPURIOUS));
}

uint8_t pic_acknowledge(struct pic *p)
{
	int input;
	uint8_t vector = acknowledge_chip(&p->chip[0], &input);

	if (input == CASCADE)
		vector = acknowledge_chip(&p->chip[1], &input);
	cascade(p);
	p->acknowledged++;
	return vector;
}

/* ---- registers ---- */

static void icw1(struct pic_chip *c, uint8_t v)
{
	uint8_t lines = c->lines, elcr = c->elcr;

	memset(c, 0, sizeof(*c));
	c->lines = lines;
	c->elcr = elcr;
	c->irr = lines & elcr;
	c->lowest = 7;
	c->expect = 2;
	c->wants_icw4 = (v & ICW1_ICW4) != 0;
}

static void end_of_interrupt(struct pic_chip *c, uint8_t v)
{
	uint8_t serving = c->special_mask ? c->isr & (uint8_t)~c->imr : c->isr;
	unsigned input = v & OCW2_SPECIFIC ? EOI_LEVEL(v) : input_at(c, best(c, serving));

	if (!(v & OCW2_SPECIFIC) && !serving)
		return;
	c->isr &= (uint8_t)~BIT32(input);
	if (v & OCW2_ROTATE)
		c->lowest = (uint8_t)input;
}

static void ocw2(struct pic_chip *c, uint8_t v)
{
	if (v & OCW2_EOI)
		end_of_interrupt(c, v);
	else if ((v & (OCW2_ROTATE | OCW2_SPECIFIC)) == (OCW2_ROTATE | OCW2_SPECIFIC))
		c->lowest = EOI_LEVEL(v);
	else if (!(v & OCW2_SPECIFIC))
		c->rotate_auto = (v & OCW2_ROTATE) != 0;
}

static void ocw3(struct pic_chip *c, uint8_t v)
{
	if (v & OCW3_POLL)
		c->poll = true;
	if (v & OCW3_READ)
		c->read_isr = (v & OCW3_READ_ISR) != 0;
	if (v & OCW3_SMM_SET)
		c->special_mask = (v & OCW3_SMM) != 0;
}

static void write_data(struct pic_chip *c, uint8_t v)
{
	switch (c->expect) {
	case 2:
		c->base = v & 0xf8;
		c->expect = 3; /* the cascade word follows: a PC has two chips */
		break;
	case 3:
		c->expect = c->wants_icw4 ? 4 : 0;
		break;
	case 4:
		c->auto_eoi = (v & ICW4_AEOI) != 0;
		c->expect = 0;
		break;
	default:
		c->imr = v;
		break;
	}
}

void pic_write(struct pic *p, unsigned chip, unsigned offset, uint8_t v)
{
	struct pic_chip *c = &p->chip[chip];

	if (offset == 1)
		write_data(c, v);
	else if (v & ICW1)
		icw1(c, v);
	else if (v & OCW3)
		ocw3(c, v);
	else
		ocw2(c, v);
	cascade(p);
}

uint32_t pic_read(struct pic *p, unsigned chip, unsigned offset)
{
	struct pic_chip *c = &p->chip[chip];

	if (c->poll) {
		int input;

		c->poll = false;
		acknowledge_chip(c, &input);
		cascade(p);
		return input >= 0 ? 0x80u | (unsigned)input : 0;
	}
	if (offset == 1)
		return c->imr;
	return c->read_isr ? c->isr : c->irr;
}

uint8_t pic_elcr_read(const struct pic *p, unsigned chip)
{
	return p->chip[chip].elcr;
}

void pic_elcr_write(struct pic *p, unsigned chip, uint8_t v)
{
	p->chip[chip].elcr = v & elcr_mask[chip];
	cascade(p);
}
