/*
 * cmd_look_td.c - looking into a trust domain: its metadata by field name, its Secure EPT beside its
 * mirror and the PAMT; and the EPT of a plain guest or a shared half.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <string.h>

#include "kernel/monitor/command.h"
#include "kernel/monitor/look.h"
#include "kernel/monitor/seam_words.h"
#include "mmu/mmu.h"
#include "tdx/abi/explain.h"
#include "tdx/abi/layout.h"
#include "tdx/abi/sept.h"
#include "tdx/td_look.h"
#include "tdx/td.h"
#include "tdx/tdx.h"

typedef unsigned long long ull;

/* ------------------------------------------------------------------ metadata */

/* Whose fields: the module's, a TD's, or a vCPU's. */
struct record {
	enum md_scope scope;
	struct td *td;
	unsigned vcpu; /* or TD_LOOK_TD */
};

static tdx_status_t read_field(const struct record *r, uint64_t id, uint64_t *value)
{
	if (r->scope == MD_SCOPE_SYS)
		return tdx_look_sys_field(id, value);
	return td_look_field(r->td, r->vcpu, id, value);
}

static void field_row(struct out *o, const char *name, uint64_t id, uint64_t value)
{
	out_row(o);
	out_text(o, "field", name);
	out_hex(o, "id", id);
	out_hex(o, "value", value);
}

#define ELEMENTS_USUAL 8u /* of a long array */

/* Elements of a field, but not those that are all zero to its end: long arrays are mostly empty. */
static unsigned elements_to_show(const struct record *r, const struct md_name *f, bool all)
{
	unsigned last = 0, most = all || f->elements < ELEMENTS_USUAL ? f->elements : ELEMENTS_USUAL;

	for (unsigned i = 0; i < most; i++) {
		uint64_t value;

		if (tdx_ok(read_field(r, md_field_id(f, i), &value)) && value)
			last = i;
	}
	return last + 1;
}

#define CPUID_LEAVES_LOW  0x40u /* more than any module keeps */
#define CPUID_LEAVES_HIGH 0x10u
#define CPUID_SUBLEAVES   0x40u

/* Both halves of a leaf's values, if the module keeps it. */
static bool cpuid_halves(struct out *o, const struct record *r, const struct md_name *f, uint32_t leaf,
			 uint32_t sub)
{
	uint64_t id[2], value[2];
	char name[60];

	for (unsigned half = 0; half < 2; half++) {
		id[half] = md_field_id(f, md_cpuid_element(leaf, sub, half));
		if (!tdx_ok(read_field(r, id[half], &value[half])))
			return false;
	}
	for (unsigned half = 0; half < 2; half++) {
		if (sub == MD_NO_SUBLEAF)
			snprintf(name, sizeof(name), "%s[%#x][%u]", f->name, leaf, half);
		else
			snprintf(name, sizeof(name), "%s[%#x.%u][%u]", f->name, leaf, sub, half);
		field_row(o, name, id[half], value[half]);
	}
	return true;
}

static unsigned cpuid_rows(struct out *o, const struct record *r, const struct md_name *f)
{
	unsigned shown = 0;

	for (uint32_t n = 0; n < CPUID_LEAVES_LOW + CPUID_LEAVES_HIGH; n++) {
		uint32_t leaf = n < CPUID_LEAVES_LOW ? n : UINT32_C(0x80000000) + n - CPUID_LEAVES_LOW;

		if (cpuid_halves(o, r, f, leaf, MD_NO_SUBLEAF)) {
			shown += 2;
			continue;
		}
		/* Sub-leaves may be missing in between, the first is there. */
		for (uint32_t sub = 0; sub < CPUID_SUBLEAVES; sub++)
			if (cpuid_halves(o, r, f, leaf, sub))
				shown += 2;
			else if (sub == 0)
				break;
	}
	return shown;
}

static unsigned named_rows(struct out *o, const struct record *r, bool all)
{
	const struct md_name *f;
	unsigned shown = 0;

	for (unsigned n = 0; (f = md_field(r->scope, n)); n++) {
		unsigned count = f->elements > 1 ? elements_to_show(r, f, all) : 1;

		if (all && md_is_cpuid_values(f)) {
			shown += cpuid_rows(o, r, f);
			continue;
		}
		for (unsigned i = 0; i < count; i++) {
			char name[60];
			uint64_t value;

			if (!tdx_ok(read_field(r, md_field_id(f, i), &value)))
				continue;
			snprintf(name, sizeof(name), f->elements > 1 ? "%s[%u]" : "%s", f->name, i);
			field_row(o, name, md_field_id(f, i), value);
			shown++;
		}
	}
	return shown;
}

