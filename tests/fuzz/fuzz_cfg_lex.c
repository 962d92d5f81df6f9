/*
 * fuzz_cfg_lex.c - any bytes through the line lexer: spans inside the text, lines in order, an end.
 *
 * links: kernel/base/cfg_lex.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdlib.h>

#include "kernel/base/cfg_lex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(struct cfg_span s, const char *text, size_t size)
{
	if (s.at < text || s.len > size || s.at - text > (ptrdiff_t)(size - s.len))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	unsigned line = 0;
	struct cfg_item item;
	struct cfg_lex lex;
	char path[64];

	cfg_lex_init(&lex, text, size);
	while (cfg_lex_next(&lex, &item)) {
		if (item.line <= line || item.kind == CFG_END)
			abort();
		line = item.line;
		inside(item.key, text, size);
		inside(item.value, text, size);
		if (cfg_span_copy_path(item.value, path, sizeof(path)) != (item.value.len < 64))
			abort();
		cfg_names_file(item.key, item.key, item.value);
	}
	return 0;
}
