/*
 * tdmr.c - tain tdmr MAPFILE: plan TDMRs for a memory map, check the plan, draw it.
 *
 * A map is text, one range a line; what is not understood is an error, with its line:
 *     ram BASE SIZE          memory            sizes and bases as 0x1000, 64M, 4G
 *     cmr BASE SIZE          convertible; with no such line all RAM is
 *     limit tdmrs N          of the module: 64 if not said
 *     limit reserved N       16 if not said
 *     limit bitmap N         bits for each 4K page: dynamic PAMT; static if not said
 *     want SIZE              plan only for so much (tdx_memory in tain.cfg)
 * and lines of a Linux boot log, with whatever stands before:
 *     BIOS-e820: [mem 0x0000000000100000-0x000000006fffffff] usable
 *     CMR: [0x100000, 0x77800000)
 *
 * links: tdx/tdmr.c tdx/tdmr_check.c tdx/ranges.c tdx/abi/[a-z]*.c kernel/base/config*.c kernel/base/net_*.c kernel/base/url.c
 *   kernel/base/cfg_lex.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/tdmr.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/config.h"
#include "tdx/abi/explain.h"
#include "tools/host/commands.h"

#define MAP_MAX     ((size_t)1 << 22)
#define BAR         64u
#define ADDRESS_MAX (UINT64_C(1) << 52)
#define ENTRY_BYTES 16

struct map {
	const char *path;
	unsigned line;
	struct tdmr_memory memory;
	struct tdmr_limits limits;
	struct ranges free; /* for PAMTs */
	bool has_cmr;
};

static int bad(const struct map *m, const char *why)
{
	fprintf(stderr, "tain: %s: line %u: %s\n", m->path, m->line, why);
	return -EINVAL;
}

static int add(struct map *m, bool cmr, uint64_t base, uint64_t end)
{
	if (end <= base || end > ADDRESS_MAX)
		return bad(m, "the range is empty, wraps or is beyond 52 bits");
	m->has_cmr |= cmr;
	return ranges_add(cmr ? &m->memory.cmr : &m->memory.ram, base, end);
}

/* "[mem 0xA-0xB] usable": B is the last byte. Anything but usable is a hole. */
static int e820_line(struct map *m, const char *at)
{
	uint64_t first, last;
	char kind[32];

	if (sscanf(at, "[mem %lx-%lx] %31[a-zA-Z]", &first, &last, kind) != 3)
		return bad(m, "expected [mem 0xFIRST-0xLAST] KIND");
	return strcmp(kind, "usable") ? 0 : add(m, false, first, last + 1);
}

/* "CMR: [0xA, 0xB)". */
static int cmr_line(struct map *m, const char *at)
{
	uint64_t base, end;

	at = strchr(at, '[');
	/* An index may stand in brackets of its own: CMR[3] [0x.., 0x..) */
	while (at && sscanf(at, "[%lx, %lx)", &base, &end) != 2)
		at = strchr(at + 1, '[');
	if (!at)
		return bad(m, "expected CMR: [0xBASE, 0xEND)");
	return add(m, true, base, end);
}

static int limit_line(struct map *m, const char *what, const char *value)
{
	uint64_t n;

	if (config_size(value, &n) || n == 0 || n > TDMR_PLAN_MAX)
		return bad(m, "limit: expected a number from 1 to 64");
	if (strcmp(what, "tdmrs") == 0)
		m->limits.max_tdmrs = n;
	else if (strcmp(what, "reserved") == 0)
		m->limits.max_reserved = n;
	else if (strcmp(what, "bitmap") == 0)
		m->limits.pamt_bitmap_bits = n;
	else
		return bad(m, "limit: expected tdmrs, reserved or bitmap");
	return 0;
}

