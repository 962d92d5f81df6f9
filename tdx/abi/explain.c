/*
 * explain.c - statuses in words.
 *
 * Invariants
 *   - Pure: depends on nothing but its arguments, so the console and the host tool say the same.
 *   - An unknown code is never guessed at: class, bits and detail are shown,
 *     and that it is unknown.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/abi/explain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tdx/abi/exit.h"
#include "tdx/abi/leaf.h"
#include "tdx/abi/operand.h"
#include "tdx/abi/sept.h"

struct status_row {
	uint32_t hi;
	enum tdx_detail detail;
	const char *name, *hint;
};

static const struct status_row status_rows[] = {
#define X(code, id, what, text) { code, what, "TDX_" #id, text },
	TDX_STATUS_TABLE(X)
#undef X
};

static const char *const class_names[] = {
	"general",
	"operand",
	"busy or resource",
	"page (PAMT)",
	"dependent pages",
	"system",
	"TD",
	"vCPU",
	"keys",
	"platform",
	"TDMR or PAMT",
	"S-EPT",
	"metadata",
	"service TD",
	"migration",
	"TDX-IO",
	"attestation",
	"TD partitioning",
};

/* MSRs that statuses name, so that nobody has to look them up. */
static const struct {
	uint32_t number;
	const char *name;
} msr_names[] = {
	{ 0x3a, "IA32_FEATURE_CONTROL" },
	{ 0x3b, "IA32_TSC_ADJUST" },
	{ 0x87, "IA32_MKTME_KEYID_PARTITIONING" },
	{ 0x98, "WBINVDP" },
	{ 0x99, "WBNOINVDP" },
	{ 0xbc, "IA32_MISC_PACKAGE_CTLS" },
	{ 0xbd, "IA32_XAPIC_DISABLE_STATUS" },
	{ 0xcf, "IA32_CORE_CAPABILITIES" },
	{ 0xfe, "IA32_MTRRCAP" },
	{ 0x10a, "IA32_ARCH_CAPABILITIES" },
	{ 0x122, "IA32_TSX_CTRL" },
	{ 0x1a0, "IA32_MISC_ENABLE" },
	{ 0x1f2, "IA32_SMRR_PHYSBASE" },
	{ 0x1f3, "IA32_SMRR_PHYSMASK" },
	{ 0x345, "IA32_PERF_CAPABILITIES" },
	{ 0x480, "IA32_VMX_BASIC" },
	{ 0x481, "IA32_VMX_PINBASED_CTLS" },
	{ 0x482, "IA32_VMX_PROCBASED_CTLS" },
	{ 0x483, "IA32_VMX_EXIT_CTLS" },
	{ 0x484, "IA32_VMX_ENTRY_CTLS" },
	{ 0x485, "IA32_VMX_MISC" },
	{ 0x486, "IA32_VMX_CR0_FIXED0" },
	{ 0x487, "IA32_VMX_CR0_FIXED1" },
	{ 0x488, "IA32_VMX_CR4_FIXED0" },
	{ 0x489, "IA32_VMX_CR4_FIXED1" },
	{ 0x48b, "IA32_VMX_PROCBASED_CTLS2" },
	{ 0x48c, "IA32_VMX_EPT_VPID_CAP" },
	{ 0x48d, "IA32_VMX_TRUE_PINBASED_CTLS" },
	{ 0x48e, "IA32_VMX_TRUE_PROCBASED_CTLS" },
	{ 0x48f, "IA32_VMX_TRUE_EXIT_CTLS" },
	{ 0x490, "IA32_VMX_TRUE_ENTRY_CTLS" },
	{ 0x491, "IA32_VMX_VMFUNC" },
	{ 0x492, "IA32_VMX_PROCBASED_CTLS3" },
	{ 0x981, "IA32_TME_CAPABILITY" },
	{ 0x982, "IA32_TME_ACTIVATE" },
	{ 0x1400, "IA32_SEAMRR_PHYS_BASE" },
	{ 0x1401, "IA32_SEAMRR_PHYS_MASK" },
};

