/*
 * fuzz_net_receive.c - any frames, descriptors and used rings: drivers and lwIP above them.
 *
 * The input is a series of records: what the device does, its arguments, a frame. Addresses of the
 * frames are made ours now and then, so that they get past Ethernet. The first byte says which device
 * it is; lwIP above it stays as the inputs before have left it.
 *
 * links: drivers/net/nic.c drivers/net/intel.c drivers/net/virtio_net.c drivers/net/hostpci.c
 *   drivers/net/net.c drivers/net/net_extra.c kernel/base/net_addr.c drivers/net/net_mem.c
 *   drivers/net/checksum.c drivers/net/lookup.c tests/fake/nic_model.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdlib.h>
#include <string.h>

#include "drivers/net/intel_regs.h"
#include "drivers/net/net.h"
#include "drivers/net/net_mem.h"
#include "drivers/net/nic_room.h"
#include "tests/fake/nic_model.h"
#include "tests/host/machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FRAME, FRAME_TO_US, FRAME_TO_ALL, ODD, POLL, LINK, OPS };

#define HEADER 6 /* of a record: operation, length (2), and three for ODD */

static void must(bool ok)
{
	if (!ok)
		abort();
}

static const uint32_t ids[] = { MODEL_VIRTIO, MODEL_E1000, MODEL_I210 };

static void start(uint32_t id)
{
	const struct net_config cfg = { .mode = NET_FIXED, .address = { 10, 0, 2, 15 }, .prefix = 24,
					.gateway = { 10, 0, 2, 2 }, .dns = { 10, 0, 2, 3 } };

	machine_start(UINT64_C(64) << 20, 1);
	model_start(id);
	net_mem_keep(0);
	must(net_start(&cfg) == 0);
}

/* Another device in its place, under the same lwIP. */
static void change(uint32_t id)
{
	struct nic *nic = net_nic();

	heap_free(nic->driver);
	machine_start(UINT64_C(64) << 20, 1);
	model_start(id);
	nic->broken = false;
	nic->vector = 0;
	must((intel_knows(id) ? intel_start(nic, id, 0x30) : virtio_net_start(nic, id, 0x30)) == 0);
}

/* What the device wrote, made up. */
static void odd(const uint8_t *arg, const uint8_t *frame, size_t length)
{
	if (model.id == MODEL_VIRTIO)
		model_used(arg[0] & 1, arg[1] & 0x80 ? (uint32_t)arg[1] << 24 : (uint32_t)arg[1],
			   (uint32_t)arg[2] * 9, arg[0] & 0x40 ? arg[0] >> 1 : 1);
	else
		(void)model_receive_as(frame, length, (uint16_t)(arg[0] << 8 | arg[1]), arg[2] | RX_DD,
				       (uint8_t)(arg[2] >> 1));
}

static void receive(const uint8_t *to, const uint8_t *from, size_t length)
{
	uint8_t frame[2048];

	memcpy(frame, from, length);
	if (to && length >= 6)
		memcpy(frame, to, 6);
	(void)model_receive(frame, length > NIC_FRAME_MAX ? NIC_FRAME_MAX : length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	struct net_mem_stats memory;

	if (size < 1)
		return 0;

	uint32_t id = ids[data[0] % ARRAY_LEN(ids)];

	if (!net_is_on())
		start(id);
	else if (id != model.id || net_nic()->broken)
		change(id);
	for (data++, size--; size >= HEADER;) {
		size_t length = (size_t)(data[1] << 8 | data[2]) % 2048;
		const uint8_t *frame = data + HEADER;

		if (length > size - HEADER)
			length = size - HEADER;
		switch (data[0] % OPS) {
		case FRAME:
			receive(NULL, frame, length);
			break;
		case FRAME_TO_US:
			receive(net_nic()->mac, frame, length);
			break;
		case FRAME_TO_ALL:
			receive(all, frame, length);
			break;
		case ODD:
			odd(data + 3, frame, length);
			break;
		case LINK:
			model.link = data[3] & 1;
			net_nic()->link_look = 0;
			break;
		}
		net_nic()->pending = NIC_INTERRUPT;
		net_poll();
		data += HEADER + length;
		size -= HEADER + length;
	}
	net_poll();
	must(!net_nic()->broken || model.id == MODEL_VIRTIO); /* an Intel device's descriptors are not worth it */
	net_mem_stats(&memory);
	must(memory.used <= NET_MEM_MAX + NET_MEM_RESERVE);
	must(!model.wrong);
	return 0;
}
