/*
 * explain_words.c - one function per kind of number, one table of kinds. Contract: explain_words.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/monitor/explain_words.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/machine/vmx_exit.h"
#include "kernel/machine/vmx_explain.h"
#include "tdx/abi/explain.h"
#include "tdx/abi/explain_ghci.h"

const char explain_details[] =
	"    STATUS   what SEAMCALL returned in RAX, hexadecimal or a name; LEAF its number or name;\n"
	"             rcx= rdx= r8= r9= r10=: what came back in them\n"
	"    seamldr STATUS [LEAF]          a status of the P-SEAMLDR\n"
	"    exit REASON [QUALIFICATION]    a VM exit: explain exit 48 0x181\n"
	"    vmerr NUMBER                   a VM-instruction error: explain vmerr 7\n"
	"    ve REASON [QUALIFICATION [GPA]]  what a TD's #VE handler was told\n"
	"    ghci [FUNCTION [STATUS]]       a TDVMCALL and its answer: explain ghci MapGPA 1";

struct words {
	int argc;
	char **argv;
	explain_line_fn line;
	void *ctx;
	char *why;
	size_t why_size;
};

static int wrong(const struct words *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
static int wrong(const struct words *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w->why, w->why_size, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

#define WHOLE_WORD 16 /* hexadecimal digits of a register */

/* Hexadecimal with 0x, with hexadecimal letters or as long as a register; else decimal. */
static bool number(const char *text, uint64_t *value)
{
	bool hex = strncmp(text, "0x", 2) == 0 || strpbrk(text, "abcdefABCDEF") != NULL ||
		   strlen(text) == WHOLE_WORD;
	char *end;

	if (*text == '-' || *text == '+' || !*text)
		return false;
	*value = strtoull(text, &end, hex ? 16 : 10);
	return !*end;
}

/* ---- statuses ---- */

static int take_register(const struct words *w, const char *word, struct tdx_explain_regs *regs)
{
	struct {
		const char *name;
		bool *has;
		uint64_t *value;
	} known[] = {
		{ "rcx=", &regs->has_rcx, &regs->rcx }, { "rdx=", &regs->has_rdx, &regs->rdx },
		{ "r8=", &regs->has_r8, &regs->r8 },	{ "r9=", &regs->has_r9, &regs->r9 },
		{ "r10=", &regs->has_r10, &regs->r10 },
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		size_t n = strlen(known[i].name);
		char *end;

		if (strncmp(word, known[i].name, n) != 0)
			continue;
		*known[i].value = strtoull(word + n, &end, 16);
		*known[i].has = true;
		return end != word + n && !*end ? 0
						: wrong(w, "'%.40s': expected a hexadecimal value", word);
	}
	return wrong(w, "'%.40s' is no register of these: rcx rdx r8 r9 r10", word);
}

static int explain_status(const struct words *w)
{
	struct tdx_explain_regs regs = { 0 };
	int64_t leaf = TDX_LEAF_UNKNOWN;
	uint64_t value;

	if (tdx_parse_status(w->argv[0], &value))
		return wrong(w,
			     "'%.40s' is no status: expected hexadecimal or a name, as in `explain "
			     "0xc000010000000045 21`; or one of seamldr, exit, vmerr, ve, ghci",
			     w->argv[0]);
	for (int i = 1; i < w->argc; i++) {
		if (strchr(w->argv[i], '=')) {
			if (take_register(w, w->argv[i], &regs))
				return -EINVAL;
		} else if (i > 1 || tdx_parse_leaf(w->argv[i], &leaf)) {
			return wrong(w, "'%.40s' is no leaf: expected its number or name, as TDH.MNG.INIT",
				     w->argv[i]);
		}
	}
	tdx_explain_with((tdx_status_t){ value }, leaf, &regs, w->line, w->ctx);
	return 0;
}

static int explain_seamldr(const struct words *w)
{
	int64_t leaf = TDX_LEAF_SEAMLDR;
	uint64_t value;
	char name[60];

	if (w->argc < 2 || w->argc > 3 || tdx_parse_status(w->argv[1], &value))
		return wrong(w, "expected: explain seamldr STATUS [LEAF], as in `explain seamldr "
				"0x8000000000020000 INSTALL`");
	if (w->argc == 2) {
		w->line(w->ctx, tdx_seamldr_text(value));
		return 0;
	}
	snprintf(name, sizeof(name), "SEAMLDR.%.40s", w->argv[2]);
	if (tdx_parse_leaf(w->argv[2], &leaf) && tdx_parse_leaf(name, &leaf))
		return wrong(w, "'%.40s' is no leaf of the P-SEAMLDR: INFO, INSTALL, SHUTDOWN, SEAMINFO",
			     w->argv[2]);
	if (leaf < TDX_LEAF_SEAMLDR)
		leaf += TDX_LEAF_SEAMLDR; /* its plain number */
	tdx_explain((tdx_status_t){ value }, leaf, w->line, w->ctx);
	return 0;
}

/* ---- VMX ---- */

