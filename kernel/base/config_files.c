/*
 * config_files.c - the files that the records name, asked for one by one. Contract: config.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>

#include "kernel/base/config.h"
#include "kernel/base/config_room.h"

static const char *attach(struct guest_file *f, const char *(*find)(struct guest_file *))
{
	return f->path[0] && !f->remote ? find(f) : NULL;
}

void config_attach_files(struct config *cfg, const char *(*find)(struct guest_file *file))
{
	const char *why;
	char text[CONFIG_REASON_BYTES];

	for (unsigned i = 0; i < cfg->guest_count; i++) {
		struct guest_config *g = &cfg->guests[i];
		struct {
			const char *key;
			struct guest_file *file;
			unsigned line;
		} files[] = { { "firmware", &g->firmware, cfg->lines[i].firmware },
			      { "kernel", &g->kernel, cfg->lines[i].kernel },
			      { "initrd", &g->initrd, cfg->lines[i].initrd },
			      { "image", &g->image, cfg->lines[i].image },
			      { "disk", &g->disk, cfg->lines[i].disk } };

		for (size_t j = 0; j < ARRAY_LEN(files); j++)
			if ((why = attach(files[j].file, find)))
				config_refuse(cfg, g, files[j].line, "%s: %.64s: %s", files[j].key,
				       files[j].file->path, why);
	}
	struct {
		const char *key;
		struct guest_file *file;
		unsigned line;
	} ours[] = { { "script", &cfg->tain.script, cfg->script_line },
		     { "module", &cfg->tain.module_file, cfg->module_line },
		     { "update", &cfg->tain.update_file, cfg->update_line } };

	for (size_t j = 0; j < ARRAY_LEN(ours); j++)
		if ((why = attach(ours[j].file, find))) {
			snprintf(text, sizeof(text), "%s: %.64s: %s", ours[j].key,
				 ours[j].file->path, why);
			config_make_printable(text);
			config_add_message(cfg, ours[j].line, text);
		}
}
