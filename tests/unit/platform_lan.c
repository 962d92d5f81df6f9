/*
 * platform_lan.c - the switch: who hears what, who may say what, and what a flood costs; and a network
 * card on it, seen from a driver.
 *
 * links: kernel/machine/vtimer.c kernel/platform/[a-z]*.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <pthread.h>

#include "tests/fake/test.h"

#include "kernel/machine/port.h"
#include "kernel/platform/platform.h"
#include "tests/fake/device_ram.h"

static const uint8_t mac_a[6] = { 2, 0, 0, 0, 0, 1 }, mac_b[6] = { 2, 0, 0, 0, 0, 2 },
		     mac_c[6] = { 2, 0, 0, 0, 0, 3 }, mac_up[6] = { 0x52, 0x54, 0, 0, 0, 9 },
		     all[6] = { 255, 255, 255, 255, 255, 255 }, nobody[6] = { 2, 9, 9, 9, 9, 9 };

static unsigned woken[4];
static void wake(void *ctx) { woken[(uintptr_t)ctx]++; }

static struct lan_port *a, *b, *c, *up;

static void plug(bool uplink)
{
	memset(woken, 0, sizeof(woken));
	a = lan_plug("one", LAN_GUEST, mac_a, wake, (void *)0);
	b = lan_plug("one", LAN_GUEST, mac_b, wake, (void *)1);
	c = lan_plug("two", LAN_GUEST, mac_c, wake, (void *)2);
	up = uplink ? lan_plug("one", LAN_UPLINK, mac_up, wake, (void *)3) : NULL;
	CHECK(a && b && c && (up || !uplink));
}

static void pull(void)
{
	lan_unplug(a);
	lan_unplug(b);
	lan_unplug(c);
	lan_unplug(up);
}

static void send_to(struct lan_port *p, const uint8_t to[6], const uint8_t from[6], size_t length)
{
	uint8_t frame[2000] = { 0 };

	memcpy(frame, to, 6);
	memcpy(frame + 6, from, 6);
	memset(frame + 12, (int)length, sizeof(frame) - 12);
	(void)lan_send(p, frame, length);
}

static size_t taken(struct lan_port *p)
{
	struct lan_frame *f = lan_next(p);
	size_t length = f ? f->length : 0;

	lan_frame_put(f);
	return length;
}

TEST(a_frame_reaches_the_port_it_is_for_and_no_other)
{
	plug(true);
	send_to(a, mac_b, mac_a, 60);
	CHECK_INT(taken(b), 60);
	CHECK_INT(taken(b) + taken(a) + taken(c) + taken(up), 0);
	CHECK_INT(woken[1], 1);
	CHECK_INT(woken[0] + woken[2] + woken[3], 0);
	pull();
}

TEST(what_is_for_all_reaches_the_network_and_its_uplink)
{
	plug(true);
	send_to(a, all, mac_a, 60);
	CHECK_INT(taken(b), 60);
	CHECK_INT(taken(up), 60);
	CHECK_INT(taken(a) + taken(c), 0);
	pull();
}

/* Two networks share nothing: not by address, not by broadcast, not by an uplink. */
TEST(networks_are_apart)
{
	plug(true);
	send_to(a, mac_c, mac_a, 60);
	send_to(c, mac_b, mac_c, 60);
	send_to(c, all, mac_c, 60);
	CHECK_INT(taken(c) + taken(b) + taken(a), 0);
	CHECK_INT(taken(up), 60); /* a's frame for an address that is not here goes outside */
	CHECK_INT(taken(up), 0);
	pull();
}

TEST(what_is_for_nobody_goes_nowhere_without_an_uplink)
{
	plug(false);
	send_to(a, nobody, mac_a, 60);
	CHECK_INT(taken(b) + taken(c), 0);
	pull();
}

TEST(nobody_sends_under_anothers_address)
{
	plug(true);
	send_to(a, all, mac_b, 60);
	send_to(a, mac_b, nobody, 60);
	CHECK_INT(taken(b) + taken(up), 0);
	CHECK_INT(a->counts.forged, 2);
	CHECK_INT(a->counts.sent, 0);
	send_to(up, mac_b, nobody, 60); /* the wire has many senders */
	CHECK_INT(taken(b), 60);
	pull();
}

