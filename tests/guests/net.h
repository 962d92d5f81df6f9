/*
 * net.h - what the guests with a network card do, plain and trust domain alike: a driver for virtio-net that
 * looks into its rings and wants no interrupts, and orders by keys on the serial line, one line said for each.
 *
 *     b   broadcast                           u   to who was heard last, as long as frames are
 *     x   to an address that nobody has       f   broadcast under an address that is not ours
 *     s   too short and too long, to all      F   2000 broadcasts as fast as can be
 *     e   100 echoes by who was heard last    r   report once something new has come
 *     n   report                              q   the end
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TESTS_GUESTS_NET_H
#define TAIN_TESTS_GUESTS_NET_H

#include <stdbool.h>
#include <stdint.h>

#define COM1      0x3f8u
#define COM1_LSR  0x3fdu
#define LSR_READY 1u

/* The guest's own ways to its machine. The card's memory is 64 KiB that devices reach, zeroed. */
uint32_t port_get(uint32_t port, unsigned bytes);
void port_put(uint32_t port, unsigned bytes, uint32_t v);
uint32_t mmio_get(uint32_t at, unsigned bytes);
void mmio_put(uint32_t at, unsigned bytes, uint32_t v);
uint64_t time_now(void);
void say_char(char c);

static volatile uint8_t *card_memory;
static uint32_t card_gpa;

/* ---- saying ---- */

static void say(const char *text)
{
	for (; *text; text++)
		say_char(*text);
}

