/*
 * image.c - tain tdvf, tain mrtd: a firmware image as the hypervisor will see and measure it.
 *
 * Invariants
 *   - The code that decides is tdx/'s own, compiled natively; nothing is computed a second way.
 *
 * links: tdx/tdvf.c tdx/tdhob.c tdx/measure.c tdx/measure_log.c tdx/tdload_plan.c tdx/tdload_image.c
 *   kernel/platform/acpi_tables.c kernel/platform/aml.c kernel/base/sha384.c kernel/base/config*.c kernel/base/net_*.c kernel/base/url.c
 *   kernel/base/cfg_lex.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/config.h"
#include "tdx/abi/layout.h"
#include "tdx/measure.h"
#include "tdx/measure_log.h"
#include "tdx/tdhob.h"
#include "tdx/tdload_plan.h"
#include "tdx/tdvf.h"
#include "tools/host/commands.h"

#define CONFIG_TEXT_MAX ((size_t)1 << 20)
#define KERNEL_MAX      ((size_t)1 << 30)
#define DEFAULT_MEMORY  (UINT64_C(256) << 20)

static uint8_t *read_image(const char *path, size_t *bytes, struct tdvf *tdvf)
{
	char why[TDVF_WHY_MAX];
	uint8_t *image = read_whole(path, TDVF_IMAGE_MAX, bytes);

	if (image && tdvf_parse(image, *bytes, tdvf, why)) {
		fprintf(stderr, "tain: %s: %s\n", path, why);
		free(image);
		return NULL;
	}
	return image;
}

int cmd_tdvf(int argc, char **argv)
{
	struct tdvf t;
	size_t bytes;
	uint8_t *image = read_image(argv[0], &bytes, &t);

	(void)argc;
	if (!image)
		return 1;
	printf("%s: %zu bytes at 0x%llx, TDVF descriptor at file offset 0x%llx, %u sections\n",
	       argv[0], bytes, (unsigned long long)t.base, (unsigned long long)t.descriptor,
	       t.count);
	printf("  # %-13s %-10s %-10s %-12s %-10s attributes\n", "type", "offset", "raw", "gpa",
	       "size");
	for (unsigned i = 0; i < t.count; i++) {
		const struct tdvf_section *s = &t.section[i];

		printf("%3u %-13s 0x%-8x 0x%-8x 0x%-10llx 0x%-8llx %s%s\n", i,
		       tdvf_type_name(s->type), s->offset, s->raw, (unsigned long long)s->gpa,
		       (unsigned long long)s->bytes, s->attributes & TDVF_EXTEND ? "extend " : "",
		       s->attributes & TDVF_AUG ? "aug" : "");
	}
	free(image);
	return 0;
}

/* What is measured, and how. */
struct request {
	const char *path;
	struct guest_ram ram;
	enum td_accept accept;
	enum td_measure order;
};

/* --log: each record as it is hashed, a chunk with the first bytes of its own SHA-384. */
static bool show_log;

static int show_add(void *ctx, const struct measure_run *run, gpa_t page)
{
	(void)ctx;
	(void)run;
	printf("%-12s 0x%llx\n", measure_record_name(false), (unsigned long long)page.v);
	return 0;
}

static int show_extend(void *ctx, const struct measure_run *run, gpa_t page)
{
	uint8_t contents[PAGE_SIZE], hash[SHA384_BYTES];
	struct sha384 s;

	(void)ctx;
	measure_page(run, page, contents);
	for (uint64_t at = 0; at < PAGE_SIZE; at += MR_CHUNK_BYTES) {
		sha384_init(&s);
		sha384_update(&s, contents + at, MR_CHUNK_BYTES);
		sha384_final(&s, hash);
		printf("%-12s 0x%llx %02x%02x%02x%02x%02x%02x%02x%02x\n", measure_record_name(true),
		       (unsigned long long)(page.v + at), hash[0], hash[1], hash[2], hash[3],
		       hash[4], hash[5], hash[6], hash[7]);
	}
	return 0;
}

