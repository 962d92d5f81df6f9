/*
 * explain_words.c - what `explain` says to people: the statuses that users pasted into public reports,
 * word by word, and one of each other kind of number.
 *
 * Sources of the golden cases: github.com/canonical/tdx issues 161, 25, 83, 331, 153, 100, 213;
 * intel/confidential-computing.tdx.tdx-module issues 12, 24.
 *
 * links: tdx/abi/[a-z]*.c kernel/machine/vmx_exit.c kernel/machine/vmx_explain.c
 * kernel/monitor/explain_words.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/machine/vmx_exit.h"
#include "kernel/monitor/explain_words.h"

static char text[8192], why[200];

static void collect(void *ctx, const char *line)
{
	size_t n = strlen(text);

	(void)ctx;
	snprintf(text + n, sizeof(text) - n, "%s\n", line);
}

/* The words of @line; their explanation is in `text`. */
static int explain(const char *line)
{
	static char copy[200];
	char *argv[12];
	int argc = 0;

	text[0] = why[0] = 0;
	snprintf(copy, sizeof(copy), "%s", line);
	for (char *w = strtok(copy, " "); w && argc < 12; w = strtok(NULL, " "))
		argv[argc++] = w;
	return explain_words(argc, argv, collect, NULL, why, sizeof(why));
}

/* Lines that must stand there exactly, each once. */
static const struct golden {
	const char *words;
	const char *lines[8];
} goldens[] = {
	{ "c000090000000000 33",
	  { "status   0xc000090000000000 TDX_INCORRECT_CPUID_VALUE", "leaf     33 TDH.SYS.INIT",
	    "class    9 platform; error, non-recoverable",
	    "cause    firmware or microcode older than the module, or a CPU that it does not support",
	    "try      update the firmware; `doctor cpuid` names the bit" } },
	{ "c000092100000122 33",
	  { "status   0xc000092100000122 TDX_INCORRECT_MSR_VALUE", "detail   MSR 0x122 IA32_TSX_CTRL",
	    "try      switch off and on; update the firmware; `doctor tsx` compares the CPUs" } },
	{ "c000050500000000 34",
	  { "status   0xc000050500000000 TDX_SYS_NOT_READY", "leaf     34 TDH.SYS.RD",
	    "here     TDX module 1.0 has no SYS.RD: the module is too old",
	    "try      update the firmware, or put a newer module on the ESP: \\EFI\\TDX\\TDX-SEAM.so" } },
	{ "c0000c0000000000 34",
	  { "status   0xc0000c0000000000 TDX_METADATA_FIELD_ID_INCORRECT",
	    "class    12 metadata; error, non-recoverable",
	    "here     the caller asks for a field of a newer module: an optional one can be ignored",
	    "try      ignore it if it is optional, or update the module" } },
	{ "c000010000000045 TDH.MNG.INIT rcx=0000000100000007",
	  { "status   0xc000010000000045 TDX_OPERAND_INVALID", "leaf     21 TDH.MNG.INIT",
	    "detail   operand 69 CPUID_CONFIG", "rcx      CPUID leaf 0x7, sub-leaf 0x1",
	    "here     RCX[31:0] is the CPUID leaf, RCX[63:32] the sub-leaf (ffffffff: none) whose bits are "
	    "not configurable" } },
	{ "c000030000000001 28",
	  { "status   0xc000030000000001 TDX_PAGE_METADATA_INCORRECT", "leaf     28 TDH.PHYMEM.PAGE.RECLAIM",
	    "detail   operand 1 RCX", "class    3 page (PAMT); error, non-recoverable",
	    "try      nothing is lost: skip the page; PHYMEM.PAGE.RDMD says whose it is" } },
	{ "c0000b0800000001 15",
	  { "status   0xc0000b0800000001 TDX_TLB_TRACKING_NOT_DONE", "leaf     15 TDH.MEM.PAGE.DEMOTE",
	    "here     a race in the host: TRACK and kick must come between RANGE.BLOCK and DEMOTE",
	    "try      MEM.TRACK, kick every vCPU of the TD, then DEMOTE again, all under one lock" } },
	{ "c000090000000000 33 rcx=1 rdx=ff0000000000 r8=8 r9=80000000000 r10=0",
	  { "rcx      CPUID leaf 0x1, sub-leaf 0",
	    "rdx r8   bits checked: EAX 0 EBX 0xff00 ECX 0x8 EDX 0",
	    "r9 r10   values wanted: EAX 0 EBX 0x800 ECX 0 EDX 0" } },
	{ "c0000b0300000001 6 rcx=8000000000000000 rdx=0402",
	  { "rcx rdx  S-EPT entry of level 1G, state MAPPED, rights 0, page 0" } },
	{ "8000020000000001 6",
	  { "class    2 busy or resource; error, recoverable (a retry can succeed)",
	    "try      call again; if it lasts, kick the vCPUs that may hold the object" } },
	{ "e000060400000000",
	  { "status   0xe000060400000000 TDX_TD_FATAL", "try      tear the TD down: nothing else works on it" } },
	{ "seamldr 8000000000020000", { "P-SEAMLDR EBADSIG: the signature is not good" } },
	{ "seamldr 8000000000030001 install",
	  { "leaf     SEAMLDR.INSTALL", "meaning  P-SEAMLDR ENOENTROPY: no random numbers: call again on this LP" } },
	{ "exit 48 0x181", { "exit     48 EPT violation",
			     "qualif.  0x181: read of a page that is not present; by the instruction itself" } },
	{ "exit ept_violation 0x1aa", { "qualif.  0x1aa: write of a page that is mapped R, X; by the "
					"instruction itself" } },
	{ "exit 30 0x3f80009", { "qualif.  0x3f80009: IN of 2 bytes at port 0x3f8" } },
	{ "exit 28 0x300", { "qualif.  0x300: MOV to CR0 from RBX" } },
	{ "exit 0x80000021 4", { "exit     33 entry failure: guest state, VM entry failed",
				 "qualif.  0x4: the VMCS link pointer is bad" } },
	{ "exit 12 5", { "qualif.  0x5: this reason has none" } },
	{ "vmerr 7", { "error    7: VM entry with invalid control fields" } },
	{ "ve 30", { "#VE      30 I/O instruction",
		     "meaning  TDVMCALL Instruction.IO, one size at a time; strings are unrolled" } },
	{ "ve 0", { "meaning  the module makes no #VE of this exit" } },
	{ "ghci MAP_GPA 1", { "ghci     0x10001 MapGPA (TDG.VP.VMCALL, R11)",
			      "status   0x1 RETRY: the host stopped half way: R11 is where to go on" } },
	{ "ghci 0x10002 8000000000000003",
	  { "ghci     0x10002 GetQuote (TDG.VP.VMCALL, R11)",
	    "status   0x8000000000000003 SUBFUNC_UNSUPPORTED: this host has no such sub-function" } },
	{ "ghci 77", { "ghci     0x4d unknown to the interface (TDG.VP.VMCALL, R11)" } },
	{ "ghci", { "  0x10001  MapGPA" } },
};