/* The SEAM loaders (TDX module ABI, "P-SEAMLDR status codes"): whole 64-bit values, no detail. */
static const struct seamldr_row {
	uint64_t value;
	const char *name, *hint;
} seamldr_rows[] = {
	{ 0, "P-SEAMLDR SUCCESS", "done" },
	{ 0x8000000000000000, "P-SEAMLDR EBADPARAM",
	  "a parameter, a reserved bit or the leaf is wrong" },
	{ 0x8000000000000001, "NP-SEAMLDR EMODBUSY",
	  "a P-SEAMLDR or a module is live, or this is the wrong LP" },
	{ 0x8000000000000002, "NP-SEAMLDR ELDRINPROG", "a loader runs already" },
	{ 0x8000000000000003, "P-SEAMLDR EBADCALL",
	  "this LP has called already, or a shutdown is under way" },
	{ 0x8000000000000004, "P-SEAMLDR EBADHANDOFF",
	  "the old module's data cannot be taken over" },
	{ 0x8000000000010000, "NP-SEAMLDR EBADRANGE", "SEAMRR is not usable" },
	{ 0x8000000000010001, "NP-SEAMLDR EBADPLATF", "the CPUs differ in family or model" },
	{ 0x8000000000010002, "P-SEAMLDR ENOMEM", "the module does not fit into SEAMRR" },
	{ 0x8000000000010003, "P-SEAMLDR EUNSPECERR", "unspecified" },
	{ 0x8000000000010004, "P-SEAMLDR EUNSUPCPU", "this CPU is not on the module's list" },
	{ 0x8000000000020000, "P-SEAMLDR EBADSIG", "the signature is not good" },
	{ 0x8000000000020001, "P-SEAMLDR EBADHASH",
	  "the module image does not have the signed hash" },
	{ 0x8000000000030000, "P-SEAMLDR EINTERRUPT", "interrupted: call again" },
	{ 0x8000000000030001, "P-SEAMLDR ENOENTROPY", "no random numbers: call again on this LP" },
};

static const struct status_row *find_row(tdx_status_t st)
{
	for (size_t i = 0; i < ARRAY_LEN(status_rows); i++)
		if (status_rows[i].hi == (uint32_t)(st.raw >> 32))
			return &status_rows[i];
	return NULL;
}

const char *tdx_status_name(tdx_status_t st)
{
	const struct status_row *row = find_row(st);

	return row ? row->name : NULL;
}

static const char *msr_name(uint32_t number)
{
	for (size_t i = 0; i < ARRAY_LEN(msr_names); i++)
		if (msr_names[i].number == number)
			return msr_names[i].name;
	return "unnamed here";
}

static const char *or_unknown(const char *name) { return name ? name : "unknown"; }

