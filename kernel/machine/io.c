/*
 * io.c - drivers/io.h for the image: ports by IN/OUT, device memory by volatile accesses.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "drivers/io.h"

#include "kernel/machine/cpu_insn.h"

uint8_t io_in8(uint16_t port) { return in8(port); }
void io_out8(uint16_t port, uint8_t value) { out8(port, value); }
uint32_t io_in32(uint16_t port) { return in32(port); }
void io_out32(uint16_t port, uint32_t value) { out32(port, value); }
uint8_t mmio_read8(const volatile void *reg) { return *(const volatile uint8_t *)reg; }
void mmio_write8(volatile void *reg, uint8_t value) { *(volatile uint8_t *)reg = value; }
uint16_t mmio_read16(const volatile void *reg) { return *(const volatile uint16_t *)reg; }
void mmio_write16(volatile void *reg, uint16_t value) { *(volatile uint16_t *)reg = value; }
uint32_t mmio_read32(const volatile void *reg) { return *(const volatile uint32_t *)reg; }
void mmio_write32(volatile void *reg, uint32_t value) { *(volatile uint32_t *)reg = value; }
