/*
 * doctor_rules_tdx.c - rows about memory encryption, KeyIDs, SEAM, its loader and the TDX module.
 *
 * Facts: TDX module 1.5 ABI, "Enumeration" and "P-SEAMLDR interface"; SDM volume 4 for IA32_TME_*.
 * MSR 503h: the "SGX_AND_MCHECK_STATUS" that canonical/tdx's system-report.sh expects to be 0.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <string.h>

#include "kernel/monitor/doctor_room.h"
#include "tdx/abi/explain.h"

#define TME_LOCKED        BIT64(0)
#define TME_ENABLED       BIT64(1)
#define TME_KEYID_BITS(v) ((unsigned)((v) >> 32 & 15))
#define TME_TDX_BITS(v)   ((unsigned)((v) >> 36 & 15))
#define KEYIDS_LIMIT      2048

#define SEAMRR_BASE_CONFIGURED BIT64(3)
#define SEAMRR_MASK_LOCK       BIT64(10)
#define SEAMRR_MASK_ENABLED    BIT64(11)
#define SEAMRR_ADDRESS         BITS64(51, 25)

static const struct doctor_msr *boot_msr(const struct doctor_machine *m, enum doctor_msr_id id)
{
	return doctor_msr(&m->cpu[0], id);
}

void rule_tme(const struct doctor_machine *m, struct doctor_row *row)
{
	const struct doctor_msr *cap = boot_msr(m, DM_TME_CAPABILITY);
	const struct doctor_msr *act = boot_msr(m, DM_TME_ACTIVATE);
	unsigned long long v = act->value;

	if (differs(m, row, DM_TME_CAPABILITY, ~UINT64_C(0), OPTION_TME) ||
	    differs(m, row, DM_TME_ACTIVATE, ~UINT64_C(0), OPTION_TME))
		return;
	if (cap->state != MSR_READ || act->state != MSR_READ)
		row_fail(m, row, "IA32_TME_CAPABILITY and IA32_TME_ACTIVATE readable", OPTION_TME,
			 "switch memory encryption on; if the switch is missing, update the firmware",
			 "memory encryption (TME) does not show");
	else if (!(v & TME_ENABLED))
		row_fail(m, row, "IA32_TME_ACTIVATE bit 1 (enabled) and bit 0 (locked)", OPTION_TME,
			 "switch memory encryption on; the TDX switch appears only after a restart",
			 "memory encryption is off (IA32_TME_ACTIVATE %#llx)", v);
	else if (!(v & TME_LOCKED))
		row_fail(m, row, "IA32_TME_ACTIVATE bit 0 (locked)", OPTION_UPDATE,
			 "update the firmware: it enables TME and does not lock it",
			 "TME is on but not locked (IA32_TME_ACTIVATE %#llx)", v);
	else if (!TME_KEYID_BITS(v))
		row_fail(m, row, "IA32_TME_ACTIVATE bits 35:32 (KeyID bits) above 0", OPTION_TME_MT,
			 "switch on encryption with many keys, restart, then look for the TDX switch",
			 "memory encryption has a single key (IA32_TME_ACTIVATE %#llx)", v);
	else
		row_ok(row, "on and locked, %u KeyID bits, %u of them for TDX (IA32_TME_ACTIVATE %#llx)",
		       TME_KEYID_BITS(v), TME_TDX_BITS(v), v);
}

void rule_keyids(const struct doctor_machine *m, struct doctor_row *row)
{
	const struct doctor_msr *part = boot_msr(m, DM_KEYID_PARTITION);
	uint64_t private = part->value >> 32, shared = part->value & UINT32_MAX;
	unsigned bits = TME_KEYID_BITS(boot_msr(m, DM_TME_ACTIVATE)->value);

	if (differs(m, row, DM_KEYID_PARTITION, ~UINT64_C(0), OPTION_KEY_SPLIT))
		return;
	if (part->state != MSR_READ)
		row_fail(m, row, "IA32_MKTME_KEYID_PARTITIONING (87h) readable", OPTION_TDX,
			 "switch TDX on in the firmware",
			 "IA32_MKTME_KEYID_PARTITIONING is not there");
	else if (private == 0)
		row_fail(m, row, "private KeyIDs: 2 or more", OPTION_KEY_SPLIT,
			 "give TDX a share of the KeyIDs (the key split); switch TDX on first, if that "
			 "is off",
			 "no private KeyIDs (87h is %#llx: %llu shared)",
			 (unsigned long long)part->value, (unsigned long long)shared);
	else if (private == 1)
		row_fail(m, row, "private KeyIDs: 2 or more", OPTION_KEY_SPLIT,
			 "give TDX a larger share: the module keeps the first KeyID for itself",
			 "a single private KeyID: none is left for a TD");
	else if (private + shared >= KEYIDS_LIMIT)
		row_fail(m, row, "fewer than 2048 KeyIDs in all", OPTION_KEY_SPLIT,
			 "give TDX fewer (NUM_ACTIVATED_HKIDS_NOT_SUPPORTED)",
			 "%llu private and %llu shared KeyIDs", (unsigned long long)private,
			 (unsigned long long)shared);
	else if (bits && private + shared + 1 > UINT64_C(1) << bits)
		row_fail(m, row, "no more KeyIDs than IA32_TME_ACTIVATE has bits for", OPTION_UPDATE,
			 "update the firmware: its two registers contradict each other",
			 "%llu private and %llu shared KeyIDs in %u bits", (unsigned long long)private,
			 (unsigned long long)shared, bits);
	else
		row_ok(row, "%llu private, from KeyID %llu on, %llu shared",
		       (unsigned long long)private, (unsigned long long)shared + 1,
		       (unsigned long long)shared);
}

void rule_mcheck(const struct doctor_machine *m, struct doctor_row *row)
{
	struct spread s = spread_msr(m, DM_SGX_MCHECK, ~UINT64_C(0));

	if (!s.readable && !s.odd)
		row_unknown(row, "", "MSR 503h cannot be read");
	else if (s.odd)
		(void)differs(m, row, DM_SGX_MCHECK, ~UINT64_C(0), OPTION_UPDATE);
	else if (s.value)
		row_fail(m, row, "MSR 503h is 0", OPTION_UPDATE,
			 "the microcode's check of the memory set-up failed: look at rows dimms, numa and "
			 "microcode, load the firmware's defaults, update it",
			 "MCHECK left error %#llx in MSR 503h", (unsigned long long)s.value);
	else
		row_ok(row, "the microcode's check of the memory set-up passed");
}

/* ---- SEAMRR ---- */