/* Bits 31:0 in words, as @kind says; empty if they say nothing. */
static void detail_text(enum tdx_detail kind, uint32_t d, char *buf, size_t size)
{
	static const char *const pamt_levels[] = { "4K", "2M", "1G" };
	unsigned low = d & 0xff, mid = d >> 8 & 0xff, high = d >> 16 & 0xff;

	buf[0] = 0;
	switch (kind) {
	case TDX_D_OPERAND:
		snprintf(buf, size, "operand %u %s", d, or_unknown(tdx_operand_name(d)));
		break;
	case TDX_D_EXIT:
		snprintf(buf, size, "exit reason %u %s%s", d & 0xffff,
			 or_unknown(tdx_exit_name(d & 0xffff)),
			 d & TDX_EXIT_ENTRY_FAILED ? ", VM entry failed" : "");
		break;
	case TDX_D_MSR:
		snprintf(buf, size, "MSR 0x%x %s", d, msr_name(d));
		break;
	case TDX_D_TDMR:
		snprintf(buf, size, "TDMR %u", low);
		break;
	case TDX_D_PAMT:
		snprintf(buf, size, "TDMR %u, PAMT level %s, other TDMR %u", low,
			 mid < ARRAY_LEN(pamt_levels) ? pamt_levels[mid] : "?", high);
		break;
	case TDX_D_AREA:
		snprintf(buf, size, "TDMR %u, reserved area %u", low, mid);
		break;
	case TDX_D_LEVEL:
		snprintf(buf, size, "level %u", d);
		break;
	case TDX_D_L2:
		snprintf(buf, size, "nested VM %u, level %u", d >> 16, d & 0xffff);
		break;
	case TDX_D_SMRR:
		snprintf(buf, size, "SMRR %u, CMR %u", low, mid);
		break;
	case TDX_D_LIMIT:
		snprintf(buf, size, "value %u (0x%x)", d, d);
		break;
	case TDX_D_VMCS:
		snprintf(buf, size, "VMCS field 0x%x", d);
		break;
	case TDX_D_CPUID:
		snprintf(buf, size, "RCX names the CPUID leaf and sub-leaf");
		break;
	case TDX_D_NONE:
		if (d)
			snprintf(buf, size, "detail 0x%x", d);
		break;
	}
}

static const char *software_text(tdx_status_t st, char *buf, size_t size)
{
	if (st.raw == TDX_SW_VMFAILINVALID)
		snprintf(buf, size, "VMfailInvalid (no TDX module, or it has shut down)");
	else
		snprintf(buf, size, "SEAMCALL raised exception %u", tdx_detail(st));
	return buf;
}

const char *tdx_status_text(tdx_status_t st, char *buf, size_t size)
{
	const struct status_row *row = find_row(st);
	char detail[80];

	if (tdx_is_unreachable(st))
		return software_text(st, buf, size);
	if (!row) {
		snprintf(buf, size, "status 0x%016llx", (unsigned long long)st.raw);
		return buf;
	}
	detail_text(row->detail, tdx_detail(st), detail, sizeof(detail));
	snprintf(buf, size, detail[0] ? "%s (%s)" : "%s%s", row->name, detail);
	return buf;
}

