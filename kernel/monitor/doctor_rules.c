/*
 * doctor_rules.c - the table of rows, what hangs on what, and the verdict. Contract: doctor_rules.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/monitor/doctor_room.h"

/* ---- how a rule speaks ---- */

static void say(struct doctor_row *row, enum doctor_verdict v, const char *next, const char *fmt,
		va_list ap)
{
	vsnprintf(row->found, sizeof(row->found), fmt, ap);
	row->verdict = v;
	row->next = next;
}

void row_ok(struct doctor_row *row, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(row, DOCTOR_OK, "", fmt, ap);
	va_end(ap);
}

void row_note(struct doctor_row *row, const char *next, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(row, DOCTOR_NOTE, next, fmt, ap);
	va_end(ap);
}

void row_unknown(struct doctor_row *row, const char *next, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(row, DOCTOR_UNKNOWN, next, fmt, ap);
	va_end(ap);
}

void row_fail(const struct doctor_machine *m, struct doctor_row *row, const char *expected,
	      enum doctor_option option, const char *next, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(row, DOCTOR_FAIL, next, fmt, ap);
	va_end(ap);
	snprintf(row->expected, sizeof(row->expected), "%s", expected);
	doctor_option_text(m, option, row->option, sizeof(row->option));
}

void row_never(struct doctor_row *row, const char *expected, const char *next, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(row, DOCTOR_NEVER, next, fmt, ap);
	va_end(ap);
	snprintf(row->expected, sizeof(row->expected), "%s", expected);
}

/* ---- the rows ---- */

/*
 * In the order in which a person mends: a row whose `needs` failed or was skipped is skipped, because
 * nothing can be said of it, or because mending the other one mends it too.
 */
static const struct rule {
	const char *name;
	doctor_rule_fn judge;
	const char *needs[3];
	enum { OF_MACHINE, OF_MODULE, OF_TAIN } kind; /* OF_MODULE: SYS.INIT checks it, too */
} rules[] = {
	{ "platform", rule_platform, { NULL }, OF_MACHINE },
	{ "cpu", rule_cpu, { NULL }, OF_MACHINE },
	{ "microcode", rule_microcode, { "cpu" }, OF_MODULE },
	{ "cpus", rule_cpus, { NULL }, OF_MACHINE },
	{ "threads", rule_threads, { NULL }, OF_MACHINE },
	{ "vmx", rule_vmx, { NULL }, OF_MACHINE },
	{ "seam", rule_seam, { "cpu" }, OF_MACHINE },
	{ "width", rule_width, { "seam" }, OF_MODULE },
	{ "tme", rule_tme, { "seam", "width" }, OF_MACHINE },
	{ "keyids", rule_keyids, { "tme" }, OF_MACHINE },
	{ "dimms", rule_dimms, { NULL }, OF_MACHINE },
	{ "numa", rule_numa, { NULL }, OF_MACHINE },
	{ "sgx", rule_sgx, { "cpu" }, OF_MACHINE },
	{ "mcheck", rule_mcheck, { "seam" }, OF_MODULE },
	{ "seamrr", rule_seamrr, { "keyids", "mcheck" }, OF_MACHINE },
	{ "seamldr", rule_seamldr, { "vmx", "seamrr" }, OF_MACHINE },
	{ "module", rule_module, { "seamldr" }, OF_MACHINE },
	{ "cpuid", rule_cpuid, { "seam" }, OF_MODULE },
	{ "same", rule_same, { "seam" }, OF_MODULE },
	{ "tsx", rule_tsx, { "seam" }, OF_MODULE },
	{ "archcaps", rule_archcaps, { "seam" }, OF_MODULE },
	{ "msrs", rule_msrs, { "seam" }, OF_MODULE },
	{ "mtrr", rule_mtrr, { "seam" }, OF_MODULE },
	{ "bringup", rule_bringup, { "module" }, OF_MACHINE },
	{ "features", rule_features, { "bringup" }, OF_MACHINE },
	{ "cmrs", rule_cmrs, { "bringup" }, OF_MACHINE },
	{ "memory", rule_memory, { NULL }, OF_MACHINE },
	{ "errata", rule_errata, { "seam" }, OF_MACHINE },
	{ "cost", rule_cost, { "seam" }, OF_MACHINE },
	{ "tdx module", rule_software, { NULL }, OF_TAIN },
	{ "pages", rule_leaks, { NULL }, OF_TAIN },
	{ "console", rule_console, { NULL }, OF_TAIN },
	{ "tain.cfg", rule_config, { NULL }, OF_TAIN },
	{ "log", rule_log, { NULL }, OF_TAIN },
};

