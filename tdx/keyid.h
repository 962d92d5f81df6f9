/*
 * keyid.h - the private KeyIDs (HKIDs) of this machine: which there are, who has which.
 *
 * Invariants
 *   - The first private KeyID is the module's own (global); the others go to TDs, one each.
 *   - A KeyID whose release the module refused is leaked: never handed out again.
 *   - An address with a KeyID in it is another type, made here only.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_KEYID_H
#define TAIN_TDX_KEYID_H

#include "kernel/base/types.h"
#include "tdx/tdh.h"

/* From IA32_MKTME_KEYID_PARTITIONING and IA32_TME_ACTIVATE. 0; -ENODEV: no private KeyIDs. */
int keyid_init(uint64_t partitioning, uint64_t tme_activate) MUST_CHECK;

uint16_t keyid_global(void);

/* A free KeyID for a TD: 0 and *@keyid, or -EBUSY. */
int keyid_alloc(uint16_t *keyid) MUST_CHECK;
void keyid_free(uint16_t keyid);
/* Is it one of a TD's that nobody has? */
bool keyid_is_free(uint16_t keyid);
void keyid_leak(uint16_t keyid);

struct keyid_counts {
	unsigned first, total, used, leaked;
};
struct keyid_counts keyid_counts(void);

/* The lowest bit of an address that belongs to a KeyID. */
unsigned keyid_shift(void);

keyed_hpa_t keyed_hpa(hpa_t page, uint16_t keyid);

#endif
