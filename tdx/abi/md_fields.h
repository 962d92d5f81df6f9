/*
 * md_fields.h - metadata fields by name: all that the documented 1.5 modules have, in the order of
 * their ids. What a reader may see of them is the module's business.
 *
 * Invariants
 *   - An id made here has no bits but those that a look-up needs and the size of an element; the
 *     module looks at context, class and code only.
 *   - Fields of a TD VMCS (context VP, class 0) are not listed: their code is the VMCS encoding.
 *
 * Facts: TDX module 1.5 ABI, "Metadata Access"; smaller fields from the published module 1.5.01.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_ABI_MD_FIELDS_H
#define TAIN_TDX_ABI_MD_FIELDS_H

#include "kernel/base/types.h"

enum md_scope { MD_SCOPE_SYS, MD_SCOPE_TD, MD_SCOPE_VP };

struct md_name {
	const char *name;
	uint32_t code;
	uint16_t elements;
	uint8_t class_code;
	uint8_t size_code; /* elements of 2^size_code bytes */
	uint8_t scope;
};

/* The @nth field of @scope, or NULL. */
const struct md_name *md_field(enum md_scope scope, unsigned nth);

static inline uint64_t md_field_id(const struct md_name *f, unsigned element)
{
	return (uint64_t)f->class_code << 56 | (uint64_t)f->scope << 52 |
	       (uint64_t)f->size_code << 32 | (f->code + element);
}

/* The id of the field of a TD VMCS with this encoding. */
static inline uint64_t md_vmcs_id(uint32_t encoding)
{
	static const uint8_t size_codes[] = { 1, 3, 2, 3 };

	return UINT64_C(2) << 52 | (uint64_t)size_codes[encoding >> 13 & 3] << 32 | encoding;
}

/*
 * CPUID_VALUES is no array: its codes are made of leaf, sub-leaf (MD_NO_SUBLEAF: it has none) and which half,
 * 0 for EBX:EAX, 1 for EDX:ECX.
 */
#define MD_CPUID_VALUES 20 /* its class */
#define MD_NO_SUBLEAF   (~UINT32_C(0))

static inline unsigned md_cpuid_element(uint32_t leaf, uint32_t subleaf, unsigned half)
{
	uint32_t sub = subleaf == MD_NO_SUBLEAF ? 0xff : subleaf & 0x7f;

	return half | sub << 1 | (leaf & 0x7f) << 9 | (leaf >> 31) << 16;
}

static inline bool md_is_cpuid_values(const struct md_name *f)
{
	return f->scope == MD_SCOPE_TD && f->class_code == MD_CPUID_VALUES;
}

/*
 * "MRTD", "rtmr[7]": a name, and for a field of many elements which one (0 if it is not said). Of
 * CPUID_VALUES "[LEAF]", "[LEAF.SUBLEAF]", and the second half by "[1]" behind that. 0, or -EINVAL.
 */
int md_field_by_name(enum md_scope scope, const char *text, const struct md_name **field,
		     unsigned *element) MUST_CHECK;

#endif
