/*
 * doctor_rules_cpu.c - rows about the processors.
 *
 * Facts: SDM volume 4 for the MSRs; what TDH.SYS.INIT and TDH.SYS.LP.INIT want of them: TDX module 1.5
 * ABI, "Platform Configuration Checks", and its table of CPUID configurations. Models: SDM volume 4,
 * "CPUID Signature Values of DisplayFamily_DisplayModel"; which of them have TDX: the supported
 * platforms in the release notes of the public TDX modules.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <string.h>

#include "kernel/monitor/doctor_room.h"

#define CPUID1_VMX        BIT32(5)
#define CPUID7_SGX        BIT32(2)
#define CPUID7_HLE        BIT32(4)
#define CPUID7_RTM        BIT32(11)
#define FEATURE_LOCKED    BIT64(0)
#define FEATURE_VMX       BIT64(2)
#define FEATURE_SGX       BIT64(18)
#define MTRRCAP_SMRR      BIT64(11)
#define MTRRCAP_SMRR_LOCK BIT64(14)
#define MTRRCAP_SEAMRR    BIT64(15)
#define ARCH_TSX_CTRL     BIT64(7)
#define ARCH_XAPIC_STATUS BIT64(21)
#define VMX_BASIC_SEAMRET BIT64(60)
#define PACKAGES_MAX      8

static const struct doctor_cpu *boot_cpu(const struct doctor_machine *m) { return &m->cpu[0]; }

static bool is_intel(const struct doctor_cpu *c)
{
	return doctor_cpuid_reg(c, 0, 0, 1) == 0x756e6547 &&
	       doctor_cpuid_reg(c, 0, 0, 3) == 0x49656e69 && doctor_cpuid_reg(c, 0, 0, 2) == 0x6c65746e;
}

unsigned doctor_model(const struct doctor_machine *m)
{
	uint32_t signature = doctor_cpuid_reg(boot_cpu(m), 1, 0, 0);
	unsigned family = signature >> 8 & 15, model = signature >> 4 & 15;

	if (!is_intel(boot_cpu(m)))
		return 0;
	if (family == 6 || family == 15)
		model |= (signature >> 16 & 15) << 4;
	if (family == 15)
		family += signature >> 20 & 0xff;
	return family << 8 | model;
}

const char *tdx_model_name(unsigned model)
{
	static const struct {
		unsigned model;
		const char *name;
	} names[] = {
		{ MODEL_SPR, "Sapphire Rapids" },  { MODEL_EMR, "Emerald Rapids" },
		{ MODEL_GNR, "Granite Rapids" },   { MODEL_GNR_D, "Granite Rapids D" },
		{ MODEL_SRF, "Sierra Forest" },
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (names[i].model == model)
			return names[i].name;
	return NULL;
}

bool has_seam(const struct doctor_machine *m)
{
	const struct doctor_msr *cap = doctor_msr(boot_cpu(m), DM_MTRRCAP);

	return cap->state == MSR_READ && (cap->value & MTRRCAP_SEAMRR);
}

void rule_platform(const struct doctor_machine *m, struct doctor_row *row)
{
	const struct smbios *s = &m->smbios;

	if (!s->found)
		row_unknown(row, "the firmware gives no SMBIOS table: vendor's names of options are not "
			    "known", "no SMBIOS");
	else
		row_ok(row, "%s %s, firmware %s %s (%s)", s->manufacturer, s->product, s->bios_vendor,
		       s->bios_version, s->bios_date);
}

void rule_cpu(const struct doctor_machine *m, struct doctor_row *row)
{
	const struct doctor_cpu *c = boot_cpu(m);
	uint32_t signature = doctor_cpuid_reg(c, 1, 0, 0);
	const char *name = tdx_model_name(doctor_model(m));

	if (!is_intel(c)) {
		row_never(row, "an Intel processor",
			  "AMD's and others' processors have other techniques for this",
			  "the processor is not Intel's (signature %#x)", signature);
		return;
	}
	for (unsigned i = 1; i < m->cpu_count; i++)
		if (m->cpu[i].online && doctor_cpuid_reg(&m->cpu[i], 1, 0, 0) != signature) {
			row_fail(m, row, "one model and stepping in all sockets", OPTION_NONE,
				 "put the same processor into every socket",
				 "CPU %u (package %u) has signature %#x, CPU 0 has %#x", i,
				 doctor_package(&m->cpu[i]), doctor_cpuid_reg(&m->cpu[i], 1, 0, 0),
				 signature);
			return;
		}
	row_ok(row, "%s, signature %#x%s%s", c->brand[0] ? c->brand : "Intel", signature,
	       name ? ", " : "", name ? name : "");
}

void rule_microcode(const struct doctor_machine *m, struct doctor_row *row)
{
	struct spread s = spread_msr(m, DM_MICROCODE, ~UINT64_C(0));

	if (!s.read_at_all || !s.readable)
		row_unknown(row, "", "the microcode revision cannot be read");
	else if (s.value >> 32 == 0 && !s.odd)
		row_unknown(row, "an emulator, or the firmware loaded none", "no microcode revision");
	else if (!differs(m, row, DM_MICROCODE, ~UINT64_C(0), OPTION_UPDATE))
		row_ok(row, "revision %#llx on all", (unsigned long long)(s.value >> 32));
}

void rule_cpus(const struct doctor_machine *m, struct doctor_row *row)
{
	unsigned online = 0, first_off = 0;

	for (unsigned i = m->cpu_count; i-- > 0;) {
		online += m->cpu[i].online;
		if (!m->cpu[i].online)
			first_off = i;
	}
	if (online < m->cpu_count)
		row_fail(m, row, "every CPU that the firmware enabled: the module counts them",
			 OPTION_NONE, "see `log`; switch the machine off and on; update the firmware",
			 "%u of %u CPUs answered; CPU %u (APIC id %u) did not", online, m->cpu_count,
			 first_off, m->cpu[first_off].apic_id);
	else if (m->firmware_cpus > m->cpu_count)
		row_fail(m, row, "every CPU that the firmware enabled: the module counts them",
			 OPTION_NONE, "see `log`: the machine has more CPUs than were started",
			 "%u online, but the firmware's MADT lists %u", online, m->firmware_cpus);
	else
		row_ok(row, "%u online%s", online, m->firmware_cpus ? ", as the MADT lists" : "");
}

void rule_threads(const struct doctor_machine *m, struct doctor_row *row)
{
	const struct doctor_cpu *c = boot_cpu(m);
	unsigned packages = doctor_packages(m), smt = doctor_cpuid_reg(c, 0x1f, 0, 1) & 0xffff;

	if (!smt)
		smt = doctor_cpuid_reg(c, 0xb, 0, 1) & 0xffff;
	if (packages > PACKAGES_MAX)
		row_never(row, "at most 8 packages", "the TDX module refuses a ninth (INVALID_PKG_ID)",
			  "%u packages", packages);
	else
		row_ok(row, "%u package(s), %u thread(s) a core (hyper-threading %s), %u CPUs; no field names a "
		       "maximum", packages, smt ? smt : 1, smt > 1 ? "on" : "off or absent", m->cpu_count);
}

void rule_vmx(const struct doctor_machine *m, struct doctor_row *row)
{
	const struct doctor_msr *control = doctor_msr(boot_cpu(m), DM_FEATURE_CONTROL);

	for (unsigned i = 0; i < m->cpu_count; i++)
		if (m->cpu[i].online && !(doctor_cpuid_reg(&m->cpu[i], 1, 0, 2) & CPUID1_VMX)) {
			row_never(row, "VMX on every CPU",
				  "without VMX no guest runs here; the console and the tools do",
				  "CPU %u has no VMX (CPUID 1, ECX bit 5)", i);
			return;
		}
	if (control->state == MSR_READ && (control->value & FEATURE_LOCKED) &&
	    !(control->value & FEATURE_VMX)) {
		row_fail(m, row, "IA32_FEATURE_CONTROL bit 2 set, or unlocked", OPTION_VMX,
			 "switch it on, save, and switch the machine off and on",
			 "VMX is locked off (IA32_FEATURE_CONTROL %#llx)",
			 (unsigned long long)control->value);
		return;
	}
	if (differs(m, row, DM_FEATURE_CONTROL, FEATURE_LOCKED | FEATURE_VMX, OPTION_VMX))
		return;
	if (!m->self.vmx_on)
		row_fail(m, row, "VMXON on every CPU", OPTION_NONE, "see `log`", "%s",
			 m->self.vmx_reason[0] ? m->self.vmx_reason : "VMX is not on");
	else
		row_ok(row, "on, on every CPU (IA32_FEATURE_CONTROL %#llx)",
		       (unsigned long long)(control->state == MSR_READ ? control->value : 0));
}

void rule_seam(const struct doctor_machine *m, struct doctor_row *row)
{
	const struct doctor_msr *cap = doctor_msr(boot_cpu(m), DM_MTRRCAP);
	unsigned model = doctor_model(m);
	const char *name = tdx_model_name(model), *brand = boot_cpu(m)->brand;
	static const char want[] = "IA32_MTRRCAP bit 15 (SEAMRR) set";

	if (cap->state != MSR_READ) {
		row_unknown(row, "", "IA32_MTRRCAP cannot be read");
		return;
	}
	if (differs(m, row, DM_MTRRCAP, MTRRCAP_SEAMRR, OPTION_UPDATE))
		return;
	if (cap->value & MTRRCAP_SEAMRR)
		row_ok(row, "SEAM is there (IA32_MTRRCAP %#llx)", (unsigned long long)cap->value);
	else if (!name)
		row_never(row, want, "another processor: 5th generation Xeon, Xeon 6, or newer",
			  "this processor has no SEAM (IA32_MTRRCAP %#llx)",
			  (unsigned long long)cap->value);
	else if (model == MODEL_SPR || strstr(brand, "Xeon(R) w") || strstr(brand, "Xeon(R) W"))
		row_never(row, want,
			  "of this generation only parts made for some clouds have TDX, workstation parts "
			  "never; a 5th generation Xeon fits the same socket",
			  "%s without SEAM (IA32_MTRRCAP %#llx)", name, (unsigned long long)cap->value);
	else
		row_fail(m, row, want, OPTION_UPDATE,
			 "update the firmware; if it stays, ask the vendor whether this part has TDX",
			 "%s, but SEAM does not show (IA32_MTRRCAP %#llx)", name,
			 (unsigned long long)cap->value);
}

void rule_width(const struct doctor_machine *m, struct doctor_row *row)
{
	unsigned bits = doctor_cpuid_reg(boot_cpu(m), 0x80000008, 0, 0) & 0xff;
	const struct doctor_msr *tme = doctor_msr(boot_cpu(m), DM_TME_ACTIVATE);

	if (bits == 52)
		row_ok(row, "52 bits, %u of them for KeyIDs",
		       tme->state == MSR_READ ? (unsigned)(tme->value >> 32 & 15) : 0);
	else
		row_fail(m, row, "52 bits (TDH.SYS.INIT insists)", OPTION_ADDRESS_LIMIT,
			 "take the limit away: TME-MT and TDX cannot be switched on while it stands",
			 "physical addresses have %u bits", bits);
}

void rule_sgx(const struct doctor_machine *m, struct doctor_row *row)
{
	const struct doctor_msr *control = doctor_msr(boot_cpu(m), DM_FEATURE_CONTROL);
	bool cpu = doctor_cpuid_reg(boot_cpu(m), 7, 0, 1) & CPUID7_SGX;
	bool on = cpu && control->state == MSR_READ && (control->value & FEATURE_SGX);

	if (on) {
		if (!differs(m, row, DM_FEATURE_CONTROL, FEATURE_SGX, OPTION_SGX))
			row_ok(row, "on");
	} else if (!has_seam(m)) {
		row_ok(row, "not asked for: no SEAM");
	} else if (seamrr_enabled(m)) {
		row_note(row, "TDs run without it; a quote of a TD is made by an SGX enclave",
			 "off: no remote attestation (quotes) on this machine");
	} else {
		row_fail(m, row, "SGX enabled: firmware often hides the TDX switch without it",
			 OPTION_SGX, "switch it on first, restart, then look for the TDX switch",
			 "SGX is off (%s)", cpu ? "IA32_FEATURE_CONTROL bit 18" : "CPUID 7, EBX bit 2");
	}
}

void rule_tsx(const struct doctor_machine *m, struct doctor_row *row)
{
	const struct doctor_cpu *c = boot_cpu(m);
	uint32_t tsx = doctor_cpuid_reg(c, 7, 0, 1) & (CPUID7_HLE | CPUID7_RTM);
	const struct doctor_msr *caps = doctor_msr(c, DM_ARCH_CAPS);
	bool has_ctrl = caps->state == MSR_READ && (caps->value & ARCH_TSX_CTRL);
	struct spread s = spread_msr(m, DM_TSX_CTRL, ~UINT64_C(0));

	if (!has_ctrl) {
		row_ok(row, "no IA32_TSX_CTRL on this model");
	} else if (!s.readable) {
		row_fail(m, row, "IA32_TSX_CTRL readable, as IA32_ARCH_CAPABILITIES bit 7 promises",
			 OPTION_UPDATE, "update the firmware and its microcode",
			 "IA32_TSX_CTRL (122h) is not there");
	} else if (!differs(m, row, DM_TSX_CTRL, ~UINT64_C(0), OPTION_UPDATE)) {
		if (s.value & ~UINT64_C(3))
			row_fail(m, row, "bits 63:2 of IA32_TSX_CTRL clear", OPTION_UPDATE,
				 "update the firmware: SYS.INIT answers INCORRECT_MSR_VALUE 122h",
				 "IA32_TSX_CTRL is %#llx", (unsigned long long)s.value);
		else if (tsx == CPUID7_HLE || tsx == CPUID7_RTM)
			row_fail(m, row, "HLE and RTM both or neither", OPTION_UPDATE,
				 "update the firmware and its microcode",
				 "CPUID 7 shows %s alone", tsx == CPUID7_HLE ? "HLE" : "RTM");
		else
			row_ok(row, "IA32_TSX_CTRL %#llx on all", (unsigned long long)s.value);
	}
}

void rule_archcaps(const struct doctor_machine *m, struct doctor_row *row)
{
	struct spread caps = spread_msr(m, DM_ARCH_CAPS, ~UINT64_C(0));
	struct spread xapic = spread_msr(m, DM_XAPIC_DISABLE, ~UINT64_C(0));

	if (!caps.readable) {
		row_fail(m, row, "IA32_ARCH_CAPABILITIES readable", OPTION_UPDATE,
			 "update the firmware and its microcode", "IA32_ARCH_CAPABILITIES is not there");
		return;
	}
	if (differs(m, row, DM_ARCH_CAPS, ~UINT64_C(0), OPTION_UPDATE))
		return;
	if (!(caps.value & ARCH_XAPIC_STATUS))
		row_fail(m, row, "IA32_ARCH_CAPABILITIES bit 21 (XAPIC_DISABLE_STATUS)", OPTION_UPDATE,
			 "update the firmware and its microcode", "IA32_ARCH_CAPABILITIES is %#llx",
			 (unsigned long long)caps.value);
	else if (!xapic.readable || xapic.value != 1 || xapic.odd)
		row_fail(m, row, "IA32_XAPIC_DISABLE_STATUS 1 on all: legacy xAPIC mode locked out",
			 OPTION_X2APIC, "set the APIC mode to x2APIC",
			 xapic.readable ? "IA32_XAPIC_DISABLE_STATUS is %#llx%s"
					: "IA32_XAPIC_DISABLE_STATUS is not there",
			 (unsigned long long)xapic.value, xapic.odd ? ", not on all" : "");
	else
		row_ok(row, "IA32_ARCH_CAPABILITIES %#llx, xAPIC mode locked out",
		       (unsigned long long)caps.value);
}

/* What TDH.SYS.INIT wants of single MSRs. */
static const struct wanted {
	enum doctor_msr_id id;
	uint64_t mask, value;
	const char *expected;
} wanted[] = {
	{ DM_PACKAGE_CTLS, 1, 1, "IA32_MISC_PACKAGE_CTLS bit 0 (energy filtering) set" },
	{ DM_PERF_CAPS, BIT64(13), BIT64(13), "IA32_PERF_CAPABILITIES bit 13 (full-width writes) set" },
	{ DM_MISC_ENABLE, BIT64(22), 0, "IA32_MISC_ENABLE bit 22 (limit CPUID) clear" },
};

