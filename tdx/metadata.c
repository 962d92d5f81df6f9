/*
 * metadata.c - read what the module says of itself, and see whether it makes sense.
 *
 * Invariants
 *   - Whatever the fields hold, nothing is computed from them before all of them were judged: an
 *     absurd one is refused by name.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/metadata.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/log.h"
#include "kernel/machine/port.h"
#include "tdx/retry.h"
#include "tdx/tdh.h"

/* One row per field: where it goes, and what stands there if the module has no such field. */
struct field_row {
	const char *name;
	uint64_t id;
	size_t offset;
	bool optional;
	uint64_t otherwise;
};

#define REQUIRED(field, member)                                                         \
	{                                                                               \
#field, MD_SYS_##field, offsetof(struct tdx_metadata, member), false, 0 \
	}
#define OPTIONAL(field, member, value)                                                     \
	{                                                                                  \
#field, MD_SYS_##field, offsetof(struct tdx_metadata, member), true, value \
	}

static const struct field_row fields[] = {
	OPTIONAL(VENDOR_ID, vendor, 0),
	OPTIONAL(BUILD_DATE, build_date, 0),
	OPTIONAL(BUILD_NUM, build_num, 0),
	REQUIRED(MAJOR_VERSION, major),
	REQUIRED(MINOR_VERSION, minor),
	OPTIONAL(UPDATE_VERSION, update, 0),
	REQUIRED(TDX_FEATURES0, features0),
	REQUIRED(MAX_TDMRS, max_tdmrs),
	REQUIRED(MAX_RESERVED_PER_TDMR, max_reserved_per_tdmr),
	REQUIRED(PAMT_4K_ENTRY_SIZE, pamt_entry_bytes[PAMT_4K]),
	REQUIRED(PAMT_2M_ENTRY_SIZE, pamt_entry_bytes[PAMT_2M]),
	REQUIRED(PAMT_1G_ENTRY_SIZE, pamt_entry_bytes[PAMT_1G]),
	OPTIONAL(PAMT_PAGE_BITMAP_BITS, pamt_bitmap_bits, 0),
	REQUIRED(TDCS_BASE_SIZE, tdcs_bytes),
	REQUIRED(TDVPS_BASE_SIZE, tdvps_bytes),
	REQUIRED(ATTRIBUTES_FIXED0, attributes_fixed0),
	REQUIRED(ATTRIBUTES_FIXED1, attributes_fixed1),
	REQUIRED(XFAM_FIXED0, xfam_fixed0),
	REQUIRED(XFAM_FIXED1, xfam_fixed1),
	OPTIONAL(CONFIG_FLAGS_FIXED0, flags_fixed0, TD_FLAG_GPAW),
	OPTIONAL(CONFIG_FLAGS_FIXED1, flags_fixed1, 0),
	REQUIRED(NUM_CPUID_CONFIG, cpuid_config_count),
	OPTIONAL(MAX_VCPUS_PER_TD, max_vcpus, UINT16_MAX),
	REQUIRED(NUM_CMRS, cmr_count),
};

/* 0, -ENOENT: the module has no such field, -EIO. */
static int read_field(uint64_t id, uint64_t *value)
{
	uint64_t next;
	tdx_status_t st = TDX_RETRY(tdh_sys_rd(id, value, &next));

	if (tdx_is(st, TDX_METADATA_FIELD_ID_INCORRECT) ||
	    tdx_is(st, TDX_METADATA_FIELD_NOT_READABLE))
		return -ENOENT;
	return tdx_ok(st) ? 0 : tdx_refused("metadata", "TDH.SYS.RD", st);
}

static int read_fields(struct tdx_metadata *md)
{
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		const struct field_row *row = &fields[i];
		uint64_t *to = (uint64_t *)(void *)((char *)md + row->offset);
		int err = read_field(row->id, to);

		if (err == -ENOENT && row->optional) {
			*to = row->otherwise;
			continue;
		}
		if (err == -ENOENT)
			log_error("tdx: the module has no metadata field %s", row->name);
		if (err)
			return -EIO;
	}
	return 0;
}

