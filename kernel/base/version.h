/*
 * version.h - what this is called.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_BASE_VERSION_H
#define TAIN_BASE_VERSION_H

#define TAIN_VERSION "0.1"

#endif
