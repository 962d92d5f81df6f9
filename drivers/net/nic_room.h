/*
 * nic_room.h - what the drivers share among themselves: how one is started, memory for DMA.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_NET_NIC_ROOM_H
#define TAIN_NET_NIC_ROOM_H

#include "drivers/net/nic.h"
#include "kernel/machine/port.h"

/*
 * Start the function at nic->at: fills ops, model, mac, irq, vector, driver. @vector is free for it.
 * 0 or -errno: the device is left without DMA, and has said why.
 */
typedef int (*nic_start_fn)(struct nic *nic, uint32_t id, unsigned vector);
int intel_start(struct nic *nic, uint32_t id, unsigned vector) MUST_CHECK;
int virtio_net_start(struct nic *nic, uint32_t id, unsigned vector) MUST_CHECK;

/* Does one of the drivers know vendor and device @id? */
bool intel_knows(uint32_t id);
bool virtio_net_knows(uint32_t id);

/* 2^order zeroed pages for the device, NULL if there are none; where the device sees them. */
void *dma_alloc(unsigned order) MUST_CHECK;
void dma_free(void *p, unsigned order);
uint64_t dma_address(const void *p);

/* A barrier: what was written to memory before it is seen by the device before what follows. */
static inline void dma_publish(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

/* Buffers of 2 KiB, 2^order pages of them at @base. */
#define NIC_BUFFER 2048u
static inline uint8_t *nic_buffer(void *base, unsigned n) { return (uint8_t *)base + NIC_BUFFER * n; }

#endif
