/*
 * td_mistake.c - lines and counts of guests' mistakes, the record of sides, registers of a debug TD.
 *
 * Invariants
 *   - A bit of the record stands for one 4K page of RAM, low RAM first, high RAM after it; words
 *     change by atomic operations, so vCPUs may convert at the same time.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/td_mistake.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "kernel/base/log.h"
#include "tdx/retry.h"
#include "tdx/td_impl.h"

#define NOT_RAM (~UINT64_C(0))

const char *td_mistake_name(enum td_mistake kind)
{
	static const char *const names[] = {
#define X(name, text) [TD_MISTAKE_##name] = text,
		TD_MISTAKE_TABLE(X)
#undef X
	};

	return names[kind];
}

void td_mistake(struct td_vcpu *v, enum td_mistake kind, const char *fmt, ...)
{
	char text[160];
	va_list ap;

	if (__atomic_fetch_add(&v->td->mistakes[kind], 1, __ATOMIC_RELAXED))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_warn("tdx: %s: vCPU %u %s", v->td->name, v->index, text);
}

/* ---- the record of sides ---- */

static uint64_t ram_pages(const struct td *td) { return td->config->memory >> PAGE_SHIFT; }

/* Its number among the pages of RAM. */
static uint64_t ram_page(const struct td *td, gpa_t gpa)
{
	const struct guest_ram ram = guest_config_ram(td->config);

	if (gpa.v < ram.low)
		return gpa.v >> PAGE_SHIFT;
	if (gpa.v >= TDVF_TOP && gpa.v - TDVF_TOP < ram.high)
		return (ram.low + gpa.v - TDVF_TOP) >> PAGE_SHIFT;
	return NOT_RAM;
}

int td_sides_init(struct td *td)
{
	td->shared_pages = heap_alloc((ram_pages(td) / 64 + 1) * sizeof(*td->shared_pages));
	return td->shared_pages ? 0 : td_fail(td, -ENOMEM, "no memory to note what is shared");
}

void td_sides_fini(struct td *td) { heap_free(td->shared_pages); }

/* Bits [@from, @to), all in one word. */
static void set_bits(uint64_t *word, unsigned from, unsigned to, bool on)
{
	uint64_t bits = BITS64(to - 1, from);

	if (on)
		__atomic_fetch_or(word, bits, __ATOMIC_RELAXED);
	else
		__atomic_fetch_and(word, ~bits, __ATOMIC_RELAXED);
}

void td_sides_set(struct td *td, gpa_t gpa, uint64_t bytes, bool shared)
{
	uint64_t end = gpa.v + bytes;

	while (gpa.v < end) {
		uint64_t page = ram_page(td, gpa), last = page | 63;

		if (page == NOT_RAM) {
			/* The hole below 4 GiB, or beyond all RAM. */
			gpa.v = gpa.v < TDVF_TOP ? TDVF_TOP : end;
			continue;
		}
		if (last >= ram_pages(td))
			last = ram_pages(td) - 1;
		if (last - page >= (end - gpa.v) >> PAGE_SHIFT)
			last = page + ((end - gpa.v) >> PAGE_SHIFT) - 1;
		set_bits(&td->shared_pages[page / 64], page % 64, (unsigned)(last % 64) + 1, shared);
		gpa.v += (last - page + 1) << PAGE_SHIFT;
	}
}

bool td_is_ram(const struct td *td, gpa_t gpa) { return ram_page(td, gpa) != NOT_RAM; }

bool td_side_is_shared(const struct td *td, gpa_t gpa)
{
	uint64_t page = ram_page(td, gpa);

	return page != NOT_RAM &&
	       (__atomic_load_n(&td->shared_pages[page / 64], __ATOMIC_RELAXED) >> page % 64 & 1);
}

/* ---- registers ---- */

static bool read_field(struct td_vcpu *v, uint64_t field, uint64_t *value)
{
	*value = 0;
	return tdx_ok(TDX_RETRY(tdh_vp_rd(v->vp, field, value)));
}

static void log_row(struct td_vcpu *v, const char *const names[4], const uint64_t fields[4])
{
	uint64_t value[4];

	for (unsigned i = 0; i < 4; i++)
		(void)read_field(v, fields[i], &value[i]);
	log_info("tdx: %s: %s %016llx %s %016llx %s %016llx %s %016llx", v->td->name, names[0],
		 (unsigned long long)value[0], names[1], (unsigned long long)value[1], names[2],
		 (unsigned long long)value[2], names[3], (unsigned long long)value[3]);
}

bool td_log_registers(struct td_vcpu *v, uint64_t *rip)
{
	static const char *const gpr[] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
					   "r8 ", "r9 ", "r10", "r11", "r12", "r13", "r14", "r15" };
	static const char *const control[] = { "cr0", "cr3", "cr4", "rfl" };
	static const uint64_t control_fields[] = { MD_VP_GUEST_CR0, MD_VP_GUEST_CR3, MD_VP_GUEST_CR4,
						   MD_VP_GUEST_RFLAGS };

	if (!read_field(v, MD_VP_GUEST_RIP, rip))
		return false;
	log_info("tdx: %s: vCPU %u at rip %016llx", v->td->name, v->index, (unsigned long long)*rip);
	log_row(v, control, control_fields);
	for (unsigned i = 0; i < ARRAY_LEN(gpr); i += 4) {
		uint64_t fields[4];

		for (unsigned k = 0; k < 4; k++) /* RSP is in the VMCS */
			fields[k] = i + k == 4 ? MD_VP_GUEST_RSP : md_element(MD_VP_GPR, i + k);
		log_row(v, &gpr[i], fields);
	}
	return true;
}
