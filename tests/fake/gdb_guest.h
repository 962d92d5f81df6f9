/*
 * gdb_guest.h - guests behind the GDB stub on a desk: two of them, `open` with two vCPUs, and `closed`,
 * which may not be looked into. Memory is one array at FAKE_MEMORY; what the stub asks for is noted.
 *
 * Included by one test program each: it defines what kernel/guest would.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TESTS_FAKE_GDB_GUEST_H
#define TAIN_TESTS_FAKE_GDB_GUEST_H

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/guest/debug.h"
#include "kernel/monitor/gdb.h"

#define FAKE_MEMORY UINT64_C(0x400000)
#define FAKE_BYTES  4096

static struct guest_config fake_config[2] = { { .name = "open", .vcpus = 2 },
					      { .name = "closed", .vcpus = 1 } };
static struct guest fake_guest[2];
static struct {
	bool held, attached, fresh, holds_start;
	struct debug_stop stop;
	struct vcpu_regs regs[2];
	uint8_t memory[FAKE_BYTES];
	struct debug_point point[DEBUG_POINTS_MAX];
	unsigned points, goes, step, holds, stops;
	bool others;
} fake;

static inline void fake_reset(void)
{
	memset(&fake, 0, sizeof(fake));
	for (unsigned i = 0; i < 2; i++) {
		memset(&fake_guest[i], 0, sizeof(fake_guest[i]));
		fake_guest[i].config = &fake_config[i];
		fake_guest[i].state = GUEST_RUNNING;
	}
	for (unsigned v = 0; v < 2; v++)
		for (unsigned i = 0; i < VCPU_REG_COUNT; i++)
			fake.regs[v].r[i] = (uint64_t)(v + 1) << 32 | i;
	fake.regs[0].r[VCPU_EFER] = fake.regs[1].r[VCPU_EFER] = BIT64(10);
}

unsigned guest_count(void) { return 2; }
struct guest *guest_at(unsigned index) { return index < 2 ? &fake_guest[index] : NULL; }
struct guest *guest_find(const char *name)
{
	for (unsigned i = 0; i < 2; i++)
		if (!strcmp(name, fake_config[i].name))
			return &fake_guest[i];
	return NULL;
}
int guest_start(struct guest *g, char *why, size_t why_size)
{
	if (g->state == GUEST_RUNNING)
		return snprintf(why, why_size, "runs already"), -EBUSY;
	g->state = GUEST_RUNNING;
	return 0;
}
int guest_stop(struct guest *g, const char *reason)
{
	(void)g, (void)reason;
	fake.stops++;
	return 0;
}
int debug_allowed(const struct guest *g, char *why, size_t why_size)
{
	snprintf(why, why_size, "%s has secrets", g->config->name);
	return g == &fake_guest[1] ? -EACCES : g->state == GUEST_RUNNING ? 0 : -ESRCH;
}
int debug_attach(struct guest *g, bool hold_start)
{
	fake.attached = true;
	fake.holds_start = hold_start;
	return g == &fake_guest[1] ? -EACCES : 0;
}
void debug_detach(struct guest *g)
{
	(void)g;
	fake.attached = fake.held = false;
}
int debug_hold(struct guest *g)
{
	(void)g;
	fake.holds++;
	if (!fake.held) {
		fake.stop = (struct debug_stop){ .why = DEBUG_ASKED };
		fake.fresh = true;
	}
	fake.held = true;
	return 0;
}
bool debug_held(const struct guest *g) { return g->state == GUEST_RUNNING && fake.held; }
int debug_go(struct guest *g, unsigned step, bool others)
{
	(void)g;
	fake.goes++;
	fake.step = step;
	fake.others = others;
	fake.held = fake.fresh = false;
	return 0;
}
bool debug_stop_take(struct guest *g, struct debug_stop *out)
{
	bool fresh = fake.fresh;

	(void)g;
	*out = fake.stop;
	fake.fresh = false;
	return fresh;
}
const struct debug_stop *debug_last_stop(const struct guest *g) { return (void)g, &fake.stop; }
int debug_regs(struct guest *g, unsigned vcpu, struct vcpu_regs *out)
{
	(void)g;
	if (!fake.held || vcpu > 1)
		return -EBUSY;
	*out = fake.regs[vcpu];
	return 0;
}
int debug_set_reg(struct guest *g, unsigned vcpu, enum vcpu_reg reg, uint64_t value)
{
	(void)g;
	if (reg == VCPU_CR0)
		return -EINVAL;
	fake.regs[vcpu].r[reg] = value;
	return 0;
}
int debug_fpu(struct guest *g, unsigned vcpu, struct vcpu_fpu *out)
{
	(void)g, (void)vcpu;
	memset(out, 0, sizeof(*out));
	out->word[0] = 0x37f;
	return 0;
}
static size_t fake_part(uint64_t at, size_t bytes)
{
	if (at < FAKE_MEMORY || at >= FAKE_MEMORY + FAKE_BYTES)
		return 0;
	return bytes < FAKE_MEMORY + FAKE_BYTES - at ? bytes : (size_t)(FAKE_MEMORY + FAKE_BYTES - at);
}
size_t debug_read(struct guest *g, unsigned vcpu, uint64_t at, void *to, size_t bytes)
{
	(void)g, (void)vcpu;
	bytes = fake_part(at, bytes);
	if (bytes)
		memcpy(to, fake.memory + (at - FAKE_MEMORY), bytes);
	return bytes;
}
size_t debug_write(struct guest *g, unsigned vcpu, uint64_t at, const void *from, size_t bytes)
{
	(void)g, (void)vcpu;
	bytes = fake_part(at, bytes);
	if (bytes)
		memcpy(fake.memory + (at - FAKE_MEMORY), from, bytes);
	return bytes;
}
int debug_point_add(struct guest *g, unsigned vcpu, enum debug_kind kind, uint64_t address,
		    unsigned length)
{
	(void)g, (void)vcpu;
	if (fake.points == DEBUG_POINTS_MAX)
		return -ENOSPC;
	if (kind == DEBUG_SOFTWARE && !fake_part(address, 1))
		return -EFAULT;
	fake.point[fake.points++] =
		(struct debug_point){ .kind = kind, .address = address, .length = length };
	return 0;
}
int debug_point_remove(struct guest *g, enum debug_kind kind, uint64_t address, unsigned length)
{
	(void)g, (void)length;
	for (unsigned i = 0; i < fake.points; i++)
		if (fake.point[i].kind == kind && fake.point[i].address == address) {
			fake.point[i] = fake.point[--fake.points];
			return 0;
		}
	return -ENOENT;
}

#endif
