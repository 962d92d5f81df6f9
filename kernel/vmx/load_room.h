/*
 * load_room.h - what the loaders of images tell each other.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_VMX_LOAD_ROOM_H
#define TAIN_VMX_LOAD_ROOM_H

#include "kernel/vmx/vm_room.h"

struct loader {
	struct vm *vm;
	const uint8_t *image;
	uint64_t size;
	char *why;
	size_t why_size;
};

/* Says why, and returns -EINVAL. */
int load_refuse(const struct loader *l, const char *fmt, ...) PRINTF_LIKE(2, 3);

/*
 * @file_bytes from @offset of the image to @gpa, zeros up to @memory_bytes, all of it inside RAM below
 * 4 GiB. -EINVAL and -ENOMEM with the reason said.
 */
int load_place(const struct loader *l, const char *what, uint64_t gpa, uint64_t offset,
	       uint64_t file_bytes, uint64_t memory_bytes) MUST_CHECK;

/* load_linux.c: a bzImage by the 64-bit boot protocol, or by the 32-bit one if it has no other. */
int load_linux(const struct loader *l, struct start_state *start) MUST_CHECK;

#endif