static int read_cpuid_config(struct tdx_metadata *md)
{
	for (uint64_t i = 0; i < md->cpuid_config_count; i++) {
		struct tdx_cpuid_config *c = &md->cpuid_config[i];
		uint64_t leaf, low, high;

		if (read_field(md_element(MD_SYS_CPUID_CONFIG_LEAVES, i), &leaf) ||
		    read_field(md_element(MD_SYS_CPUID_CONFIG_VALUES, 2 * i), &low) ||
		    read_field(md_element(MD_SYS_CPUID_CONFIG_VALUES, 2 * i + 1), &high))
			return -EIO;
		*c = (struct tdx_cpuid_config){
			(uint32_t)leaf,
			(uint32_t)(leaf >> 32),
			{ (uint32_t)low, (uint32_t)(low >> 32), (uint32_t)high,
			  (uint32_t)(high >> 32) },
		};
	}
	return 0;
}

/*
 * SYS.RD shows only bits that take any value; TDSYSINFO adds those that may be kept or cleared.
 * Same list, same order; a module that disagrees with itself is taken at SYS.RD's word.
 */
static int add_clearable_bits(struct tdx_metadata *md)
{
	hpa_t page = page_alloc(PAGE_KERNEL);
	const struct tdsysinfo *info;
	tdx_status_t st;

	if (hpa_is_none(page))
		return -ENOMEM;
	info = hpa_to_ptr(page);
	st = TDX_RETRY(
		tdh_sys_info(page, sizeof(*info), hpa_add(page, PAGE_SIZE / 2), CMR_INFO_COUNT));
	for (uint64_t i = 0; tdx_ok(st) && i < md->cpuid_config_count &&
			     i < info->num_cpuid_config && i < ARRAY_LEN(info->cpuid_config);
	     i++) {
		struct tdx_cpuid_config more = info->cpuid_config[i];
		struct tdx_cpuid_config *c = &md->cpuid_config[i];

		if (more.leaf != c->leaf || more.subleaf != c->subleaf)
			break;
		c->mask.eax |= more.mask.eax;
		c->mask.ebx |= more.mask.ebx;
		c->mask.ecx |= more.mask.ecx;
		c->mask.edx |= more.mask.edx;
	}
	page_free(page, PAGE_KERNEL);
	return tdx_ok(st) ? 0 : tdx_refused("metadata", "TDH.SYS.INFO", st);
}

/* Null entries are dropped; the module counts them. */
static int read_cmrs(struct tdx_metadata *md)
{
	uint64_t listed = md->cmr_count;

	md->cmr_count = 0;
	for (uint64_t i = 0; i < listed; i++) {
		struct cmr_info c;

		if (read_field(md_element(MD_SYS_CMR_BASE, i), &c.base) ||
		    read_field(md_element(MD_SYS_CMR_SIZE, i), &c.size))
			return -EIO;
		if (c.size)
			md->cmr[md->cmr_count++] = c;
	}
	return 0;
}

/* ---- does it make sense? ---- */

static int absurd(char *why, const char *fmt, ...) PRINTF_LIKE(2, 3);
static int absurd(char *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, TDX_METADATA_WHY, fmt, ap);
	va_end(ap);
	log_error("tdx: metadata: %s", why);
	return -EINVAL;
}

#define UNITS(field, member, min, max, unit)                                  \
	{                                                                     \
#field, offsetof(struct tdx_metadata, member), min, max, unit \
	}