static void numbers_of_public_reports_are_explained(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(goldens); i++) {
		const struct golden *g = &goldens[i];

		if (explain(g->words))
			fail_msg("explain %s: %s", g->words, why);
		for (size_t k = 0; k < ARRAY_LEN(g->lines) && g->lines[k]; k++) {
			char whole[300], padded[8300];

			snprintf(whole, sizeof(whole), "\n%s\n", g->lines[k]);
			snprintf(padded, sizeof(padded), "\n%s", text);
			if (!strstr(padded, whole))
				fail_msg("explain %s: no line \"%s\" in:\n%s", g->words, g->lines[k], text);
		}
	}
}

static void mistakes_say_what_was_expected(void **state)
{
	static const struct {
		const char *words, *says;
	} rows[] = {
		{ "zebra", "is no status" },
		{ "c000010000000045 zebra", "is no leaf" },
		{ "c000010000000045 21 22", "is no leaf" },
		{ "c000010000000045 rbx=1", "is no register of these" },
		{ "c000010000000045 rcx=", "hexadecimal value" },
		{ "c000010000000045 rcx=zz", "hexadecimal value" },
		{ "seamldr", "explain seamldr STATUS [LEAF]" },
		{ "seamldr 0 zebra", "no leaf of the P-SEAMLDR" },
		{ "exit", "explain exit REASON" },
		{ "exit zebra", "explain exit REASON" },
		{ "exit reserved", "explain exit REASON" },
		{ "exit 48 zebra", "no exit qualification" },
		{ "vmerr", "explain vmerr NUMBER" },
		{ "vmerr -1", "explain vmerr NUMBER" },
		{ "ve", "explain ve REASON" },
		{ "ve 48 1 2 3", "explain ve REASON" },
		{ "ghci zebra", "explain ghci [FUNCTION [STATUS]]" },
		{ "ghci 1 zebra", "is no status" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(explain(rows[i].words), -EINVAL);
		if (!strstr(why, rows[i].says))
			fail_msg("explain %s: \"%s\" does not say \"%s\"", rows[i].words, why, rows[i].says);
		assert_null(strchr(why, '\n'));
		assert_string_equal(text, "");
	}
}

/* Every reason and error number: an end, and lines that fit. */
static void every_number_ends(void **state)
{
	char line[80];

	(void)state;
	for (unsigned reason = 0; reason < 90; reason++)
		for (unsigned bit = 0; bit < 65; bit++) {
			unsigned long long q = bit < 64 ? 1ull << bit : ~0ull;

			snprintf(line, sizeof(line), "exit %u 0x%llx", reason, q);
			assert_int_equal(explain(line), 0);
			snprintf(line, sizeof(line), "ve %u 0x%llx 0x%llx", reason, q, q);
			assert_int_equal(explain(line), 0);
		}
	for (unsigned error = 0; error < 40; error++) {
		snprintf(line, sizeof(line), "vmerr %u", error);
		assert_int_equal(explain(line), 0);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_of_public_reports_are_explained),
		cmocka_unit_test(mistakes_say_what_was_expected),
		cmocka_unit_test(every_number_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
