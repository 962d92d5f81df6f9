/*
 * doctor_collect.c - from this machine to struct doctor_machine. Contract: doctor_collect.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/monitor/doctor_collect.h"

#include <stdio.h>
#include <string.h>

#include "drivers/acpi.h"
#include "kernel/base/config.h"
#include "kernel/base/log.h"
#include "kernel/machine/console.h"
#include "kernel/machine/cpu.h"
#include "kernel/machine/cpu_insn.h"
#include "kernel/machine/machine.h"
#include "kernel/machine/port.h"
#include "kernel/machine/trap.h"
#include "kernel/machine/vmx.h"
#include "kernel/monitor/doctor_cpuid.h"
#include "kernel/monitor/monitor.h"
#include "tdx/look.h"
#include "tdx/tdx.h"

#define MTRRCAP_SEAMRR BIT64(15)

/* ---- registers, on each CPU ---- */

static const uint32_t msr_numbers[DOCTOR_MSRS] = {
#define X(id, number, name) [DM_##id] = number,
	DOCTOR_MSR_TABLE(X)
#undef X
};

static void read_cpuid(struct doctor_cpu *c)
{
	c->max_leaf = cpuid(0, 0).eax;
	c->max_extended = cpuid(0x80000000, 0).eax;
	for (int i = 0; i < DOCTOR_CPUID_LEAVES; i++) {
		const struct doctor_cpuid_rule *r = &doctor_cpuid_rules[i];
		bool extended = r->leaf >= 0x80000000;
		struct cpuid_regs v;

		if (r->leaf > (extended ? c->max_extended : c->max_leaf))
			continue;
		v = cpuid(r->leaf, r->subleaf);
		memcpy(c->cpuid[i], &v, sizeof(c->cpuid[i]));
	}
}

static void read_brand(struct doctor_cpu *c)
{
	char text[49] = "";
	const char *from = text;

	for (uint32_t i = 0; i < 3 && c->max_extended >= 0x80000004; i++) {
		struct cpuid_regs v = cpuid(0x80000002 + i, 0);

		memcpy(text + 16 * i, &v, 16);
	}
	while (*from == ' ')
		from++;
	snprintf(c->brand, sizeof(c->brand), "%s", from);
}

static void read_msrs(struct doctor_cpu *c)
{
	for (int i = 0; i < DOCTOR_MSRS; i++) {
		struct doctor_msr *m = &c->msr[i];

		m->state = msr_read_safe(msr_numbers[i], &m->value) ? MSR_FAULTS : MSR_READ;
	}
}

static void read_here(void *arg)
{
	struct doctor_machine *m = arg;
	struct doctor_cpu *c = &m->cpu[cpu_index()];

	c->online = true;
	read_cpuid(c);
	read_brand(c);
	read_msrs(c);
}

static void read_cpus(struct doctor_machine *m)
{
	for (unsigned i = 0; i < m->cpu_count; i++)
		m->cpu[i].apic_id = cpu_apic_id(i);
	cpu_call_all(read_here, m);
}

/* ---- the firmware's tables ---- */

static void count_cpu(void *ctx, const struct acpi_cpu *c)
{
	struct doctor_machine *m = ctx;

	m->firmware_cpus += c->enabled;
}

static void add_node(void *ctx, const struct acpi_node *n)
{
	struct doctor_machine *m = ctx;

	if (m->node_count < DOCTOR_NODES_MAX)
		m->node[m->node_count++] = (struct doctor_range){ n->base, n->size, n->node };
}

static void read_tables(struct doctor_machine *m)
{
	static struct acpi_madt madt;
	const struct boot_info *bi = boot_info();

	m->map = boot_mem_map(&m->map_count);
	if (smbios_read(&m->smbios, bi->smbios3, bi->smbios, machine_map_table))
		m->smbios.found = false;
	if (acpi_read_madt(machine_acpi(), &madt, count_cpu, m) ||
	    acpi_read_srat(machine_acpi(), add_node, m))
		return; /* what was found stays; what was not is told by its row */
}

/* ---- SEAMCALL ---- */

static void take_loader(struct doctor_loader *to, const struct seamldr_info *from)
{
	*to = (struct doctor_loader){
		.version = from->version, .attributes = from->attributes, .vendor = from->vendor,
		.build_date = from->build_date, .build_num = from->build_num,
		.major = from->major, .minor = from->minor, .update = from->update,
		.updates_left = from->updates_left,
		.module_ready = from->seam_ready != 0, .loader_ready = from->p_seamldr_ready != 0,
		.debug = (from->attributes & SEAMLDR_DEBUG) != 0,
	};
}

