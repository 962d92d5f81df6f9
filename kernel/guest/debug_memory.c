/*
 * debug_memory.c - a guest's memory for a debugger: physical, and linear through the guest's own tables.
 *
 * Invariants
 *   - Nothing here changes what the guest is given: frames that it never touched read as zeros.
 *   - Private memory goes through the TDX module, eight bytes at a time.
 *
 * SDM volume 3A, chapter "Paging".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <string.h>

#include "kernel/guest/debug_room.h"
#include "kernel/machine/port.h"
#include "kernel/platform/memory.h"
#include "mmu/mmu.h"
#include "tdx/td.h"

#define CR0_PG   BIT64(31)
#define CR4_PSE  BIT64(4)
#define CR4_PAE  BIT64(5)
#define CR4_LA57 BIT64(12)
#define EFER_LMA BIT64(10)
#define CS_LONG  BIT64(13)

#define PTE_PRESENT BIT64(0)
#define PTE_LARGE   BIT64(7)
#define PTE_FRAME   BITS64(51, 12)

/* ---- physical ---- */

/* Within one page. */
static bool frame_read(struct guest_memory *m, gpa_t at, void *to, size_t bytes)
{
	pfn_t pfn;

	if (!guest_memory_find(m, gpa_to_gfn(at)))
		return false;
	if (guest_memory_peek(m, gpa_to_gfn(at), &pfn))
		memcpy(to, (const char *)hpa_to_ptr(pfn_to_hpa(pfn)) + at.v % PAGE_SIZE, bytes);
	else
		memset(to, 0, bytes);
	return true;
}

static bool private_read(struct guest *g, gpa_t at, char *to, size_t bytes)
{
	while (bytes) {
		uint64_t word, skip = at.v % 8;
		size_t part = bytes < 8 - skip ? bytes : 8 - skip;

		if (td_private_read(g->td, (gpa_t){ at.v - skip }, &word))
			return false;
		memcpy(to, (const char *)&word + skip, part);
		to += part;
		at.v += part;
		bytes -= part;
	}
	return true;
}

static bool private_write(struct guest *g, gpa_t at, const char *from, size_t bytes)
{
	while (bytes) {
		uint64_t word, skip = at.v % 8;
		size_t part = bytes < 8 - skip ? bytes : 8 - skip;
		gpa_t base = { at.v - skip };

		if (part < 8 && td_private_read(g->td, base, &word))
			return false;
		memcpy((char *)&word + skip, from, part);
		if (td_private_write(g->td, base, word))
			return false;
		from += part;
		at.v += part;
		bytes -= part;
	}
	return true;
}

static bool page_part_read(struct guest *g, gpa_t at, void *to, size_t bytes)
{
	if (!g->td)
		return frame_read(guest_ram(g), at, to, bytes);
	if (!(at.v & td_shared_bit(g->td)))
		return private_read(g, at, to, bytes);
	at.v &= ~td_shared_bit(g->td);
	return frame_read(guest_ram(g), at, to, bytes);
}

static bool page_part_write(struct guest *g, gpa_t at, const void *from, size_t bytes)
{
	if (g->td && !(at.v & td_shared_bit(g->td)))
		return private_write(g, at, from, bytes);
	if (g->td)
		at.v &= ~td_shared_bit(g->td);
	if (guest_memory_write(guest_ram(g), at, from, bytes))
		return false;
	mmu_log_host_write(guest_mmu(g), at); /* a copy of the guest follows its log */
	return true;
}

static size_t to_page_end(uint64_t at, size_t bytes)
{
	size_t rest = (size_t)(PAGE_SIZE - at % PAGE_SIZE);

	return bytes < rest ? bytes : rest;
}

size_t phys_read(struct guest *g, gpa_t at, void *to, size_t bytes)
{
	size_t done = 0;

	while (done < bytes) {
		size_t part = to_page_end(at.v + done, bytes - done);

		if (!page_part_read(g, (gpa_t){ at.v + done }, (char *)to + done, part))
			break;
		done += part;
	}
	return done;
}