static void say_number(uint32_t v)
{
	char digits[12];
	unsigned n = 0;

	do {
		digits[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	while (n)
		say_char(digits[--n]);
}

static void say_count(const char *name, uint32_t v)
{
	say(name);
	say_number(v);
}

/* ---- the card ---- */

enum { RECEIVE, TRANSMIT, QUEUES };
#define CARD       (0x80000000u | 5u << 11) /* of CF8h: device 5 */
#define BAR        0xc0000000u
#define COMMON(at) (BAR + (at))
#define DEVICE(at) (BAR + 0x2000u + (at))
#define NOTIFY(q)  (BAR + 0x3000u + 4u * (q))
#define RING       16u
#define BUFFER     0x800u
#define TABLE(q)   ((q) * 0x1000u)
#define AVAIL(q)   (TABLE(q) + 0x400u)
#define USED(q)    (TABLE(q) + 0x800u)
#define RX(i)      (0x4000u + (i) * BUFFER)
#define TX         0xc000u
#define HEADER     12u
#define FRAME_MAX  1514u
#define FRAME_MIN  60u

static uint8_t own[6], heard_last[6];
static uint16_t seen[QUEUES], offered[QUEUES];

static volatile uint16_t *word(uint32_t at) { return (volatile uint16_t *)(card_memory + at); }
static volatile uint32_t *dword(uint32_t at) { return (volatile uint32_t *)(card_memory + at); }

static void config_put(uint32_t at, uint32_t v)
{
	port_put(0xcf8, 4, CARD | at);
	port_put(0xcfc, 4, v);
}

static void describe(unsigned q, unsigned i, uint32_t at, uint32_t bytes, uint16_t flags)
{
	uint32_t d = TABLE(q) + 16 * i;

	*dword(d) = card_gpa + at;
	*dword(d + 4) = 0;
	*dword(d + 8) = bytes;
	*word(d + 12) = flags;
}

static void offer(unsigned q, uint16_t i)
{
	*word(AVAIL(q) + 4 + 2 * (offered[q] % RING)) = i;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	*word(AVAIL(q) + 2) = ++offered[q];
}

static void start_queue(unsigned q)
{
	mmio_put(COMMON(22), 2, q);
	mmio_put(COMMON(24), 2, RING);
	mmio_put(COMMON(32), 4, card_gpa + TABLE(q));
	mmio_put(COMMON(40), 4, card_gpa + AVAIL(q));
	mmio_put(COMMON(48), 4, card_gpa + USED(q));
	*word(AVAIL(q)) = 1; /* no interrupts */
	mmio_put(COMMON(28), 2, 1);
}

static bool card_start(void)
{
	config_put(0x10, BAR);
	config_put(0x04, 6);
	mmio_put(COMMON(20), 1, 0);
	mmio_put(COMMON(20), 1, 3);
	mmio_put(COMMON(8), 4, 0);
	mmio_put(COMMON(12), 4, 1u << 5); /* MAC */
	mmio_put(COMMON(8), 4, 1);
	mmio_put(COMMON(12), 4, 3); /* VERSION_1, ACCESS_PLATFORM */
	mmio_put(COMMON(20), 1, 11);
	for (unsigned q = 0; q < QUEUES; q++)
		start_queue(q);
	mmio_put(COMMON(20), 1, 15);
	for (unsigned i = 0; i < 6; i++)
		own[i] = (uint8_t)mmio_get(DEVICE(i), 1);
	for (uint16_t i = 0; i < RING; i++) {
		describe(RECEIVE, i, RX(i), BUFFER, 2);
		offer(RECEIVE, i);
	}
	mmio_put(NOTIFY(RECEIVE), 2, RECEIVE);
	return mmio_get(COMMON(20), 1) == 15;
}

/* ---- frames: addresses, a type of our own, a kind, a number that says what the other bytes are ---- */

enum kind { SHOUT = 1, WORD, ECHO, ANSWER, KINDS };
static uint32_t counts[KINDS], wrong, sent;

static void put_frame(const uint8_t to[6], const uint8_t from[6], enum kind kind, uint32_t length)
{
	volatile uint8_t *f = card_memory + TX + HEADER;

	for (unsigned i = 0; i < 6; i++) {
		f[i] = to[i];
		f[6 + i] = from[i];
	}
	f[12] = 0x88;
	f[13] = 0xb5;
	f[14] = (uint8_t)kind;
	f[15] = (uint8_t)++sent;
	for (uint32_t i = 16; i < length; i++)
		f[i] = (uint8_t)(sent + i);
	describe(TRANSMIT, 0, TX, HEADER + length, 0);
	offer(TRANSMIT, 0);
	mmio_put(NOTIFY(TRANSMIT), 2, TRANSMIT);
	while (*word(USED(TRANSMIT) + 2) != offered[TRANSMIT])
		__builtin_ia32_pause();
}

static void to_last(enum kind kind, uint32_t length) { put_frame(heard_last, own, kind, length); }

static bool is_as_sent(const volatile uint8_t *f, uint32_t length)
{
	for (uint32_t i = 16; i < length; i++)
		if (f[i] != (uint8_t)(f[15] + i))
			return false;
	return f[12] == 0x88 && f[13] == 0xb5 && f[14] < KINDS && length >= FRAME_MIN;
}

static void take(const volatile uint8_t *buffer, uint32_t bytes)
{
	const volatile uint8_t *f = buffer + HEADER;

	if (bytes < HEADER || *(const volatile uint16_t *)(buffer + 10) != 1 || !is_as_sent(f, bytes - HEADER)) {
		wrong++;
		return;
	}
	counts[f[14]]++;
	for (unsigned i = 0; i < 6; i++)
		heard_last[i] = f[6 + i];
	if (f[14] == ECHO)
		to_last(ANSWER, FRAME_MIN);
}

static void receive(void)
{
	bool any = false;

	while (*word(USED(RECEIVE) + 2) != seen[RECEIVE]) {
		uint32_t element = USED(RECEIVE) + 4 + 8 * (seen[RECEIVE]++ % RING), i = *dword(element);

		take(card_memory + RX(i % RING), *dword(element + 4));
		offer(RECEIVE, (uint16_t)(i % RING));
		any = true;
	}
	if (any)
		mmio_put(NOTIFY(RECEIVE), 2, RECEIVE);
}

static uint32_t heard(void) { return counts[SHOUT] + counts[WORD] + counts[ECHO] + counts[ANSWER] + wrong; }

/* ---- orders ---- */

#define ECHOES   100u
#define FLOOD    2000u
#define PATIENCE UINT64_C(2000000000)

static const uint8_t everybody[6] = { 255, 255, 255, 255, 255, 255 }, nobody[6] = { 2, 9, 9, 9, 9, 9 };

static void report(void)
{
	receive();
	say_count("net: broadcasts ", counts[SHOUT]);
	say_count(" words ", counts[WORD]);
	say_count(" echoes ", counts[ECHO]);
	say_count(" answers ", counts[ANSWER]);
	say_count(" wrong ", wrong);
	say("\n");
}

static void report_new(void)
{
	static uint32_t told;
	uint64_t end = time_now() + PATIENCE;

	while (heard() == told && time_now() < end)
		receive();
	do {
		told = heard();
		receive(); /* what waits behind a full ring comes when there is room */
	} while (heard() != told);
	report();
}

static void echo_all(void)
{
	uint64_t start = time_now(), end = start + PATIENCE;

	for (unsigned i = 0; i < ECHOES; i++) {
		uint32_t before = counts[ANSWER];

		to_last(ECHO, FRAME_MIN);
		while (counts[ANSWER] == before && time_now() < end)
			receive();
	}
	end = time_now();
	say_count("net: answers ", counts[ANSWER]);
	say_count(" ticks each ", (uint32_t)(end - start) / ECHOES);
	say("\n");
}

static void flood(void)
{
	uint32_t ticks = (uint32_t)time_now();

	for (unsigned i = 0; i < FLOOD; i++)
		put_frame(everybody, own, SHOUT, FRAME_MIN);
	say_count("net: flooded, ticks each ", ((uint32_t)time_now() - ticks) / FLOOD);
	say("\n");
}

static void send_one(uint8_t key)
{
	if (key == 'b') {
		put_frame(everybody, own, SHOUT, FRAME_MIN);
	} else if (key == 'u') {
		to_last(WORD, FRAME_MAX);
	} else if (key == 'x') {
		put_frame(nobody, own, WORD, FRAME_MIN);
	} else if (key == 'f') {
		put_frame(everybody, nobody, SHOUT, FRAME_MIN);
	} else if (key == 's') {
		put_frame(everybody, own, SHOUT, 13);
		put_frame(everybody, own, SHOUT, FRAME_MAX + 1);
	}
	say("net: sent\n");
}

static void obey(uint8_t key)
{
	if (key == 'r')
		report_new();
	else if (key == 'n')
		report();
	else if (key == 'e')
		echo_all();
	else if (key == 'F')
		flood();
	else
		send_one(key);
}

static void obey_all(void)
{
	uint8_t key = 0;

	say(card_start() ? "net: ready\n" : "net: no card\n");
	while (key != 'q') {
		while (!(port_get(COM1_LSR, 1) & LSR_READY))
			receive();
		key = (uint8_t)port_get(COM1, 1);
		if (key > ' ' && key != 'q')
			obey(key);
	}
	say("net: left\n");
}

#endif