static void take_metadata(struct doctor_seam *s, const struct tdx_metadata *md)
{
	s->has_metadata = true;
	s->vendor = md->vendor, s->build_date = md->build_date, s->build_num = md->build_num;
	s->major = md->major, s->minor = md->minor, s->update = md->update;
	s->features0 = md->features0;
	s->max_tdmrs = md->max_tdmrs, s->max_reserved = md->max_reserved_per_tdmr;
	memcpy(s->pamt_entry, md->pamt_entry_bytes, sizeof(s->pamt_entry));
	for (uint64_t i = 0; i < md->cmr_count && i < DOCTOR_CMRS_MAX; i++)
		s->cmr[s->cmr_count++] =
			(struct doctor_range){ md->cmr[i].base, md->cmr[i].size, 0 };
}

/* Why SEAMCALL is not executed here, or NULL. */
static const char *why_not_ask(const struct doctor_machine *m)
{
	const struct doctor_msr *cap = doctor_msr(&m->cpu[0], DM_MTRRCAP);

	if (cap->state != MSR_READ || !(cap->value & MTRRCAP_SEAMRR))
		return "this processor has no SEAM";
	return m->self.vmx_on ? NULL : "VMX is not on";
}

/* Hardware only: what the software module says of itself is no property of the machine. */
static void ask_seam(struct doctor_machine *m)
{
	struct doctor_seam *s = &m->seam;
	struct tdx_look look;
	uint64_t flags;

	s->step = "";
	s->why_not = why_not_ask(m);
	if (s->why_not)
		return;
	flags = irq_save();
	if (vmcs_current())
		vmcs_clear(vmcs_current());
	tdx_look(&look);
	irq_restore(flags);
	s->asked = true;
	s->why_not = "";
	s->loader_status = look.loader_status.raw;
	take_loader(&s->loader, &look.loader);
	s->module_status = look.module_status.raw;
	s->step = look.step ? look.step : "";
	s->step_status = look.step_status.raw;
	s->ready = look.ready;
	s->pamt_bytes = look.pamt_bytes;
	if (look.md)
		take_metadata(s, look.md);
}

/* ---- Tain itself ---- */

static void describe_self(struct doctor_machine *m)
{
	struct doctor_self *s = &m->self;
	const struct config *cfg = monitor_config();
	struct console_stats con;

	console_stats(&con);
	s->vmx_on = vmx_available();
	snprintf(s->vmx_reason, sizeof(s->vmx_reason), "%s", vmx_reason());
	monitor_tdx_text(s->module_text, sizeof(s->module_text));
	s->tds_wanted = cfg->tain.module != MODULE_NONE;
	s->probe = cfg->tain.bringup == BRINGUP_PROBE;
	s->free_pages = page_count(PAGE_FREE);
	s->leaked_pages = page_count(PAGE_LEAKED);
	s->config_errors = cfg->message_count + cfg->messages_lost;
	s->guests = cfg->guest_count;
	s->log_errors = log_count(LOG_ERROR);
	s->log_warnings = log_count(LOG_WARN);
	snprintf(s->console, sizeof(s->console), "%s", con.device);
	s->console_interrupts = con.interrupts;
	s->console_dropped = con.tx_dropped;
	s->secure_boot = boot_info()->secure_boot != 0;
}

/* ---- all of it ---- */

static unsigned order_of(uint64_t bytes)
{
	unsigned order = 0;

	while (PAGE_SIZE << order < bytes)
		order++;
	return order;
}

struct doctor_machine *doctor_collect(void)
{
	struct doctor_machine *m = heap_alloc(sizeof(*m));
	hpa_t cpus;

	if (!m)
		return NULL;
	m->cpu_count = cpu_count();
	cpus = pages_alloc(PAGE_KERNEL, order_of(m->cpu_count * sizeof(*m->cpu)));
	if (hpa_is_none(cpus)) {
		heap_free(m);
		return NULL;
	}
	m->cpu = hpa_to_ptr(cpus);
	describe_self(m);
	read_cpus(m);
	read_tables(m);
	ask_seam(m);
	/* Something answers where the hardware cannot. */
	m->self.software_module = !m->seam.asked && tdx_phase() != TDX_ABSENT;
	return m;
}

void doctor_collect_free(struct doctor_machine *m)
{
	pages_free(ptr_to_hpa(m->cpu), PAGE_KERNEL, order_of(m->cpu_count * sizeof(*m->cpu)));
	heap_free(m);
}
