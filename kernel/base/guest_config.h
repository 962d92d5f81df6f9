/*
 * guest_config.h - one guest as tain.cfg describes it: a plain record.
 *
 * The configuration parser fills it, tdx/ and kernel/vmx/ read it, nobody changes it afterwards.
 *
 * Invariants
 *   - Every string is NUL terminated and every number was checked by the parser; a record with
 *     refusal[0] != 0 is kept only to be listed, and never started.
 *   - File contents are memory handed over by the loader, or fetched from the network before the guest
 *     is first started: read-only, alive as long as the hypervisor, untrusted bytes.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_BASE_GUEST_CONFIG_H
#define TAIN_BASE_GUEST_CONFIG_H

#include "kernel/base/guest_ram.h"
#include "kernel/base/types.h"

#define GUEST_NAME_MAX    31
#define GUEST_CMDLINE_MAX 2047
#define GUEST_VCPUS_MAX   64
#define GUEST_PATH_MAX    255
#define GUEST_MRTD_BYTES  48
#define GUEST_SHA256_BYTES 32

enum guest_kind { GUEST_VM, GUEST_TD };

/* accept = lazy, eager, added, measured */
enum td_accept { TD_ACCEPT_LAZY, TD_ACCEPT_EAGER, TD_ACCEPT_ADDED, TD_ACCEPT_MEASURED };

/* measure = per-page, section, two-pass */
enum td_measure { TD_MEASURE_PER_PAGE, TD_MEASURE_SECTION, TD_MEASURE_TWO_PASS };

/* attributes = ... ; the TDX ABI's bit positions are tdx/'s business */
enum {
	GUEST_ATTR_DEBUG = BIT32(0),
	GUEST_ATTR_SEPT_VE_DISABLE = BIT32(1),
	GUEST_ATTR_NO_RBP_MOD = BIT32(2), /* a configuration flag, not an attribute, of the TDX ABI */
};

/* virtio = console, rng */
enum {
	GUEST_DEVICE_CONSOLE = BIT32(0),
	GUEST_DEVICE_RNG = BIT32(1),
};

struct guest_file {
	char path[GUEST_PATH_MAX + 1]; /* as tain.cfg spells it; empty: the key is not there */
	const void *data;              /* NULL: not there or not readable */
	uint64_t size;                 /* bytes */
	bool remote;     /* path is a URL: fetched later, data is NULL until then */
	bool has_sha256; /* remote: what the file's hash must be */
	uint8_t sha256[GUEST_SHA256_BYTES];
};

struct guest_config {
	char name[GUEST_NAME_MAX + 1];
	enum guest_kind kind;
	unsigned line; /* of the section header in tain.cfg */

	struct guest_file firmware, kernel, initrd;
	struct guest_file disk; /* virtio-blk: its content; writes stay in memory */
	uint32_t devices;       /* GUEST_DEVICE_*: virtio = ... */
	char network[GUEST_NAME_MAX + 1]; /* the switch that its card is plugged into; empty: no card */
	struct guest_file image; /* VM only: multiboot ELF or flat */
	uint64_t image_load;     /* flat image: load = GPA */
	char cmdline[GUEST_CMDLINE_MAX + 1];
	uint64_t memory; /* bytes, whole pages */
	uint64_t memory_low; /* of it at most so much below 4 GiB; 0: as usual */
	unsigned vcpus;

	uint32_t attributes; /* GUEST_ATTR_* */
	enum td_accept accept;
	enum td_measure measure;
	bool has_mrtd; /* mrtd = HEX: what the measurement must be */
	uint8_t mrtd[GUEST_MRTD_BYTES];
	int page_level; /* LEVEL_4K, LEVEL_2M or LEVEL_1G: the largest page to use */

	char refusal[160]; /* why it is disabled; empty: it may be started */
};

/* The first file that is to be fetched and has not come yet, or NULL. */
static inline const struct guest_file *guest_config_missing(const struct guest_config *c)
{
	const struct guest_file *const files[] = { &c->firmware, &c->kernel, &c->initrd, &c->image, &c->disk };

	for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (files[i]->remote && !files[i]->data)
			return files[i];
	return NULL;
}

static inline struct guest_ram guest_config_ram(const struct guest_config *c)
{
	return guest_ram_split(c->memory, c->memory_low);
}

#endif