static unsigned vmcs_rows(struct out *o, const struct record *r)
{
	unsigned shown = 0;
	int encoding;

	for (unsigned n = 0; (encoding = vmcs_field_at(n)) >= 0; n++) {
		uint64_t id = md_vmcs_id((uint32_t)encoding), value;
		char name[60];

		if (!tdx_ok(read_field(r, id, &value)))
			continue;
		snprintf(name, sizeof(name), "VMCS.%s", vmcs_field_name((uint32_t)encoding));
		field_row(o, name, id, value);
		shown++;
	}
	return shown;
}

static int all_fields(struct call *c, const struct record *r, bool all)
{
	unsigned shown;

	out_table(c->out);
	shown = named_rows(c->out, r, all);
	if (r->scope == MD_SCOPE_VP)
		shown += vmcs_rows(c->out, r);
	out_end(c->out);
	return shown ? 0 : command_fail(c, "the module tells nothing of it");
}

static int one_field(struct call *c, const struct record *r, const char *name)
{
	char why[200], text[120];
	uint64_t id, value;
	tdx_status_t st;

	if (seam_field(r->scope, name, &id, why, sizeof(why)) != 0)
		return command_fail(c, "%s", why);
	st = read_field(r, id, &value);
	if (!tdx_ok(st))
		return command_fail(c, "the module says %s", tdx_status_text(st, text, sizeof(text)));
	out_record(c->out);
	out_text(c->out, "field", name);
	out_hex(c->out, "id", id);
	out_hex(c->out, "value", value);
	out_end(c->out);
	return 0;
}

static bool is_number(const char *word) { return word[0] >= '0' && word[0] <= '9' && strlen(word) < 5; }

/* NAME|module [VCPU] at the first words; *@rest: the word behind. False with the reason noted. */
static bool read_record(struct call *c, struct record *r, int *rest)
{
	struct guest *g;

	*r = (struct record){ .scope = MD_SCOPE_SYS, .vcpu = TD_LOOK_TD };
	*rest = 1;
	if (strcmp(c->argv[0], "module") == 0 && !guest_find("module")) {
		if (tdx_phase() == TDX_READY)
			return true;
		command_fail(c, "no TDX module is ready");
		return false;
	}
	g = look_guest(c, 0);
	if (g && !g->td)
		command_fail(c, "%s is no trust domain", g->config->name);
	if (!g || !g->td)
		return false;
	r->td = g->td;
	r->scope = MD_SCOPE_TD;
	if (c->argc < 2 || !is_number(c->argv[1]))
		return true;
	r->scope = MD_SCOPE_VP;
	*rest = 2;
	return look_vcpu(c, g, c->argv[1], &r->vcpu);
}

static int cmd_metadata(struct call *c)
{
	struct record r;
	int rest;

	if (!read_record(c, &r, &rest))
		return -1;
	if (c->argc > rest + 1)
		return command_fail(c, "expected: metadata %s", c->row->usage);
	if (c->argc == rest || strcmp(c->argv[rest], "all") == 0)
		return all_fields(c, &r, c->argc > rest);
	return one_field(c, &r, c->argv[rest]);
}

/* setfield NAME [VCPU] FIELD VALUE [MASK] */
static int cmd_setfield(struct call *c)
{
	uint64_t id, value, mask = ~UINT64_C(0);
	char why[200], text[120];
	struct record r;
	tdx_status_t st;
	int rest;

	if (!read_record(c, &r, &rest))
		return -1;
	if (r.scope == MD_SCOPE_SYS)
		return command_fail(c, "the module's own fields cannot be written");
	if (c->argc != rest + 2 && c->argc != rest + 3)
		return command_fail(c, "expected: setfield %s", c->row->usage);
	if (seam_field(r.scope, c->argv[rest], &id, why, sizeof(why)) != 0)
		return command_fail(c, "%s", why);
	if (!look_number(c, c->argv[rest + 1], &value) ||
	    (c->argc > rest + 2 && !look_number(c, c->argv[rest + 2], &mask)))
		return -1;
	st = td_look_set_field(r.td, r.vcpu, id, mask, value);
	if (!tdx_ok(st))
		return command_fail(c, "the module says %s", tdx_status_text(st, text, sizeof(text)));
	return 0;
}

/* ------------------------------------------------------------------ sept, ept */

static const char *const level_names[] = { "?", "4K", "2M", "1G", "512G", "256T" };