TEST(a_frame_from_the_wire_is_a_guests_alone_or_shared)
{
	uint8_t frame[60] = { 0 };

	plug(true);
	memcpy(frame, mac_b, 6);
	CHECK(lan_send(up, frame, 60));
	CHECK_INT(taken(b), 60);
	memcpy(frame, all, 6);
	CHECK(!lan_send(up, frame, 60));
	CHECK_INT(taken(a) + taken(b), 120);
	memcpy(frame, nobody, 6);
	CHECK(!lan_send(up, frame, 60));
	CHECK_INT(taken(a) + taken(b) + taken(up), 0);
	pull();
}

TEST(frames_too_short_or_too_long_are_dropped)
{
	plug(false);
	send_to(a, mac_b, mac_a, LAN_FRAME_MIN - 1);
	send_to(a, mac_b, mac_a, LAN_FRAME_MAX + 1);
	CHECK_INT(taken(b), 0);
	CHECK_INT(a->counts.bad, 2);
	send_to(a, mac_b, mac_a, LAN_FRAME_MAX);
	CHECK_INT(taken(b), LAN_FRAME_MAX);
	pull();
}

TEST(a_flood_costs_the_receiver_its_queue_and_no_more)
{
	plug(false);
	for (unsigned i = 0; i < 1000; i++)
		send_to(a, mac_b, mac_a, 60 + i % 100);
	CHECK_INT(b->counts.dropped, 1000 - LAN_QUEUE);
	CHECK_INT(woken[1], 1);
	for (unsigned i = 0; i < LAN_QUEUE; i++)
		CHECK_INT(taken(b), 60 + i % 100); /* in order */
	CHECK_INT(taken(b), 0);
	pull();
}

TEST(one_uplink_and_one_of_each_address_in_a_network)
{
	struct lan_port *other;

	plug(true);
	CHECK(lan_plug("one", LAN_GUEST, mac_a, wake, NULL) == NULL);
	CHECK(lan_plug("one", LAN_UPLINK, nobody, wake, NULL) == NULL);
	other = lan_plug("three", LAN_GUEST, mac_a, wake, NULL);
	CHECK(other != NULL);
	lan_unplug(other);
	lan_unplug(NULL);
	pull();
}

TEST(there_is_a_place_for_as_many_as_are_promised)
{
	struct lan_port *ports[LAN_PORTS_MAX];
	uint8_t mac[6] = { 2, 7 };

	for (unsigned i = 0; i < LAN_PORTS_MAX; i++) {
		mac[5] = (uint8_t)i;
		CHECK((ports[i] = lan_plug("x", LAN_GUEST, mac, wake, NULL)) != NULL);
	}
	mac[5] = 255;
	CHECK(lan_plug("x", LAN_GUEST, mac, wake, NULL) == NULL);
	for (unsigned i = 0; i < LAN_PORTS_MAX; i++)
		lan_unplug(ports[i]);
}

TEST(addresses_are_the_same_each_time_and_differ_by_name_and_machine)
{
	uint8_t x[6], y[6];

	lan_mac("guest", mac_a, x);
	lan_mac("guest", mac_a, y);
	CHECK(memcmp(x, y, 6) == 0 && (x[0] & 3) == 2);
	lan_mac("guesu", mac_a, y);
	CHECK(memcmp(x, y, 6) != 0);
	lan_mac("guest", mac_b, y);
	CHECK(memcmp(x, y, 6) != 0);
}

/* ---- senders, receivers and plugs at once ---- */

static uint32_t stop;

static void *sender(void *arg)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		send_to(arg, all, arg == (void *)a ? mac_a : mac_b, 200);
		(void)taken(arg);
	}
	return NULL;
}

