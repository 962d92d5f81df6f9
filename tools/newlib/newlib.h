/*
 * newlib.h - newlib's configuration, as its configure script would write it, for the image.
 *
 * Invariants
 *   - No float, no wide characters, one locale ("C"): only then do the listed integer files
 *     compile without SSE and link without the rest of the library.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef __NEWLIB_H__
#define __NEWLIB_H__ 1

#define _NEWLIB_VERSION        "3.3.0"
#define __NEWLIB__             3
#define __NEWLIB_MINOR__       3
#define __NEWLIB_PATCHLEVEL__  0
#define _WANT_IO_C99_FORMATS   1
#define _WANT_IO_LONG_LONG     1
#define _ATEXIT_DYNAMIC_ALLOC  1
#define _HAVE_LONG_DOUBLE      1
#define _LDBL_EQ_DBL           0
#define _HAVE_CC_INHIBIT_LOOP_TO_LIBCALL 1
#define _MB_LEN_MAX            1
#define _UNBUF_STREAM_OPT      1

#endif