void rule_msrs(const struct doctor_machine *m, struct doctor_row *row)
{
	static const enum doctor_msr_id equal[] = { DM_CORE_CAPS, DM_PACKAGE_CTLS, DM_PERF_CAPS,
						    DM_TSC_ADJUST, DM_WBINVDP, DM_WBNOINVDP };
	static const char next[] = "update the firmware; a switch is known for none of these";
	const struct doctor_msr *wb = doctor_msr(boot_cpu(m), DM_WBINVDP);
	const struct doctor_msr *wbno = doctor_msr(boot_cpu(m), DM_WBNOINVDP);

	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		struct spread s = spread_msr(m, wanted[i].id, wanted[i].mask);

		if (s.readable && !s.odd && s.value == wanted[i].value)
			continue;
		if (s.odd) {
			(void)differs(m, row, wanted[i].id, wanted[i].mask, OPTION_UPDATE);
			return;
		}
		row_fail(m, row, wanted[i].expected, OPTION_UPDATE, next,
			 s.readable ? "%s (%xh): the bit is wrong" : "%s (%xh) is not there",
			 doctor_msr_name(wanted[i].id), doctor_msr_number(wanted[i].id));
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(equal); i++)
		if (differs(m, row, equal[i], ~UINT64_C(0), OPTION_UPDATE))
			return;
	if (wb->state != wbno->state || wb->value != wbno->value)
		row_fail(m, row, "WBINVDP (98h) and WBNOINVDP (99h) equal", OPTION_UPDATE, next,
			 "%#llx and %#llx", (unsigned long long)wb->value,
			 (unsigned long long)wbno->value);
	else
		row_ok(row, "%u MSRs as SYS.INIT wants them",
		       (unsigned)(ARRAY_LEN(wanted) + ARRAY_LEN(equal)));
}

