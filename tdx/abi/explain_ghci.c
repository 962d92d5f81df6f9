/*
 * explain_ghci.c - what explain_ghci.h promises, one table row per sub-function and per answer.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/abi/explain_ghci.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tdx/abi/exit.h"

/* clang-format off */
static const struct function {
	uint64_t number;
	const char *name, *in, *out;
} functions[] = {
	{ TDVMCALL_CPUID, "Instruction.CPUID", "R12 EAX, R13 ECX", "R12 to R15: EAX to EDX" },
	{ TDVMCALL_HLT, "Instruction.HLT", "R12 1: interrupts are blocked", "nothing" },
	{ TDVMCALL_IO, "Instruction.IO", "R12 size 1, 2, 4; R13 0 in, 1 out; R14 port; R15 data", "R11 data" },
	{ TDVMCALL_RDMSR, "Instruction.RDMSR", "R12 MSR", "R11 value" },
	{ TDVMCALL_WRMSR, "Instruction.WRMSR", "R12 MSR, R13 value", "nothing" },
	{ TDVMCALL_MMIO, "#VE.RequestMMIO", "R12 size 1, 2, 4, 8; R13 0 read, 1 write; R14 GPA with SHARED; R15 data", "R11 data" },
	{ TDVMCALL_WBINVD, "Instruction.WBINVD", "R12 0 WBINVD, 1 WBNOINVD", "nothing" },
	{ TDVMCALL_PCONFIG, "Instruction.PCONFIG", "R12 leaf", "R11" },
	{ TDVMCALL_GET_INFO, "GetTdVmCallInfo", "R12 0 base set, 1 details", "R11 to R14: what is there" },
	{ TDVMCALL_MAP_GPA, "MapGPA", "R12 start, its SHARED bit says what is wanted; R13 bytes", "R11 where it stopped" },
	{ TDVMCALL_GET_QUOTE, "GetQuote", "R12 shared buffer, R13 bytes", "nothing; the buffer's status later" },
	{ TDVMCALL_REPORT_FATAL_ERROR, "ReportFatalError", "R12 code; text in R14 R15 RBX RDI RSI R8 R9 RDX", "never returns" },
	{ TDVMCALL_SETUP_EVENT_NOTIFY, "SetupEventNotifyInterrupt", "R12 vector 32 to 255", "nothing" },
	{ TDVMCALL_SERVICE, "Service", "R12 request, R13 response (shared); R14 vector; R15 timeout", "nothing" },
	{ TDVMCALL_MIGTD, "MigTD", "of service TDs", "of service TDs" },
};

static const struct answer {
	uint64_t value;
	const char *name, *meaning, *attempt;
} answers[] = {
	{ TDVMCALL_SUCCESS, "SUCCESS", "done", "" },
	{ TDVMCALL_RETRY, "RETRY", "the host stopped half way: R11 is where to go on",
	  "call again from R11; three times without progress is a failure for Linux" },
	{ TDVMCALL_INVALID_OPERAND, "INVALID_OPERAND",
	  "the host does not take an operand: unknown MSR, size, GPA outside of the width, or the "
	  "SHARED bit differs between the ends", "compare the operands with the line above" },
	{ TDVMCALL_GPA_INUSE, "GPA_INUSE", "MapGPA: the range is in use", "stop using it, then again" },
	{ TDVMCALL_ALIGN_ERROR, "ALIGN_ERROR", "start or size is not a multiple of 4096", "align both" },
	{ TDVMCALL_SUBFUNC_UNSUPPORTED, "SUBFUNC_UNSUPPORTED", "this host has no such sub-function",
	  "GetTdVmCallInfo tells which it has; GetQuote needs an SGX quoting service" },
};
/* clang-format on */

/* Letters and digits only, any case: "MAP_GPA" is "MapGPA". */
static bool same_letters(const char *a, const char *b)
{
	for (;;) {
		while (*a == '_' || *a == '.' || *a == '-' || *a == '#')
			a++;
		while (*b == '_' || *b == '.' || *b == '-' || *b == '#')
			b++;
		char x = *a >= 'A' && *a <= 'Z' ? (char)(*a + 32) : *a;
		char y = *b >= 'A' && *b <= 'Z' ? (char)(*b + 32) : *b;

		if (x != y)
			return false;
		if (!x)
			return true;
		a++, b++;
	}
}

bool ghci_parse_function(const char *text, uint64_t *number)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 0);

	if (end != text && !*end) {
		*number = value;
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
		const char *dot = strchr(functions[i].name, '.');
		const char *plain = tdvmcall_name(functions[i].number);

		if (same_letters(text, functions[i].name) || (dot && same_letters(text, dot + 1)) ||
		    (plain && same_letters(text, plain))) {
			*number = functions[i].number;
			return true;
		}
	}
	return false;
}

static void explain_status(uint64_t status, void (*line)(void *ctx, const char *text), void *ctx)
{
	char buf[240];

	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		if (answers[i].value != status)
			continue;
		snprintf(buf, sizeof(buf), "status   %#llx %s: %s", (unsigned long long)status,
			 answers[i].name, answers[i].meaning);
		line(ctx, buf);
		if (answers[i].attempt[0]) {
			snprintf(buf, sizeof(buf), "try      %s", answers[i].attempt);
			line(ctx, buf);
		}
		return;
	}
	snprintf(buf, sizeof(buf), "status   %#llx: the interface has no such answer",
		 (unsigned long long)status);
	line(ctx, buf);
}

void ghci_explain(uint64_t function, const uint64_t *status,
		  void (*line)(void *ctx, const char *text), void *ctx)
{
	const struct function *f = NULL;
	char buf[200];

	for (size_t i = 0; i < ARRAY_LEN(functions); i++)
		if (functions[i].number == function)
			f = &functions[i];
	snprintf(buf, sizeof(buf), "ghci     %#llx %s (TDG.VP.VMCALL, R11)", (unsigned long long)function,
		 f ? f->name : "unknown to the interface");
	line(ctx, buf);
	if (f) {
		snprintf(buf, sizeof(buf), "in       %s", f->in);
		line(ctx, buf);
		snprintf(buf, sizeof(buf), "out      R10 status; %s", f->out);
		line(ctx, buf);
	}
	if (status)
		explain_status(*status, line, ctx);
}

void ghci_list(void (*line)(void *ctx, const char *text), void *ctx)
{
	char buf[120];

	for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
		snprintf(buf, sizeof(buf), "%#9llx  %s", (unsigned long long)functions[i].number,
			 functions[i].name);
		line(ctx, buf);
	}
}
