/*
 * cmd_report.c - `report`: all that somebody far away needs of this machine, in one block that can be
 * cut out of a terminal's log: the doctor's rows, the registers that they came from, the memory, the
 * SEAMCALLs of the bring-up with status and time, and the log.
 *
 * Invariants
 *   - Between the marks each line is "NAME: " and one JSON value, or "log| " and a line of the log.
 *   - No serial number, no address of a network, no content of memory is in it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <string.h>

#include "kernel/base/version.h"
#include "kernel/machine/console.h"
#include "kernel/machine/machine.h"
#include "kernel/machine/port.h"
#include "kernel/monitor/command.h"
#include "kernel/monitor/doctor.h"
#include "kernel/monitor/doctor_collect.h"
#include "kernel/monitor/doctor_cpuid.h"
#include "kernel/monitor/doctor_rules.h"
#include "kernel/monitor/doctor_room.h"
#include "kernel/monitor/monitor.h"
#include "tdx/abi/explain.h"
#include "tdx/abi/leaf.h"
#include "tdx/bringup_log.h"

#define REPORT_BEGIN "-----BEGIN TAIN REPORT-----"
#define REPORT_END   "-----END TAIN REPORT-----"

/* One section: its name, then what @fill writes as JSON. */
struct subject {
	const struct doctor_machine *m;
	const struct doctor_report *report;
};

static void machine_section(struct out *o, const struct subject *s)
{
	const struct smbios *b = &s->m->smbios;

	out_record(o);
	out_text(o, "tain", TAIN_VERSION);
	out_text(o, "manufacturer", b->manufacturer);
	out_text(o, "product", b->product);
	out_text(o, "bios_vendor", b->bios_vendor);
	out_text(o, "bios_version", b->bios_version);
	out_text(o, "bios_date", b->bios_date);
	out_text(o, "efi", boot_info()->firmware_vendor);
	out_bool(o, "secure_boot", s->m->self.secure_boot);
	out_number(o, "cpus", s->m->cpu_count);
	out_number(o, "packages", doctor_packages(s->m));
	out_text(o, "brand", s->m->cpu[0].brand);
	out_number(o, "tsc_hz", tsc_hz());
	out_end(o);
}

static void doctor_section(struct out *o, const struct subject *s) { doctor_table(o, s->report); }

static void msr_section(struct out *o, const struct subject *s)
{
	out_table(o);
	for (int id = 0; id < DOCTOR_MSRS; id++) {
		struct spread x = spread_msr(s->m, (enum doctor_msr_id)id, ~UINT64_C(0));

		out_row(o);
		out_hex(o, "msr", doctor_msr_number((enum doctor_msr_id)id));
		out_text(o, "name", doctor_msr_name((enum doctor_msr_id)id));
		out_bool(o, "there", x.readable);
		out_hex(o, "value", x.value);
		out_number(o, "other_cpus", x.odd);
		out_number(o, "first_other", x.odd_cpu);
		out_hex(o, "first_other_value", x.odd_value);
	}
	out_end(o);
}

static void cpuid_section(struct out *o, const struct subject *s)
{
	out_table(o);
	for (int i = 0; i < DOCTOR_CPUID_LEAVES; i++) {
		const uint32_t *r = s->m->cpu[0].cpuid[i];

		out_row(o);
		out_hex(o, "leaf", doctor_cpuid_rules[i].leaf);
		out_hex(o, "subleaf", doctor_cpuid_rules[i].subleaf);
		out_hex(o, "eax", r[0]);
		out_hex(o, "ebx", r[1]);
		out_hex(o, "ecx", r[2]);
		out_hex(o, "edx", r[3]);
	}
	out_end(o);
}

static void memory_section(struct out *o, const struct subject *s)
{
	out_table(o);
	for (size_t i = 0; i < s->m->map_count; i++) {
		out_row(o);
		out_hex(o, "base", s->m->map[i].base);
		out_hex(o, "bytes", s->m->map[i].size);
		out_number(o, "kind", s->m->map[i].kind);
		out_number(o, "efi_type", s->m->map[i].efi_type);
	}
	out_end(o);
}

