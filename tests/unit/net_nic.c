/*
 * net_nic.c - what every driver of a network interface promises, against register models of each.
 *
 * links: drivers/net/nic.c drivers/net/intel.c drivers/net/virtio_net.c drivers/net/hostpci.c
 *   tests/fake/nic_model.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "drivers/net/intel_regs.h"
#include "drivers/net/nic_room.h"
#include "tests/fake/nic_model.h"
#include "tests/host/machine.h"

static const struct {
	uint32_t id;
	const char *name, *irq;
} models[] = { { MODEL_VIRTIO, "virtio-net", "MSI-X" }, { MODEL_E1000, "82540EM", "polled" },
	       { MODEL_E1000E, "82574L", "MSI" },	{ MODEL_I210, "I210", "MSI" },
	       { MODEL_I350, "I350", "MSI" } };
#define EACH_MODEL(i) for (unsigned i = 0; i < ARRAY_LEN(models); i++)

static struct nic nic;
static unsigned frames;
static uint8_t last[NIC_FRAME_MAX];
static size_t last_length;

static void on_frame(void *ctx, const uint8_t *frame, size_t length)
{
	assert_ptr_equal(ctx, &frames);
	frames++;
	last_length = length;
	memcpy(last, frame, length);
}

static int start(void)
{
	struct pci_at at = { 0, 3, 0 };

	frames = 0;
	nic = (struct nic){ .at = at, .name = "net0", .receive = on_frame, .receive_ctx = &frames };
	return intel_knows(model.id) ? intel_start(&nic, model.id, 0x30)
				     : virtio_net_start(&nic, model.id, 0x30);
}

static void begin(uint32_t id)
{
	machine_start(UINT64_C(64) << 20, 1);
	machine_log_clear();
	model_start(id);
}

static void begin_started(uint32_t id)
{
	begin(id);
	assert_int_equal(start(), 0);
	nic.ops->link(&nic);
	(void)nic_poll(&nic);
}

static void end(void)
{
	if (model.wrong)
		fail_msg("%08x: %s", model.id, model.wrong);
	heap_free(nic.driver);
	nic.driver = NULL;
}

static void fill(uint8_t *frame, size_t length, unsigned seed)
{
	for (size_t i = 0; i < length; i++)
		frame[i] = (uint8_t)(seed + i * 7);
}

static void starts_and_tells_what_it_is(void **state)
{
	static const uint8_t mac[6] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };

	(void)state;
	EACH_MODEL(i) {
		begin_started(models[i].id);
		assert_string_equal(nic.model, models[i].name);
		assert_string_equal(nic.irq, models[i].irq);
		assert_memory_equal(nic.mac, mac, 6);
		assert_true(nic.link_up);
		end();
	}
}

static void the_address_is_read_from_the_eeprom_where_the_reset_left_none(void **state)
{
	static const uint8_t mac[6] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };

	(void)state;
	for (unsigned i = 1; i < ARRAY_LEN(models); i++) {
		begin(models[i].id);
		model.no_mac_in_ra = true;
		assert_int_equal(start(), 0);
		assert_memory_equal(nic.mac, mac, 6);
		end();
	}
}

static void frames_go_out_as_they_are_whatever_their_length(void **state)
{
	uint8_t frame[NIC_FRAME_MAX];

	(void)state;
	EACH_MODEL(i) {
		begin_started(models[i].id);
		for (unsigned n = 0; n < 1000; n++) {
			size_t length = NIC_FRAME_MIN + n % (NIC_FRAME_MAX - NIC_FRAME_MIN + 1);

			fill(frame, length, n);
			assert_int_equal(nic_send(&nic, frame, length), 0);
			assert_int_equal(model.last_length, length);
			assert_memory_equal(model.last, frame, length);
		}
		assert_int_equal(nic_send(&nic, frame, NIC_FRAME_MIN - 1), -EMSGSIZE);
		assert_int_equal(nic_send(&nic, frame, NIC_FRAME_MAX + 1), -EMSGSIZE);
		assert_int_equal(model.sent, 1000);
		assert_int_equal(nic.stats.tx_frames, 1000);
		end();
	}
}

static void frames_come_in_as_they_were_round_the_ring_and_again(void **state)
{
	uint8_t frame[NIC_FRAME_MAX];

	(void)state;
	EACH_MODEL(i) {
		begin_started(models[i].id);
		for (unsigned n = 0; n < 1000; n++) {
			size_t length = NIC_FRAME_MIN + n % (NIC_FRAME_MAX - NIC_FRAME_MIN + 1);

			fill(frame, length, n);
			assert_true(model_receive(frame, length));
			assert_false(nic_poll(&nic));
			assert_int_equal(frames, n + 1);
			assert_int_equal(last_length, length);
			assert_memory_equal(last, frame, length);
		}
		assert_int_equal(nic.stats.rx_frames, 1000);
		end();
	}
}

static void a_full_ring_refuses_and_serves_again(void **state)
{
	uint8_t frame[60] = { 0 };

	(void)state;
	EACH_MODEL(i) {
		int taken = 0;

		begin_started(models[i].id);
		for (unsigned turn = 0; turn < 3; turn++) {
			model.slow = true;
			for (taken = 0; nic_send(&nic, frame, sizeof(frame)) == 0; taken++)
				assert_true(taken < 1000);
			assert_true(taken >= 63);
			assert_int_equal(nic_send(&nic, frame, sizeof(frame)), -EAGAIN);
			model_transmit();
		}
		assert_int_equal(model.sent, 3 * taken);
		assert_int_equal(nic.stats.tx_full, 6);
		end();
	}
}

static void a_flood_takes_a_budget_a_turn_and_loses_what_has_no_room(void **state)
{
	uint8_t frame[100] = { 0 };

	(void)state;
	EACH_MODEL(i) {
		unsigned accepted = 0;

		begin_started(models[i].id);
		for (unsigned n = 0; n < 1000; n++)
			accepted += model_receive(frame, sizeof(frame));
		assert_true(accepted >= 127 && accepted <= 128);
		assert_true(nic_poll(&nic));
		assert_int_equal(frames, NIC_BUDGET);
		assert_true(nic_wants_poll(&nic));
		while (nic_poll(&nic))
			;
		assert_int_equal(frames, accepted);
		assert_true(model_receive(frame, sizeof(frame)));
		end();
	}
}

static void the_link_goes_down_and_comes_up(void **state)
{
	(void)state;
	EACH_MODEL(i) {
		begin_started(models[i].id);
		model.link = false;
		nic.link_look = 0;
		(void)nic_poll(&nic);
		assert_false(nic.link_up);
		assert_true(machine_logged("link down"));
		model.link = true;
		nic.link_look = 0;
		(void)nic_poll(&nic);
		assert_true(nic.link_up);
		assert_int_equal(nic.stats.link_changes, 2);
		end();
	}
}

static void frames_that_are_too_short_are_dropped(void **state)
{
	uint8_t frame[NIC_FRAME_MIN] = { 0 };

	(void)state;
	EACH_MODEL(i) {
		begin_started(models[i].id);
		assert_true(model_receive(frame, NIC_FRAME_MIN - 1));
		(void)nic_poll(&nic);
		assert_int_equal(frames, 0);
		assert_int_equal(nic.stats.rx_dropped, 1);
		end();
	}
}

static void a_device_that_is_gone_stops_the_interface(void **state)
{
	uint8_t frame[60] = { 0 };

	(void)state;
	EACH_MODEL(i) {
		begin_started(models[i].id);
		model.gone = true;
		nic.link_look = 0;
		(void)nic_poll(&nic);
		assert_true(nic.broken);
		assert_false(nic.link_up);
		assert_false(nic_poll(&nic));
		assert_int_equal(nic_send(&nic, frame, sizeof(frame)), -EIO);
		end();
	}
}

static void an_interrupt_asks_for_a_poll_and_is_taken(void **state)
{
	uint8_t frame[60] = { 0 };

	(void)state;
	EACH_MODEL(i) {
		begin_started(models[i].id);
		for (unsigned n = 1; n <= 5; n++) {
			assert_false(nic_wants_poll(&nic));
			assert_true(model_receive(frame, sizeof(frame)));
			assert_int_equal(model.interrupts, nic.vector ? n : 0);
			if (nic.vector)
				nic.pending = NIC_INTERRUPT; /* what the handler does */
			assert_true(nic_wants_poll(&nic)); /* where nothing interrupts: memory tells */
			(void)nic_poll(&nic);
			assert_int_equal(frames, n);
		}
		assert_int_equal(nic.stats.interrupts, nic.vector ? 5 : 0);
		end();
	}
}

