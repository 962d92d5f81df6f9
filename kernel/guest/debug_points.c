/*
 * debug_points.c - breakpoints and watchpoints: INT3s in memory, debug registers given out.
 *
 * Invariants
 *   - A planted point's byte in memory is INT3, `was` is what stood there. Two points never share a
 *     physical byte.
 *   - Debug register n belongs to the nth point that wants one, in the order of the table; every vCPU of
 *     the guest has the same.
 *
 * SDM volume 3B, "Debug Registers".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <string.h>

#include "kernel/guest/debug_room.h"

#define INT3 0xcc
#define EXCEPTION_DB BIT32(1)
#define EXCEPTION_BP BIT32(3)

static bool wants_register(const struct debug_point *p) { return p->kind != DEBUG_SOFTWARE; }

struct debug_point *point_at_gpa(struct guest_debug *d, gpa_t gpa)
{
	for (unsigned i = 0; i < d->count; i++)
		if (d->point[i].planted && d->point[i].gpa.v == gpa.v)
			return &d->point[i];
	return NULL;
}

struct debug_point *point_of_register(struct guest_debug *d, unsigned nth)
{
	for (unsigned i = 0; i < d->count; i++)
		if (wants_register(&d->point[i]) && nth-- == 0)
			return &d->point[i];
	return NULL;
}

int point_plant(struct guest *g, struct debug_point *p)
{
	static const uint8_t int3 = INT3;

	if (p->planted)
		return 0;
	if (phys_read(g, p->gpa, &p->was, 1) != 1 || phys_write(g, p->gpa, &int3, 1) != 1)
		return -EFAULT;
	p->planted = true;
	return 0;
}

void point_lift(struct guest *g, struct debug_point *p)
{
	uint8_t now = 0;

	if (!p->planted)
		return;
	p->planted = false;
	/* If the guest has put something else there, that stays. */
	if (phys_read(g, p->gpa, &now, 1) == 1 && now == INT3)
		(void)phys_write(g, p->gpa, &p->was, 1);
}

/* DR7: global enable; what and how long, as debug register @nth has them. */
static uint64_t dr7_of(const struct debug_point *p, unsigned nth)
{
	static const uint8_t what[] = { [DEBUG_HARDWARE] = 0, [DEBUG_WRITE] = 1, [DEBUG_ACCESS] = 3 };
	static const uint8_t length[] = { [1] = 0, [2] = 1, [4] = 3, [8] = 2 };

	return BIT64(2 * nth + 1) |
	       ((uint64_t)what[p->kind] | (uint64_t)length[p->length] << 2) << (16 + 4 * nth);
}

void points_apply(struct guest *g)
{
	struct guest_debug *d = g->debug;
	uint64_t dr[VCPU_BREAKPOINTS] = { 0 }, dr7 = 0;
	bool software = false;

	for (unsigned i = 0; i < d->count; i++)
		software |= !wants_register(&d->point[i]);
	for (unsigned n = 0; n < VCPU_BREAKPOINTS; n++) {
		const struct debug_point *p = point_of_register(d, n);

		if (!p)
			break;
		dr[n] = p->address;
		dr7 |= dr7_of(p, n);
	}
	for (unsigned i = 0; i < g->config->vcpus; i++) {
		struct vcpu_debug *v = &g->runs[i].debug;

		/* #DB also without any: a step's, and one that comes late. */
		v->exceptions = (d->active ? EXCEPTION_DB : 0) | (software ? EXCEPTION_BP : 0);
		memcpy(v->dr, dr, sizeof(dr));
		v->dr7 = dr7;
		v->generation++;
	}
}

static struct debug_point *find(struct guest_debug *d, enum debug_kind kind, uint64_t address,
				unsigned length)
{
	for (unsigned i = 0; i < d->count; i++) {
		struct debug_point *p = &d->point[i];

		if (p->kind == kind && p->address == address &&
		    (kind == DEBUG_SOFTWARE || kind == DEBUG_HARDWARE || p->length == length))
			return p;
	}
	return NULL;
}

static int check(const struct guest_debug *d, enum debug_kind kind, uint64_t address, unsigned length)
{
	unsigned registers = 0;

	if (d->count == DEBUG_POINTS_MAX)
		return -ENOSPC;
	if (kind == DEBUG_SOFTWARE)
		return 0;
	if ((length != 1 && length != 2 && length != 4 && length != 8) || address % length)
		return -EINVAL;
	for (unsigned i = 0; i < d->count; i++)
		registers += wants_register(&d->point[i]);
	return registers < VCPU_BREAKPOINTS ? 0 : -ENOSPC;
}

static int plant_new(struct guest *g, unsigned vcpu, struct debug_point *p)
{
	struct vcpu_regs r;
	struct debug_walk w;
	int err = debug_regs(g, vcpu, &r);

	if (err)
		return err;
	if (debug_reach(g, &r, p->address, &w) || point_at_gpa(g->debug, w.gpa))
		return -EFAULT;
	p->gpa = w.gpa;
	return point_plant(g, p);
}

int debug_point_add(struct guest *g, unsigned vcpu, enum debug_kind kind, uint64_t address,
		    unsigned length)
{
	struct guest_debug *d = g->debug;
	struct debug_point p = { .kind = kind, .address = address, .length = length };
	int err;

	if (!debug_held(g))
		return -EBUSY;
	if (kind == DEBUG_HARDWARE)
		p.length = length = 1;
	if (find(d, kind, address, length))
		return 0;
	err = check(d, kind, address, length);
	if (!err && kind == DEBUG_SOFTWARE)
		err = plant_new(g, vcpu, &p);
	if (err)
		return err;
	p.number = ++d->number;
	d->point[d->count++] = p;
	points_apply(g);
	return 0;
}

int debug_point_remove(struct guest *g, enum debug_kind kind, uint64_t address, unsigned length)
{
	struct guest_debug *d = g->debug;
	struct debug_point *p = d ? find(d, kind, address, length) : NULL;

	if (!p)
		return -ENOENT;
	if (!debug_held(g))
		return -EBUSY;
	point_lift(g, p);
	memmove(p, p + 1, (size_t)(&d->point[d->count] - (p + 1)) * sizeof(*p));
	d->count--;
	points_apply(g);
	return 0;
}

void points_remove_all(struct guest *g)
{
	struct guest_debug *d = g->debug;

	for (unsigned i = 0; i < d->count; i++)
		point_lift(g, &d->point[i]);
	d->count = 0;
	points_apply(g);
}

const struct debug_point *debug_point_at(const struct guest *g, unsigned nth)
{
	return g->debug && nth < g->debug->count ? &g->debug->point[nth] : NULL;
}

const char *debug_kind_name(enum debug_kind kind)
{
	static const char *const name[] = { "breakpoint", "hardware breakpoint", "write", "access" };

	return name[kind];
}