static void hash_and_print(const struct measure_input *in)
{
	static const struct measure_ops show = { show_add, show_extend };
	static struct measure_plan plan;
	uint8_t mrtd[SHA384_BYTES];

	measure_plan_make(&plan, in);
	if (show_log)
		(void)!measure_walk(&plan, &show, NULL); /* neither step can fail */
	measure_mrtd(&plan, mrtd);
	for (size_t i = 0; i < sizeof(mrtd); i++)
		printf("%02x", mrtd[i]);
	puts("");
}

static int print_mrtd(const struct request *q)
{
	static uint8_t hob[TDHOB_MAX];
	struct tdvf t;
	size_t bytes;
	char why[TDVF_WHY_MAX];
	uint8_t *image = read_image(q->path, &bytes, &t);
	const struct tdvf_section *section = image ? tdvf_hob(&t) : NULL;
	struct measure_input in = { &t, image, hob, 0, q->ram, q->accept, q->order };

	if (!image)
		return 1;
	if (tdvf_check_memory(&t, q->ram, why)) {
		fprintf(stderr, "tain: %s: %s\n", q->path, why);
		free(image);
		return 1;
	}
	if (section) {
		uint64_t room = section->bytes < TDHOB_MAX ? section->bytes : TDHOB_MAX;

		in.hob_bytes =
			tdhob_build(hob, room, (gpa_t){ section->gpa }, &t, q->ram, q->accept);
		if (!in.hob_bytes) {
			fprintf(stderr,
				"tain: %s: the TD_HOB section is too small for the HOB list\n",
				q->path);
			free(image);
			return 1;
		}
	}
	hash_and_print(&in);
	free(image);
	return 0;
}

/*
 * The file that tain.cfg names: the start volume's root is the directory of tain.cfg, the one above
 * it, the current one, or this machine's; or the file lies beside tain.cfg under its own name. To
 * be freed; NULL.
 */
static char *find_file(const char *config, const char *path)
{
	const char *slash = strrchr(config, '/');
	int length = slash ? (int)(slash - config) + 1 : 0;
	char name[GUEST_PATH_MAX + 1];
	char *found = NULL;

	snprintf(name, sizeof(name), "%s", path + strspn(path, "\\/"));
	for (char *c = name; *c; c++)
		if (*c == '\\')
			*c = '/';
	const char *base = strrchr(name, '/') ? strrchr(name, '/') + 1 : name;
	const struct {
		int length;
		const char *between, *name;
	} places[] = {
		{ length, "", name }, { length, "../", name }, { 0, "", name },
		{ 0, "/", name },     { length, "", base },
	};

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		if (asprintf(&found, "%.*s%s%s", places[i].length, config, places[i].between,
			     places[i].name) < 0)
			return NULL;
		if (i + 1 == ARRAY_LEN(places) || access(found, R_OK) == 0)
			break;
		free(found);
	}
	return found;
}

/* The file's bytes, to be freed; NULL: none is named, or it cannot be read (said). */
static uint8_t *attach(const char *config, struct guest_file *file)
{
	char *path = file->path[0] ? find_file(config, file->path) : NULL;
	size_t bytes = 0;
	uint8_t *data = path ? read_whole(path, KERNEL_MAX, &bytes) : NULL;

	file->data = data;
	file->size = bytes;
	free(path);
	return data;
}

/* Without firmware: what the TD loader is given is measured. */
static int print_loader_mrtd(const char *config, struct guest_config *g)
{
	static struct tdload_plan plan;
	struct tdvf t;
	char why[TDVF_WHY_MAX];

	if (tdload_plan_make(&plan, &t, g, why) || tdvf_check_memory(&t, guest_config_ram(g), why)) {
		fprintf(stderr, "tain: %s: %s: %s\n", config, g->name, why);
		return 1;
	}
	hash_and_print(&(struct measure_input){
		.tdvf = &t, .ram = guest_config_ram(g), .accept = g->accept, .order = g->measure });
	return 0;
}

