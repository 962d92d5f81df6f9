/*
 * keyboard.h - a PC keyboard behind an i8042 (or firmware that looks like one), US layout.
 *
 * Invariants
 *   - Nothing here waits longer than KEYBOARD_TRIES looks at the status port; a controller that is
 *     absent or stuck is left alone for good.
 *   - Bytes that come out are those that a VT100 terminal would send: arrows are ESC [ A.
 *
 * Scan codes of set 1, as the controller translates them: IBM PS/2 Hardware Interface Technical
 * Reference, "Keyboard and Auxiliary Device Controller".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_DRIVERS_KEYBOARD_H
#define TAIN_DRIVERS_KEYBOARD_H

#include "kernel/base/types.h"

#define KEYBOARD_TRIES 10000

struct keyboard {
	bool present;
	bool shift, control, caps, extended;
	const char *more; /* rest of what the last key sends; NULL: nothing */
};

/* Look for the controller and let its keyboard interrupt; .present says whether it is there. */
void keyboard_init(struct keyboard *k);

/* The next byte typed, or -1. Looks at the device at most once for each scan code that waits. */
int keyboard_get(struct keyboard *k);

/* What scan code @code types: a byte, or -1. Moves the modifiers; @k->more may be set. */
int keyboard_translate(struct keyboard *k, uint8_t code);

#endif
