/*
 * vtd.h - Intel VT-d in the way of our own DMA: firmware may leave the remapping of DMA, that of interrupts, or
 * its protected memory on. A device of ours then reaches nothing.
 *
 * Invariants
 *   - A unit that is off is only read. One that is on is turned off, as an operating system that does not use
 *     it does, with one line that says so.
 *   - Every wait is bounded; a unit that stays on is told, and nobody's DMA begins.
 *
 * Intel Virtualization Technology for Directed I/O, "Remapping Hardware Software View", "Register
 * Descriptions": Global Command, Global Status, Protected Memory Enable.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_NET_VTD_H
#define TAIN_NET_VTD_H

#include "drivers/acpi.h"

/* 0: no unit is in the way now; -EIO: one is, and would not go off. Before a device does DMA. */
int vtd_off(const struct acpi *a) MUST_CHECK;

#endif
