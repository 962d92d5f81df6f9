/*
 * vmx_explain.c - what vmx_explain.h promises: a table of decoders by exit reason.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/machine/vmx_explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/machine/vmx_exit.h"

#define REASON_ENCLAVE     BIT32(27)
#define REASON_PENDING_MTF BIT32(28)
#define REASON_FROM_ROOT   BIT32(29)
#define REASON_BUS_LOCK    BIT32(26)

typedef unsigned long long ull;

static const char *const gprs[] = { "RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI",
				    "R8",  "R9",  "R10", "R11", "R12", "R13", "R14", "R15" };

/* Names of the set bits, ", " between. */
struct bit_name {
	unsigned bit;
	const char *name;
};

static void bits_text(uint64_t v, const struct bit_name *names, size_t count, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = 0;
	for (size_t i = 0; i < count && used < size; i++)
		if (v & BIT64(names[i].bit))
			used += (size_t)snprintf(buf + used, size - used, "%s%s", used ? ", " : "",
						 names[i].name);
}

static void q_exception(uint64_t q, char *buf, size_t size)
{
	static const struct bit_name db[] = { { 0, "breakpoint 0" }, { 1, "breakpoint 1" },
					      { 2, "breakpoint 2" }, { 3, "breakpoint 3" },
					      { 13, "debug register access" }, { 14, "single step" } };
	char text[80];

	bits_text(q, db, ARRAY_LEN(db), text, sizeof(text));
	snprintf(buf, size, "address %#llx if it is a #PF; %s if a #DB", (ull)q,
		 text[0] ? text : "no cause");
}

static void q_task_switch(uint64_t q, char *buf, size_t size)
{
	static const char *const by[] = { "CALL", "IRET", "JMP", "a task gate in the IDT" };

	snprintf(buf, size, "to TSS selector %#llx by %s", (ull)(q & 0xffff), by[q >> 30 & 3]);
}

static void q_cr(uint64_t q, char *buf, size_t size)
{
	unsigned cr = (unsigned)q & 15, gpr = (unsigned)(q >> 8) & 15;

	switch (q >> 4 & 3) {
	case 0:
		snprintf(buf, size, "MOV to CR%u from %s", cr, gprs[gpr]);
		break;
	case 1:
		snprintf(buf, size, "MOV from CR%u to %s", cr, gprs[gpr]);
		break;
	case 2:
		snprintf(buf, size, "CLTS");
		break;
	default:
		snprintf(buf, size, "LMSW with %#llx", (ull)(q >> 16 & 0xffff));
	}
}

static void q_dr(uint64_t q, char *buf, size_t size)
{
	snprintf(buf, size, q & 16 ? "MOV from DR%u to %s" : "MOV to DR%u from %s", (unsigned)q & 7,
		 gprs[q >> 8 & 15]);
}

static void q_io(uint64_t q, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s of %u byte%s at port %#llx%s", q & 32 ? "REP " : "",
		 q & 16 ? (q & 8 ? "INS" : "OUTS") : (q & 8 ? "IN" : "OUT"), (unsigned)(q & 7) + 1,
		 q & 7 ? "s" : "", (ull)(q >> 16 & 0xffff), q & 64 ? " (port in the instruction)" : "");
}

static void q_entry_state(uint64_t q, char *buf, size_t size)
{
	static const char *const why[] = { "guest state checks failed", NULL, "a PDPTE is bad",
					   "NMI injection while blocked by STI or MOV SS",
					   "the VMCS link pointer is bad" };
	const char *text = q < ARRAY_LEN(why) ? why[q] : NULL;

	snprintf(buf, size, "%s", text ? text : "no known reason");
}

static void q_msr_entry(uint64_t q, char *buf, size_t size)
{
	snprintf(buf, size, "entry %llu of the MSR-load list", (ull)q);
}

static void q_apic(uint64_t q, char *buf, size_t size)
{
	static const char *const how[16] = { [0] = "read", [1] = "write", [2] = "fetch",
					     [3] = "during event delivery",
					     [10] = "by physical address, during event delivery",
					     [15] = "by physical address" };
	const char *text = how[q >> 12 & 15];

	snprintf(buf, size, "APIC page offset %#llx, %s", (ull)(q & 0xfff), text ? text : "reserved");
}

