/*
 * cmd_look.c - looking into a guest: registers, VMCS, memory, page walks, local APIC.
 *
 * A running guest is held for the time of the look, and goes on after it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/ticks.h"
#include "kernel/machine/cpu_insn.h"
#include "kernel/machine/port.h"
#include "kernel/monitor/command.h"
#include "kernel/monitor/look.h"
#include "kernel/monitor/seam_words.h"
#include "kernel/vmx/lapic.h"
#include "kernel/vmx/vm.h"
#include "mmu/mmu.h"
#include "tdx/abi/explain.h"
#include "tdx/td_look.h"
#include "tdx/td.h"

typedef unsigned long long ull;

/* ------------------------------------------------------------------ regs */

/* Four to a line. */
static void regs_text(struct out *o, const struct vcpu_regs *r)
{
	char line[160];
	size_t used = 0;

	for (unsigned i = 0; i < VCPU_REG_COUNT; i++) {
		used += (size_t)snprintf(line + used, sizeof(line) - used, "%-10s %016llx%s",
					 debug_reg_name((enum vcpu_reg)i), (ull)r->r[i],
					 i % 4 == 3 ? "" : "  ");
		if (i % 4 == 3 || i + 1 == VCPU_REG_COUNT) {
			out_printf(o, "%s\n", line);
			used = 0;
		}
	}
}

static int show_regs(struct call *c, struct guest *g, unsigned vcpu)
{
	struct vcpu_regs r;

	if (look_regs(c, g, vcpu, &r))
		return -1;
	if (!c->json) {
		out_printf(c->out, "%s vCPU %u\n", g->config->name, vcpu);
		regs_text(c->out, &r);
		return 0;
	}
	out_record(c->out);
	out_number(c->out, "vcpu", vcpu);
	for (unsigned i = 0; i < VCPU_REG_COUNT; i++)
		out_hex(c->out, debug_reg_name((enum vcpu_reg)i), r.r[i]);
	out_end(c->out);
	return 0;
}

static int cmd_regs(struct call *c)
{
	struct guest *g = look_guest(c, 0);
	unsigned vcpu = 0;
	bool was_held;
	int err;

	if (!g || (c->argc == 2 && !look_vcpu(c, g, c->argv[1], &vcpu)) ||
	    look_begin(c, g, &was_held))
		return -1;
	err = show_regs(c, g, vcpu);
	look_end(g, was_held);
	return err;
}

/* ------------------------------------------------------------------ vmcs */

struct vmcs_look {
	struct guest *g;
	unsigned vcpu;
	uint32_t field;
	uint64_t value;
	int err;
	tdx_status_t status;
};

static void vmcs_of_vm(void *arg)
{
	struct vmcs_look *l = arg;
	uint64_t flags = irq_save();

	l->err = vm_look_vmcs(l->g->vm, l->vcpu, l->field, &l->value);
	irq_restore(flags);
}

/* 0, or an errno: of a TD the module's answer is in l->status. */
static int vmcs_field(struct vmcs_look *l)
{
	if (l->g->vm) {
		cpu_call(l->g->vcpus[l->vcpu].cpu, vmcs_of_vm, l);
		return l->err;
	}
	l->status = td_look_field(l->g->td, l->vcpu, md_vmcs_id(l->field), &l->value);
	return tdx_ok(l->status) ? 0 : -ENOENT;
}

static int one_field(struct call *c, struct vmcs_look *l, const char *name)
{
	int encoding = vmcs_field_by_name(name), err;
	uint64_t number;
	char text[120];

	if (encoding < 0 && (name[0] < '0' || name[0] > '9' || !look_number(c, name, &number)))
		return command_fail(c, "no VMCS field '%.40s'", name);
	l->field = encoding < 0 ? (uint32_t)number : (uint32_t)encoding;
	err = vmcs_field(l);
	if (err == -ENODATA)
		return command_fail(c, "vCPU %u waits for its start-up", l->vcpu);
	if (err && l->g->td)
		return command_fail(c, "the module says %s",
				    tdx_status_text(l->status, text, sizeof(text)));
	if (err)
		return command_fail(c, "this CPU has no such field");
	out_record(c->out);
	out_text(c->out, "field", vmcs_field_name(l->field) ? vmcs_field_name(l->field) : name);
	out_hex(c->out, "encoding", l->field);
	out_hex(c->out, "value", l->value);
	out_end(c->out);
	return 0;
}

