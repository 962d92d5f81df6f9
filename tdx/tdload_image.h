/*
 * tdload_image.h - the TD loader as bytes: what boot/tdload was built to.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_TDLOAD_IMAGE_H
#define TAIN_TDX_TDLOAD_IMAGE_H

#include "kernel/base/tdload.h"

extern const uint8_t tdload_image[TDLOAD_IMAGE_BYTES];

#endif
