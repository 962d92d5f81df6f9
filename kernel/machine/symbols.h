/*
 * symbols.h - names for addresses of this image, and addresses for names.
 *
 * Invariants
 *   - The table is part of the image (tools/gen-symbols, two links); it is read only, needs no lock
 *     and may be used in any context, also in a crash.
 *   - An address outside the image has no name.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MACHINE_SYMBOLS_H
#define TAIN_MACHINE_SYMBOLS_H

#include "kernel/base/types.h"

/* The symbol that @address lies in or behind, *@offset bytes after its start; NULL: none. */
const char *symbol_at(uint64_t address, uint64_t *offset);

/* The address of @name. 0; -ENOENT: there is no such symbol. */
int symbol_find(const char *name, uint64_t *address) MUST_CHECK;

/* The @nth symbol, by address, whose name begins with the @length bytes at @start; NULL: no more. */
const char *symbol_complete(const char *start, size_t length, unsigned nth);

/* "name+0x12", or the bare number where there is no name. Returns @buf. */
const char *symbol_text(uint64_t address, char *buf, size_t size);

unsigned symbol_count(void);

#endif