/* The module's view of one entry, and of the page that it leads to. */
static void sept_cells(struct out *o, struct td *td, const struct mmu_walk_step *step, gpa_t gpa)
{
	char status[100], pamt[60] = "";
	const char *state = "?";
	uint64_t rcx = 0, rdx = 0;
	tdx_status_t st = td_look_sept(td, gpa, step->level, &rcx, &rdx);
	struct sept_info e = sept_decode(rcx, rdx);
	hpa_t page = pfn_to_hpa(spte_pfn(step->spte));
	struct tdx_page_state p;

	if (tdx_ok(st) && sept_state_name(e.state))
		state = sept_state_name(e.state);
	else
		state = tdx_status_text(st, status, sizeof(status));
	out_text(o, "sept", state);
	out_hex(o, "sept_page", e.page.v);
	out_hex(o, "sept_raw", rcx);
	/* A table's S-EPT page is known to the mirror only by the module; a leaf's frame is here. */
	if (spte_has_leaf(step->spte) && tdx_ok(tdx_look_page(page, &p)))
		snprintf(pamt, sizeof(pamt), "%s %s owner 0x%llx",
			 pamt_type_name((unsigned)p.type) ? pamt_type_name((unsigned)p.type) : "?",
			 level_names[p.size < 3 ? p.size + 1 : 0], (ull)p.owner);
	out_text(o, "pamt", pamt);
}

static int cmd_sept(struct call *c)
{
	struct guest *g = look_guest(c, 0);
	struct mmu_walk_step steps[5];
	unsigned count;
	gpa_t gpa;

	if (!g || !look_number(c, c->argv[1], &gpa.v))
		return -1;
	if (!g->td)
		return command_fail(c, "%s is no trust domain: `ept` shows its tables", g->config->name);
	gpa.v &= ~td_shared_bit(g->td);
	count = mmu_walk(guest_mmu(g), MMU_MIRROR, gpa_to_gfn(gpa), steps);
	out_table(c->out);
	for (unsigned i = 0; i < count; i++) {
		out_row(c->out);
		out_text(c->out, "maps", level_names[steps[i].level]);
		out_hex(c->out, "mirror", steps[i].spte.raw);
		out_text(c->out, "kind", spte_kind_names[spte_kind(steps[i].spte)]);
		sept_cells(c->out, g->td, &steps[i], gpa);
	}
	out_end(c->out);
	return 0;
}

static int cmd_ept(struct call *c)
{
	struct guest *g = look_guest(c, 0);
	struct mmu_walk_step steps[5];
	unsigned count;
	gpa_t gpa;

	if (!g || !look_number(c, c->argv[1], &gpa.v))
		return -1;
	if (g->td)
		gpa.v &= ~td_shared_bit(g->td);
	count = mmu_walk(guest_mmu(g), MMU_DIRECT, gpa_to_gfn(gpa), steps);
	out_table(c->out);
	for (unsigned i = 0; i < count; i++) {
		uint64_t raw = steps[i].spte.raw;
		char rights[8];

		snprintf(rights, sizeof(rights), "%c%c%c", raw & 1 ? 'r' : '-', raw & 2 ? 'w' : '-',
			 raw & 4 ? 'x' : '-');
		out_row(c->out);
		out_text(c->out, "maps", level_names[steps[i].level]);
		out_hex(c->out, "entry_at", steps[i].table.v + 8 * steps[i].index);
		out_hex(c->out, "entry", raw);
		out_text(c->out, "kind", spte_kind_names[spte_kind(steps[i].spte)]);
		out_text(c->out, "rights", rights);
		out_hex(c->out, "leads_to", pfn_to_hpa(spte_pfn(steps[i].spte)).v);
	}
	out_end(c->out);
	return 0;
}

/* clang-format off */
const struct command look_td_commands[] = {
	{ "metadata", "NAME [VCPU] [FIELD|all] | module [FIELD|all]",
	  "fields of a trust domain, of a vCPU of it, or of the TDX module, by name", cmd_metadata, 1, 3,
	  COMPLETE_GUEST, COMMAND_JSON,
	  "    FIELD: a name (MRTD[2], GUEST_RIP) or an id. Without: what the module tells, of arrays the\n"
	  "    first eight elements; with `all` up to their last element that is not zero.\n"
	  "    CPUID_VALUES[LEAF], CPUID_VALUES[LEAF.SUBLEAF]: EBX and EAX; ECX and EDX with [1] behind." },
	{ "setfield", "NAME [VCPU] FIELD VALUE [MASK]", "write a field, as far as the module lets the host",
	  cmd_setfield, 3, 5, COMPLETE_GUEST, 0, "    MASK: bits to be written, all if it is not said." },
	{ "sept", "NAME GPA", "mirror, Secure EPT and PAMT of a private page, level by level", cmd_sept, 2,
	  2, COMPLETE_GUEST, COMMAND_JSON, NULL },
	{ "ept", "NAME GPA", "the EPT of a plain guest or of a shared half, level by level", cmd_ept, 2, 2,
	  COMPLETE_GUEST, COMMAND_JSON, NULL },
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
/* clang-format on */