static int all_fields(struct call *c, struct vmcs_look *l)
{
	unsigned shown = 0;
	int encoding;

	out_table(c->out);
	for (unsigned i = 0; (encoding = vmcs_field_at(i)) >= 0; i++) {
		l->field = (uint32_t)encoding;
		if (vmcs_field(l))
			continue;
		shown++;
		out_row(c->out);
		out_hex(c->out, "encoding", l->field);
		out_text(c->out, "field", vmcs_field_name(l->field));
		out_hex(c->out, "value", l->value);
	}
	out_end(c->out);
	return shown ? 0 : command_fail(c, "nothing of it may be read");
}

/* vmcs NAME [VCPU] [FIELD] */
static int cmd_vmcs(struct call *c)
{
	struct vmcs_look l = { .g = look_guest(c, 0) };
	const char *field = NULL;
	bool was_held = true;
	int err;

	if (!l.g)
		return -1;
	for (int i = 1; i < c->argc; i++) {
		if (i == 1 && c->argv[1][0] >= '0' && c->argv[1][0] <= '9') {
			if (!look_vcpu(c, l.g, c->argv[1], &l.vcpu))
				return -1;
		} else if (field) {
			return command_fail(c, "expected: vmcs %s", c->row->usage);
		} else {
			field = c->argv[i];
		}
	}
	/* A TD's vCPU is asked between its stays; what it may not tell, the module does not. */
	if (l.g->vm && look_begin(c, l.g, &was_held))
		return -1;
	err = field ? one_field(c, &l, field) : all_fields(c, &l);
	look_end(l.g, was_held);
	return err;
}

/* ------------------------------------------------------------------ mem */

#define MEM_BYTES_MAX 65536u
#define ROW_BYTES     16u

struct mem_look {
	struct guest *g;
	uint64_t at, length;
	bool linear;
	char format; /* x, s, i */
	unsigned vcpu;
};

static size_t read_memory(const struct mem_look *m, uint64_t at, void *to, size_t bytes)
{
	return m->linear ? debug_read(m->g, m->vcpu, at, to, bytes)
			 : debug_read_phys(m->g, (gpa_t){ at }, to, bytes);
}

static void hex_row(struct out *o, uint64_t at, const uint8_t *b, size_t n)
{
	char hex[3 * ROW_BYTES + 1] = "", ascii[ROW_BYTES + 1] = "";

	for (size_t i = 0; i < n; i++) {
		snprintf(hex + 3 * i, 4, "%02x ", b[i]);
		ascii[i] = b[i] >= 32 && b[i] < 127 ? (char)b[i] : '.';
	}
	out_printf(o, "%016llx  %-48s %s\n", (ull)at, hex, ascii);
}

/* What tools/disasm reads: address, then the bytes in one piece. */
static void code_row(struct out *o, uint64_t at, const uint8_t *b, size_t n)
{
	char hex[2 * ROW_BYTES + 1] = "";

	for (size_t i = 0; i < n; i++)
		snprintf(hex + 2 * i, 3, "%02x", b[i]);
	out_printf(o, "code %016llx %s\n", (ull)at, hex);
}

static int rows(struct call *c, const struct mem_look *m)
{
	uint8_t b[ROW_BYTES];

	for (uint64_t done = 0; done < m->length;) {
		uint64_t left = m->length - done;
		size_t want = left < ROW_BYTES ? (size_t)left : ROW_BYTES;
		size_t got = read_memory(m, m->at + done, b, want);

		if (got && c->json) {
			char hex[2 * ROW_BYTES + 1] = "";

			for (size_t i = 0; i < got; i++)
				snprintf(hex + 2 * i, 3, "%02x", b[i]);
			out_row(c->out);
			out_hex(c->out, "at", m->at + done);
			out_text(c->out, "bytes", hex);
		} else if (got && m->format == 'i') {
			code_row(c->out, m->at + done, b, got);
		} else if (got) {
			hex_row(c->out, m->at + done, b, got);
		}
		if (got < want)
			return command_fail(c, "nothing to read at 0x%llx", (ull)(m->at + done + got));
		done += got;
	}
	return 0;
}

