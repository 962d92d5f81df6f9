/*
 * trace_text.c - decoding trace records: one function per kind, one table of them.
 *
 * Meanings of the words a[]: kernel/base/trace.h. TDVMCALL operands: GHCI, "TDG.VP.VMCALL".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/monitor/trace_text.h"

#include <stdio.h>

#include "kernel/machine/vmx_exit.h"
#include "tdx/abi/exit.h"
#include "tdx/abi/explain.h"
#include "tdx/abi/leaf.h"

typedef unsigned long long ull;

static void text_leaf(const struct trace_record *r, const char *name, char *buf, size_t size)
{
	char status[100];

	tdx_status_text((tdx_status_t){ r->status }, status, sizeof(status));
	snprintf(buf, size, "%s(%u) RCX %llx RDX %llx R8 %llx: %s; RCX %llx RDX %llx",
		 name ? name : "leaf", (unsigned)r->leaf, (ull)r->a[0], (ull)r->a[1], (ull)r->a[2],
		 status, (ull)r->a[3], (ull)r->a[4]);
}

static void text_seamcall(const struct trace_record *r, char *buf, size_t size)
{
	text_leaf(r, tdh_leaf_name(r->leaf), buf, size);
}

static void text_tdcall(const struct trace_record *r, char *buf, size_t size)
{
	text_leaf(r, tdg_leaf_name(r->leaf), buf, size);
}

static void text_tdexit(const struct trace_record *r, char *buf, size_t size)
{
	static const char *const kinds[] = { "",         " ACCEPT",           "", "", "",
					     " ATTR.WR", " of a pending page" };
	const char *name = tdx_exit_name(r->leaf);
	enum tdx_eeq_type type = tdx_eeq_type(r->a[1]);

	if (r->leaf == TDX_EXIT_EPT_VIOLATION && name)
		snprintf(buf, size, "%s%s%s%s GPA %llx%s", name,
			 r->a[0] & TDX_EPTQ_READ ? " read" : "",
			 r->a[0] & TDX_EPTQ_WRITE ? " write" : "",
			 r->a[0] & TDX_EPTQ_FETCH ? " fetch" : "", (ull)r->a[2],
			 type < ARRAY_LEN(kinds) ? kinds[type] : "");
	else
		snprintf(buf, size, "%s(%u) RCX %llx RDX %llx R8 %llx R9 %llx",
			 name ? name : "exit", (unsigned)r->leaf, (ull)r->a[0], (ull)r->a[1],
			 (ull)r->a[2], (ull)r->a[3]);
}

/* Ports and addresses that firmware is expected to touch, by name. */
static const char *port_name(uint64_t port)
{
	static const struct {
		uint16_t first, last;
		const char *name;
	} ports[] = {
		{ 0x3f8, 0x3ff, " (COM1)" },
		{ 0xcf8, 0xcf8, " (PCI config address)" },
		{ 0xcfc, 0xcff, " (PCI config data)" },
		{ 0x510, 0x51b, " (fw_cfg)" },
		{ 0x70, 0x71, " (CMOS)" },
		{ 0x402, 0x402, " (debug port)" },
		{ 0xb000, 0xb03f, " (ACPI PM)" },
		{ 0x600, 0x63f, " (ACPI PM)" },
	};

	for (size_t i = 0; i < ARRAY_LEN(ports); i++)
		if (port >= ports[i].first && port <= ports[i].last)
			return ports[i].name;
	return "";
}

static void text_tdvmcall(const struct trace_record *r, char *buf, size_t size)
{
	const char *name = tdvmcall_name(r->leaf);
	const uint64_t *a = r->a;

	switch (r->leaf) {
	case TDVMCALL_IO:
		if (r->status)
			snprintf(buf, size, "IO of %llu bytes in direction %llu, port %llx: R10 %llx",
				 (ull)a[0], (ull)a[1], (ull)a[2], (ull)r->status);
		else if (a[1])
			snprintf(buf, size, "IO out %llx%s, %llu bytes: %llx", (ull)a[2],
				 port_name(a[2]), (ull)a[0], (ull)a[3]);
		else
			snprintf(buf, size, "IO in %llx%s, %llu bytes: %llx", (ull)a[2],
				 port_name(a[2]), (ull)a[0], (ull)a[4]);
		return;
	case TDVMCALL_CPUID:
		snprintf(buf, size, "CPUID %llx.%llx", (ull)a[0], (ull)a[1]);
		return;
	case TDVMCALL_RDMSR:
		snprintf(buf, size, "RDMSR %llx: R10 %llx, %llx", (ull)a[0], (ull)r->status,
			 (ull)a[4]);
		return;
	case TDVMCALL_WRMSR:
		snprintf(buf, size, "WRMSR %llx = %llx: R10 %llx", (ull)a[0], (ull)a[1],
			 (ull)r->status);
		return;
	case TDVMCALL_MAP_GPA:
		snprintf(buf, size, "MAP_GPA %llx, %llu bytes: R10 %llx, at %llx", (ull)a[0], (ull)a[1],
			 (ull)r->status, (ull)a[4]);
		return;
	default:
		snprintf(buf, size, "%s(%x) R12 %llx R13 %llx R14 %llx R15 %llx: R10 %llx R11 %llx",
			 name ? name : "sub-function", (unsigned)r->leaf, (ull)a[0], (ull)a[1],
			 (ull)a[2], (ull)a[3], (ull)r->status, (ull)a[4]);
	}
}

