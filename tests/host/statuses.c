/*
 * statuses.c - which statuses a module has been made to return.
 *
 * Invariants
 *   - Only what a module returned itself is noted, never what a test made up.
 *   - With TAIN_STATUSES=FILE in the environment the names are appended to FILE at the end, one a
 *     line, so that many programs make one list (make coverage).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/host/statuses.h"

#include <stdio.h>
#include <stdlib.h>

#include "tdx/abi/status.h"

/* clang-format off */
static struct status_row {
	uint32_t code;
	const char *name;
	uint8_t seen;
} rows[] = {
#define ROW(value, status, detail, text) { value, #status, 0 },
	TDX_STATUS_TABLE(ROW)
#undef ROW
};
/* clang-format on */

static void write_down(void)
{
	FILE *f = fopen(getenv("TAIN_STATUSES"), "a");

	if (!f)
		return;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].seen)
			fprintf(f, "%s\n", rows[i].name);
	fclose(f);
}

static void first_note(void)
{
	static int once;

	if (!__atomic_exchange_n(&once, 1, __ATOMIC_RELAXED) && getenv("TAIN_STATUSES"))
		atexit(write_down);
}

void statuses_note(uint64_t rax)
{
	uint32_t code = (uint32_t)(rax >> 32);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].code == code) {
			if (!__atomic_load_n(&rows[i].seen, __ATOMIC_RELAXED)) {
				first_note();
				__atomic_store_n(&rows[i].seen, 1, __ATOMIC_RELAXED);
			}
			return;
		}
}

unsigned statuses_count(unsigned *all)
{
	unsigned n = 0;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		n += rows[i].seen;
	*all = ARRAY_LEN(rows);
	return n;
}
