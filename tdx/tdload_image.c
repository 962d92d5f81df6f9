/*
 * tdload_image.c - the TD loader as bytes. The table is made from build/tdload/tdload.bin.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/tdload_image.h"

const uint8_t tdload_image[TDLOAD_IMAGE_BYTES] = {
#include <build/gen/tdload_image.h>
};
