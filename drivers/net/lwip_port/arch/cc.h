/*
 * cc.h - what lwIP wants of a compiler and of the machine: types, byte order, assert, diagnostics.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_LWIP_CC_H
#define TAIN_LWIP_CC_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/log.h"

#ifndef BYTE_ORDER
#define BYTE_ORDER 1234
#endif
#ifndef LITTLE_ENDIAN
#define LITTLE_ENDIAN 1234
#endif
#ifndef BIG_ENDIAN
#define BIG_ENDIAN 4321
#endif

#define LWIP_ERRNO_STDINCLUDE   1
#define SSIZE_MAX               INT64_MAX /* newlib has ssize_t, lwIP looks for this */
#define LWIP_NO_UNISTD_H        1
#define LWIP_NO_CTYPE_H         0
#define LWIP_PLATFORM_DIAG(x)   do { } while (0)
/* lwIP's assertions are about its own state, not about what came in: a broken one ends the run. */
#define LWIP_PLATFORM_ASSERT(x) panic("lwIP: %s (%s:%d)", x, __FILE__, __LINE__)

#endif
