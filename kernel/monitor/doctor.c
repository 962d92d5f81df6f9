/*
 * doctor.c - one check per function, one table of them. Contract: doctor.h.
 *
 * MSRs: SDM volume 4 (IA32_FEATURE_CONTROL, IA32_MTRRCAP, IA32_MKTME_KEYID_PARTITIONING); SEAMRR:
 * Intel TDX module sources' MSR definitions as facts.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/monitor/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/config.h"
#include "kernel/base/log.h"
#include "kernel/machine/console.h"
#include "kernel/machine/cpu.h"
#include "kernel/machine/cpu_insn.h"
#include "kernel/machine/machine.h"
#include "kernel/machine/port.h"
#include "kernel/machine/trap.h"
#include "kernel/machine/vmx.h"
#include "kernel/monitor/monitor.h"
#include "tdx/tdx.h"

#define MSR_FEATURE_CONTROL    0x3a
#define MSR_KEYID_PARTITIONING 0x87
#define MSR_MTRRCAP            0xfe
#define MSR_SEAMRR_BASE        0x1400
#define MSR_SEAMRR_MASK        0x1401

#define MTRRCAP_SEAMRR         BIT64(15)
#define SEAMRR_MASK_LOCK       BIT64(10)
#define SEAMRR_MASK_ENABLED    BIT64(11)
#define SEAMRR_BASE_CONFIGURED BIT64(3)

static void say(struct doctor_finding *f, enum doctor_verdict v, const char *advice,
		const char *fmt, ...) PRINTF_LIKE(4, 5);
static void say(struct doctor_finding *f, enum doctor_verdict v, const char *advice,
		const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->finding, sizeof(f->finding), fmt, ap);
	va_end(ap);
	f->verdict = v;
	f->advice = advice;
}

static void check_processor(struct doctor_finding *f)
{
	struct cpuid_regs top = cpuid(0, 0), id = cpuid(1, 0);
	char vendor[13];

	memcpy(vendor, &top.ebx, 4);
	memcpy(vendor + 4, &top.edx, 4);
	memcpy(vendor + 8, &top.ecx, 4);
	vendor[12] = 0;
	if (strcmp(vendor, "GenuineIntel") != 0)
		say(f, DOCTOR_FAIL, "Tain needs an Intel CPU with VMX", "%s, signature %#x", vendor,
		    id.eax);
	else
		say(f, DOCTOR_OK, "", "%s, signature %#x", vendor, id.eax);
}

static void check_cpus(struct doctor_finding *f)
{
	unsigned all = cpu_count(), online = cpu_online_count();

	if (online < all)
		say(f, DOCTOR_FAIL, "see `log`: which CPU did not answer", "%u of %u online",
		    online, all);
	else
		say(f, DOCTOR_OK, "", "%u online", online);
}

static void check_vmx(struct doctor_finding *f)
{
	uint64_t control = 0;
	bool locked_off = msr_read_safe(MSR_FEATURE_CONTROL, &control) == 0 && (control & 5) == 1;

	if (vmx_available())
		say(f, DOCTOR_OK, "", "on, on every CPU");
	else
		say(f, DOCTOR_FAIL,
		    locked_off ? "firmware set-up: enable VMX (Intel Virtualization Technology)"
			       : "without VMX no guest runs here",
		    "%s", vmx_reason());
}

static void check_seam(struct doctor_finding *f)
{
	uint64_t cap = 0;

	if (msr_read_safe(MSR_MTRRCAP, &cap) != 0)
		say(f, DOCTOR_NOTE, "", "IA32_MTRRCAP cannot be read");
	else if (!(cap & MTRRCAP_SEAMRR))
		say(f, DOCTOR_NOTE, "this CPU has no TDX; the software module stands in",
		    "no SEAMRR (IA32_MTRRCAP %#llx)", (unsigned long long)cap);
	else
		say(f, DOCTOR_OK, "", "SEAMRR supported");
}

static void check_seamrr(struct doctor_finding *f)
{
	uint64_t cap = 0, base = 0, mask = 0;

	if (msr_read_safe(MSR_MTRRCAP, &cap) != 0 || !(cap & MTRRCAP_SEAMRR)) {
		say(f, DOCTOR_NOTE, "", "not there");
		return;
	}
	if (msr_read_safe(MSR_SEAMRR_BASE, &base) != 0 ||
	    msr_read_safe(MSR_SEAMRR_MASK, &mask) != 0)
		say(f, DOCTOR_FAIL, "microcode or firmware too old", "its MSRs cannot be read");
	else if (!(base & SEAMRR_BASE_CONFIGURED) || !(mask & SEAMRR_MASK_ENABLED) ||
		 !(mask & SEAMRR_MASK_LOCK))
		say(f, DOCTOR_FAIL, "firmware set-up: enable TDX and its SEAM loader",
		    "base %#llx, mask %#llx:%s%s%s", (unsigned long long)base,
		    (unsigned long long)mask,
		    base & SEAMRR_BASE_CONFIGURED ? "" : " not configured",
		    mask & SEAMRR_MASK_ENABLED ? "" : " not enabled",
		    mask & SEAMRR_MASK_LOCK ? "" : " not locked");
	else
		say(f, DOCTOR_OK, "", "base %#llx, mask %#llx", (unsigned long long)base,
		    (unsigned long long)mask);
}

static void check_keyids(struct doctor_finding *f)
{
	uint64_t part = 0;

	if (msr_read_safe(MSR_KEYID_PARTITIONING, &part) != 0)
		say(f, DOCTOR_NOTE, "", "IA32_MKTME_KEYID_PARTITIONING is not there");
	else if (part >> 32 == 0)
		say(f, DOCTOR_NOTE,
		    "firmware set-up: memory encryption (TME-MT), then a TDX KeyID split",
		    "no private KeyIDs (%#llx)", (unsigned long long)part);
	else
		say(f, DOCTOR_OK, "", "%llu private, %llu shared", (unsigned long long)(part >> 32),
		    (unsigned long long)(part & 0xffffffff));
}

static void check_module(struct doctor_finding *f)
{
	char text[100];
	bool ready = tdx_phase() == TDX_READY;

	say(f, ready ? DOCTOR_OK : DOCTOR_FAIL, ready ? "" : "no trust domain can start here", "%s",
	    monitor_tdx_text(text, sizeof(text)));
}

static void check_memory(struct doctor_finding *f)
{
	uint64_t free_pages = page_count(PAGE_FREE), leaked = page_count(PAGE_LEAKED);

	if (leaked)
		say(f, DOCTOR_FAIL, "the TDX module kept pages: see `log`", "%llu pages leaked",
		    (unsigned long long)leaked);
	else
		say(f, DOCTOR_OK, "", "%llu MiB free", (unsigned long long)(free_pages >> 8));
}

static void check_console(struct doctor_finding *f)
{
	struct console_stats s;

	console_stats(&s);
	if (s.tx_dropped)
		say(f, DOCTOR_NOTE, "guests print more than the line carries",
		    "%s; %llu bytes dropped", s.device, (unsigned long long)s.tx_dropped);
	else
		say(f, DOCTOR_OK, "", "%s, %s", s.device, s.interrupts ? "by interrupt" : "polled");
}

static void check_config(struct doctor_finding *f)
{
	const struct config *cfg = monitor_config();
	unsigned bad = cfg->message_count + cfg->messages_lost;

	if (bad)
		say(f, DOCTOR_FAIL, "see `log`: each with its line", "%u things wrong", bad);
	else
		say(f, DOCTOR_OK, "", "%u guests", cfg->guest_count);
}

static void check_log(struct doctor_finding *f)
{
	uint64_t errors = log_count(LOG_ERROR), warnings = log_count(LOG_WARN);

	say(f,
	    errors     ? DOCTOR_FAIL
	    : warnings ? DOCTOR_NOTE
		       : DOCTOR_OK,
	    errors || warnings ? "see `log`" : "", "%llu errors, %llu warnings",
	    (unsigned long long)errors, (unsigned long long)warnings);
}

static const struct check {
	const char *name;
	void (*run)(struct doctor_finding *f);
} checks[] = {
	{ "processor", check_processor }, { "cpus", check_cpus },     { "vmx", check_vmx },
	{ "seam", check_seam },           { "seamrr", check_seamrr }, { "keyids", check_keyids },
	{ "tdx module", check_module },   { "memory", check_memory }, { "console", check_console },
	{ "tain.cfg", check_config },     { "log", check_log },
};

void doctor_examine(void (*row)(void *ctx, const struct doctor_finding *f), void *ctx)
{
	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		struct doctor_finding f = { .check = checks[i].name, .advice = "" };

		checks[i].run(&f);
		row(ctx, &f);
	}
}