static int loader_mrtd_by_config(const char *config, struct guest_config *g)
{
	uint8_t *kernel = attach(config, &g->kernel), *initrd = attach(config, &g->initrd);
	int status = kernel && (initrd || !g->initrd.path[0]) ? print_loader_mrtd(config, g) : 1;

	free(kernel);
	free(initrd);
	return status;
}

static int mrtd_by_config(const char *path, const char *name)
{
	static struct config config;
	struct request q;
	size_t bytes;
	struct guest_config *g;
	char *text = (char *)read_whole(path, CONFIG_TEXT_MAX, &bytes), *image;
	int status;

	if (!text)
		return 1;
	config_parse(&config, text, bytes);
	free(text);
	g = config_guest(&config, name);
	if (!g || g->kind != GUEST_TD || g->refusal[0]) {
		fprintf(stderr, "tain: %s: %s: %s\n", path, name,
			!g              ? "no such guest"
			: g->refusal[0] ? g->refusal
					: "not a trust domain");
		return 1;
	}
	if (!g->firmware.path[0])
		return loader_mrtd_by_config(path, g);
	image = find_file(path, g->firmware.path);
	if (!image)
		return 1;
	q = (struct request){ image, guest_config_ram(g), g->accept, g->measure };
	status = print_mrtd(&q);
	free(image);
	return status;
}

/* Words of tain.cfg for the two enums. */
static const char *const order_words[] = { "per-page", "section", "two-pass", NULL };
static const char *const accept_words[] = { "lazy", "eager", "added", "measured", NULL };

static int find_word(const char *const *words, const char *word)
{
	for (int i = 0; words[i]; i++)
		if (strcmp(words[i], word) == 0)
			return i;
	return -1;
}

static int bad(const char *option, const char *value, const char *expected)
{
	fprintf(stderr, "tain: %s %s: expected %s\n", option, value, expected);
	return 1;
}

int cmd_mrtd(int argc, char **argv)
{
	struct request q = { NULL, guest_ram_usual(DEFAULT_MEMORY), TD_ACCEPT_LAZY,
			     TD_MEASURE_PER_PAGE };

	if (strcmp(argv[0], "--log") == 0) {
		show_log = true;
		argv++;
		if (--argc == 0)
			return bad("mrtd", "--log", "FILE");
	}
	if (strcmp(argv[0], "--config") == 0)
		return argc == 3 ? mrtd_by_config(argv[1], argv[2])
				 : bad("mrtd", "--config", "TAIN.CFG NAME");
	for (int i = 0; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";

		if (strcmp(argv[i], "--measure") == 0) {
			int word = find_word(order_words, value);

			if (word < 0)
				return bad(argv[i], value, "per-page, section or two-pass");
			q.order = (enum td_measure)word;
			i++;
		} else if (strcmp(argv[i], "--accept") == 0) {
			int word = find_word(accept_words, value);

			if (word < 0)
				return bad(argv[i], value, "lazy, eager, added or measured");
			q.accept = (enum td_accept)word;
			i++;
		} else if (strcmp(argv[i], "--memory") == 0) {
			uint64_t memory;

			if (config_size(value, &memory) || !is_aligned(memory, PAGE_SIZE) ||
			    memory == 0 || memory > CONFIG_MEMORY_MAX)
				return bad(argv[i], value, "a size of whole pages, as 256M");
			q.ram = guest_ram_usual(memory);
			i++;
		} else if (argv[i][0] == '-' || q.path) {
			return bad("mrtd", argv[i], "one FILE");
		} else {
			q.path = argv[i];
		}
	}
	return q.path ? print_mrtd(&q) : bad("mrtd", "", "FILE");
}