/* What a status means beside this one leaf, what usually causes it, and what to try. */
/* clang-format off */
static const struct leaf_hint {
	int64_t leaf; /* TDX_LEAF_UNKNOWN: any */
	uint32_t hi;
	int64_t detail; /* -1: any */
	const char *text, *cause, *attempt;
} leaf_hints[] = {
	{ TDH_MNG_INIT, TDX_OPERAND_INVALID, TDX_OP_CPUID_CONFIG,
	  "RCX[31:0] is the CPUID leaf, RCX[63:32] the sub-leaf (ffffffff: none) whose bits are not configurable",
	  "TD_PARAMS asks for CPUID bits that this module does not let a TD choose; after a module update others",
	  "allow only bits of CPUID_CONFIG_VALUES in the metadata; give `rcx=VALUE` here to see the leaf" },
	{ TDH_MNG_INIT, TDX_OPERAND_INVALID, TDX_OP_ATTRIBUTES,
	  "compare with ATTRIBUTES_FIXED0 and FIXED1 in the metadata",
	  "an attribute that this module does not have, or two that exclude each other",
	  "`metadata attributes` shows what may be set" },
	{ TDH_MNG_INIT, TDX_OPERAND_INVALID, TDX_OP_XFAM,
	  "compare with XFAM_FIXED0 and FIXED1; AVX-512, CET and AMX bits only together",
	  "a feature that CPU or module does not offer, or half of a group", "drop the feature" },
	{ TDH_SYS_INIT, TDX_INCORRECT_CPUID_VALUE, -1,
	  "RCX leaf and sub-leaf, RDX and R8 the bits checked, R9 and R10 the values wanted; update the firmware",
	  "firmware or microcode older than the module, or a CPU that it does not support",
	  "update the firmware; `doctor cpuid` names the bit" },
	{ TDH_SYS_INIT, TDX_INCORRECT_MSR_VALUE, 0x122,
	  "the TSX switches: SYS.INIT wants to set IA32_TSX_CTRL itself, alike on every CPU",
	  "firmware or an operating system before us has set TSX on some CPUs only",
	  "switch off and on; update the firmware; `doctor tsx` compares the CPUs" },
	{ TDH_SYS_INIT, TDX_INCORRECT_MSR_VALUE, -1,
	  "the module checks this MSR against what it was built for",
	  "a firmware setting, or microcode older than the module",
	  "`doctor msrs`, `doctor archcaps` and `doctor mtrr` compare the MSRs with what is wanted" },
	{ TDH_SYS_LP_INIT, TDX_INCONSISTENT_MSR, -1,
	  "this CPU's MSR differs from the CPU that ran SYS.INIT",
	  "one socket set up otherwise, or with other microcode", "`doctor same` names the CPU" },
	{ TDH_SYS_LP_INIT, TDX_INCONSISTENT_CPUID_FIELD, -1,
	  "RCX leaf and sub-leaf, RDX and R8 the bits that must agree",
	  "processors of two kinds, or one socket with other microcode", "`doctor same` names the CPU" },
	{ TDH_SYS_RD, TDX_SYS_NOT_READY, -1,
	  "TDX module 1.0 has no SYS.RD: the module is too old",
	  "a module that the firmware brought, older than its caller",
	  "update the firmware, or put a newer module on the ESP: \\EFI\\TDX\\TDX-SEAM.so" },
	{ TDH_SYS_RD, TDX_METADATA_FIELD_ID_INCORRECT, -1,
	  "the caller asks for a field of a newer module: an optional one can be ignored",
	  "the module is older than its caller expects", "ignore it if it is optional, or update the module" },
	{ TDH_PHYMEM_PAGE_RECLAIM, TDX_PAGE_METADATA_INCORRECT, -1,
	  "the page is free already: it was reclaimed or removed before, or never added",
	  "teardown that reclaims a page twice, or that PAGE.REMOVE gave back while the TD was alive",
	  "nothing is lost: skip the page; PHYMEM.PAGE.RDMD says whose it is" },
	{ TDH_MEM_PAGE_DEMOTE, TDX_TLB_TRACKING_NOT_DONE, -1,
	  "a race in the host: TRACK and kick must come between RANGE.BLOCK and DEMOTE",
	  "another CPU blocked the range after this one had tracked",
	  "MEM.TRACK, kick every vCPU of the TD, then DEMOTE again, all under one lock" },
	{ TDH_VP_ENTER, TDX_OPERAND_BUSY, TDX_OP_SEPT_TREE,
	  "zero-step defence: other CPUs change the S-EPT; retry", NULL, NULL },
	{ TDH_VP_ENTER, TDX_OPERAND_BUSY, TDX_OP_TD_EPOCH, "MEM.TRACK runs on another CPU; retry", NULL,
	  NULL },
	{ TDH_VP_ENTER, TDX_INCONSISTENT_MSR, 0x3b, "IA32_TSC_ADJUST was changed after SYS.INIT", NULL,
	  "write the old value back" },
	{ TDH_SYS_CONFIG, TDX_SYS_CONFIG_NOT_PENDING, -1,
	  "every logical processor that the firmware enabled must have run SYS.LP.INIT",
	  "a CPU that was not started, or an earlier SYS.CONFIG", "`doctor cpus`; after a SYS.CONFIG only a "
	  "reset helps" },
};
/* clang-format on */

/* What to try after an error that no row above knows. */
static const char *usual_attempt(tdx_status_t st)
{
	if (tdx_ok(st))
		return NULL;
	if (st.raw & TDX_STATUS_FATAL)
		return "tear the TD down: nothing else works on it";
	if (!(st.raw & TDX_STATUS_NON_RECOVERABLE))
		return "call again; if it lasts, kick the vCPUs that may hold the object";
	return "the same call will fail again: change what the detail names, or the order of calls";
}