/* Runs of at least four printable characters. */
static int strings(struct call *c, const struct mem_look *m)
{
	char run[129];
	size_t n = 0;
	uint64_t at = m->at;

	for (uint64_t i = 0; i <= m->length; i++) {
		uint8_t b = 0;

		if (i < m->length && read_memory(m, m->at + i, &b, 1) != 1)
			return command_fail(c, "nothing to read at 0x%llx", (ull)(m->at + i));
		if (b >= 32 && b < 127 && n < sizeof(run) - 1) {
			if (n == 0)
				at = m->at + i;
			run[n++] = (char)b;
			continue;
		}
		run[n] = 0;
		if (n >= 4)
			out_printf(c->out, "%016llx  %s\n", (ull)at, run);
		n = 0;
	}
	return 0;
}

static bool mem_word(struct call *c, struct mem_look *m, const char *word, int place)
{
	if (strcmp(word, "gva") == 0 || strcmp(word, "--gva") == 0)
		return m->linear = true;
	if (strcmp(word, "gpa") == 0 || strcmp(word, "--gpa") == 0)
		return true;
	if (strncmp(word, "vcpu=", 5) == 0)
		return look_vcpu(c, m->g, word + 5, &m->vcpu);
	if (strlen(word) == 1 && strchr("xsi", *word)) {
		m->format = *word;
		return true;
	}
	if (place == 2)
		return look_number(c, word, &m->length);
	command_fail(c, "expected: mem %s", c->row->usage);
	return false;
}

static int cmd_mem(struct call *c)
{
	struct mem_look m = { .g = look_guest(c, 0), .length = 64, .format = 'x' };
	bool was_held;
	int err;

	if (!m.g || !look_number(c, c->argv[1], &m.at))
		return -1;
	for (int i = 2; i < c->argc; i++)
		if (!mem_word(c, &m, c->argv[i], i))
			return -1;
	if (m.length == 0 || m.length > MEM_BYTES_MAX)
		return command_fail(c, "expected: 1 to %u bytes", MEM_BYTES_MAX);
	/* The shared half is the host's to see, of any trust domain. */
	was_held = !m.linear && m.g->td && (m.at & td_shared_bit(m.g->td));
	if (!was_held && look_begin(c, m.g, &was_held))
		return -1;
	if (c->json)
		out_table(c->out);
	err = m.format == 's' && !c->json ? strings(c, &m) : rows(c, &m);
	if (c->json)
		out_end(c->out);
	look_end(m.g, was_held);
	return err;
}

/* ------------------------------------------------------------------ walk */

static const char *const level_names[] = { "?", "4K", "2M", "1G", "512G", "256T" };

static void mmu_rows(struct out *o, struct mmu *mmu, enum mmu_root root, gfn_t gfn)
{
	struct mmu_walk_step steps[5];
	unsigned count = mmu_walk(mmu, root, gfn, steps);

	for (unsigned i = 0; i < count; i++) {
		struct mmu_external e;
		bool has_external = root == MMU_MIRROR &&
				    !mmu_read_external(mmu, gfn, steps[i].level, &e);

		out_row(o);
		out_text(o, "root", root == MMU_MIRROR ? "mirror" : "direct");
		out_text(o, "maps", level_names[steps[i].level]);
		out_hex(o, "entry_at", steps[i].table.v + 8 * steps[i].index);
		out_hex(o, "entry", steps[i].spte.raw);
		out_text(o, "kind", spte_kind_names[spte_kind(steps[i].spte)]);
		out_text(o, "external", has_external ? spte_kind_names[e.kind] : "");
	}
}