TEST(ports_come_and_go_while_others_send)
{
	pthread_t threads[2];

	plug(true);
	stop = 0;
	pthread_create(&threads[0], NULL, sender, a);
	pthread_create(&threads[1], NULL, sender, b);
	for (unsigned i = 0; i < 300; i++) {
		struct lan_port *p = lan_plug("one", LAN_GUEST, mac_c, wake, (void *)2);

		CHECK(p != NULL);
		(void)taken(p);
		lan_unplug(p);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	pull();
}

/* ---- the card ---- */

#define BAR   UINT64_C(0xc0000000)
#define SLOT  5u
#define RING(q) (0x1000 + (q) * 0x1000) /* table, +400h avail, +800h used */
#define DATA  0x8000u
#define SIZE  8u

static struct platform pc;
static uint8_t memory[64 * 1024];
static struct device_ram ram = { memory, sizeof(memory) };
static unsigned interrupts;

static void deliver(void *ctx, const struct intr_message *m) { (void)ctx, (void)m; interrupts++; }
static void print(void *ctx, uint8_t byte) { (void)ctx, (void)byte; }

static void config_write(unsigned at, uint32_t v)
{
	platform_mmio_write(&pc, (gpa_t){ PCI_ECAM_GPA + (SLOT << 15) + at }, 4, v);
}

static void bar(unsigned at, unsigned bytes, uint64_t v) { platform_mmio_write(&pc, (gpa_t){ BAR + at }, bytes, v); }
static uint64_t bar_read(unsigned at, unsigned bytes) { return platform_mmio_read(&pc, (gpa_t){ BAR + at }, bytes); }

static void put(uint64_t at, uint64_t v, unsigned bytes) { memcpy(memory + at, &v, bytes); }
static uint64_t get(uint64_t at, unsigned bytes)
{
	uint64_t v = 0;

	memcpy(&v, memory + at, bytes);
	return v;
}

static void bring_up(void)
{
	const struct platform_config config = { .name = "t", .memory_bytes = 64 << 20, .vcpus = 1,
						.console = print, .lan = a };
	const struct intr_sink sink = { .deliver = deliver };
	const struct dma dma = { device_ram_read, device_ram_write, &ram };

	memset(memory, 0, sizeof(memory));
	interrupts = 0;
	CHECK_INT(platform_init(&pc, &config), 0);
	platform_set_sink(&pc, &sink);
	platform_set_dma(&pc, &dma);
	config_write(0x10, (uint32_t)BAR);
	config_write(0x04, 6);
	bar(8, 4, 0);
	bar(12, 4, BIT32(5));
	bar(8, 4, 1);
	bar(12, 4, 3);
	bar(20, 1, 11);
	for (unsigned q = 0; q < 2; q++) {
		bar(22, 2, q);
		bar(24, 2, SIZE);
		bar(32, 8, RING(q));
		bar(40, 8, RING(q) + 0x400);
		bar(48, 8, RING(q) + 0x800);
		bar(28, 2, 1);
	}
	bar(20, 1, 15);
}

/* One buffer of @bytes at DATA into queue @q. */
static void offer(unsigned q, uint32_t bytes, bool device_writes)
{
	uint64_t index = get(RING(q) + 0x402, 2), d = RING(q) + 16 * (index % SIZE);

	put(d, DATA, 8);
	put(d + 8, bytes, 4);
	put(d + 12, device_writes ? 2 : 0, 2);
	put(RING(q) + 0x404 + 2 * (index % SIZE), index % SIZE, 2);
	put(RING(q) + 0x402, index + 1, 2);
	bar(0x3000 + 4 * q, 2, q);
}

TEST(a_card_tells_its_address_and_that_its_link_is_up)
{
	plug(false);
	bring_up();
	for (unsigned i = 0; i < 6; i++)
		CHECK_INT(bar_read(0x2000 + i, 1), mac_a[i]);
	CHECK_INT(bar_read(0x2006, 2), 1);
	CHECK_INT(bar_read(0x200a, 2), 1500);
	platform_fini(&pc);
	pull();
}

TEST(a_card_sends_what_stands_behind_the_header)
{
	plug(false);
	bring_up();
	memcpy(memory + DATA + 12, mac_b, 6);
	memcpy(memory + DATA + 18, mac_a, 6);
	offer(1, 12 + 70, false);
	CHECK_INT(taken(b), 70);
	CHECK_INT(get(RING(1) + 0x802, 2), 1);
	CHECK_INT(interrupts, 0); /* no vector, INTx only: it is no message */
	offer(1, 12, false);      /* no frame */
	offer(1, 12 + LAN_FRAME_MAX + 1, false);
	CHECK_INT(taken(b), 0);
	CHECK_INT(pc.net.v.errors, 2);
	CHECK_INT(get(RING(1) + 0x802, 2), 3); /* buffers come back all the same */
	platform_fini(&pc);
	pull();
}

TEST(a_card_receives_when_there_is_a_buffer)
{
	plug(false);
	bring_up();
	send_to(b, mac_a, mac_b, 80);
	platform_take_frames(&pc);
	CHECK(lan_waiting(a)); /* it stays until there is a buffer */
	offer(0, 2000, true);
	CHECK(!lan_waiting(a));
	CHECK_INT(get(RING(0) + 0x802, 2), 1);
	CHECK_INT(get(RING(0) + 0x808, 4), 92);
	CHECK_INT(get(DATA + 10, 2), 1); /* num_buffers */
	CHECK(memcmp(memory + DATA + 12, mac_a, 6) == 0);
	offer(0, 2000, true);
	send_to(b, mac_a, mac_b, 81);
	platform_take_frames(&pc);
	CHECK_INT(get(RING(0) + 0x802, 2), 2);
	offer(0, 20, true); /* too small: the frame is dropped, nothing is written beyond */
	put(DATA + 20, 0x55, 1);
	send_to(b, mac_a, mac_b, 82);
	platform_take_frames(&pc);
	CHECK_INT(pc.net.v.errors, 1);
	CHECK_INT(get(DATA + 20, 1), 0x55);
	platform_fini(&pc);
	pull();
}

/* ---- a driver that cannot be trusted ---- */

static uint8_t reads[sizeof(memory)]; /* how often each byte was fetched */
static bool changes;                  /* memory is another one after each fetch */

static int watched_read(void *ctx, uint64_t gpa, void *to, uint64_t bytes)
{
	int err = device_ram_read(ctx, gpa, to, bytes);

	for (uint64_t i = 0; !err && i < bytes; i++) {
		reads[gpa + i]++;
		memory[gpa + i] ^= changes ? 0xff : 0;
	}
	return err;
}

static unsigned most_reads(uint64_t at, uint64_t bytes)
{
	unsigned most = 0;

	for (uint64_t i = 0; i < bytes; i++)
		most = reads[at + i] > most ? reads[at + i] : most;
	return most;
}

static void bring_up_watched(void)
{
	plug(false);
	bring_up();
	memset(reads, 0, sizeof(reads));
	platform_set_dma(&pc, &(struct dma){ watched_read, device_ram_write, &ram });
}

TEST(descriptors_and_frames_are_fetched_once)
{
	for (unsigned i = 0; i < 2; i++) {
		bring_up_watched();
		memcpy(memory + DATA + 12, mac_b, 6);
		memcpy(memory + DATA + 18, mac_a, 6);
		changes = i == 1;
		offer(1, 12 + 70, false);
		changes = false;
		CHECK_INT(most_reads(RING(1), 16), 1);
		CHECK_INT(most_reads(DATA, 12 + 70), 1);
		CHECK_INT(taken(b), 70);
		platform_fini(&pc);
		pull();
	}
}

/* Each field of a descriptor and of the ring with each odd value, for both queues: then a reset, and it works. */
static void offer_odd(unsigned q, uint64_t at, unsigned bytes, uint64_t value)
{
	put(RING(q), DATA, 8);
	put(RING(q) + 8, 2000, 4);
	put(RING(q) + 12, q == 0 ? 2 : 0, 2);
	put(RING(q) + 0x402, 1, 2);
	put(at, value, bytes);
	bar(0x3000 + 4 * q, 2, q);
	send_to(b, mac_a, mac_b, 1000);
	platform_take_frames(&pc);
}

TEST(no_value_of_a_field_does_harm)
{
	static const uint64_t odd[] = { 0, 1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 13, 127, 128, 1526, 1527, 0x7fff, 0x8000,
					0xffff, 0x10000, sizeof(memory) - 1, 0x7fffffff, 0x80000000, 0xffffffff,
					UINT64_MAX - 1000, UINT64_MAX };
	static const struct {
		unsigned at, bytes;
	} field[] = { { 0, 8 }, { 8, 4 }, { 12, 2 }, { 14, 2 }, { 0x400, 2 }, { 0x402, 2 }, { 0x404, 2 } };

	for (unsigned q = 0; q < 2; q++)
		for (size_t f = 0; f < ARRAY_LEN(field); f++)
			for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
				plug(false);
				bring_up();
				offer_odd(q, RING(q) + field[f].at, field[f].bytes, odd[i]);
				platform_fini(&pc);
				bring_up();
				while (taken(a) || taken(b))
					;
				send_to(b, mac_a, mac_b, 80);
				offer(0, 2000, true);
				CHECK_INT(get(RING(0) + 0x808, 4), 92);
				platform_fini(&pc);
				pull();
			}
}