static void text_vmexit(const struct trace_record *r, char *buf, size_t size)
{
	snprintf(buf, size, "%s qualification %llx GPA %llx RIP %llx", vmx_exit_name(r->leaf),
		 (ull)r->a[0], (ull)r->a[1], (ull)r->a[2]);
}

static void text_mirror(const struct trace_record *r, char *buf, size_t size)
{
	static const char *const levels[] = { "?", "4K", "2M", "1G", "512G", "256T" };

	snprintf(buf, size, "%s GFN %llx: %llx to %llx, %llu entries",
		 levels[r->leaf < ARRAY_LEN(levels) ? r->leaf : 0], (ull)r->a[0], (ull)r->a[1],
		 (ull)r->a[2], (ull)r->a[3]);
}

static void text_ipi(const struct trace_record *r, char *buf, size_t size)
{
	char vector[24] = "NMI", times[32] = "";

	if (r->leaf != 2)
		snprintf(vector, sizeof(vector), "vector %x", (unsigned)r->leaf);
	if (r->a[1] > 1)
		snprintf(times, sizeof(times), ", %llu times", (ull)r->a[1]);
	snprintf(buf, size, "%s to APIC id %llu%s", vector, (ull)r->a[0], times);
}

static void text_sched(const struct trace_record *r, char *buf, size_t size)
{
	static const char *const ends[] = { "could go on", "waits", "stopped", "dead", "trapped" };

	snprintf(buf, size, "vCPU %u: %llu turns, then it %s", r->vcpu, (ull)r->a[1],
		 r->leaf < ARRAY_LEN(ends) ? ends[r->leaf] : "?");
}

static const struct {
	const char *name;
	void (*text)(const struct trace_record *r, char *buf, size_t size);
} kinds[TRACE_KINDS] = {
	[TRACE_SEAMCALL] = { "seamcall", text_seamcall },
	[TRACE_TDEXIT] = { "tdexit", text_tdexit },
	[TRACE_TDVMCALL] = { "tdvmcall", text_tdvmcall },
	[TRACE_TDCALL] = { "tdcall", text_tdcall },
	[TRACE_VMEXIT] = { "vmexit", text_vmexit },
	[TRACE_MIRROR] = { "mirror", text_mirror },
	[TRACE_EPT] = { "ept", text_mirror },
	[TRACE_IPI] = { "ipi", text_ipi },
	[TRACE_SCHED] = { "sched", text_sched },
};

const char *trace_kind_name(unsigned kind) { return kind < TRACE_KINDS ? kinds[kind].name : NULL; }

const char *trace_short(const struct trace_record *r, char *buf, size_t size)
{
	const char *name = NULL;

	switch (r->kind) {
	case TRACE_SEAMCALL:
		name = tdh_leaf_name(r->leaf);
		break;
	case TRACE_TDCALL:
		name = tdg_leaf_name(r->leaf);
		break;
	case TRACE_TDEXIT:
		name = tdx_exit_name(r->leaf);
		break;
	case TRACE_TDVMCALL:
		name = tdvmcall_name(r->leaf);
		break;
	case TRACE_VMEXIT:
		name = vmx_exit_name(r->leaf);
		break;
	default:
		break;
	}
	if (name)
		snprintf(buf, size, "%s", name);
	else if (r->kind == TRACE_SCHED)
		snprintf(buf, size, "vCPU %u", r->vcpu);
	else
		snprintf(buf, size, "%s %x", trace_kind_name(r->kind) ? trace_kind_name(r->kind) : "?",
			 (unsigned)r->leaf);
	return buf;
}

const char *trace_text(const struct trace_record *r, char *buf, size_t size)
{
	if (r->kind < TRACE_KINDS)
		kinds[r->kind].text(r, buf, size);
	else
		snprintf(buf, size, "kind %u", r->kind);
	return buf;
}
