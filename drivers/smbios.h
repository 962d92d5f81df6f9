/*
 * smbios.h - the firmware's inventory: who made this machine, its processors, its memory modules.
 * Everything in it is untrusted input.
 *
 * Invariants
 *   - No byte is read that @map did not hand out; a structure that runs past its table ends the
 *     walk. What was found before stays.
 *   - Knows nothing of TDX and allocates nothing: results are plain values.
 *
 * Tables: SMBIOS specification 3.6 (DSP0134), "Structure Table Entry Point", structures of type 0
 * (BIOS), 1 (system), 4 (processor), 16 (physical memory array), 17 (memory device).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_DRIVERS_SMBIOS_H
#define TAIN_DRIVERS_SMBIOS_H

#include "kernel/base/types.h"

/* Pointer to @bytes of physical memory at @hpa, or NULL where there is no readable memory. */
typedef const void *(*smbios_map_fn)(uint64_t hpa, uint64_t bytes);

#define SMBIOS_TEXT        48
#define SMBIOS_DIMMS_MAX   128
#define SMBIOS_SOCKETS_MAX 16

struct smbios_dimm {
	char locator[SMBIOS_TEXT], bank[SMBIOS_TEXT], part[SMBIOS_TEXT];
	uint64_t size_mib; /* 0: the slot is empty */
	bool size_unknown; /* filled, but the firmware does not say how much */
	uint16_t array;    /* handle of its physical memory array */
	uint16_t speed;    /* MT/s, 0: unknown */
	uint8_t type;      /* as the specification counts: 1Ah DDR4, 22h DDR5 */
};

struct smbios_socket {
	char name[SMBIOS_TEXT], version[SMBIOS_TEXT];
	bool populated, enabled;
};

struct smbios {
	bool found;
	bool complete; /* the walk came to the end-of-table structure or the table's end */
	uint8_t major, minor;
	char bios_vendor[SMBIOS_TEXT], bios_version[SMBIOS_TEXT], bios_date[SMBIOS_TEXT];
	char manufacturer[SMBIOS_TEXT], product[SMBIOS_TEXT];
	unsigned sockets, dimms, arrays;   /* stored below (arrays: only counted) */
	unsigned sockets_lost, dimms_lost; /* more than there is room for */
	struct smbios_socket socket[SMBIOS_SOCKETS_MAX];
	struct smbios_dimm dimm[SMBIOS_DIMMS_MAX];
};

/*
 * Read it all. @entry3: the 64-bit entry point or 0, @entry: the 32-bit one or 0. 0; -ENOENT: no
 * valid entry point, *@s is empty.
 */
int smbios_read(struct smbios *s, uint64_t entry3, uint64_t entry, smbios_map_fn map) MUST_CHECK;

#endif