static int map_line(struct map *m, char *line)
{
	char word[16], a[40], b[40], more[8];
	uint64_t base, size;
	int n;

	line[strcspn(line, "#\r")] = 0;
	if (strstr(line, "[mem "))
		return e820_line(m, strstr(line, "[mem "));
	if (strstr(line, "CMR"))
		return cmr_line(m, strstr(line, "CMR"));
	n = sscanf(line, "%15s %39s %39s %7s", word, a, b, more);
	if (n <= 0)
		return 0;
	if (n == 2 && strcmp(word, "want") == 0)
		return config_size(a, &m->memory.wanted) ? bad(m, "want: expected a size") : 0;
	if (n != 3)
		return bad(m, "expected ram BASE SIZE, cmr BASE SIZE, limit WHAT N or want SIZE");
	if (strcmp(word, "limit") == 0)
		return limit_line(m, a, b);
	if (strcmp(word, "ram") && strcmp(word, "cmr"))
		return bad(m, "expected ram, cmr, limit or want");
	if (config_size(a, &base) || config_size(b, &size))
		return bad(m, "not a number: base and size as 0x1000, 64M, 4G");
	if (base + size < base)
		return bad(m, "base plus size wraps");
	return add(m, word[0] == 'c', base, base + size);
}

static int read_map(struct map *m, const char *path)
{
	size_t bytes;
	char *text = (char *)read_whole(path, MAP_MAX, &bytes), *rest = text, *line;
	int err = 0;

	if (!text)
		return -EIO;
	m->path = path;
	m->limits = (struct tdmr_limits){ 64, 16, { ENTRY_BYTES, ENTRY_BYTES, ENTRY_BYTES }, 0 };
	text[bytes] = 0;
	while (!err && (line = strsep(&rest, "\n"))) {
		m->line++;
		err = map_line(m, line);
	}
	free(text);
	for (size_t i = 0; !err && !m->has_cmr && i < m->memory.ram.count; i++)
		err = ranges_add(&m->memory.cmr, m->memory.ram.r[i].base, m->memory.ram.r[i].end);
	return err;
}

/* From the top of the largest free range: blocks lie side by side, and one area reserves them. */
static hpa_t pamt_alloc(void *ctx, uint64_t bytes)
{
	struct map *m = ctx;
	size_t best = SIZE_MAX;
	uint64_t base;

	for (size_t i = 0; i < m->free.count; i++)
		if (m->free.r[i].end - m->free.r[i].base >= bytes &&
		    (best == SIZE_MAX || m->free.r[i].end - m->free.r[i].base >
						 m->free.r[best].end - m->free.r[best].base))
			best = i;
	if (best == SIZE_MAX)
		return HPA_NONE;
	base = align_down(m->free.r[best].end - bytes, PAGE_SIZE);
	return ranges_remove(&m->free, base, base + bytes) ? HPA_NONE : (hpa_t){ base };
}

static void pamt_free(void *ctx, hpa_t base, uint64_t bytes)
{
	struct map *m = ctx;

	(void)!ranges_add(&m->free, base.v, base.v + bytes);
}

static bool overlaps(uint64_t a, uint64_t a_end, uint64_t b, uint64_t b_end)
{
	return a < b_end && b < a_end;
}

static char cell(const struct map *m, const struct tdmr_plan *plan, const struct tdmr_info *t,
		 uint64_t from, uint64_t to)
{
	for (unsigned i = 0; i < plan->count; i++)
		if (overlaps(from, to, plan->pamt[i].base, plan->pamt[i].end))
			return 'P';
	for (unsigned j = 0; j < TDMR_INFO_RESERVED_MAX && t->reserved[j].size; j++) {
		uint64_t base = t->base + t->reserved[j].offset;

		if (base <= from && to <= base + t->reserved[j].size)
			return '-';
	}
	return ranges_bytes(&m->memory.ram, from, to) == to - from ? '#' : '+';
}

static void draw(const struct map *m, const struct tdmr_plan *plan, const struct tdmr_info *t)
{
	uint64_t step = t->size / BAR;

	printf("  [");
	for (unsigned i = 0; i < BAR; i++)
		putchar(cell(m, plan, t, t->base + i * step, t->base + (i + 1) * step));
	puts("]");
}

