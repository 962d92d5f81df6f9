/*
 * td_params.c - TD_PARAMS from a guest's record: what is asked for, what the module allows.
 *
 * Invariants
 *   - Only bits that the module's metadata offers are ever set: a module with other rules gets
 *     other parameters, not a refusal.
 *   - A request of the user that cannot be granted is refused by name, never dropped.
 *
 * Facts: TDX module 1.5 ABI, "TD_PARAMS"; CPUID leaves: SDM volume 2A, "CPUID".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>

#include "tdx/td_impl.h"

/* GUEST_ATTR_* to ATTRIBUTES. */
static const struct {
	uint32_t asked;
	uint64_t bit;
	const char *name;
} attribute_rows[] = {
	{ GUEST_ATTR_DEBUG, BIT64(0), "debug" },
	{ GUEST_ATTR_SEPT_VE_DISABLE, BIT64(28), "sept-ve-disable" },
};

static int make_attributes(struct td *td)
{
	const struct tdx_metadata *md = &tdx_state.md;
	uint64_t attributes = md->attributes_fixed1;

	for (size_t i = 0; i < ARRAY_LEN(attribute_rows); i++) {
		if (!(td->config->attributes & attribute_rows[i].asked))
			continue;
		if (!(md->attributes_fixed0 & attribute_rows[i].bit))
			return td_fail(td, -EINVAL,
				       "attribute %s: this TDX module does not allow it",
				       attribute_rows[i].name);
		attributes |= attribute_rows[i].bit;
	}
	td->params.attributes = attributes;
	return 0;
}

uint64_t td_params_wanted_attributes(const struct td *td)
{
	uint64_t wanted = 0;

	for (size_t i = 0; i < ARRAY_LEN(attribute_rows); i++)
		if (td->config->attributes & attribute_rows[i].asked)
			wanted |= attribute_rows[i].bit;
	return wanted;
}

/* Groups of extended state that guests want, all or none of each. */
static const uint64_t wanted_xfam[] = {
	BIT64(0) | BIT64(1),            /* x87, SSE */
	BIT64(2),                       /* AVX */
	BIT64(5) | BIT64(6) | BIT64(7), /* AVX-512 */
	BIT64(9),                       /* PKRU */
};

uint64_t td_params_wanted_xfam(void)
{
	uint64_t wanted = 0;

	for (size_t i = 0; i < ARRAY_LEN(wanted_xfam); i++)
		wanted |= wanted_xfam[i];
	return wanted;
}

static uint64_t make_xfam(void)
{
	const struct tdx_metadata *md = &tdx_state.md;
	uint64_t xfam = md->xfam_fixed1;

	for (size_t i = 0; i < ARRAY_LEN(wanted_xfam); i++)
		if ((md->xfam_fixed0 & wanted_xfam[i]) == wanted_xfam[i])
			xfam |= wanted_xfam[i];
	/* AVX-512 is only legal with AVX. */
	return xfam & TD_XFAM_AVX ? xfam : xfam & ~TD_XFAM_AVX512;
}

/* Bits that are configurable but not wanted: the host would have to serve or to check something. */
static const struct tdx_cpuid_config unwanted[] = {
	/* family, model, stepping: 0 means the CPU's own; MONITOR, EIST, TM2, xTPR, DCA; PSN, ACPI
	   thermal control, TM, PBE */
	{ 1,
	  ~0u,
	  { ~0u, 0, BIT32(3) | BIT32(7) | BIT32(8) | BIT32(14) | BIT32(18),
	    BIT32(18) | BIT32(22) | BIT32(29) | BIT32(31) } },
	/* HLE, RTM; WAITPKG, bus lock, ENQCMD; PCONFIG */
	{ 7, 0, { 0, BIT32(4) | BIT32(11), BIT32(5) | BIT32(24) | BIT32(29), BIT32(18) } },
};

static struct tdx_cpuid_value without(const struct tdx_cpuid_config *c, struct tdx_cpuid_value v)
{
	for (size_t i = 0; i < ARRAY_LEN(unwanted); i++) {
		const struct tdx_cpuid_config *u = &unwanted[i];

		if (u->leaf != c->leaf || (u->subleaf != ~0u && u->subleaf != c->subleaf))
			continue;
		v.eax &= ~u->mask.eax;
		v.ebx &= ~u->mask.ebx;
		v.ecx &= ~u->mask.ecx;
		v.edx &= ~u->mask.edx;
	}
	return v;
}

#define LEAF1_HTT  BIT32(28)
#define LEAF4_TYPE UINT32_C(0x1f)

