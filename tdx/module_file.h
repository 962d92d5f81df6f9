/*
 * module_file.h - a TDX module as a file: found in what the user gave, and checked as far as it can be
 * before anything is asked to load it.
 *
 * Two forms: one TDX-BLOB file (version 100h or 200h), or the module alone with its signature structure in a
 * file of its own.
 *
 * Invariants
 *   - Any bytes are read; nothing outside of the given ones is. What is accepted is whole pages inside
 *     them, and its hash and signature are good.
 *   - Whose key it is, only the P-SEAMLDR knows: it refuses a stranger's.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_MODULE_FILE_H
#define TAIN_TDX_MODULE_FILE_H

#include "kernel/base/types.h"
#include "tdx/abi/seamldr.h"

#define MODULE_FILE_WHY 160

struct module_file {
	const struct seam_sigstruct *sig; /* at the start of a page */
	const uint8_t *pages;             /* page_count * 4 KiB, page aligned */
	unsigned page_count;
	bool debug_signed;
};

/*
 * Find module and signature structure in @size bytes at @data, page aligned and zero filled to the
 * end of their last page; @sig_size bytes at @sig, likewise, are the file with the signature structure
 * (NULL: there is none). 0, or -EINVAL and @why. No hash is computed.
 */
int module_file_parse(struct module_file *m, const void *data, size_t size, const void *sig,
		      size_t sig_size, char why[MODULE_FILE_WHY]) MUST_CHECK;

/* SHA-384 of the pages, the signature, and whether this CPU (CPUID 1 EAX) is on its list. Likewise. */
int module_file_check(const struct module_file *m, uint32_t cpu, char why[MODULE_FILE_WHY]) MUST_CHECK;

/* Is it one file with its signature inside? */
bool module_file_is_blob(const void *data, size_t size);

/* The digest that the signature is of. */
void module_file_signed(const struct seam_sigstruct *sig, uint8_t digest[48]);

/* "SVN 5, built 2023-10-11, 100 pages, handoff version 1", for people. */
const char *module_file_text(const struct module_file *m, char *buf, size_t size);

#endif