static int explain_exit(const struct words *w)
{
	uint64_t q = 0;
	uint32_t reason;

	if (w->argc < 2 || w->argc > 3 || !vmx_parse_exit(w->argv[1], &reason))
		return wrong(w, "expected: explain exit REASON [QUALIFICATION], as in `explain exit 48 0x181`");
	if (w->argc == 3 && !number(w->argv[2], &q))
		return wrong(w, "'%.40s' is no exit qualification: expected a number", w->argv[2]);
	vmx_explain_exit(reason, w->argc == 3 ? &q : NULL, w->line, w->ctx);
	return 0;
}

static int explain_vmerr(const struct words *w)
{
	uint64_t value;

	if (w->argc != 2 || !number(w->argv[1], &value) || value > UINT32_MAX)
		return wrong(w, "expected: explain vmerr NUMBER, as in `explain vmerr 7`");
	vmx_explain_error((uint32_t)value, w->line, w->ctx);
	return 0;
}

/* ---- a TD's #VE ---- */

/* Exits that the module turns into a #VE, and what the guest does then. */
static const struct {
	uint32_t basic;
	const char *meaning;
} ve_rows[] = {
	{ EXIT_REASON_CPUID, "a CPUID leaf that the module leaves to the host: TDVMCALL Instruction.CPUID" },
	{ EXIT_REASON_HLT, "TDVMCALL Instruction.HLT" },
	{ EXIT_REASON_INVD, "INVD is refused in a TD" },
	{ EXIT_REASON_RDPMC, "no performance counters: the PERFMON attribute is off" },
	{ EXIT_REASON_VMCALL, "VMCALL is nothing in a TD: use TDCALL" },
	{ EXIT_REASON_IO, "TDVMCALL Instruction.IO, one size at a time; strings are unrolled" },
	{ EXIT_REASON_RDMSR, "TDVMCALL Instruction.RDMSR" },
	{ EXIT_REASON_WRMSR, "TDVMCALL Instruction.WRMSR" },
	{ EXIT_REASON_MWAIT, "MWAIT is not offered" },
	{ EXIT_REASON_MONITOR, "MONITOR is not offered" },
	{ EXIT_REASON_EPT_VIOLATION, "shared GPA: MMIO, decode the instruction, TDVMCALL #VE.RequestMMIO; "
				     "private GPA: the page was not accepted (TDG.MEM.PAGE.ACCEPT), or never "
				     "given" },
	{ EXIT_REASON_WBINVD, "TDVMCALL Instruction.WBINVD" },
};

static int explain_ve(const struct words *w)
{
	uint64_t q = 0, gpa = 0;
	const char *meaning = "the module makes no #VE of this exit";
	uint32_t reason;
	char buf[240], text[160];

	if (w->argc < 2 || w->argc > 4 || !vmx_parse_exit(w->argv[1], &reason) ||
	    (w->argc > 2 && !number(w->argv[2], &q)) || (w->argc > 3 && !number(w->argv[3], &gpa)))
		return wrong(w, "expected: explain ve REASON [QUALIFICATION [GPA]], as in `explain ve 48 "
				"0x2 0xfec00000`");
	snprintf(buf, sizeof(buf), "#VE      %u %s", reason, vmx_exit_name(reason));
	w->line(w->ctx, buf);
	if (w->argc > 2 && vmx_qualification_text(reason, q, text, sizeof(text))) {
		snprintf(buf, sizeof(buf), "qualif.  %#llx: %s", (unsigned long long)q, text);
		w->line(w->ctx, buf);
	}
	for (size_t i = 0; i < ARRAY_LEN(ve_rows); i++)
		if (ve_rows[i].basic == reason)
			meaning = ve_rows[i].meaning;
	snprintf(buf, sizeof(buf), "meaning  %s", meaning);
	w->line(w->ctx, buf);
	if (w->argc > 3) {
		snprintf(buf, sizeof(buf), "gpa      %#llx: with the SHARED bit (the top one of the TD's "
			 "width) it is shared, else private", (unsigned long long)gpa);
		w->line(w->ctx, buf);
	}
	return 0;
}

static int explain_ghci(const struct words *w)
{
	uint64_t function, status = 0;

	if (w->argc == 1) {
		ghci_list(w->line, w->ctx);
		return 0;
	}
	if (w->argc > 3 || !ghci_parse_function(w->argv[1], &function))
		return wrong(w, "expected: explain ghci [FUNCTION [STATUS]], as in `explain ghci MapGPA 1`; "
				"`explain ghci` lists them");
	if (w->argc == 3 && !number(w->argv[2], &status))
		return wrong(w, "'%.40s' is no status: expected a number", w->argv[2]);
	ghci_explain(function, w->argc == 3 ? &status : NULL, w->line, w->ctx);
	return 0;
}

int explain_words(int argc, char **argv, void (*line)(void *ctx, const char *text), void *ctx,
		  char *why, size_t why_size)
{
	static const struct {
		const char *name;
		int (*explain)(const struct words *w);
	} kinds[] = {
		{ "seamldr", explain_seamldr }, { "exit", explain_exit }, { "vmerr", explain_vmerr },
		{ "ve", explain_ve },		{ "ghci", explain_ghci },
	};
	const struct words w = { argc, argv, line, ctx, why, why_size };

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strcmp(argv[0], kinds[i].name) == 0)
			return kinds[i].explain(&w);
	return explain_status(&w);
}