/* What a number may be, in which steps. The bounds are wide: no module comes near them. */
static const struct number_row {
	const char *name;
	size_t offset;
	uint64_t min, max, unit;
} numbers[] = {
	UNITS(MAX_TDMRS, max_tdmrs, 1, UINT16_MAX, 1),
	UNITS(MAX_RESERVED_PER_TDMR, max_reserved_per_tdmr, 1, UINT16_MAX, 1),
	UNITS(PAMT_4K_ENTRY_SIZE, pamt_entry_bytes[PAMT_4K], 1, 1024, 1),
	UNITS(PAMT_2M_ENTRY_SIZE, pamt_entry_bytes[PAMT_2M], 1, 1024, 1),
	UNITS(PAMT_1G_ENTRY_SIZE, pamt_entry_bytes[PAMT_1G], 1, 1024, 1),
	UNITS(PAMT_PAGE_BITMAP_BITS, pamt_bitmap_bits, 0, 64, 1),
	UNITS(TDCS_BASE_SIZE, tdcs_bytes, PAGE_SIZE, 64 * PAGE_SIZE, PAGE_SIZE),
	UNITS(TDVPS_BASE_SIZE, tdvps_bytes, PAGE_SIZE, 64 * PAGE_SIZE, PAGE_SIZE),
	UNITS(NUM_CPUID_CONFIG, cpuid_config_count, 0, TD_PARAMS_CPUID_MAX, 1),
	UNITS(MAX_VCPUS_PER_TD, max_vcpus, 1, UINT16_MAX, 1),
	UNITS(NUM_CMRS, cmr_count, 1, TDX_CMR_MAX, 1),
};

static int judge_numbers(const struct tdx_metadata *md, char *why)
{
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		const struct number_row *row = &numbers[i];
		uint64_t value;

		memcpy(&value, (const char *)md + row->offset, sizeof(value));
		if (value < row->min || value > row->max || value % row->unit)
			return absurd(why, "%s is 0x%llx: absurd", row->name,
				      (unsigned long long)value);
	}
	return 0;
}

/* Bits that must be 1 are among those that may be. */
static int judge_masks(const struct tdx_metadata *md, char *why)
{
	const struct {
		const char *name;
		uint64_t may, must, least;
	} masks[] = {
		{ "ATTRIBUTES", md->attributes_fixed0, md->attributes_fixed1, 0 },
		{ "XFAM", md->xfam_fixed0, md->xfam_fixed1, TD_XFAM_X87 | TD_XFAM_SSE },
		{ "CONFIG_FLAGS", md->flags_fixed0, md->flags_fixed1, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(masks); i++)
		if ((masks[i].must & ~masks[i].may) || (masks[i].least & ~masks[i].may))
			return absurd(why, "%s: 0x%llx may be set, 0x%llx must be: absurd",
				      masks[i].name, (unsigned long long)masks[i].may,
				      (unsigned long long)(masks[i].must | masks[i].least));
	if (md->flags_fixed1 & TD_FLAG_GPAW)
		return absurd(why, "it insists on guest addresses of 52 bits, which we do not use");
	return 0;
}

/* The module has checked its CMRs; so do we: ascending, whole pages, inside 52 bits. */
static int judge_cmrs(const struct tdx_metadata *md, char *why)
{
	uint64_t last = 0;

	for (uint64_t i = 0; i < md->cmr_count; i++) {
		const struct cmr_info *c = &md->cmr[i];

		if (!is_aligned(c->base | c->size, PAGE_SIZE) || c->base < last ||
		    c->base + c->size < c->base || c->base + c->size > TDX_CMR_LIMIT)
			return absurd(why, "CMR %llu, 0x%llx bytes at 0x%llx: absurd",
				      (unsigned long long)i, (unsigned long long)c->size,
				      (unsigned long long)c->base);
		last = c->base + c->size;
	}
	return 0;
}

int tdx_metadata_read(struct tdx_metadata *md, char why[TDX_METADATA_WHY])
{
	int err;

	*md = (struct tdx_metadata){ 0 };
	snprintf(why, TDX_METADATA_WHY, "the module did not give what is needed");
	err = read_fields(md);
	if (!err)
		err = judge_numbers(md, why);
	if (!err)
		err = judge_masks(md, why);
	if (!err)
		err = read_cpuid_config(md);
	if (!err)
		err = add_clearable_bits(md);
	if (!err)
		err = read_cmrs(md);
	return err ? err : judge_cmrs(md, why);
}
