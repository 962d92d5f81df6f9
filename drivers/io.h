/*
 * io.h - how a driver reaches its registers: supplied from outside, so that a driver runs unchanged
 * on a desk with a fake device.
 *
 * Invariants
 *   - A driver touches a device through these and nothing else. kernel/machine/io.c implements them
 *     in the image; a unit test implements them with its model.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_DRIVERS_IO_H
#define TAIN_DRIVERS_IO_H

#include "kernel/base/types.h"

uint8_t io_in8(uint16_t port);
void io_out8(uint16_t port, uint8_t value);
uint32_t io_in32(uint16_t port);
void io_out32(uint16_t port, uint32_t value);

/* @reg lies in memory that the caller has mapped as device memory. */
uint8_t mmio_read8(const volatile void *reg);
void mmio_write8(volatile void *reg, uint8_t value);
uint16_t mmio_read16(const volatile void *reg);
void mmio_write16(volatile void *reg, uint16_t value);
uint32_t mmio_read32(const volatile void *reg);
void mmio_write32(volatile void *reg, uint32_t value);

#endif