#define LEAF1F_SMT  (1 << 8) /* level types, in ECX[15:8] */
#define LEAF1F_CORE (2 << 8)

/* Leaf 1F: threads (one a core), then cores; a vCPU's x2APIC id is its index. */
static void set_levels(unsigned vcpus, uint32_t subleaf, uint32_t r[4])
{
	uint32_t bits = 0;

	while ((UINT32_C(1) << bits) < vcpus)
		bits++;
	r[0] = subleaf == 1 ? bits : 0;
	r[1] = subleaf == 0 ? 1 : subleaf == 1 ? vcpus : 0;
	r[2] = subleaf | (subleaf == 0 ? LEAF1F_SMT : subleaf == 1 ? LEAF1F_CORE : 0);
	r[3] = 0;
}

/* Leaf 1 EBX[23:16]: addressable ids, a power of two. */
static uint32_t id_count(unsigned vcpus)
{
	uint32_t ids = 1;

	while (ids < vcpus && ids < 128)
		ids *= 2;
	return ids;
}

/*
 * The guest's topology is one of its own: each vCPU a core with its caches, no threads; the last
 * level is shared by all. Leaf 4 EAX[31:26] and [25:14] are counts less one.
 */
static void set_topology(const struct td *td, const struct tdx_cpuid_config *c, uint32_t r[4])
{
	uint32_t ids = id_count(td->config->vcpus);
	uint32_t level = r[0] >> 5 & 7;

	if (c->leaf == 1) {
		r[1] = ids << 16;
		r[3] = ids > 1 ? r[3] | LEAF1_HTT : r[3] & ~LEAF1_HTT;
	} else if (c->leaf == 0x1f) {
		set_levels(td->config->vcpus, c->subleaf, r);
	} else if (c->leaf == 4 && (r[0] & LEAF4_TYPE)) {
		r[0] &= UINT32_C(0x3fff);
		r[0] |= (ids - 1) << 26 | (level >= 3 ? (ids - 1) << 14 : 0);
	}
}

void td_params_native(const struct td *td, const struct tdx_cpuid_config *c, uint32_t out[4])
{
	tdx_state.host.cpuid(c->leaf, c->subleaf == ~0u ? 0 : c->subleaf, out);
	set_topology(td, c, out);
}

static void make_cpuid(struct td *td)
{
	const struct tdx_metadata *md = &tdx_state.md;

	for (uint64_t i = 0; i < md->cpuid_config_count; i++) {
		const struct tdx_cpuid_config *c = &md->cpuid_config[i];
		uint32_t native[4] = { 0 };
		struct tdx_cpuid_value v;

		td_params_native(td, c, native);
		v = (struct tdx_cpuid_value){ native[0] & c->mask.eax, native[1] & c->mask.ebx,
					      native[2] & c->mask.ecx, native[3] & c->mask.edx };
		td->params.cpuid[i] = without(c, v);
	}
}

static uint16_t tsc_units(void)
{
	uint64_t units = (tsc_hz() + TSC_FREQUENCY_UNIT_HZ / 2) / TSC_FREQUENCY_UNIT_HZ;

	if (units < TSC_FREQUENCY_MIN)
		return TSC_FREQUENCY_MIN;
	return units > TSC_FREQUENCY_MAX ? TSC_FREQUENCY_MAX : (uint16_t)units;
}

int td_params_make(struct td *td)
{
	const struct tdx_metadata *md = &tdx_state.md;
	int err = make_attributes(td);

	if (err)
		return err;
	if (td->config->vcpus > md->max_vcpus)
		return td_fail(td, -EINVAL, "%u vCPUs: this TDX module allows %llu",
			       td->config->vcpus, (unsigned long long)md->max_vcpus);
	td->params.xfam = make_xfam();
	td->params.max_vcpus = (uint16_t)td->config->vcpus;
	td->params.eptp_controls = TD_EPTP_WB | TD_EPTP_LEVELS(4);
	/* Without NO_RBP_MOD unless asked for: edk2 of 2022 passes RBP in its TDVMCALLs. */
	td->params.config_flags = md->flags_fixed1;
	if (td->config->attributes & GUEST_ATTR_NO_RBP_MOD)
		td->params.config_flags |= md->flags_fixed0 & TD_FLAG_NO_RBP_MOD;
	td->params.tsc_frequency = tsc_units();
	make_cpuid(td);
	/* Without the GPAW flag the width is 48, or what a smaller CPU has. */
	td->gpa_width = tdx_state.host.maxphyaddr < 48 ? tdx_state.host.maxphyaddr : 48;
	return 0;
}