static const char *size_name(uint64_t bytes)
{
	static const struct {
		uint64_t bytes;
		const char *name;
	} sizes[] = { { PAGE_SIZE, "4K" },     { SIZE_2M, "2M" },	  { UINT64_C(4) << 20, "4M" },
		      { SIZE_1G, "1G" },       { SIZE_1G << 9, "512G" }, { SIZE_1G << 18, "256T" } };

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		if (sizes[i].bytes == bytes)
			return sizes[i].name;
	return "?";
}

static void guest_rows(struct out *o, const struct debug_walk *w, int err)
{
	for (unsigned i = 0; i < w->levels; i++) {
		bool last = i + 1 == w->levels;

		out_row(o);
		out_text(o, "root", "guest");
		out_text(o, "maps", size_name(w->level[i].maps_bytes));
		out_hex(o, "entry_at", w->level[i].entry_at.v);
		out_hex(o, "entry", w->level[i].entry);
		out_text(o, "kind", !last ? "table" : err == -ENOENT ? "no memory" : err ? "absent" : "leaf");
		out_text(o, "external", "");
	}
}

/* From a linear address: the guest's tables first. */
static int walk_linear(struct call *c, struct guest *g, unsigned vcpu, uint64_t linear, gpa_t *gpa)
{
	struct debug_walk w;
	struct vcpu_regs r;
	bool was_held;
	int err;

	if (look_begin(c, g, &was_held))
		return -1;
	err = look_regs(c, g, vcpu, &r);
	if (!err) {
		int walk_err = debug_translate(g, &r, linear, &w);

		guest_rows(c->out, &w, walk_err);
		*gpa = w.gpa;
		err = walk_err ? command_fail(c, "the guest maps nothing there") : 0;
	}
	look_end(g, was_held);
	return err;
}

/* Where the last level leads: the frame of the machine. */
static void say_frame(struct out *o, struct guest *g, gpa_t gpa)
{
	enum mmu_root root = g->td ? MMU_MIRROR : MMU_DIRECT;
	uint64_t shared = g->td ? td_shared_bit(g->td) : 0;
	int level;
	spte_t e;

	if (gpa.v & shared)
		root = MMU_DIRECT;
	gpa.v &= ~shared;
	e = mmu_lookup(guest_mmu(g), root, gpa_to_gfn(gpa), &level);
	if (spte_kind(e) == SPTE_IS_LEAF)
		out_printf(o, "GPA 0x%llx is HPA 0x%llx\n", (ull)gpa.v,
			   (ull)(pfn_to_hpa(spte_pfn(e)).v + (gpa.v & (level_size(level) - 1))));
	else
		out_printf(o, "GPA 0x%llx is not mapped\n", (ull)gpa.v);
}

/* walk NAME ADDRESS [gva [VCPU]] */
static int cmd_walk(struct call *c)
{
	struct guest *g = look_guest(c, 0);
	bool linear = c->argc > 2 && strcmp(c->argv[2], "gva") == 0;
	unsigned vcpu = 0;
	uint64_t at, shared;
	gpa_t gpa;
	int err = 0;

	if (!g || !look_number(c, c->argv[1], &at))
		return -1;
	if ((c->argc > 2 && !linear) || (c->argc > 3 && !look_vcpu(c, g, c->argv[3], &vcpu)))
		return c->argc > 3 ? -1 : command_fail(c, "expected: walk %s", c->row->usage);
	gpa.v = at;
	out_table(c->out);
	if (linear)
		err = walk_linear(c, g, vcpu, at, &gpa);
	shared = g->td ? td_shared_bit(g->td) : 0;
	if (!err && g->td && !(linear && (gpa.v & shared)))
		mmu_rows(c->out, guest_mmu(g), MMU_MIRROR, gpa_to_gfn((gpa_t){ gpa.v & ~shared }));
	if (!err && !(linear && g->td && !(gpa.v & shared)))
		mmu_rows(c->out, guest_mmu(g), MMU_DIRECT, gpa_to_gfn((gpa_t){ gpa.v & ~shared }));
	out_end(c->out);
	if (!err)
		say_frame(c->out, g, gpa);
	return err;
}

/* ------------------------------------------------------------------ apic */

