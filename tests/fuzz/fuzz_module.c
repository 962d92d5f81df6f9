/*
 * fuzz_module.c - any bytes as a TDX module file, and as the signature structure beside it: read without a
 * fault; what is accepted lies inside them, in whole pages, and passes its own checks or is told why not.
 *
 * The first byte says how many fours of the last bytes are the other file (0: none); the rest is spread so that
 * few bytes fill a header, a signature structure and a module: a run of zeros is a number.
 *
 * links: tdx/module_file.c tdx/abi/rsa.c kernel/base/sha384.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdlib.h>
#include <string.h>

#include "tdx/module_file.h"

#define ROOM (6 * PAGE_SIZE)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

/* FE n: n * 64 zeros; all else stands for itself. Returns the bytes made. */
static size_t spread(uint8_t *to, const uint8_t *from, size_t size)
{
	size_t made = 0;

	for (size_t i = 0; i < size && made < ROOM; i++) {
		if (from[i] == 0xfe && i + 1 < size)
			made += (size_t)from[++i] * 64;
		else
			to[made++] = from[i];
	}
	return made < ROOM ? made : ROOM;
}

static void require_inside(const struct module_file *m, const uint8_t *data, const uint8_t *sig,
			   size_t bytes)
{
	const uint8_t *at = (const uint8_t *)m->sig;

	require(m->page_count >= 1 && m->page_count <= SEAMLDR_MODULE_PAGES);
	require(m->pages >= data && m->pages + (size_t)m->page_count * PAGE_SIZE <= data + align_up(bytes, PAGE_SIZE));
	require(((uintptr_t)m->pages & (PAGE_SIZE - 1)) == 0 && ((uintptr_t)at & (PAGE_SIZE - 1)) == 0);
	require(at == sig || (at >= data && at + sizeof(*m->sig) <= data + ROOM));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *file = aligned_alloc(PAGE_SIZE, ROOM), *sig = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
	size_t beside = size ? 4u * data[0] : 0, bytes, sig_bytes = 0;
	char why[MODULE_FILE_WHY] = "";
	struct module_file m;

	if (!size)
		goto out;
	data++, size--;
	beside = beside < size ? beside : size;
	memset(file, 0, ROOM);
	memset(sig, 0, PAGE_SIZE);
	bytes = spread(file, data, size - beside);
	if (beside) {
		uint8_t *wide = calloc(1, ROOM);

		sig_bytes = spread(wide, data + size - beside, beside);
		memcpy(sig, wide, PAGE_SIZE);
		free(wide);
	}
	if (module_file_parse(&m, file, bytes, beside ? sig : NULL, sig_bytes, why) == 0) {
		require_inside(&m, file, sig, bytes);
		why[0] = 0;
		require(module_file_check(&m, 0x806f8, why) == 0 || why[0]);
	} else {
		require(why[0] != 0);
	}
out:
	free(file);
	free(sig);
	return 0;
}