static void q_number(uint64_t q, char *buf, size_t size) { snprintf(buf, size, "%#llx", (ull)q); }

static void q_vector(uint64_t q, char *buf, size_t size)
{
	snprintf(buf, size, "vector %#llx", (ull)(q & 0xff));
}

static void q_ept(uint64_t q, char *buf, size_t size)
{
	static const struct bit_name access[] = { { 0, "read" }, { 1, "write" }, { 2, "fetch" } };
	static const struct bit_name rights[] = { { 3, "R" }, { 4, "W" }, { 5, "X" }, { 6, "user X" } };
	char a[40], r[40];

	bits_text(q, access, ARRAY_LEN(access), a, sizeof(a));
	bits_text(q, rights, ARRAY_LEN(rights), r, sizeof(r));
	snprintf(buf, size, "%s of a page that is %s%s; %s%s%s", a[0] ? a : "no access",
		 r[0] ? "mapped " : "not present", r,
		 !(q & BIT64(7))  ? "no linear address"
		 : q & BIT64(8)   ? "by the instruction itself"
				  : "by the walk of the guest's page tables",
		 q & BIT64(12) ? ", NMIs unblocked by IRET" : "",
		 q & BIT64(13) ? ", shadow stack" : "");
}

static void q_log_full(uint64_t q, char *buf, size_t size)
{
	snprintf(buf, size, "%s", q & BIT64(12) ? "NMIs unblocked by IRET" : "nothing more");
}

static void q_notify(uint64_t q, char *buf, size_t size)
{
	snprintf(buf, size, "the guest's state is %s", q & 1 ? "lost" : "good");
}

static const struct {
	uint32_t basic;
	void (*text)(uint64_t q, char *buf, size_t size);
} decoders[] = {
	{ EXIT_REASON_EXCEPTION_NMI, q_exception }, { EXIT_REASON_SIPI, q_vector },
	{ EXIT_REASON_TASK_SWITCH, q_task_switch }, { EXIT_REASON_INVLPG, q_number },
	{ EXIT_REASON_CR_ACCESS, q_cr },	    { EXIT_REASON_DR_ACCESS, q_dr },
	{ EXIT_REASON_IO, q_io },		    { EXIT_REASON_BAD_GUEST_STATE, q_entry_state },
	{ EXIT_REASON_BAD_MSR_LOAD, q_msr_entry },  { EXIT_REASON_APIC_ACCESS, q_apic },
	{ EXIT_REASON_VIRTUALIZED_EOI, q_vector },  { EXIT_REASON_EPT_VIOLATION, q_ept },
	{ EXIT_REASON_APIC_WRITE, q_number },	    { EXIT_REASON_PML_FULL, q_log_full },
	{ EXIT_REASON_NOTIFY, q_notify },
};

bool vmx_qualification_text(uint32_t basic, uint64_t q, char *buf, size_t size)
{
	for (size_t i = 0; i < ARRAY_LEN(decoders); i++)
		if (decoders[i].basic == basic) {
			decoders[i].text(q, buf, size);
			return true;
		}
	return false;
}

/* What usually stands behind an exit that people ask about. */
static const struct {
	uint32_t basic;
	const char *cause, *attempt;
} hints[] = {
	{ EXIT_REASON_TRIPLE_FAULT, "the guest's own exception handlers failed, often its page tables or IDT",
	  "look at its last accesses: `regs`, `walk`, `trace`" },
	{ EXIT_REASON_BAD_GUEST_STATE, "a guest-state field of the VMCS contradicts another",
	  "compare segment, CR and RFLAGS fields with SDM volume 3C, \"Checks on the Guest State Area\"" },
	{ EXIT_REASON_EPT_MISCONFIG, "an EPT entry with reserved bits or without read permission; meant for MMIO",
	  "if it is not MMIO, walk the address: `ept`" },
	{ EXIT_REASON_EPT_VIOLATION, "memory that is not mapped yet, write-protected, or of no slot",
	  "usually served and forgotten; one that repeats: `ept`, `walk`" },
	{ EXIT_REASON_BUS_LOCK, "a locked access across cache lines", "nothing: it was carried out" },
	{ EXIT_REASON_TDCALL, "a TDCALL of a TD: a TDVMCALL if the host sees it", "`explain ghci`" },
};