static void what_cannot_be_started_is_left_without_memory(void **state)
{
	(void)state;
	EACH_MODEL(i) {
		unsigned failed = 0;

		begin(models[i].id);
		model.never_resets = true;
		assert_int_equal(start(), -EIO);
		assert_int_equal(page_count(PAGE_NET), 0);
		for (unsigned n = 1; failed == n - 1; n++) {
			begin(models[i].id);
			machine_fail_alloc(n);
			if (start() == 0) {
				machine_fail_alloc(0);
				heap_free(nic.driver);
				break;
			}
			failed++;
			assert_int_equal(page_count(PAGE_NET), 0);
			assert_true(machine_logged("could not be started"));
		}
		assert_true(failed >= 3);
	}
	nic.driver = NULL;
}

static void lengths_that_an_intel_device_makes_up_are_counted_and_survived(void **state)
{
	uint8_t frame[64] = { 1, 2, 3 };

	(void)state;
	for (unsigned i = 1; i < ARRAY_LEN(models); i++) {
		begin_started(models[i].id);
		assert_true(model_receive_as(frame, 64, 0xffff, RX_DD | RX_EOP, 0));
		assert_true(model_receive_as(frame, 64, 2049, RX_DD | RX_EOP, 0));
		assert_true(model_receive_as(frame, 64, 2048, RX_DD | RX_EOP, 0));
		assert_true(model_receive_as(frame, 64, 64, RX_DD | RX_EOP, 0x01));
		assert_true(model_receive_as(frame, 64, 2048, RX_DD, 0));
		assert_true(model_receive_as(frame, 64, 64, RX_DD | RX_EOP, 0));
		(void)nic_poll(&nic);
		assert_int_equal(frames, 0);
		assert_int_equal(nic.stats.bad, 2);
		assert_int_equal(nic.stats.rx_errors, 1);
		assert_int_equal(nic.stats.rx_dropped, 2);
		assert_true(model_receive(frame, 64));
		(void)nic_poll(&nic);
		assert_int_equal(frames, 1);
		end();
	}
}