bool seamrr_enabled(const struct doctor_machine *m)
{
	const struct doctor_msr *mask = boot_msr(m, DM_SEAMRR_MASK);
	const uint64_t both = SEAMRR_MASK_LOCK | SEAMRR_MASK_ENABLED;

	return has_seam(m) && mask->state == MSR_READ && (mask->value & both) == both;
}

/* The first usable range that the SEAM range touches, or NULL. */
static const struct boot_mem *usable_inside(const struct doctor_machine *m, uint64_t base,
					    uint64_t size)
{
	for (size_t i = 0; i < m->map_count; i++)
		if (m->map[i].kind == BOOT_MEM_USABLE && m->map[i].base < base + size &&
		    m->map[i].base + m->map[i].size > base)
			return &m->map[i];
	return NULL;
}

static void seamrr_range(const struct doctor_machine *m, struct doctor_row *row)
{
	uint64_t b = boot_msr(m, DM_SEAMRR_BASE)->value, k = boot_msr(m, DM_SEAMRR_MASK)->value;
	uint64_t base = b & SEAMRR_ADDRESS, mask = k & SEAMRR_ADDRESS;
	uint64_t size = mask & (~mask + 1); /* the mask may end at the width without KeyID bits */
	static const char next[] = "update the firmware: it programmed SEAMRR wrongly";

	if (!mask || ((mask + size) & mask) || base & (size - 1))
		row_fail(m, row, "base aligned to a size that is a power of two, 32 MiB or more",
			 OPTION_UPDATE, next, "SEAMRR is not valid: base %#llx, mask %#llx",
			 (unsigned long long)b, (unsigned long long)k);
	else if (usable_inside(m, base, size))
		row_fail(m, row, "SEAMRR in reserved memory", OPTION_UPDATE, next,
			 "SEAMRR (%#llx, %llu MiB) overlaps usable memory at %#llx",
			 (unsigned long long)base, (unsigned long long)size >> 20,
			 (unsigned long long)usable_inside(m, base, size)->base);
	else
		row_ok(row, "%#llx, %llu MiB, enabled and locked", (unsigned long long)base,
		       (unsigned long long)size >> 20);
}