void vmx_explain_exit(uint32_t reason, const uint64_t *qualification, explain_line_fn line, void *ctx)
{
	static const struct bit_name flags[] = { { 26, "bus lock asserted" },
						 { 27, "in enclave mode" },
						 { 28, "MTF pending" },
						 { 29, "from VMX root operation" },
						 { 31, "VM entry failed" } };
	uint32_t basic = reason & 0xffff;
	char text[160], buf[200];

	bits_text(reason, flags, ARRAY_LEN(flags), text, sizeof(text));
	snprintf(buf, sizeof(buf), "exit     %u %s%s%s", basic, vmx_exit_name(basic), text[0] ? ", " : "",
		 text);
	line(ctx, buf);
	if (qualification && vmx_qualification_text(basic, *qualification, text, sizeof(text))) {
		snprintf(buf, sizeof(buf), "qualif.  %#llx: %s", (ull)*qualification, text);
		line(ctx, buf);
	} else if (qualification) {
		snprintf(buf, sizeof(buf), "qualif.  %#llx: this reason has none", (ull)*qualification);
		line(ctx, buf);
	}
	for (size_t i = 0; i < ARRAY_LEN(hints); i++)
		if (hints[i].basic == basic) {
			snprintf(buf, sizeof(buf), "cause    %s", hints[i].cause);
			line(ctx, buf);
			snprintf(buf, sizeof(buf), "try      %s", hints[i].attempt);
			line(ctx, buf);
		}
}

void vmx_explain_error(uint32_t error, explain_line_fn line, void *ctx)
{
	static const struct {
		uint32_t error;
		const char *attempt;
	} tries[] = {
		{ 4, "VMCLEAR it, or VMRESUME: it was launched before" },
		{ 5, "VMLAUNCH it first; it was cleared or moved since" },
		{ 7, "adjust the controls with the IA32_VMX_TRUE_* MSRs: SDM volume 3C, \"Checks on VMX Controls\"" },
		{ 8, "look at host CR0, CR3, CR4, selectors, IA32_EFER: SDM volume 3C, \"Checks on Host Control "
		     "Registers, MSRs, and SSP\"" },
		{ 11, "write IA32_VMX_BASIC[30:0] into the region's first word" },
		{ 12, "the field does not exist on this CPU: `vmcs` lists those that do" },
		{ 28, "the type or the descriptor is wrong: IA32_VMX_EPT_VPID_CAP says which types exist" },
	};
	char buf[200];

	snprintf(buf, sizeof(buf), "error    %u: %s", error, vmx_error_text(error));
	line(ctx, buf);
	for (size_t i = 0; i < ARRAY_LEN(tries); i++)
		if (tries[i].error == error) {
			snprintf(buf, sizeof(buf), "try      %s", tries[i].attempt);
			line(ctx, buf);
		}
}

/* "EPT_VIOLATION", "ept violation", "ept-violation" alike. */
static bool same_words(const char *a, const char *b)
{
	for (; *a && *b; a++, b++) {
		char x = *a >= 'A' && *a <= 'Z' ? (char)(*a + 32) : *a == '_' || *a == '-' ? ' ' : *a;
		char y = *b >= 'A' && *b <= 'Z' ? (char)(*b + 32) : *b;

		if (x != y)
			return false;
	}
	return *a == *b;
}

bool vmx_parse_exit(const char *text, uint32_t *reason)
{
	char *end;
	unsigned long value = strtoul(text, &end, 0);

	if (end != text && !*end && value <= UINT32_MAX) {
		*reason = (uint32_t)value;
		return true;
	}
	for (uint32_t i = 0; i < EXIT_REASON_COUNT; i++)
		if (same_words(text, vmx_exit_name(i)) && strcmp(vmx_exit_name(i), "reserved") != 0) {
			*reason = i;
			return true;
		}
	return false;
}
