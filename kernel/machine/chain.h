/*
 * chain.h - which program the firmware starts after the next reset.
 *
 * Boot services are gone: nothing can be started from here. But the firmware's variables can be written: a
 * boot option for the next boot only, or the wish for its own menu; then the machine is reset.
 *
 * Facts: UEFI specification, "Boot Manager", "Globally Defined Variables", "Device Path Protocol".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MACHINE_CHAIN_H
#define TAIN_MACHINE_CHAIN_H

#include "kernel/base/types.h"

/*
 * The next boot starts @path (backslashes) of the volume that Tain came from. If it is not there, firmware
 * goes on with its usual order. NULL, or why not.
 */
const char *chain_to_file(const char *path);

/* The next boot ends in the firmware's own menu. NULL, or why not. */
const char *chain_to_firmware(void);

#endif