static void print_tdmr(const struct map *m, const struct tdmr_plan *plan, unsigned i)
{
	const struct tdmr_info *t = &plan->tdmr[i];

	printf("TDMR %u: 0x%llx - 0x%llx, %llu GiB; PAMT 0x%llx - 0x%llx, %llu KiB\n", i,
	       (unsigned long long)t->base, (unsigned long long)(t->base + t->size),
	       (unsigned long long)(t->size >> 30), (unsigned long long)plan->pamt[i].base,
	       (unsigned long long)plan->pamt[i].end,
	       (unsigned long long)((plan->pamt[i].end - plan->pamt[i].base) >> 10));
	draw(m, plan, t);
	for (unsigned j = 0; j < TDMR_INFO_RESERVED_MAX && t->reserved[j].size; j++) {
		uint64_t base = t->base + t->reserved[j].offset;

		printf("  reserved %2u: 0x%llx - 0x%llx, %llu KiB\n", j, (unsigned long long)base,
		       (unsigned long long)(base + t->reserved[j].size),
		       (unsigned long long)(t->reserved[j].size >> 10));
	}
}

/* What TDX costs of the memory that it gets, and of what else. */
static void print_cost(const struct tdmr_plan *plan)
{
	uint64_t all = plan->ram_bytes ? plan->ram_bytes : 1;

	printf("cost: PAMT %llu.%03llu %% of the RAM, given up %llu.%03llu %%; not wanted %llu MiB\n",
	       (unsigned long long)(plan->pamt_bytes * 100 / all),
	       (unsigned long long)(plan->pamt_bytes * 100000 / all % 1000),
	       (unsigned long long)(plan->lost_bytes * 100 / all),
	       (unsigned long long)(plan->lost_bytes * 100000 / all % 1000),
	       (unsigned long long)(plan->spared_bytes >> 20));
}

/* What is not given at the start is given for 2 MiB at a time, while pages of 4K are in use there. */
static void print_saving(const struct map *m, const struct tdmr_plan *plan)
{
	uint64_t fixed = tdmr_static_bytes(plan, &m->limits);

	if (m->limits.pamt_bitmap_bits)
		printf("dynamic PAMT: %llu KiB instead of %llu, saves %llu; 8 KiB more for each 2 MiB "
		       "used in pages of 4K\n",
		       (unsigned long long)(plan->pamt_bytes >> 10), (unsigned long long)(fixed >> 10),
		       (unsigned long long)((fixed - plan->pamt_bytes) >> 10));
}

static int report(const struct map *m, const struct tdmr_plan *plan)
{
	uint64_t why;
	char text[160];

	puts("# RAM   P PAMT   - reserved   + RAM and holes");
	for (unsigned i = 0; i < plan->count; i++)
		print_tdmr(m, plan, i);
	print_cost(plan);
	print_saving(m, plan);
	printf("%u TDMRs; convertible RAM %llu MiB, for TDs %llu MiB, PAMT %llu KiB, given up %llu "
	       "KiB\n",
	       plan->count, (unsigned long long)(plan->ram_bytes >> 20),
	       (unsigned long long)(ranges_bytes(&plan->usable, 0, UINT64_MAX) >> 20),
	       (unsigned long long)(plan->pamt_bytes >> 10),
	       (unsigned long long)(plan->lost_bytes >> 10));
	if (tdmr_check(plan->tdmr, plan->count, &m->memory.cmr, &m->limits, &why)) {
		printf("check: TDH.SYS.CONFIG would refuse it: %s\n",
		       tdx_status_text((tdx_status_t){ why }, text, sizeof(text)));
		return 1;
	}
	puts("check: TDH.SYS.CONFIG takes it");
	return 0;
}

int cmd_tdmr(int argc, char **argv)
{
	static struct map m;
	static struct tdmr_plan plan;
	int err, status = 1;

	(void)argc;
	m.memory.alloc = pamt_alloc;
	m.memory.free = pamt_free;
	m.memory.ctx = &m;
	err = read_map(&m, argv[0]);
	if (!err)
		err = ranges_intersect(&m.memory.ram, &m.memory.cmr, &m.free);
	if (!err)
		err = ranges_remove(&m.free, 0, TDMR_SKIP_LOW);
	if (!err) {
		err = tdmr_plan_make(&plan, &m.memory, &m.limits);
		if (err)
			fprintf(stderr, "tain: %s: %s\n", argv[0],
				err == -ENODATA ? "no convertible memory above the first MiB"
						: "no memory for the PAMTs");
	}
	if (!err) {
		status = report(&m, &plan);
		tdmr_plan_free(&plan, &m.memory);
	}
	ranges_free(&m.free);
	ranges_free(&m.memory.ram);
	ranges_free(&m.memory.cmr);
	return status;
}
