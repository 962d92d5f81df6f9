/*
 * keyid.c - who has which KeyID.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/keyid.h"

#include <errno.h>
#include <string.h>

#include "kernel/base/lock.h"
#include "kernel/base/log.h"

#define KEYID_LIMIT 2048u /* the module takes no more */

static struct {
	spinlock_t lock;     /* platform lock, see kernel/base/lock.h */
	unsigned first, end; /* private ones: [first, end); first is the global one */
	unsigned shift;      /* of a KeyID in an address */
	unsigned used, leaked;
	uint64_t taken[KEYID_LIMIT / 64];
} ids;

int keyid_init(uint64_t partitioning, uint64_t tme_activate)
{
	uint64_t shared = partitioning & UINT32_MAX, private_ids = partitioning >> 32;
	unsigned bits = (unsigned)(tme_activate >> 32 & 15);

	memset(&ids, 0, sizeof(ids));
	if (private_ids == 0 || bits == 0)
		return -ENODEV;
	if (shared + 1 + private_ids > KEYID_LIMIT) {
		log_warn("tdx: %llu private KeyIDs above %llu shared ones: using those below %u",
			 (unsigned long long)private_ids, (unsigned long long)shared, KEYID_LIMIT);
		if (shared + 2 > KEYID_LIMIT)
			return -ENODEV;
		private_ids = KEYID_LIMIT - 1 - shared;
	}
	ids.first = (unsigned)shared + 1;
	ids.end = ids.first + (unsigned)private_ids;
	ids.shift = 52 - bits;
	return 0;
}

uint16_t keyid_global(void) { return (uint16_t)ids.first; }

int keyid_alloc(uint16_t *keyid)
{
	int err = -EBUSY;

	spin_lock(&ids.lock);
	for (unsigned k = ids.first + 1; k < ids.end; k++) {
		if (ids.taken[k / 64] & BIT64(k % 64))
			continue;
		ids.taken[k / 64] |= BIT64(k % 64);
		ids.used++;
		*keyid = (uint16_t)k;
		err = 0;
		break;
	}
	spin_unlock(&ids.lock);
	return err;
}

void keyid_free(uint16_t keyid)
{
	spin_lock(&ids.lock);
	assert(ids.taken[keyid / 64] & BIT64(keyid % 64));
	ids.taken[keyid / 64] &= ~BIT64(keyid % 64);
	ids.used--;
	spin_unlock(&ids.lock);
}

bool keyid_is_free(uint16_t keyid)
{
	return keyid > ids.first && keyid < ids.end &&
	       !(ids.taken[keyid / 64] & BIT64(keyid % 64));
}

void keyid_leak(uint16_t keyid)
{
	spin_lock(&ids.lock);
	ids.leaked++;
	spin_unlock(&ids.lock);
	log_error("tdx: KeyID %u is leaked: the module did not give it back", keyid);
}

struct keyid_counts keyid_counts(void)
{
	return (struct keyid_counts){ ids.first, ids.end - ids.first, ids.used, ids.leaked };
}

unsigned keyid_shift(void) { return ids.shift; }

keyed_hpa_t keyed_hpa(hpa_t page, uint16_t keyid)
{
	return (keyed_hpa_t){ page.v | (uint64_t)keyid << ids.shift };
}