static void missed_frames_are_counted(void **state)
{
	uint8_t frame[64] = { 0 };

	(void)state;
	for (unsigned i = 1; i < ARRAY_LEN(models); i++) {
		begin_started(models[i].id);
		for (unsigned n = 0; n < 200; n++)
			(void)model_receive(frame, sizeof(frame));
		nic.link_look = 0;
		(void)nic_poll(&nic);
		assert_int_equal(nic.stats.rx_missed, 200 - 127);
		end();
	}
}

/* What a used ring may not say; each stops the interface before memory is read by it. */
static void used_rings_that_make_no_sense_stop_the_interface(void **state)
{
	static const struct {
		unsigned queue;
		uint32_t id;
		uint16_t step;
	} lies[] = { { 0, 128, 1 },	   { 0, UINT32_MAX, 1 }, { 0, 5, 129 }, { 0, 5, 0x8000 },
		     { 0, 5, UINT16_MAX }, { 1, 0, 1 },		 { 1, 4000, 1 } };
	uint8_t frame[60] = { 0 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(lies); i++) {
		begin_started(MODEL_VIRTIO);
		model_used(lies[i].queue, lies[i].id, 100, lies[i].step);
		(void)nic_poll(&nic);
		if (lies[i].queue)
			assert_int_equal(nic_send(&nic, frame, sizeof(frame)), -EIO);
		assert_true(nic.broken);
		assert_int_equal(nic.stats.bad, 1);
		end();
	}
}

static void a_descriptor_that_comes_back_twice_stops_the_interface(void **state)
{
	(void)state;
	begin_started(MODEL_VIRTIO);
	model_used(0, 5, 100, 1);
	(void)nic_poll(&nic);
	assert_false(nic.broken); /* it is given again, so it may come again */
	model_used(1, 5, 100, 1); /* nothing was sent */
	uint8_t frame[60] = { 0 };

	assert_int_equal(nic_send(&nic, frame, sizeof(frame)), -EIO);
	assert_true(nic.broken);
	end();
}

