/*
 * aml.h - a writer of ACPI machine language: just the objects that a DSDT of data needs.
 *
 * Invariants
 *   - Nothing is written beyond the buffer; what did not fit is remembered in @overflow, to be
 *     looked at once at the end.
 *   - Blocks nest: each aml_begin...() has its aml_end().
 *
 * ACPI specification 6.5, chapters "ACPI Machine Language (AML) Specification" and "Resource Data
 * Types for ACPI".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_PLATFORM_AML_H
#define TAIN_PLATFORM_AML_H

#include "kernel/base/types.h"

struct aml {
	uint8_t *at;
	uint32_t size, used;
	bool overflow;
};

/* An open block: where its length stands. */
struct aml_block {
	uint32_t length_at;
	uint32_t content_at; /* of a buffer: where the bytes start */
};

void aml_bytes(struct aml *a, const void *bytes, uint32_t count);
void aml_integer(struct aml *a, uint64_t value);
void aml_string(struct aml *a, const char *text);
void aml_eisa_id(struct aml *a, const char *id); /* "PNP0A03" */

/* Name (@name, ...): the object follows. @name: four characters, a leading '\' allowed. */
void aml_name(struct aml *a, const char *name);

struct aml_block aml_begin_scope(struct aml *a, const char *name);
struct aml_block aml_begin_device(struct aml *a, const char *name);
struct aml_block aml_begin_package(struct aml *a, uint8_t elements);
void aml_end(struct aml *a, struct aml_block b);

/* ResourceTemplate () { ... } */
struct aml_block aml_begin_resources(struct aml *a);
void aml_res_io(struct aml *a, uint16_t base, uint8_t length);
void aml_res_irq(struct aml *a, unsigned irq);
void aml_res_memory(struct aml *a, uint32_t base, uint32_t length);
void aml_res_window_bus(struct aml *a, uint16_t first, uint16_t last);
void aml_res_window_io(struct aml *a, uint16_t first, uint16_t last);
void aml_res_window_memory(struct aml *a, uint32_t first, uint32_t last);
void aml_end_resources(struct aml *a, struct aml_block b);

#endif