#define RULE_COUNT ARRAY_LEN(rules)

const struct doctor_row *doctor_row_find(const struct doctor_report *r, const char *name)
{
	for (unsigned i = 0; i < r->rows; i++)
		if (strcmp(r->row[i].name, name) == 0)
			return &r->row[i];
	return NULL;
}

static bool stands_in_the_way(const struct doctor_row *row)
{
	return row && (row->verdict == DOCTOR_FAIL || row->verdict == DOCTOR_NEVER ||
		       row->verdict == DOCTOR_SKIPPED);
}

/* The row that is to blame for skipping @rule, or NULL. */
static const char *blame(const struct doctor_report *r, const struct rule *rule)
{
	for (size_t i = 0; i < ARRAY_LEN(rule->needs) && rule->needs[i]; i++) {
		const struct doctor_row *row = doctor_row_find(r, rule->needs[i]);

		if (stands_in_the_way(row))
			return row->because ? row->because : row->name;
	}
	return NULL;
}

static void skip(struct doctor_row *row, const char *because)
{
	row->verdict = DOCTOR_SKIPPED;
	row->because = because;
	row->next = "";
	snprintf(row->found, sizeof(row->found), "follows from row `%s`", because);
}

const char *doctor_verdict_name(enum doctor_verdict v)
{
	static const char *const names[] = { "ok", "note", "FAIL", "FAIL", "unknown", "skipped" };

	return names[v];
}

/* A module that came up has accepted this machine: what we hold against it is a remark. */
static void hear_module(struct doctor_row *row)
{
	if (row->verdict != DOCTOR_FAIL)
		return;
	row->verdict = DOCTOR_NOTE;
	row->next = "the TDX module came up nevertheless";
}

/* ---- the verdict ---- */

static void count_rows(struct doctor_report *r, const struct doctor_row **never)
{
	*never = NULL;
	for (unsigned i = 0; i < r->rows; i++) {
		const struct doctor_row *row = &r->row[i];

		if (row->own)
			continue;
		r->things += row->verdict == DOCTOR_FAIL;
		r->unknown += row->verdict == DOCTOR_UNKNOWN;
		if (row->verdict == DOCTOR_NEVER && !*never)
			*never = row;
	}
}

static void list_rows(const struct doctor_report *r, enum doctor_verdict v, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = 0;
	for (unsigned i = 0; i < r->rows && used < size; i++)
		if (r->row[i].verdict == v && !r->row[i].own)
			used += (size_t)snprintf(buf + used, size - used, "%s%s", used ? ", " : "",
						 r->row[i].name);
}

static void conclude(const struct doctor_machine *m, struct doctor_report *r)
{
	const struct doctor_row *never;
	char names[120];

	count_rows(r, &never);
	if (never) {
		r->overall = TDX_NEVER;
		snprintf(r->verdict, sizeof(r->verdict), "this machine cannot have TDX: %s",
			 never->found);
	} else if (r->things) {
		r->overall = TDX_CAN_BE_READY;
		list_rows(r, DOCTOR_FAIL, names, sizeof(names));
		snprintf(r->verdict, sizeof(r->verdict), "TDX can be made ready: %u thing%s: %s",
			 r->things, r->things == 1 ? "" : "s", names);
	} else {
		r->overall = TDX_IS_READY;
		list_rows(r, DOCTOR_UNKNOWN, names, sizeof(names));
		snprintf(r->verdict, sizeof(r->verdict), "TDX is ready%s%s%s",
			 m->seam.ready ? "" : " as far as can be seen without starting it",
			 r->unknown ? "; not determined: " : "", names);
	}
}

void doctor_judge(const struct doctor_machine *m, struct doctor_report *r)
{
	_Static_assert(RULE_COUNT <= DOCTOR_ROWS_MAX, "room for every row");

	memset(r, 0, sizeof(*r));
	for (size_t i = 0; i < RULE_COUNT; i++) {
		struct doctor_row *row = &r->row[r->rows];
		const char *because = blame(r, &rules[i]);

		*row = (struct doctor_row){ .name = rules[i].name, .next = "", .own = rules[i].kind == OF_TAIN };
		if (because)
			skip(row, because);
		else
			rules[i].judge(m, row);
		if (rules[i].kind == OF_MODULE && m->seam.ready)
			hear_module(row);
		r->rows++;
	}
	conclude(m, r);
}