void rule_seamrr(const struct doctor_machine *m, struct doctor_row *row)
{
	const struct doctor_msr *base = boot_msr(m, DM_SEAMRR_BASE);
	const struct doctor_msr *mask = boot_msr(m, DM_SEAMRR_MASK);
	unsigned long long b = base->value, k = mask->value;

	if (differs(m, row, DM_SEAMRR_BASE, ~UINT64_C(0), OPTION_UPDATE) ||
	    differs(m, row, DM_SEAMRR_MASK, ~UINT64_C(0), OPTION_UPDATE))
		return;
	if (base->state != MSR_READ || mask->state != MSR_READ)
		row_fail(m, row, "MSRs 1400h and 1401h readable", OPTION_UPDATE,
			 "update the firmware and its microcode", "the SEAMRR MSRs are not there");
	else if (!(b & SEAMRR_BASE_CONFIGURED))
		row_fail(m, row, "1400h bit 3 (configured) set", OPTION_TDX,
			 "switch TDX on in the firmware; KeyIDs alone are not enough",
			 "SEAMRR is not configured: base %#llx, mask %#llx", b, k);
	else if (!(k & SEAMRR_MASK_ENABLED))
		row_fail(m, row, "1401h bit 11 (enabled) set", OPTION_TDX,
			 "TDX is on but the microcode refused it: look at rows mcheck and dimms; else "
			 "update the firmware",
			 "SEAMRR is configured but not enabled: base %#llx, mask %#llx", b, k);
	else if (!(k & SEAMRR_MASK_LOCK))
		row_fail(m, row, "1401h bit 10 (locked) set", OPTION_SEAMLDR,
			 "switch the SEAM loader on; if it is, the firmware does not carry one: update it",
			 "SEAMRR is enabled but not locked, so no SEAM loader ran: base %#llx, mask %#llx",
			 b, k);
	else
		seamrr_range(m, row);
}

/* ---- the loader and the module ---- */

void rule_seamldr(const struct doctor_machine *m, struct doctor_row *row)
{
	const struct doctor_seam *s = &m->seam;
	const struct doctor_loader *l = &s->loader;
	char text[120];

	if (!s->asked) {
		row_unknown(row, s->why_not, "SEAMLDR.INFO was not called: %s", s->why_not);
		return;
	}
	if (s->loader_status == TDX_SW_VMFAILINVALID)
		row_fail(m, row, "a P-SEAMLDR that answers SEAMLDR.INFO", OPTION_SEAMLDR,
			 "switch the SEAM loader on; if it is, the firmware does not carry one: update it",
			 "no P-SEAMLDR is loaded (VMfailInvalid)");
	else if (s->loader_status)
		row_fail(m, row, "SEAMLDR.INFO succeeds", OPTION_UPDATE,
			 "update the firmware", "SEAMLDR.INFO answers %s",
			 tdx_status_text((tdx_status_t){ s->loader_status }, text, sizeof(text)));
	else if (!l->loader_ready)
		row_fail(m, row, "P-SEAMLDR ready", OPTION_SEAMLDR, "update the firmware",
			 "the P-SEAMLDR says that it is not ready");
	else if (l->debug)
		row_note(row, "no attestation of TDs on this platform is worth anything",
			 "P-SEAMLDR %u.%u.%02u is a debug version", l->major, l->minor, l->update);
	else
		row_ok(row, "P-SEAMLDR %u.%u.%02u, build %u.%u", l->major, l->minor, l->update,
		       l->build_date, l->build_num);
}

