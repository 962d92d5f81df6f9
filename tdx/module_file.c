/*
 * module_file.c - the checks of module_file.h, in the order in which a wrong file is best told of.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/module_file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tdx/abi/rsa.h"

static int bad(char why[MODULE_FILE_WHY], const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static int bad(char why[MODULE_FILE_WHY], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, MODULE_FILE_WHY, format, args);
	va_end(args);
	return -EINVAL;
}

static bool all_zero(const uint8_t *at, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		if (at[i])
			return false;
	return true;
}

/* Words of 16 bits; the odd last byte counts as one. */
static uint16_t sum_words(const uint8_t *at, size_t bytes)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < bytes; i++)
		sum += (uint32_t)at[i] << (i & 1 ? 8 : 0);
	return (uint16_t)sum;
}

/* ---- where things are ---- */

static int take(struct module_file *m, const uint8_t *sig, const uint8_t *pages, uint64_t bytes,
		char *why)
{
	if (bytes == 0 || bytes > (uint64_t)SEAMLDR_MODULE_PAGES * PAGE_SIZE)
		return bad(why, "the module has %llu bytes: 1 to %u pages are possible",
			   (unsigned long long)bytes, SEAMLDR_MODULE_PAGES);
	m->sig = (const struct seam_sigstruct *)sig;
	m->pages = pages;
	m->page_count = (unsigned)((bytes + PAGE_SIZE - 1) / PAGE_SIZE);
	m->debug_signed = (m->sig->module_type & SIGSTRUCT_DEBUG) != 0;
	return 0;
}

static int parse_v1(struct module_file *m, const uint8_t *data, size_t size, char *why)
{
	const struct tdx_blob_v1 *h = (const struct tdx_blob_v1 *)data;

	if (h->length != size)
		return bad(why, "TDX-BLOB: says %u bytes, the file has %zu", h->length, size);
	if (h->checksum && sum_words(data, size))
		return bad(why, "TDX-BLOB: the check sum is wrong: the file is damaged");
	if (h->reserved0 || !all_zero(h->reserved1, sizeof(h->reserved1)))
		return bad(why, "TDX-BLOB: a reserved field is not zero");
	if (h->module_offset != 2 * PAGE_SIZE || h->module_offset >= size)
		return bad(why, "TDX-BLOB: the module begins at 0x%x: 0x2000 is known (one page of signature)",
			   h->module_offset);
	return take(m, data + PAGE_SIZE, data + h->module_offset, size - h->module_offset, why);
}

static int parse_v2(struct module_file *m, const uint8_t *data, size_t size, char *why)
{
	const struct tdx_blob_v2 *h = (const struct tdx_blob_v2 *)data;
	uint64_t pages = (uint64_t)h->sigstruct_pages + h->module_pages + 1;

	if (pages * PAGE_SIZE != size)
		return bad(why, "TDX-BLOB: says %llu pages, the file has %zu bytes",
			   (unsigned long long)pages, size);
	if (!all_zero(h->reserved, sizeof(h->reserved)))
		return bad(why, "TDX-BLOB: a reserved field is not zero");
	if (h->sigstruct_pages != 1)
		return bad(why, "TDX-BLOB: %u pages of signature: one is known", h->sigstruct_pages);
	return take(m, data + PAGE_SIZE, data + 2 * PAGE_SIZE, (uint64_t)h->module_pages * PAGE_SIZE,
		    why);
}

static bool is_blob(const uint8_t *data, size_t size, bool v1)
{
	return size > PAGE_SIZE &&
	       memcmp(data + (v1 ? offsetof(struct tdx_blob_v1, magic)
				 : offsetof(struct tdx_blob_v2, magic)),
		      TDX_BLOB_MAGIC, 8) == 0;
}

bool module_file_is_blob(const void *data, size_t size) { return is_blob(data, size, true) || is_blob(data, size, false); }

/* A version names its layout: a file with the magic word where the other has it is neither. */
static int parse_blob(struct module_file *m, const uint8_t *data, size_t size, char *why)
{
	unsigned version = data[0] | (unsigned)data[1] << 8;

	if (version == TDX_BLOB_V1 && is_blob(data, size, true))
		return parse_v1(m, data, size, why);
	if (version == TDX_BLOB_V2 && is_blob(data, size, false))
		return parse_v2(m, data, size, why);
	return bad(why, "TDX-BLOB: version 0x%x: 0x100 and 0x200 are known", version);
}