static void lengths_that_a_virtio_device_makes_up_are_counted_and_survived(void **state)
{
	static const uint32_t lies[] = { 0, 11, 2049, UINT32_MAX };
	uint8_t frame[60] = { 9 };

	(void)state;
	begin_started(MODEL_VIRTIO);
	for (unsigned i = 0; i < ARRAY_LEN(lies); i++)
		model_used(0, (uint32_t)model_take(0), lies[i], 1);
	(void)nic_poll(&nic);
	assert_int_equal(nic.stats.bad, ARRAY_LEN(lies));
	assert_false(nic.broken);
	assert_true(model_receive(frame, sizeof(frame)));
	(void)nic_poll(&nic);
	assert_int_equal(frames, 1);
	end();
}

static void a_small_queue_of_a_virtio_device_is_enough(void **state)
{
	uint8_t frame[60] = { 0 };

	(void)state;
	begin(MODEL_VIRTIO);
	model.queue_max = 4;
	assert_int_equal(start(), 0);
	for (unsigned n = 0; n < 100; n++) {
		assert_true(model_receive(frame, sizeof(frame)));
		assert_int_equal(nic_send(&nic, frame, sizeof(frame)), 0);
		(void)nic_poll(&nic);
	}
	assert_int_equal(frames, 100);
	end();
	begin(MODEL_VIRTIO);
	model.no_features = true;
	assert_int_equal(start(), -EIO);
}

static void the_bus_is_searched_and_an_unknown_device_left_alone(void **state)
{
	(void)state;
	begin(0x12348086);
	assert_int_equal(nic_find(), 0);
	begin(MODEL_E1000E);
	assert_int_equal(nic_find(), 1);
	assert_int_equal(nic_count(), 1);
	assert_string_equal(nic_get(0)->name, "net0");
	assert_int_equal(nic_get(0)->at.device, 3);
	assert_null(nic_get(1));
}

static void an_interface_is_known_by_each_of_its_names(void **state)
{
	static const char *const names[] = { "net0", "82574L", "82574l", "00:03.0", NULL };
	const struct nic *n = nic_get(0); /* found by the test before */
	char mac[20];

	(void)state;
	for (unsigned i = 0; names[i]; i++)
		assert_ptr_equal(nic_named(names[i]), n);
	snprintf(mac, sizeof(mac), "%02X:%02X:%02x:%02x:%02x:%02x", n->mac[0], n->mac[1], n->mac[2], n->mac[3],
		 n->mac[4], n->mac[5]);
	assert_ptr_equal(nic_named(mac), n);
	mac[16] = mac[16] == '0' ? '1' : '0';
	assert_null(nic_named(mac));
	assert_null(nic_named("net"));
	assert_null(nic_named("net1"));
	assert_null(nic_named("00:03.1"));
	assert_null(nic_named(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_and_tells_what_it_is),
		cmocka_unit_test(the_address_is_read_from_the_eeprom_where_the_reset_left_none),
		cmocka_unit_test(frames_go_out_as_they_are_whatever_their_length),
		cmocka_unit_test(frames_come_in_as_they_were_round_the_ring_and_again),
		cmocka_unit_test(a_full_ring_refuses_and_serves_again),
		cmocka_unit_test(a_flood_takes_a_budget_a_turn_and_loses_what_has_no_room),
		cmocka_unit_test(the_link_goes_down_and_comes_up),
		cmocka_unit_test(frames_that_are_too_short_are_dropped),
		cmocka_unit_test(a_device_that_is_gone_stops_the_interface),
		cmocka_unit_test(an_interrupt_asks_for_a_poll_and_is_taken),
		cmocka_unit_test(what_cannot_be_started_is_left_without_memory),
		cmocka_unit_test(lengths_that_an_intel_device_makes_up_are_counted_and_survived),
		cmocka_unit_test(missed_frames_are_counted),
		cmocka_unit_test(used_rings_that_make_no_sense_stop_the_interface),
		cmocka_unit_test(a_descriptor_that_comes_back_twice_stops_the_interface),
		cmocka_unit_test(lengths_that_a_virtio_device_makes_up_are_counted_and_survived),
		cmocka_unit_test(a_small_queue_of_a_virtio_device_is_enough),
		cmocka_unit_test(the_bus_is_searched_and_an_unknown_device_left_alone),
		cmocka_unit_test(an_interface_is_known_by_each_of_its_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
