/*
 * nic_model.h - network interfaces as register models, behind a PCI bus with one function on it.
 *
 * nic_model.c implements what drivers/net/ asks of the machine (ports, device memory, vectors, time)
 * and two devices: Intel's gigabit family, with the registers where the model has them, and
 * virtio-net. They do DMA to the desk machine's memory, and check what the driver tells them: an
 * address outside of PAGE_NET, a length that does not fit, is noted in model.wrong.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TESTS_NIC_MODEL_H
#define TAIN_TESTS_NIC_MODEL_H

#include "kernel/base/types.h"

#define MODEL_VIRTIO UINT32_C(0x10411af4)
#define MODEL_E1000  UINT32_C(0x100e8086)
#define MODEL_E1000E UINT32_C(0x10d38086)
#define MODEL_I210   UINT32_C(0x15338086)
#define MODEL_I350   UINT32_C(0x15218086)

#define MODEL_SENT 2048

struct nic_model {
	uint32_t id;
	bool link;
	bool gone;	    /* reads all ones */
	bool never_resets;  /* the reset does not end */
	bool slow;	    /* frames to be sent stay where they are */
	bool no_mac_in_ra;  /* the address must be read from the EEPROM */
	bool no_features;   /* virtio: FEATURES_OK is not kept */
	uint16_t queue_max; /* virtio: 0: 256 */
	const char *wrong;  /* the first thing that the driver did wrong, or NULL */

	unsigned sent; /* frames, and the last one */
	uint8_t last[MODEL_SENT];
	size_t last_length;
	void (*on_sent)(const void *frame, size_t length); /* or NULL: who is at the other end */
	unsigned interrupts;
};
extern struct nic_model model;

/* A device anew: as after power-on. The desk machine's memory is not touched. */
void model_start(uint32_t id);

/* A frame from the wire: written by DMA. False: the device has no buffer for it. */
bool model_receive(const void *frame, size_t length);

/* The same, told otherwise than it is. Intel: length, status and errors of the descriptor. */
bool model_receive_as(const void *frame, size_t length, uint16_t says, uint8_t status, uint8_t errors);
/* virtio: an element of queue @queue's used ring as given; the index then moves by @step. */
void model_used(unsigned queue, uint32_t id, uint32_t length, uint16_t step);
/* The id of the next available descriptor of @queue, taken; -1: none. */
int model_take(unsigned queue);

/* Send what waits (model.slow). */
void model_transmit(void);

#endif