/* ---- CPUID ---- */

static void cpuid_failure(const struct doctor_machine *m, struct doctor_row *row,
			  const struct doctor_cpuid_rule *r, unsigned reg, uint32_t have, unsigned more)
{
	static const char *const regs[] = { "EAX", "EBX", "ECX", "EDX" };
	uint32_t wrong = (have ^ r->value[reg]) & r->mask[reg];
	unsigned bit = (unsigned)__builtin_ctz(wrong);
	const char *name = doctor_cpuid_bit(r->leaf, r->subleaf, reg, bit);
	char expected[100];

	snprintf(expected, sizeof(expected), "%s & %#x is %#x (TDX module 1.5)", regs[reg], r->mask[reg],
		 r->value[reg]);
	row_fail(m, row, expected, OPTION_UPDATE,
		 "update the firmware; SYS.INIT answers INCORRECT_CPUID_VALUE and names the leaf",
		 "CPUID %x.%x %s is %#x: bit %u%s%s%s is %s%s", r->leaf, r->subleaf, regs[reg], have, bit,
		 name ? " (" : "", name ? name : "", name ? ")" : "",
		 have & BIT32(bit) ? "set" : "clear", more ? ", and more" : "");
}

/* The models whose CPUID the table of TDX module 1.5.01 was written for. */
static bool is_of_module_1_5(const struct doctor_machine *m)
{
	return doctor_model(m) == MODEL_SPR || doctor_model(m) == MODEL_EMR;
}

