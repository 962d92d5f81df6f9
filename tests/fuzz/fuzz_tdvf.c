/*
 * fuzz_tdvf.c - any bytes as a firmware image: parsed, placed, described and measured without a
 * fault; what is accepted keeps the promises of tdx/tdvf.h.
 *
 * The input's last part is the image's end, where its metadata lies; the rest of the page is zero.
 *
 * links: tdx/tdvf.c tdx/tdhob.c tdx/measure.c kernel/base/sha384.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdlib.h>
#include <string.h>

#include "tdx/measure.h"
#include "tdx/tdhob.h"
#include "tdx/tdvf.h"

#define MEMORY      (UINT64_C(256) << 20)
#define IMAGE_PAGES 16
#define MEASURED    (UINT64_C(1) << 16) /* hash no more than that: it is slow, and tried elsewhere */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void check_sections(const struct tdvf *t)
{
	for (unsigned i = 0; i < t->count; i++) {
		const struct tdvf_section *s = &t->section[i];

		require(s->bytes && is_aligned(s->gpa | s->bytes, PAGE_SIZE));
		require(s->gpa + s->bytes > s->gpa && s->raw <= s->bytes);
		require((uint64_t)s->offset + s->raw <= t->image_bytes);
		for (unsigned j = 0; j < i; j++)
			require(s->gpa >= t->section[j].gpa + t->section[j].bytes ||
				t->section[j].gpa >= s->gpa + s->bytes);
	}
}

static void use(const struct tdvf *t, const uint8_t *image)
{
	static uint8_t hob[TDHOB_MAX];
	static struct measure_plan plan;
	struct measure_input in = { t, image, hob, 0, guest_ram_usual(MEMORY), TD_ACCEPT_LAZY, TD_MEASURE_SECTION };
	uint64_t bytes = 0;
	uint8_t mrtd[SHA384_BYTES];

	in.hob_bytes = tdhob_build(hob, sizeof(hob), (gpa_t){ 0 }, t, in.ram, in.accept);
	require(in.hob_bytes <= sizeof(hob));
	measure_plan_make(&plan, &in);
	for (unsigned i = 0; i < plan.count; i++)
		bytes += plan.run[i].bytes;
	if (bytes <= MEASURED)
		measure_mrtd(&plan, mrtd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t whole = IMAGE_PAGES * PAGE_SIZE;
	uint8_t *image = calloc(1, whole);
	char why[TDVF_WHY_MAX];
	struct tdvf t;

	if (size > whole)
		size = whole;
	memcpy(image + whole - size, data, size);
	if (tdvf_parse(image, whole, &t, why) == 0) {
		check_sections(&t);
		if (tdvf_check_memory(&t, guest_ram_usual(MEMORY), why) == 0)
			use(&t, image);
	} else {
		require(why[0] != 0);
	}
	free(image);
	return 0;
}