static void bits_of(const uint64_t words[4], char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = 0;
	for (unsigned v = 0; v < 256 && used < size; v++)
		if (words[v / 64] >> v % 64 & 1)
			used += (size_t)snprintf(buf + used, size - used, used ? " %02x" : "%02x", v);
}

static void vm_apic(struct out *o, const struct lapic *l)
{
	static const char *const lvt[LVT_COUNT] = { "lvt_timer", "lvt_thermal", "lvt_perf",
						    "lvt_lint0", "lvt_lint1",	"lvt_error" };
	char irr[3 * 32 + 1], isr[3 * 32 + 1]; /* more than 32 at once are cut off */

	bits_of(l->irr, irr, sizeof(irr));
	bits_of(l->isr, isr, sizeof(isr));
	out_record(o);
	out_number(o, "id", l->id);
	out_text(o, "mode", lapic_is_x2(l)	  ? "x2APIC"
			    : lapic_in_memory(l) ? "xAPIC"
						  : "off");
	out_hex(o, "base", l->base);
	out_hex(o, "tpr", l->tpr);
	out_hex(o, "svr", l->svr);
	out_hex(o, "ldr", l->ldr);
	out_hex(o, "icr", l->icr);
	out_hex(o, "esr", l->esr);
	out_text(o, "irr", irr);
	out_text(o, "isr", isr);
	for (unsigned i = 0; i < LVT_COUNT; i++)
		out_hex(o, lvt[i], l->lvt[i]);
	out_hex(o, "timer_initial", l->initial);
	out_hex(o, "timer_divide", l->divide);
	out_hex(o, "timer_due", l->due);
	out_hex(o, "tsc_deadline", l->deadline);
	out_number(o, "accepted", l->accepted);
	out_number(o, "timer_fired", l->fired);
	out_end(o);
}

/* The virtual-APIC page of a TD's vCPU, register by register: for debug TDs. */
static int td_apic(struct call *c, struct guest *g, unsigned vcpu)
{
	/* clang-format off */
	static const struct { uint16_t offset; const char *name; } regs[] = {
		{ 0x080, "tpr" }, { 0x0a0, "ppr" }, { 0x0f0, "svr" },
		{ 0x100, "isr0" }, { 0x110, "isr1" }, { 0x120, "isr2" }, { 0x130, "isr3" },
		{ 0x140, "isr4" }, { 0x150, "isr5" }, { 0x160, "isr6" }, { 0x170, "isr7" },
		{ 0x200, "irr0" }, { 0x210, "irr1" }, { 0x220, "irr2" }, { 0x230, "irr3" },
		{ 0x240, "irr4" }, { 0x250, "irr5" }, { 0x260, "irr6" }, { 0x270, "irr7" },
		{ 0x280, "esr" }, { 0x300, "icr" }, { 0x310, "icr_high" },
	};
	/* clang-format on */
	const struct md_name *vapic;
	unsigned element;
	char text[120];
	uint64_t value;

	if (md_field_by_name(MD_SCOPE_VP, "VAPIC", &vapic, &element) != 0)
		return command_fail(c, "no name for the virtual APIC");
	out_record(c->out);
	for (size_t i = 0; i < ARRAY_LEN(regs); i++) {
		tdx_status_t st = td_look_field(g->td, vcpu,
						md_field_id(vapic, regs[i].offset / 8u), &value);

		if (!tdx_ok(st)) {
			out_end(c->out);
			return command_fail(c, "the module says %s",
					    tdx_status_text(st, text, sizeof(text)));
		}
		out_hex(c->out, regs[i].name, (uint32_t)value);
	}
	out_end(c->out);
	return 0;
}

static int cmd_apic(struct call *c)
{
	struct guest *g = look_guest(c, 0);
	unsigned vcpu = 0;
	bool was_held;

	if (!g || (c->argc == 2 && !look_vcpu(c, g, c->argv[1], &vcpu)))
		return -1;
	if (g->td)
		return td_apic(c, g, vcpu);
	if (look_begin(c, g, &was_held))
		return -1;
	vm_apic(c->out, vm_look_lapic(g->vm, vcpu));
	look_end(g, was_held);
	return 0;
}