static void module_version(const struct doctor_machine *m, struct doctor_row *row)
{
	const struct doctor_seam *s = &m->seam;

	if (!s->has_metadata)
		row_ok(row, "a TDX module answers; its version shows after SYS.LP.INIT");
	else if (s->major == 1 && s->minor < 5)
		row_fail(m, row, "TDX module 1.5 or newer", OPTION_UPDATE,
			 "update the firmware, or put a newer module on the ESP as \\EFI\\TDX\\TDX-SEAM.so "
			 "with its .sigstruct",
			 "TDX module %llu.%llu is too old", (unsigned long long)s->major,
			 (unsigned long long)s->minor);
	else
		row_ok(row, "TDX module %llu.%llu.%02llu, build %llu.%llu, vendor %llx",
		       (unsigned long long)s->major, (unsigned long long)s->minor,
		       (unsigned long long)s->update, (unsigned long long)s->build_date,
		       (unsigned long long)s->build_num, (unsigned long long)s->vendor);
}

void rule_module(const struct doctor_machine *m, struct doctor_row *row)
{
	const struct doctor_seam *s = &m->seam;
	tdx_status_t st = { s->module_status };

	if (!s->asked)
		row_unknown(row, s->why_not, "the module was not asked: %s", s->why_not);
	else if (tdx_is_unreachable(st) || (s->loader_status == 0 && !s->loader.module_ready))
		row_fail(m, row, "a TDX module loaded", OPTION_SEAMLDR,
			 "put a module on the ESP as \\EFI\\TDX\\TDX-SEAM.so with its .sigstruct, or update "
			 "the firmware, which carries one",
			 "the loader is there, but no TDX module (VMfailInvalid)");
	else if (tdx_is(st, TDX_SYS_SHUTDOWN))
		row_fail(m, row, "a TDX module that runs", OPTION_NONE, "switch the machine off and on",
			 "the TDX module was shut down before this boot of Tain");
	else if (tdx_is(st, TDX_SYS_NOT_READY) && !s->has_metadata)
		row_fail(m, row, "TDX module 1.5 or newer (SYS.RD)", OPTION_UPDATE,
			 "update the firmware: this module knows no TDH.SYS.RD",
			 "SYS.RD answers SYS_NOT_READY: module 1.0");
	else
		module_version(m, row);
}

void rule_bringup(const struct doctor_machine *m, struct doctor_row *row)
{
	const struct doctor_seam *s = &m->seam;
	char text[160];

	if (s->ready)
		row_ok(row, "the module is initialised and has its memory");
	else if (s->step && s->step[0] && s->step_status == ~UINT64_C(0))
		row_fail(m, row, "every step succeeds", OPTION_NONE, "see `log`; `tdx retry` goes on from there",
			 "stopped at %s", s->step);
	else if (s->step && s->step[0])
		row_fail(m, row, "every step succeeds", OPTION_NONE,
			 "`explain STATUS LEAF` says more; `tdx retry` goes on from there",
			 "%s: %s (%#llx)", s->step,
			 tdx_status_text((tdx_status_t){ s->step_status }, text, sizeof(text)),
			 (unsigned long long)s->step_status);
	else
		row_unknown(row, m->self.probe ? "bringup = probe: nothing that changes state was called"
					       : "",
			    "the module was not started");
}

void rule_features(const struct doctor_machine *m, struct doctor_row *row)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = {
		{ 0, "migration" },   { 1, "update with live TDs" }, { 7, "partitioning" },
		{ 18, "NO_RBP_MOD" }, { 30, "fewer #VEs" },          { 36, "dynamic PAMT" },
	};
	const struct doctor_seam *s = &m->seam;
	char list[120];
	size_t used = 0;

	if (!s->has_metadata) {
		row_unknown(row, "", "the module's metadata was not read");
		return;
	}
	list[0] = 0;
	for (size_t i = 0; i < ARRAY_LEN(names) && used < sizeof(list); i++)
		if (s->features0 & BIT64(names[i].bit))
			used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s",
						 used ? ", " : "", names[i].name);
	if (!(s->features0 & BIT64(18)))
		row_note(row, "guests that pass RBP in a TDVMCALL work nevertheless",
			 "TDX_FEATURES0 %#llx: no NO_RBP_MOD, the module may change RBP (%s)",
			 (unsigned long long)s->features0, list);
	else
		row_ok(row, "TDX_FEATURES0 %#llx: %s", (unsigned long long)s->features0, list);
}