void rule_cpuid(const struct doctor_machine *m, struct doctor_row *row)
{
	const struct doctor_cpuid_rule *first = NULL;
	unsigned reg = 0, wrong = 0;
	uint32_t have = 0;

	if (boot_cpu(m)->max_leaf < 0x1f || boot_cpu(m)->max_extended < 0x80000008) {
		row_fail(m, row, "CPUID leaves up to 1Fh and 80000008h", OPTION_UPDATE,
			 "look for a CPUID limit in the firmware",
			 "CPUID ends at %xh and %xh", boot_cpu(m)->max_leaf, boot_cpu(m)->max_extended);
		return;
	}
	for (int i = 0; i < DOCTOR_CPUID_LEAVES; i++)
		for (unsigned k = 0; k < 4; k++) {
			const struct doctor_cpuid_rule *r = &doctor_cpuid_rules[i];
			uint32_t is = boot_cpu(m)->cpuid[i][k];

			/* The address width has a row of its own. */
			if ((is & r->mask[k]) == r->value[k] || (r->leaf == 0x80000008 && k == 0))
				continue;
			if (!wrong++)
				first = r, reg = k, have = is;
		}
	if (first && !is_of_module_1_5(m))
		row_note(row, "a module for this model may want other bits",
			 "CPUID %x.%x is not what TDX module 1.5 wants of earlier models", first->leaf,
			 first->subleaf);
	else if (first)
		cpuid_failure(m, row, first, reg, have, wrong - 1);
	else
		row_ok(row, "as TDX module 1.5 wants it");
}