struct printer {
	void (*line)(void *ctx, const char *text);
	void *ctx;
};

static void say(const struct printer *p, const char *label, const char *text)
{
	char buf[240];

	snprintf(buf, sizeof(buf), "%-8s %s", label, text);
	p->line(p->ctx, buf);
}

static const struct leaf_hint *find_hint(tdx_status_t st, int64_t leaf)
{
	for (size_t i = 0; i < ARRAY_LEN(leaf_hints); i++) {
		const struct leaf_hint *h = &leaf_hints[i];

		if (h->leaf == leaf && h->hi == (uint32_t)(st.raw >> 32) &&
		    (h->detail < 0 || h->detail == tdx_detail(st)))
			return h;
	}
	return NULL;
}

static void explain_hints(const struct status_row *row, tdx_status_t st, int64_t leaf,
			  const struct printer *p)
{
	const struct leaf_hint *hint = find_hint(st, leaf);
	const char *attempt = hint && hint->attempt ? hint->attempt : usual_attempt(st);

	say(p, "meaning", row->hint);
	if (hint)
		say(p, "here", hint->text);
	if (hint && hint->cause)
		say(p, "cause", hint->cause);
	if (attempt)
		say(p, "try", attempt);
}

static void explain_bits(tdx_status_t st, const struct printer *p)
{
	unsigned class = (unsigned)(st.raw >> 40 & 0xff);
	char buf[160];

	snprintf(buf, sizeof(buf), "class    %u %s; %s%s%s%s", class,
		 class < ARRAY_LEN(class_names) ? class_names[class] : "unknown",
		 tdx_ok(st) ? (st.raw >> 32 ? "informational" : "success") : "error",
		 st.raw & TDX_STATUS_NON_RECOVERABLE ? ", non-recoverable"
		 : tdx_ok(st)                        ? ""
						     : ", recoverable (a retry can succeed)",
		 st.raw & TDX_STATUS_FATAL ? ", fatal to the TD" : "",
		 st.raw & TDX_STATUS_HINT ? ", re-enter with the recoverability hint" : "");
	p->line(p->ctx, buf);
}

static const struct seamldr_row *find_seamldr(tdx_status_t st)
{
	for (size_t i = 0; i < ARRAY_LEN(seamldr_rows); i++)
		if (seamldr_rows[i].value == st.raw)
			return &seamldr_rows[i];
	return NULL;
}

const char *tdx_seamldr_text(uint64_t status)
{
	static char text[160];
	const struct seamldr_row *row = find_seamldr((tdx_status_t){ status });

	if (!row)
		return "not a status that the SEAM loaders are known to return";
	snprintf(text, sizeof(text), "%s: %s", row->name, row->hint);
	return text;
}

/* False: no status of a SEAM loader. */
static bool say_seamldr(tdx_status_t st, const struct printer *p)
{
	const struct seamldr_row *row = find_seamldr(st);
	char buf[160];

	if (!row)
		return false;
	snprintf(buf, sizeof(buf), "meaning  %s: %s", row->name, row->hint);
	p->line(p->ctx, buf);
	return true;
}

static void explain_seamldr(tdx_status_t st, uint64_t leaf, const struct printer *p)
{
	static const char *const leaves[] = {
#define X(number, id, text) [number] = text,
		SEAMLDR_LEAF_TABLE(X)
#undef X
	};
	char buf[160];

	snprintf(buf, sizeof(buf), "leaf     %s",
		 leaf < ARRAY_LEN(leaves) ? leaves[leaf] : "unknown");
	p->line(p->ctx, buf);
	if (!say_seamldr(st, p))
		p->line(p->ctx, "meaning  not a status that the P-SEAMLDR is known to return");
}

/* ---- output registers ---- */

