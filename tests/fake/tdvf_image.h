/*
 * tdvf_image.h - a firmware image with TDVF metadata that is just enough for a TD to be built.
 *
 * Invariant: one code section of four pages at the top, temporary memory, a HOB.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TESTS_FAKE_TDVF_IMAGE_H
#define TAIN_TESTS_FAKE_TDVF_IMAGE_H

#include <string.h>

#include "tdx/tdvf.h"

#define TDVF_IMAGE_SIZE (64 * PAGE_SIZE)

/* The image, made anew; static memory. */
static inline const void *tdvf_image_make(void)
{
	static uint8_t image[TDVF_IMAGE_SIZE] ALIGNED(4096);
	static const uint8_t guid[16] = { 0xf3, 0xf9, 0xea, 0xe9, 0x8e, 0x16, 0xd5, 0x44,
					  0xa8, 0xeb, 0x7f, 0x4d, 0x87, 0x38, 0xf6, 0xae };
	static const struct {
		uint32_t offset, raw;
		uint64_t gpa, bytes;
		uint32_t type, attributes;
	} sections[] = {
		{ TDVF_IMAGE_SIZE - 4 * PAGE_SIZE, 4 * PAGE_SIZE, TDVF_TOP - 4 * PAGE_SIZE,
		  4 * PAGE_SIZE, TDVF_BFV, TDVF_EXTEND },
		{ 0, 0, 0x800000, 2 * PAGE_SIZE, TDVF_TEMP_MEM, 0 },
		{ 0, 0, 0x809000, 2 * PAGE_SIZE, TDVF_TD_HOB, 0 },
	};
	const uint32_t header[4] = { 0x46564454, 16 + sizeof(sections), 1, ARRAY_LEN(sections) };
	const uint32_t offset = 0x800;
	uint8_t *at = image + TDVF_IMAGE_SIZE - offset;

	for (size_t i = 0; i < sizeof(image); i++)
		image[i] = (uint8_t)(i * 7 + (i >> 8));
	memcpy(at - 16, guid, 16);
	memcpy(at, header, sizeof(header));
	memcpy(at + sizeof(header), sections, sizeof(sections));
	memcpy(image + TDVF_IMAGE_SIZE - 0x20, &offset, sizeof(offset));
	return image;
}

#endif