static void dimm_section(struct out *o, const struct subject *s)
{
	out_table(o);
	for (unsigned i = 0; i < s->m->smbios.dimms; i++) {
		const struct smbios_dimm *d = &s->m->smbios.dimm[i];

		out_row(o);
		out_text(o, "locator", d->locator);
		out_text(o, "bank", d->bank);
		out_number(o, "mib", d->size_mib);
		out_number(o, "speed", d->speed);
		out_text(o, "part", d->part);
	}
	out_end(o);
}

static void seam_section(struct out *o, const struct subject *s)
{
	const struct doctor_seam *x = &s->m->seam;

	out_record(o);
	out_bool(o, "asked", x->asked);
	out_text(o, "why_not", x->why_not);
	out_hex(o, "seamldr_info", x->loader_status);
	out_hex(o, "sys_rd", x->module_status);
	out_text(o, "stopped_at", x->step);
	out_hex(o, "stopped_status", x->step_status);
	out_bool(o, "software_module", s->m->self.software_module);
	out_text(o, "module", s->m->self.module_text);
	out_end(o);
}

static void bringup_section(struct out *o, const struct subject *s)
{
	const struct bringup_row *row;

	(void)s;
	out_table(o);
	for (unsigned i = 0; (row = bringup_log_row(i)); i++) {
		const char *name = row->leaf & TDX_RAX_SEAMLDR ? "SEAMLDR"
							       : tdh_leaf_name(row->leaf & TDX_RAX_LEAF);
		char text[120];

		out_row(o);
		out_hex(o, "rax", row->leaf);
		out_text(o, "leaf", name ? name : "?");
		out_hex(o, "status", row->status.raw);
		out_text(o, "means", tdx_status_text(row->status, text, sizeof(text)));
		out_number(o, "calls", row->calls);
		out_number(o, "ticks", row->ticks);
		out_number(o, "ticks_max", row->ticks_max);
	}
	out_end(o);
}

static const struct section {
	const char *name;
	void (*fill)(struct out *o, const struct subject *s);
} sections[] = {
	{ "machine", machine_section }, { "doctor", doctor_section }, { "seam", seam_section },
	{ "bringup", bringup_section }, { "msrs", msr_section },      { "cpuid", cpuid_section },
	{ "memory", memory_section },   { "dimms", dimm_section },
};

/* The log's lines, each with its mark, so that none is taken for a section. */
static void put_log(struct out *o)
{
	char buf[200], line[400];
	uint64_t pos = 0;
	size_t used = 0, n;

	while ((n = log_read(&pos, buf, sizeof(buf))))
		for (size_t i = 0; i < n; i++) {
			if (buf[i] != '\n' && used + 1 < sizeof(line)) {
				line[used++] = buf[i];
				continue;
			}
			line[used] = 0;
			out_printf(o, "log| %s\n", line);
			used = 0;
		}
}

/* Where a section's JSON goes: behind its name, in one piece, so that no guest's text gets between. */
struct named {
	struct out *to;
	const char *name;
};

static void write_named(void *ctx, const char *text, size_t length)
{
	const struct named *n = ctx;
	size_t head = strlen(n->name) + 2;
	char *line = heap_alloc(head + length + 1);

	if (!line) {
		out_printf(n->to, "%s: null\n", n->name);
		return;
	}
	snprintf(line, head + 1, "%s: ", n->name);
	memcpy(line + head, text, length);
	n->to->write(n->to->ctx, line, head + length);
	heap_free(line);
}

static void put_sections(struct out *o, const struct subject *s)
{
	for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
		struct named to = { o, sections[i].name };
		struct out json;

		out_init(&json, true, write_named, &to);
		sections[i].fill(&json, s);
		out_fini(&json);
	}
}

int cmd_report(struct call *c)
{
	struct doctor_machine *m = doctor_collect();
	struct doctor_report *r = m ? heap_alloc(sizeof(*r)) : NULL;

	if (!r) {
		if (m)
			doctor_collect_free(m);
		return command_fail(c, "out of memory");
	}
	doctor_judge(m, r);
	out_printf(c->out, "%s\n", REPORT_BEGIN);
	put_sections(c->out, &(struct subject){ m, r });
	put_log(c->out);
	out_printf(c->out, "%s\n", REPORT_END);
	heap_free(r);
	doctor_collect_free(m);
	return 0;
}