static bool names_cpuid(tdx_status_t st)
{
	return tdx_is(st, TDX_INCORRECT_CPUID_VALUE) || tdx_is(st, TDX_INCONSISTENT_CPUID_FIELD) ||
	       (tdx_is(st, TDX_OPERAND_INVALID) && tdx_detail(st) == TDX_OP_CPUID_CONFIG);
}

static void explain_cpuid_regs(const struct tdx_explain_regs *r, const struct printer *p)
{
	char buf[200];

	if (r->rcx >> 32 == UINT32_MAX)
		snprintf(buf, sizeof(buf), "CPUID leaf %#llx, without sub-leaves",
			 (unsigned long long)(r->rcx & UINT32_MAX));
	else
		snprintf(buf, sizeof(buf), "CPUID leaf %#llx, sub-leaf %#llx",
			 (unsigned long long)(r->rcx & UINT32_MAX), (unsigned long long)(r->rcx >> 32));
	say(p, "rcx", buf);
	if (!r->has_rdx)
		return;
	snprintf(buf, sizeof(buf), "bits checked: EAX %#x EBX %#x ECX %#x EDX %#x", (uint32_t)r->rdx,
		 (uint32_t)(r->rdx >> 32), (uint32_t)r->r8, (uint32_t)(r->r8 >> 32));
	say(p, "rdx r8", buf);
	if (!r->has_r9)
		return;
	snprintf(buf, sizeof(buf), "values wanted: EAX %#x EBX %#x ECX %#x EDX %#x", (uint32_t)r->r9,
		 (uint32_t)(r->r9 >> 32), (uint32_t)r->r10, (uint32_t)(r->r10 >> 32));
	say(p, "r9 r10", buf);
}

/* Statuses of class B come with the S-EPT entry where the walk stopped. */
static void explain_sept_regs(const struct tdx_explain_regs *r, const struct printer *p)
{
	static const char *const levels[] = { "?", "4K", "2M", "1G", "512G", "256T" };
	struct sept_info i = sept_decode(r->rcx, r->rdx);
	char buf[160];

	snprintf(buf, sizeof(buf), "S-EPT entry of level %s, state %s, rights %llx, page %#llx",
		 i.level < (int)ARRAY_LEN(levels) ? levels[i.level] : "?",
		 or_unknown(sept_state_name((unsigned)i.state)),
		 (unsigned long long)(r->rcx & SEPT_INFO_RWX), (unsigned long long)i.page.v);
	say(p, "rcx rdx", buf);
}

void tdx_explain_with(tdx_status_t st, int64_t leaf, const struct tdx_explain_regs *regs,
		      void (*line)(void *ctx, const char *text), void *ctx)
{
	const struct printer p = { line, ctx };

	tdx_explain(st, leaf, line, ctx);
	if (!regs->has_rcx)
		return;
	if (names_cpuid(st))
		explain_cpuid_regs(regs, &p);
	else if ((st.raw >> 40 & 0xff) == 0x0b && regs->has_rdx)
		explain_sept_regs(regs, &p);
	else
		say(&p, "rcx", "says nothing beside this status");
}

void tdx_explain(tdx_status_t st, int64_t leaf, void (*line)(void *ctx, const char *text),
		 void *ctx)
{
	const struct printer p = { line, ctx };
	const struct status_row *row = find_row(st);
	char buf[200], detail[80];

	snprintf(buf, sizeof(buf), "status   0x%016llx %s", (unsigned long long)st.raw,
		 row                      ? row->name
		 : tdx_is_unreachable(st) ? "(no module reached)"
		 : find_seamldr(st)       ? "(of a SEAM loader)"
					  : "(unknown code)");
	line(ctx, buf);
	if (leaf >= TDX_LEAF_SEAMLDR) {
		explain_seamldr(st, (uint64_t)(leaf - TDX_LEAF_SEAMLDR), &p);
		return;
	}
	if (leaf >= 0) {
		snprintf(buf, sizeof(buf), "leaf     %lld %s", (long long)leaf,
			 or_unknown(tdh_leaf_name((uint64_t)leaf)));
		line(ctx, buf);
	}
	if (tdx_is_unreachable(st)) {
		char text[80];

		snprintf(buf, sizeof(buf), "meaning  %s", software_text(st, text, sizeof(text)));
		line(ctx, buf);
		return;
	}
	/* The numbers of the P-SEAMLDR are no numbers of the module's. */
	if (!row && leaf < 0 && say_seamldr(st, &p))
		return;
	explain_bits(st, &p);
	detail_text(row ? row->detail : TDX_D_NONE, tdx_detail(st), detail, sizeof(detail));
	if (detail[0]) {
		snprintf(buf, sizeof(buf), "detail   %s", detail);
		line(ctx, buf);
	}
	if (row)
		explain_hints(row, st, leaf, &p);
	else
		line(ctx, "meaning  no module that this was written for returns this code");
}