TEST(a_pulled_cable_is_seen_and_lets_nothing_through)
{
	plug(false);
	bring_up();
	uint8_t before = (uint8_t)bar_read(21, 1);

	platform_link(&pc, false);
	CHECK_INT(bar_read(0x2006, 2), 0);
	CHECK(bar_read(21, 1) != before); /* the configuration is another one */
	CHECK_INT(bar_read(0x1000, 1) & 2, 2);
	send_to(b, mac_a, mac_b, 80);
	send_to(a, mac_b, mac_a, 80);
	CHECK_INT(taken(a) + taken(b), 0);
	CHECK_INT(a->counts.dropped, 2);
	platform_link(&pc, true);
	CHECK_INT(bar_read(0x2006, 2), 1);
	send_to(b, mac_a, mac_b, 80);
	CHECK_INT(taken(a), 80);
	platform_fini(&pc);
	pull();
}

TEST(frames_come_from_a_pool_that_goes_back)
{
	uint64_t before = page_count(PAGE_NET), full;

	plug(false);
	CHECK_INT(page_count(PAGE_NET), before); /* a port alone takes none */
	for (unsigned i = 0; i < 1000; i++)
		send_to(a, all, mac_a, 60);
	full = page_count(PAGE_NET) - before;
	CHECK(full >= LAN_QUEUE * sizeof(struct lan_frame) / PAGE_SIZE && full <= LAN_QUEUE);
	for (unsigned i = 0; i < 1000; i++) {
		send_to(a, all, mac_a, 60);
		CHECK_INT(taken(b), 60);
	}
	CHECK_INT(page_count(PAGE_NET) - before, full);
	pull();
	CHECK_INT(page_count(PAGE_NET), before);
}