size_t phys_write(struct guest *g, gpa_t at, const void *from, size_t bytes)
{
	size_t done = 0;

	while (done < bytes) {
		size_t part = to_page_end(at.v + done, bytes - done);

		if (!page_part_write(g, (gpa_t){ at.v + done }, (const char *)from + done, part))
			break;
		done += part;
	}
	return done;
}

/* ---- linear ---- */

struct shape {
	unsigned levels, index_bits, entry_bytes;
	uint64_t root;
};

static struct shape shape_of(const struct vcpu_regs *r)
{
	if (!(r->r[VCPU_CR0] & CR0_PG))
		return (struct shape){ 0 };
	if (r->r[VCPU_EFER] & EFER_LMA)
		return (struct shape){ r->r[VCPU_CR4] & CR4_LA57 ? 5 : 4, 9, 8,
				       r->r[VCPU_CR3] & PTE_FRAME };
	if (r->r[VCPU_CR4] & CR4_PAE)
		return (struct shape){ 3, 9, 8, r->r[VCPU_CR3] & BITS64(31, 5) };
	return (struct shape){ 2, 10, 4, r->r[VCPU_CR3] & BITS64(31, 12) };
}

static bool is_leaf(const struct vcpu_regs *r, const struct shape *s, unsigned level, uint64_t entry)
{
	if (level == 1)
		return true;
	if (!(entry & PTE_LARGE))
		return false;
	if (level == 2)
		return s->levels != 2 || (r->r[VCPU_CR4] & CR4_PSE);
	return level == 3 && s->levels >= 4;
}

static uint64_t leaf_frame(const struct shape *s, uint64_t entry, unsigned level, uint64_t maps)
{
	uint64_t frame = entry & PTE_FRAME;

	if (s->entry_bytes == 4 && level == 2) /* PSE-36: bits 20:13 are address bits 39:32 */
		frame = (entry & BITS64(31, 22)) | (entry & BITS64(20, 13)) << 19;
	return frame & ~(maps - 1);
}

int debug_translate(struct guest *g, const struct vcpu_regs *r, uint64_t linear,
		    struct debug_walk *out)
{
	struct shape s = shape_of(r);
	uint64_t table = s.root;

	*out = (struct debug_walk){ .gpa = { linear } };
	if (!(r->r[VCPU_EFER] & EFER_LMA))
		linear &= BITS64(31, 0);
	out->gpa.v = linear;
	for (unsigned level = s.levels; level; level--) {
		unsigned shift = PAGE_SHIFT + s.index_bits * (level - 1);
		uint64_t index = (linear >> shift) & (BIT64(s.index_bits) - 1), entry = 0;
		struct debug_level *l = &out->level[out->levels++];

		l->entry_at = (gpa_t){ table + index * s.entry_bytes };
		l->maps_bytes = BIT64(shift);
		if (phys_read(g, l->entry_at, &entry, s.entry_bytes) != s.entry_bytes)
			return -ENOENT;
		l->entry = entry;
		if (!(entry & PTE_PRESENT))
			return -EFAULT;
		if (is_leaf(r, &s, level, entry)) {
			out->gpa.v = leaf_frame(&s, entry, level, l->maps_bytes) |
				     (linear & (l->maps_bytes - 1));
			return 0;
		}
		table = entry & PTE_FRAME;
	}
	return 0;
}

#define CPL(r)         ((unsigned)((r)->r[VCPU_SS_ACCESS] >> 5) & 3)
#define USER_HALF_CR3  BIT64(12) /* Linux, "Page Table Isolation": the kernel's tables lie one page below */

int debug_reach(struct guest *g, const struct vcpu_regs *r, uint64_t linear, struct debug_walk *out)
{
	int err = debug_translate(g, r, linear, out);
	struct vcpu_regs kernel;

	if (!err || !(linear >> 63) || CPL(r) != 3 || !(r->r[VCPU_CR3] & USER_HALF_CR3))
		return err;
	kernel = *r;
	kernel.r[VCPU_CR3] &= ~USER_HALF_CR3;
	return debug_translate(g, &kernel, linear, out);
}