static bool same_name(const char *a, const char *b)
{
	for (; *a && *b; a++, b++) {
		char x = *a >= 'a' && *a <= 'z' ? (char)(*a - 32) : *a;

		if ((x == '_' ? '.' : x) != *b)
			return false;
	}
	return *a == *b;
}

static const struct {
	uint32_t code;
	const char *name;
} status_names[] = {
#define ROW(value, name, detail, text) { value, #name },
	TDX_STATUS_TABLE(ROW)
#undef ROW
};

/* Names are written with underscores; a dot does as well. */
static int status_by_name(const char *text, uint64_t *value)
{
	if (strncmp(text, "TDX_", 4) == 0 || strncmp(text, "tdx_", 4) == 0)
		text += 4;
	for (size_t i = 0; i < ARRAY_LEN(status_names); i++) {
		char name[64];
		size_t n = strlen(status_names[i].name);

		if (n >= sizeof(name))
			continue;
		for (size_t k = 0; k <= n; k++)
			name[k] = status_names[i].name[k] == '_' ? '.' : status_names[i].name[k];
		if (!same_name(text, name))
			continue;
		*value = (uint64_t)status_names[i].code << 32;
		return 0;
	}
	return -EINVAL;
}

int tdx_parse_status(const char *text, uint64_t *value)
{
	const char *start = text;
	char *end;

	if (strncmp(text, "0x", 2) == 0 || strncmp(text, "0X", 2) == 0)
		text += 2;
	size_t digits = strspn(text, "0123456789abcdefABCDEF");

	if (digits == 0 || digits > 16 || text[digits])
		return status_by_name(start, value);
	*value = strtoull(text, &end, 16);
	return 0;
}

int tdx_parse_leaf(const char *text, int64_t *leaf)
{
	static const struct {
		int64_t number;
		const char *name;
	} leaves[] = {
#define X(number, id, name) { number, name },
		TDH_LEAF_TABLE(X)
#undef X
#define X(number, id, name) { TDX_LEAF_SEAMLDR + (number), name },
			SEAMLDR_LEAF_TABLE(X)
#undef X
	};
	char *end;
	unsigned long long number = strtoull(text, &end, 0);

	if (end != text && !*end) {
		if (number & TDX_RAX_SEAMLDR)
			*leaf = TDX_LEAF_SEAMLDR + (int64_t)(number & 0xffff);
		else
			*leaf = (int64_t)(number & TDX_RAX_LEAF);
		return (number & TDX_RAX_RESERVED) ? -EINVAL : 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(leaves); i++)
		if (same_name(text, leaves[i].name) || same_name(text, leaves[i].name + 4)) {
			*leaf = leaves[i].number;
			return 0;
		}
	return -EINVAL;
}

/* A name says the code; a number all of it. */
bool tdx_status_is_named(tdx_status_t st, const char *text)
{
	uint64_t value;

	if (status_by_name(text, &value) == 0)
		return tdx_code(st) == tdx_code((tdx_status_t){ value });
	return tdx_parse_status(text, &value) == 0 && value == st.raw;
}
