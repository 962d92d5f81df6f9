/*
 * read.c - a file as bytes.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/host/commands.h"

static uint8_t *fail(FILE *f, uint8_t *data, const char *path, const char *why)
{
	fprintf(stderr, "tain: %s: %s\n", path, why);
	if (f)
		fclose(f);
	free(data);
	return NULL;
}

uint8_t *read_whole(const char *path, size_t max, size_t *bytes)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = f ? malloc(max + 1) : NULL;

	if (!f || !data)
		return fail(f, data, path, strerror(errno));
	*bytes = fread(data, 1, max + 1, f);
	if (ferror(f))
		return fail(f, data, path, "cannot be read");
	if (*bytes > max)
		return fail(f, data, path, "too large");
	fclose(f);
	return data;
}
