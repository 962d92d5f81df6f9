/*
 * tdvf.h - a TD's firmware image: its TDVF metadata, found and checked.
 *
 * Invariants
 *   - The image is untrusted: every offset, size and address is checked before it is used, with
 *     arithmetic that cannot wrap.
 *   - After tdvf_parse() returned 0, sections are page aligned, not empty, inside the image and the
 *     address space, and do not overlap.
 *
 * Facts: TDX Virtual Firmware Design Guide, "TDVF Descriptor"; Intel TDX guest ABI notes.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_TDVF_H
#define TAIN_TDX_TDVF_H

#include "kernel/base/guest_ram.h"
#include "kernel/base/types.h"

#define TDVF_SECTIONS_MAX 64
#define TDVF_IMAGE_MAX    (UINT64_C(64) << 20)
#define TDVF_TOP          (UINT64_C(1) << 32) /* the image ends here in the guest */
#define TDVF_WHY_MAX      160

/* X(number, NAME, "text") */
/* clang-format off */
#define TDVF_TYPE_TABLE(X) \
	X(0, BFV, "BFV") X(1, CFV, "CFV") X(2, TD_HOB, "TD_HOB") X(3, TEMP_MEM, "TempMem") \
	X(4, PERM_MEM, "PermMem") X(5, PAYLOAD, "Payload") X(6, PAYLOAD_PARAM, "PayloadParam") \
	X(7, TD_INFO, "TD_INFO") X(8, TD_PARAMS, "TD_PARAMS")
/* clang-format on */
enum tdvf_type {
#define X(number, name, text) TDVF_##name = number,
	TDVF_TYPE_TABLE(X)
#undef X
		TDVF_TYPES,
};

#define TDVF_EXTEND BIT32(0) /* measure the contents */
#define TDVF_AUG    BIT32(1) /* do not add: PAGE.AUG */

struct tdvf_section {
	uint64_t gpa, bytes;  /* in the guest */
	uint32_t offset, raw; /* in the file; raw <= bytes */
	uint32_t type, attributes;
	const uint8_t *data; /* the raw bytes, where they are not the image's at offset; else NULL */
};

struct tdvf {
	uint64_t image_bytes;
	uint64_t base;   /* GPA of the image's first byte */
	uint64_t bottom; /* of the firmware's memory: base, or the lowest section right below it */
	uint64_t descriptor; /* its offset in the file */
	unsigned count;
	struct tdvf_section section[TDVF_SECTIONS_MAX];
};

/* 0, or -EINVAL and one line in @why. */
int tdvf_parse(const void *image, uint64_t bytes, struct tdvf *out,
	       char why[TDVF_WHY_MAX]) MUST_CHECK;

/* Does it fit a guest with this RAM? 0, or -EINVAL and @why. */
int tdvf_check_memory(const struct tdvf *tdvf, struct guest_ram ram,
		      char why[TDVF_WHY_MAX]) MUST_CHECK;

/* The TD_HOB section, or NULL. */
const struct tdvf_section *tdvf_hob(const struct tdvf *tdvf);

const char *tdvf_type_name(uint32_t type);

#endif