static int check_structure(const struct seam_sigstruct *s, char *why)
{
	const struct {
		const char *name;
		uint64_t is, must;
	} fields[] = {
		{ "header type", s->header_type, SIGSTRUCT_HEADER_TYPE },
		{ "header length", s->header_length, SIGSTRUCT_HEADER_DWORDS },
		{ "header version", s->header_version, SIGSTRUCT_VERSION },
		{ "module type", s->module_type & ~SIGSTRUCT_DEBUG, 0 },
		{ "vendor", s->vendor, SIGSTRUCT_VENDOR },
		{ "size", s->size, SIGSTRUCT_DWORDS },
		{ "key size", s->key_size, SIGSTRUCT_KEY_DWORDS },
		{ "modulus size", s->modulus_size, SIGSTRUCT_KEY_DWORDS },
		{ "exponent size", s->exponent_size, 1 },
		{ "exponent", s->exponent, SIGSTRUCT_EXPONENT },
		{ "attributes", s->attributes, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (fields[i].is != fields[i].must)
			return bad(why, "signature structure: %s is 0x%llx, not 0x%llx", fields[i].name,
				   (unsigned long long)fields[i].is,
				   (unsigned long long)fields[i].must);
	if (!all_zero(s->reserved0, sizeof(s->reserved0)))
		return bad(why, "signature structure: a reserved field is not zero");
	if (s->cpu_count == 0 || s->cpu_count > SIGSTRUCT_CPUS)
		return bad(why, "signature structure: a list of %u CPUs: 1 to 255 are possible",
			   s->cpu_count);
	return 0;
}

int module_file_parse(struct module_file *m, const void *data, size_t size, const void *sig,
		      size_t sig_size, char why[MODULE_FILE_WHY])
{
	int err;

	*m = (struct module_file){ 0 };
	if (module_file_is_blob(data, size))
		err = parse_blob(m, data, size, why);
	else if (!sig)
		err = bad(why, "neither a TDX-BLOB file, nor is there a .sigstruct file beside it");
	else if (sig_size != sizeof(struct seam_sigstruct))
		err = bad(why, "the .sigstruct file has %zu bytes, not 2048", sig_size);
	else
		err = take(m, sig, data, size, why);
	return err ? err : check_structure(m->sig, why);
}

/* ---- is it what was signed ---- */

void module_file_signed(const struct seam_sigstruct *sig, uint8_t digest[SHA384_BYTES])
{
	struct sha384 hash;

	sha384_init(&hash);
	sha384_update(&hash, sig, SIGSTRUCT_HEADER_BYTES);
	sha384_update(&hash, (const uint8_t *)sig + SIGSTRUCT_BODY, sizeof(*sig) - SIGSTRUCT_BODY);
	sha384_final(&hash, digest);
}

static bool knows_cpu(const struct seam_sigstruct *sig, uint32_t cpu)
{
	for (uint32_t i = 0; i < sig->cpu_count; i++)
		if (((sig->cpu[i] ^ cpu) & ~SIGSTRUCT_STEPPING) == 0)
			return true;
	return false;
}

int module_file_check(const struct module_file *m, uint32_t cpu, char why[MODULE_FILE_WHY])
{
	struct sha384 hash;
	uint8_t digest[SHA384_BYTES];

	sha384_init(&hash);
	sha384_update(&hash, m->pages, (size_t)m->page_count * PAGE_SIZE);
	sha384_final(&hash, digest);
	if (memcmp(digest, m->sig->seamhash, sizeof(digest)))
		return bad(why, "the module does not have the hash that was signed: the file is damaged");
	module_file_signed(m->sig, digest);
	if (!rsa_verify(m->sig->modulus, m->sig->signature, digest))
		return bad(why, "the signature is not good");
	if (!knows_cpu(m->sig, cpu))
		return bad(why, "this module is not for this CPU (CPUID 1 EAX 0x%x)", cpu);
	return 0;
}

const char *module_file_text(const struct module_file *m, char *buf, size_t size)
{
	uint32_t d = m->sig->date;

	snprintf(buf, size, "SVN %u, built %04x-%02x-%02x, %u pages, handoff version %u%s",
		 m->sig->seamsvn, d >> 16, d >> 8 & 0xff, d & 0xff, m->page_count, m->sig->module_hv,
		 m->debug_signed ? ", DEBUG-SIGNED" : "");
	return buf;
}