/* The first CPU whose CPUID differs where all must be the same. */
static bool cpuid_differs(const struct doctor_machine *m, struct doctor_row *row)
{
	static const char *const regs[] = { "EAX", "EBX", "ECX", "EDX" };

	for (unsigned c = 1; c < m->cpu_count; c++) {
		if (!m->cpu[c].online)
			continue;
		for (int i = 0; i < DOCTOR_CPUID_LEAVES; i++)
			for (unsigned k = 0; k < 4; k++) {
				const struct doctor_cpuid_rule *r = &doctor_cpuid_rules[i];
				uint32_t a = m->cpu[c].cpuid[i][k], b = m->cpu[0].cpuid[i][k];

				if (((a ^ b) & r->same[k]) == 0)
					continue;
				row_fail(m, row, "the same on every CPU (LP.INIT: INCONSISTENT_CPUID_FIELD)",
					 OPTION_UPDATE,
					 "one socket differs: same processor, microcode and settings in all",
					 "CPUID %x.%x %s is %#x on CPU %u (package %u), %#x on CPU 0",
					 r->leaf, r->subleaf, regs[k], a, c,
					 doctor_package(&m->cpu[c]), b);
				return true;
			}
	}
	return false;
}

void rule_same(const struct doctor_machine *m, struct doctor_row *row)
{
	if (cpuid_differs(m, row))
		return;
	for (int id = DM_VMX_BASIC; id <= DM_VMX_PROC3; id++)
		if (differs(m, row, (enum doctor_msr_id)id, ~UINT64_C(0), OPTION_UPDATE))
			return;
	row_ok(row, "CPUID and VMX capabilities agree on all %u CPUs", m->cpu_count);
}