uint64_t linear_rip(const struct vcpu_regs *r)
{
	if ((r->r[VCPU_EFER] & EFER_LMA) && (r->r[VCPU_CS_ACCESS] & CS_LONG))
		return r->r[VCPU_RIP];
	return (uint32_t)(r->r[VCPU_RIP] + r->r[VCPU_CS_BASE]);
}

size_t linear_read(struct guest *g, const struct vcpu_regs *r, uint64_t at, void *to, size_t bytes)
{
	size_t done = 0;

	while (done < bytes) {
		size_t part = to_page_end(at + done, bytes - done);
		struct debug_walk w;

		if (debug_translate(g, r, at + done, &w) ||
		    !page_part_read(g, w.gpa, (char *)to + done, part))
			break;
		done += part;
	}
	return done;
}

size_t linear_write(struct guest *g, const struct vcpu_regs *r, uint64_t at, const void *from,
		    size_t bytes)
{
	size_t done = 0;

	while (done < bytes) {
		size_t part = to_page_end(at + done, bytes - done);
		struct debug_walk w;

		if (debug_translate(g, r, at + done, &w) ||
		    !page_part_write(g, w.gpa, (const char *)from + done, part))
			break;
		done += part;
	}
	return done;
}

/* ---- without our INT3s ---- */

static void hide_points(const struct guest *g, gpa_t at, char *bytes, size_t count)
{
	const struct guest_debug *d = g->debug;

	for (unsigned i = 0; d && i < d->count; i++) {
		const struct debug_point *p = &d->point[i];

		if (p->planted && p->gpa.v >= at.v && p->gpa.v - at.v < count)
			bytes[p->gpa.v - at.v] = (char)p->was;
	}
}

/* What is written over an INT3 of ours goes under it. */
static void keep_points(struct guest *g, gpa_t at, const char *bytes, size_t count)
{
	static const uint8_t int3 = 0xcc;
	struct guest_debug *d = g->debug;

	for (unsigned i = 0; d && i < d->count; i++) {
		struct debug_point *p = &d->point[i];

		if (!p->planted || p->gpa.v < at.v || p->gpa.v - at.v >= count)
			continue;
		p->was = (uint8_t)bytes[p->gpa.v - at.v];
		(void)phys_write(g, p->gpa, &int3, 1);
	}
}

size_t debug_read_phys(struct guest *g, gpa_t at, void *to, size_t bytes)
{
	size_t done;

	if (g->state != GUEST_RUNNING)
		return 0;
	done = phys_read(g, at, to, bytes);
	hide_points(g, at, to, done);
	return done;
}

size_t debug_write_phys(struct guest *g, gpa_t at, const void *from, size_t bytes)
{
	size_t done;

	if (g->state != GUEST_RUNNING)
		return 0;
	done = phys_write(g, at, from, bytes);
	keep_points(g, at, from, done);
	return done;
}

/* Page by page, so that each is looked through for points. */
static size_t by_pages(struct guest *g, unsigned vcpu, uint64_t at, void *to, const void *from,
		       size_t bytes)
{
	struct vcpu_regs r;
	size_t done = 0;

	if (debug_regs(g, vcpu, &r))
		return 0;
	while (done < bytes) {
		size_t part = to_page_end(at + done, bytes - done), did;
		struct debug_walk w;

		if (debug_reach(g, &r, at + done, &w))
			break;
		did = to ? debug_read_phys(g, w.gpa, (char *)to + done, part)
			 : debug_write_phys(g, w.gpa, (const char *)from + done, part);
		done += did;
		if (did < part)
			break;
	}
	return done;
}

size_t debug_read(struct guest *g, unsigned vcpu, uint64_t at, void *to, size_t bytes)
{
	return by_pages(g, vcpu, at, to, NULL, bytes);
}

size_t debug_write(struct guest *g, unsigned vcpu, uint64_t at, const void *from, size_t bytes)
{
	return by_pages(g, vcpu, at, NULL, from, bytes);
}