static int setup(void **state)
{
	(void)state;
	return vtimer_start();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_reaches_the_port_it_is_for_and_no_other),
		cmocka_unit_test(what_is_for_all_reaches_the_network_and_its_uplink),
		cmocka_unit_test(networks_are_apart),
		cmocka_unit_test(what_is_for_nobody_goes_nowhere_without_an_uplink),
		cmocka_unit_test(nobody_sends_under_anothers_address),
		cmocka_unit_test(a_frame_from_the_wire_is_a_guests_alone_or_shared),
		cmocka_unit_test(frames_too_short_or_too_long_are_dropped),
		cmocka_unit_test(a_flood_costs_the_receiver_its_queue_and_no_more),
		cmocka_unit_test(one_uplink_and_one_of_each_address_in_a_network),
		cmocka_unit_test(there_is_a_place_for_as_many_as_are_promised),
		cmocka_unit_test(addresses_are_the_same_each_time_and_differ_by_name_and_machine),
		cmocka_unit_test(ports_come_and_go_while_others_send),
		cmocka_unit_test(a_card_tells_its_address_and_that_its_link_is_up),
		cmocka_unit_test(a_card_sends_what_stands_behind_the_header),
		cmocka_unit_test(a_card_receives_when_there_is_a_buffer),
		cmocka_unit_test(descriptors_and_frames_are_fetched_once),
		cmocka_unit_test(no_value_of_a_field_does_harm),
		cmocka_unit_test(a_pulled_cable_is_seen_and_lets_nothing_through),
		cmocka_unit_test(frames_come_from_a_pool_that_goes_back),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
