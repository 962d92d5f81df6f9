/*
 * fuzz_config.c - any bytes as tain.cfg, as a configuration from the network, as a script and as a command line: records stay inside
 * their limits, strings end, messages are printable.
 *
 * links: kernel/base/config*.c kernel/base/net_*.c kernel/base/url.c kernel/base/cfg_lex.c kernel/monitor/script.c kernel/monitor/words.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdlib.h>
#include <string.h>

#include "kernel/base/config.h"
#include "kernel/monitor/script.h"
#include "kernel/monitor/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static const char *find(struct guest_file *f)
{
	must(strnlen(f->path, sizeof(f->path)) < sizeof(f->path));
	return f->path[1] == 'x' ? "no such file" : NULL;
}

static enum script_step one_line(void *ctx, const char *line)
{
	char copy[SCRIPT_LINE_BYTES], *argv[WORDS_MAX];

	(void)ctx;
	must(strlen(line) < sizeof(copy));
	strcpy(copy, line);

	int n = words_split(copy, argv);

	for (int i = 0; i < n; i++)
		must(argv[i] >= copy && argv[i] + strlen(argv[i]) < copy + sizeof(copy));
	return SCRIPT_GO_ON;
}

static void check(const struct config *cfg)
{
	must(cfg->guest_count <= CONFIG_GUESTS_MAX && cfg->message_count <= CONFIG_MESSAGES_MAX);
	must(cfg->tain.start_count <= CONFIG_GUESTS_MAX);
	for (unsigned i = 0; i < cfg->guest_count; i++) {
		const struct guest_config *g = &cfg->guests[i];

		must(strnlen(g->name, sizeof(g->name)) < sizeof(g->name) && g->name[0]);
		must(strnlen(g->cmdline, sizeof(g->cmdline)) < sizeof(g->cmdline));
		if (g->refusal[0])
			continue;
		must(g->memory >= CONFIG_MEMORY_MIN && g->memory <= CONFIG_MEMORY_MAX);
		must(is_aligned(g->memory, PAGE_SIZE) && g->image_load < g->memory);
		must(g->vcpus >= 1 && g->vcpus <= GUEST_VCPUS_MAX);
		must(g->page_level >= LEVEL_4K && g->page_level <= LEVEL_1G);
	}
	for (unsigned i = 0; i < cfg->message_count; i++)
		for (const char *c = cfg->messages[i].text; *c; c++)
			must(*c >= ' ' && *c <= '~');
}

static bool busy(const char *name) { return name[0] == 'b'; }

static void take(struct guest_config *place, const struct guest_config *record, bool replaces)
{
	must(!replaces || strcmp(place->name, record->name) == 0);
	must(!record->refusal[0]);
	*place = *record;
}

/* The same bytes from the network, on top of what they said as tain.cfg, and of a part of that. */
static void fetched(struct config *cfg, const uint8_t *data, size_t size)
{
	static struct config more;
	char why[CONFIG_REASON_BYTES];

	config_defaults(&more);
	config_parse_fetched(&more, "from the network", cfg, (const char *)data, size);
	config_attach_files(&more, find);
	check(&more);
	must(more.tain.net.mode == NET_OFF && !more.tain.use.remote.port && !more.tain.module_file.path[0]);
	if (config_merge_check(cfg, &more, busy, why))
		return;
	config_merge(cfg, &more, take);
	check(cfg);
	for (unsigned i = 0; more.start_line && i < cfg->tain.start_count; i++)
		must(config_guest(cfg, cfg->tain.start[i]) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config cfg;

	config_defaults(&cfg);
	config_parse(&cfg, (const char *)data, size / 2);
	fetched(&cfg, data, size);
	config_defaults(&cfg);
	config_parse(&cfg, (const char *)data, size);
	config_attach_files(&cfg, find);
	check(&cfg);
	fetched(&cfg, data, size);
	script_run((const char *)data, size, one_line, NULL);
	return 0;
}