/* ---- SMM's ranges ---- */

void rule_mtrr(const struct doctor_machine *m, struct doctor_row *row)
{
	const struct doctor_cpu *c = boot_cpu(m);
	uint64_t cap = doctor_msr(c, DM_MTRRCAP)->value;
	const struct doctor_msr *base = doctor_msr(c, DM_SMRR_BASE), *mask = doctor_msr(c, DM_SMRR_MASK);

	if ((cap & (MTRRCAP_SMRR | MTRRCAP_SMRR_LOCK)) != (MTRRCAP_SMRR | MTRRCAP_SMRR_LOCK)) {
		row_fail(m, row, "IA32_MTRRCAP bits 11 (SMRR) and 14 (SMRR lock) set", OPTION_UPDATE,
			 "update the firmware and its microcode", "IA32_MTRRCAP is %#llx",
			 (unsigned long long)cap);
		return;
	}
	if (differs(m, row, DM_MTRRCAP, ~UINT64_C(0), OPTION_UPDATE) ||
	    differs(m, row, DM_SMRR_BASE, ~UINT64_C(0), OPTION_UPDATE) ||
	    differs(m, row, DM_SMRR_MASK, ~UINT64_C(0), OPTION_UPDATE))
		return;
	if (base->state != MSR_READ || mask->state != MSR_READ) {
		row_ok(row, "SMRR supported and lockable; its range shows only in SMM");
		return;
	}
	uint32_t bits = (uint32_t)mask->value & 0xfffff000, size = ~bits + 1;

	if (!(mask->value & BIT64(10)))
		row_fail(m, row, "SMRR locked (IA32_SMRR_PHYSMASK bit 10)", OPTION_UPDATE,
			 "update the firmware: SYS.INIT answers SMRR_NOT_LOCKED",
			 "IA32_SMRR_PHYSMASK is %#llx", (unsigned long long)mask->value);
	else if (!(mask->value & BIT64(11)) || (size & (size - 1)))
		row_fail(m, row, "SMRR valid, its mask one run of ones", OPTION_UPDATE,
			 "update the firmware: SYS.INIT answers INVALID_SMRR_CONFIGURATION",
			 "IA32_SMRR_PHYSMASK is %#llx", (unsigned long long)mask->value);
	else
		row_ok(row, "SMRR locked, %#llx, %u MiB",
		       (unsigned long long)(base->value & 0xfffff000), size >> 20);
}

/* ---- errata ---- */

void rule_errata(const struct doctor_machine *m, struct doctor_row *row)
{
	unsigned model = doctor_model(m);
	const struct doctor_msr *basic = doctor_msr(boot_cpu(m), DM_VMX_BASIC);
	bool partial = model == MODEL_SPR || model == MODEL_EMR;
	bool seamret = basic->state == MSR_READ && !(basic->value & VMX_BASIC_SEAMRET);

	if (!partial && !seamret)
		row_ok(row, "none that is known");
	else
		row_note(row, "Tain returns pages by whole lines and loads no VMCS across such calls",
			 "%s%s%s", partial ? "partial writes to private memory poison it" : "",
			 partial && seamret ? "; " : "",
			 seamret ? "the loader's SEAMRET forgets the current VMCS" : "");
}