/* ------------------------------------------------------------------ exits */

static void exit_row(struct out *o, unsigned vcpu, const char *kind, const char *name, uint64_t count,
		     const struct tick_stats *t)
{
	if (!count)
		return;
	out_row(o);
	out_number(o, "vcpu", vcpu);
	out_text(o, "kind", kind);
	out_text(o, "name", name ? name : "?");
	out_number(o, "count", count);
	out_number(o, "timed", t->count);
	out_number(o, "ticks_min", t->min);
	out_number(o, "ticks_median", tick_stats_median(t));
	out_number(o, "ticks_max", t->max);
}

static void vcpu_exits(struct out *o, struct guest *g, unsigned vcpu)
{
	const struct tick_stats *t;
	uint64_t count;
	const char *name;

	for (uint32_t reason = 0; g->vm && reason < EXIT_REASON_COUNT; reason++) {
		count = vm_vcpu_exits(g->vm, vcpu, reason, &t);
		exit_row(o, vcpu, "exit", vm_exit_row_name(reason), count, t);
	}
	for (unsigned vmcalls = 0; g->td && vmcalls < 2; vmcalls++)
		for (unsigned n = 0; (name = td_look_exits(g->td, vcpu, vmcalls, n, &count, &t)); n++)
			exit_row(o, vcpu, vmcalls ? "tdvmcall" : "exit", name, count, t);
}

static int cmd_exits(struct call *c)
{
	struct guest *g = look_guest(c, 0);
	unsigned first = 0, last;

	if (!g)
		return -1;
	last = g->config->vcpus - 1;
	if (c->argc == 2) {
		if (!look_vcpu(c, g, c->argv[1], &first))
			return -1;
		last = first;
	}
	out_table(c->out);
	for (unsigned vcpu = first; vcpu <= last; vcpu++)
		vcpu_exits(c->out, g, vcpu);
	out_end(c->out);
	return 0;
}

/* clang-format off */
const struct command look_commands[] = {
	{ "exits", "NAME [VCPU]", "exits and TDVMCALLs of each vCPU, and how long our part of them took",
	  cmd_exits, 1, 2, COMPLETE_GUEST, COMMAND_JSON,
	  "    Ticks: smallest, median (to half a power of two), largest. Of a plain guest one exit of 128 is\n"
	  "    timed. What the CPU or the TDX module takes to leave and enter is not in it." },
	{ "regs", "NAME [VCPU]", "registers of a vCPU", cmd_regs, 1, 2, COMPLETE_GUEST, COMMAND_JSON,
	  "    Of plain guests and debug TDs. A running guest is held for the time of the look." },
	{ "vmcs", "NAME [VCPU] [FIELD]", "VMCS fields by name", cmd_vmcs, 1, 3, COMPLETE_GUEST, COMMAND_JSON,
	  "    FIELD: a name, or an encoding. Of a trust domain: what the module tells of its VMCS." },
	{ "mem", "NAME ADDRESS [LENGTH] [gva] [vcpu=N] [x|s|i]", "memory of a guest", cmd_mem, 2, 7,
	  COMPLETE_GUEST, COMMAND_JSON,
	  "    ADDRESS is guest-physical (of a trust domain with its SHARED bit), or linear with `gva`.\n"
	  "    x: hexadecimal; s: strings; i: code, for tools/disasm. Private memory of debug TDs only." },
	{ "walk", "NAME ADDRESS [gva [VCPU]]", "the path to a page: the guest's page tables, and ours",
	  cmd_walk, 2, 4, COMPLETE_GUEST, COMMAND_JSON,
	  "    ADDRESS is guest-physical, or linear with `gva`. `mirror` is the private half of a trust\n"
	  "    domain, `external` what the TDX module says of the same entry; `direct` is a plain guest's\n"
	  "    memory, or the shared half." },
	{ "apic", "NAME [VCPU]", "the local APIC of a vCPU", cmd_apic, 1, 2, COMPLETE_GUEST, COMMAND_JSON,
	  NULL },
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
/* clang-format on */
