/*
 * keyboard.c - scan codes into characters. Contract: keyboard.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "drivers/keyboard.h"

#include "drivers/io.h"

#define KBD_DATA      0x60
#define KBD_STATUS    0x64
#define STATUS_FULL   0x01 /* a byte waits for us */
#define STATUS_BUSY   0x02 /* the controller has not taken the last one yet */
#define STATUS_MOUSE  0x20 /* it is the mouse's */
#define CMD_READ      0x20
#define CMD_WRITE     0x60
#define CMD_ENABLE    0xae
#define CONFIG_IRQ    0x01
#define CONFIG_OFF    0x10
#define CONFIG_SET1   0x40
#define CODE_EXTENDED 0xe0
#define CODE_RELEASE  0x80

/* clang-format off */
static const char plain[] =
	"\0\x1b" "1234567890-=\x7f\t" "qwertyuiop[]\r\0" "asdfghjkl;'`\0\\" "zxcvbnm,./\0*\0 ";
static const char shifted[] =
	"\0\x1b" "!@#$%^&*()_+\x7f\t" "QWERTYUIOP{}\r\0" "ASDFGHJKL:\"~\0|" "ZXCVBNM<>?\0*\0 ";
/* clang-format on */

enum { KEY_CONTROL = 0x1d, KEY_LEFT_SHIFT = 0x2a, KEY_RIGHT_SHIFT = 0x36, KEY_CAPS = 0x3a };

/* Keys that send a sequence: after E0h, or of the keypad (whose Num Lock is taken to be off). */
static const struct {
	uint8_t code;
	const char *sends;
} sequences[] = {
	{ 0x48, "\x1b[A" },  { 0x50, "\x1b[B" }, { 0x4d, "\x1b[C" }, { 0x4b, "\x1b[D" },
	{ 0x47, "\x1b[H" },  { 0x4f, "\x1b[F" }, { 0x53, "\x1b[3~" },
};

static bool send(uint16_t port, uint8_t byte)
{
	for (unsigned i = 0; i < KEYBOARD_TRIES; i++)
		if (!(io_in8(KBD_STATUS) & STATUS_BUSY)) {
			io_out8(port, byte);
			return true;
		}
	return false;
}

static int receive(void)
{
	for (unsigned i = 0; i < KEYBOARD_TRIES; i++)
		if (io_in8(KBD_STATUS) & STATUS_FULL)
			return io_in8(KBD_DATA);
	return -1;
}

void keyboard_init(struct keyboard *k)
{
	int config;

	*k = (struct keyboard){ 0 };
	if (io_in8(KBD_STATUS) == 0xff)
		return; /* an empty bus */
	for (unsigned i = 0; i < 64 && (io_in8(KBD_STATUS) & STATUS_FULL); i++)
		(void)io_in8(KBD_DATA);
	if (!send(KBD_STATUS, CMD_ENABLE) || !send(KBD_STATUS, CMD_READ) || (config = receive()) < 0)
		return;
	config = (config & ~CONFIG_OFF) | CONFIG_IRQ | CONFIG_SET1;
	k->present = send(KBD_STATUS, CMD_WRITE) && send(KBD_DATA, (uint8_t)config);
}

static int special(struct keyboard *k, uint8_t code)
{
	for (unsigned i = 0; i < ARRAY_LEN(sequences); i++)
		if (sequences[i].code == code) {
			k->more = sequences[i].sends + 1;
			return sequences[i].sends[0];
		}
	return -1;
}

static bool modifier(struct keyboard *k, uint8_t code, bool down)
{
	switch (code) {
	case KEY_CONTROL:
		k->control = down;
		return true;
	case KEY_LEFT_SHIFT:
	case KEY_RIGHT_SHIFT:
		k->shift = down;
		return true;
	case KEY_CAPS:
		k->caps ^= down;
		return true;
	default:
		return false;
	}
}

int keyboard_translate(struct keyboard *k, uint8_t code)
{
	bool extended = k->extended, down = !(code & CODE_RELEASE);
	uint8_t key = code & 0x7f;

	k->extended = code == CODE_EXTENDED;
	/* E0h 2Ah and E0h 36h only stand around the codes of grey keys. */
	if (k->extended || (extended && key != KEY_CONTROL && (key == 0x2a || key == 0x36)) ||
	    modifier(k, key, down) || !down)
		return -1;
	if (extended && (key == 0x1c || key == 0x35)) /* Enter and / of the keypad */
		return plain[key];
	if (extended || key >= sizeof(plain) - 1)
		return special(k, key);

	uint8_t c = (uint8_t)plain[key], other = (uint8_t)shifted[key];
	bool letter = c >= 'a' && c <= 'z';

	if (k->control)
		return other >= '@' && other <= '_' ? other & 0x1f : c >= '[' && c <= ']' ? c & 0x1f : -1;
	if (k->shift != (letter && k->caps))
		c = other;
	return c ? c : -1;
}

int keyboard_get(struct keyboard *k)
{
	if (k->more && *k->more)
		return *k->more++;
	k->more = NULL;
	while (k->present) {
		uint8_t status = io_in8(KBD_STATUS);

		if (status == 0xff)
			k->present = false; /* it went away */
		if (!k->present || !(status & STATUS_FULL))
			return -1;
		uint8_t code = io_in8(KBD_DATA);
		int c = status & STATUS_MOUSE ? -1 : keyboard_translate(k, code);

		if (c >= 0)
			return c;
	}
	return -1;
}
