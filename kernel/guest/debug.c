/*
 * debug.c - hold and let go; why a guest stands still; registers from wherever the vCPU is.
 *
 * Invariants (beside those of debug.h)
 *   - Whoever holds a vCPU sets VCPU_REQ_HOLD, kicks, then looks at in_slice; whoever runs it sets
 *     in_slice, then looks at VCPU_REQ_HOLD: one of the two sees the other.
 *   - `held` is set before the first stop is told and cleared before the first vCPU is let go.
 *   - Points are changed by the boot CPU while all vCPUs stand still, and by nobody else.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/log.h"
#include "kernel/guest/debug_room.h"
#include "kernel/machine/cpu_insn.h"
#include "kernel/machine/port.h"
#include "kernel/machine/time.h"
#include "kernel/vmx/vm.h"
#include "tdx/td.h"

#define HOLD_US UINT64_C(2000000)  /* a vCPU comes out by then, or something is broken */
#define STEP_US UINT64_C(500000)   /* one instruction, its page faults and interrupts included */

#define VECTOR_DB 1
#define VECTOR_BP 3

const char *debug_reg_name(enum vcpu_reg reg)
{
	static const char *const names[] = {
#define X(name, text) [VCPU_##name] = text,
		VCPU_REGS(X)
#undef X
	};

	return names[reg];
}

int debug_allowed(const struct guest *g, char *why, size_t why_size)
{
	if (g->state != GUEST_RUNNING) {
		snprintf(why, why_size, "%s does not run: %s", g->config->name,
			 guest_state_name(g->state));
		return -ESRCH;
	}
	if (g->td && !td_debuggable(g->td)) {
		snprintf(why, why_size, "%s is a trust domain without the debug attribute: its "
			 "registers and memory are its own (attributes = debug in tain.cfg)",
			 g->config->name);
		return -EACCES;
	}
	return 0;
}

static int ready(struct guest *g)
{
	char why[8];
	int err = debug_allowed(g, why, sizeof(why));

	if (err)
		return err;
	if (!g->debug) {
		g->debug = heap_alloc(sizeof(*g->debug));
		if (!g->debug)
			return -ENOMEM;
		g->debug->lifted = LIFTED_NONE;
	}
	return 0;
}

/* ---- stops ---- */

static void stopped(struct guest *g, const struct debug_stop *s)
{
	struct guest_debug *d = g->debug;

	spin_lock(&d->lock);
	/* The first counts; a breakpoint is met again, and so told later. */
	if (!d->held || s->why == DEBUG_ENDED) {
		d->stop = *s;
		d->fresh = d->any = true;
	}
	d->held = s->why != DEBUG_ENDED;
	spin_unlock(&d->lock);
}

static void hold_all(struct guest *g, const struct sched_vcpu *except)
{
	for (unsigned i = 0; i < g->config->vcpus; i++) {
		vcpu_request(&g->runs[i], VCPU_REQ_HOLD);
		if (&g->vcpus[i] != except)
			sched_wake(&g->vcpus[i]);
	}
}

/* @v met something: all stand still, @s says why. On its CPU. */
static void stop_by(struct sched_vcpu *v, struct debug_stop *s)
{
	s->vcpu = v->index;
	v->run->debug.step = false;
	hold_all(v->guest, v);
	stopped(v->guest, s);
	sched_kick(0); /* somebody waits there */
}

static bool is_still(const struct sched_vcpu *v)
{
	return !__atomic_load_n(&v->in_slice, __ATOMIC_SEQ_CST) || v->state == SCHED_OFF;
}

static bool all_still(const struct guest *g)
{
	for (unsigned i = 0; i < g->config->vcpus; i++)
		if (!is_still(&g->vcpus[i]))
			return false;
	return true;
}

bool debug_held(const struct guest *g)
{
	return g->debug && g->state == GUEST_RUNNING &&
	       __atomic_load_n(&g->debug->held, __ATOMIC_ACQUIRE) && all_still(g);
}

bool debug_stop_take(struct guest *g, struct debug_stop *out)
{
	struct guest_debug *d = g->debug;
	bool fresh;

	if (!d || !__atomic_load_n(&d->fresh, __ATOMIC_ACQUIRE) ||
	    (g->state == GUEST_RUNNING && !all_still(g)))
		return false;
	spin_lock(&d->lock);
	fresh = d->fresh;
	d->fresh = false;
	*out = d->stop;
	spin_unlock(&d->lock);
	return fresh;
}

const struct debug_stop *debug_last_stop(const struct guest *g)
{
	return g->debug && g->debug->any ? &g->debug->stop : NULL;
}

/* ---- what vCPUs meet; on their CPUs ---- */

static bool on_breakpoint(struct sched_vcpu *v, const struct vcpu_regs *r, struct debug_stop *s)
{
	struct debug_walk w;

	if (debug_translate(v->guest, r, linear_rip(r), &w) || !point_at_gpa(v->guest->debug, w.gpa))
		return false;
	*s = (struct debug_stop){ .why = DEBUG_BREAK, .address = linear_rip(r) };
	return true;
}

static bool on_debug_exception(struct sched_vcpu *v, struct debug_stop *s)
{
	const struct vcpu_debug *d = &v->run->debug;

	for (unsigned n = 0; n < VCPU_BREAKPOINTS && d->dr7; n++) {
		const struct debug_point *p = point_of_register(v->guest->debug, n);

		if (!p || !(d->qualification >> n & 1))
			continue;
		*s = (struct debug_stop){ .why = p->kind == DEBUG_HARDWARE ? DEBUG_BREAK : DEBUG_WATCH,
					  .kind = p->kind, .address = p->address };
		return true;
	}
	if (!(d->qualification & DEBUG_STEPPED) || !d->step)
		return false;
	*s = (struct debug_stop){ .why = DEBUG_STEP };
	return true;
}

/* The guest shall have it. False: that cannot be done, *why says why. */
static bool give_back(struct sched_vcpu *v, const struct vcpu_regs *r, const char **why)
{
	struct vcpu_debug *d = &v->run->debug;

	if (v->guest->vm)
		return d->deliver = true;
	if (d->vector == VECTOR_DB &&
	    debug_set_here(v, VCPU_DR6, (r->r[VCPU_DR6] & ~DEBUG_HIT_MASK) | d->qualification))
		return false;
	return debug_deliver(v, r, d->vector, d->length, why);
}

static void plant_again(struct guest *g)
{
	struct guest_debug *d = g->debug;

	for (unsigned i = 0; i < d->count && d->lifted.v != LIFTED_NONE.v; i++)
		if (d->point[i].kind == DEBUG_SOFTWARE && d->point[i].gpa.v == d->lifted.v)
			(void)!point_plant(g, &d->point[i]);
	d->lifted = LIFTED_NONE;
}

void debug_trapped(struct sched_vcpu *v)
{
	struct vcpu_debug *d = &v->run->debug;
	struct vcpu_regs r;
	struct debug_stop s;
	const char *why = "";
	bool ours;

	if (debug_regs_here(v, &r)) {
		s = (struct debug_stop){ .why = DEBUG_ASKED };
		snprintf(s.text, sizeof(s.text), "its registers cannot be read");
		stop_by(v, &s);
		return;
	}
	ours = d->vector == VECTOR_BP ? on_breakpoint(v, &r, &s) : on_debug_exception(v, &s);
	if (!ours && give_back(v, &r, &why))
		return;
	if (!ours) {
		s = (struct debug_stop){ .why = DEBUG_ASKED, .address = linear_rip(&r) };
		snprintf(s.text, sizeof(s.text), "an exception %u of its own at %#llx: %s", d->vector,
			 (unsigned long long)linear_rip(&r), why);
	}
	stop_by(v, &s);
}

bool debug_keeps(struct sched_vcpu *v, enum vcpu_outcome outcome)
{
	struct guest *g = v->guest;
	struct debug_stop s = { .why = DEBUG_ENDING };

	if (outcome != RUN_DEAD || !debug_attached(g) || g->verdict != RUN_AGAIN)
		return false;
	v->end = outcome;
	snprintf(s.text, sizeof(s.text), "%s", v->run->reason);
	stop_by(v, &s);
	return true;
}

bool debug_holds_start(struct guest *g)
{
	struct debug_stop s = { .why = DEBUG_ASKED };

	if (!g->debug)
		return false;
	g->debug->has_regs = false;
	if (!g->debug->hold_start || ready(g))
		return false;
	g->debug->active = true;
	points_apply(g);
	for (unsigned i = 0; i < g->config->vcpus; i++)
		vcpu_request(&g->runs[i], VCPU_REQ_HOLD);
	stopped(g, &s);
	return true;
}

void debug_ended(struct guest *g)
{
	struct guest_debug *d = g->debug;
	struct debug_stop s = { .why = DEBUG_ENDED };

	if (!d)
		return;
	d->count = 0;
	d->lifted = LIFTED_NONE;
	d->has_regs = d->active = false;
	snprintf(s.text, sizeof(s.text), "%s", g->reason);
	stopped(g, &s);
}

/* ---- hold and go ---- */

int debug_attach(struct guest *g, bool hold_start)
{
	int err = ready(g);

	if (err == -ESRCH && g->state != GUEST_REFUSED) { /* it may be started later */
		if (!g->debug)
			g->debug = heap_alloc(sizeof(*g->debug));
		if (!g->debug)
			return -ENOMEM;
		g->debug->lifted = LIFTED_NONE;
		err = 0;
	}
	if (err)
		return err;
	g->debug->attached = true;
	g->debug->hold_start = hold_start;
	return 0;
}

bool debug_attached(const struct guest *g) { return g->debug && g->debug->attached; }

static int wait_still(struct guest *g)
{
	uint64_t deadline = tsc_now() + us_to_ticks(HOLD_US);

	while (!all_still(g)) {
		if (tsc_now() > deadline)
			return -ETIMEDOUT;
		cpu_pause();
	}
	return 0;
}

int debug_hold(struct guest *g)
{
	struct debug_stop s = { .why = DEBUG_ASKED };
	int err = ready(g);

	if (err)
		return err;
	hold_all(g, NULL);
	err = wait_still(g);
	if (err)
		return err;
	if (!__atomic_load_n(&g->debug->held, __ATOMIC_ACQUIRE))
		stopped(g, &s);
	plant_again(g);
	if (!g->debug->active) {
		g->debug->active = true;
		points_apply(g);
	}
	return 0;
}

static void release(struct guest *g, unsigned only)
{
	struct guest_debug *d = g->debug;

	d->has_regs = false;
	d->fresh = false;
	__atomic_store_n(&d->held, 0, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < g->config->vcpus; i++) {
		if (only != DEBUG_NO_STEP && i != only)
			continue;
		vcpu_take_requests(&g->runs[i], VCPU_REQ_HOLD);
		sched_wake(&g->vcpus[i]);
	}
}

/* The planted breakpoint that vCPU @i stands at, or NULL. */
static struct debug_point *standing_at(struct guest *g, unsigned i)
{
	struct vcpu_regs r;
	struct debug_walk w;

	if (g->vcpus[i].end || debug_regs(g, i, &r) || debug_translate(g, &r, linear_rip(&r), &w))
		return NULL;
	return point_at_gpa(g->debug, w.gpa);
}

static void step_alone(struct guest *g, unsigned i, struct debug_point *lift)
{
	if (lift) {
		g->debug->lifted = lift->gpa;
		point_lift(g, lift);
	}
	g->runs[i].debug.step = true;
	release(g, i);
}

/* One instruction of vCPU @i from the breakpoint where it stands. True: nothing else came. */
static bool step_off(struct guest *g, unsigned i, struct debug_point *at)
{
	uint64_t deadline = tsc_now() + us_to_ticks(STEP_US);
	const struct debug_stop *s = &g->debug->stop;

	step_alone(g, i, at);
	while (!debug_held(g) && g->state == GUEST_RUNNING && tsc_now() < deadline)
		sched_poll();
	if (g->state != GUEST_RUNNING || debug_hold(g))
		return false;
	g->runs[i].debug.step = false;
	return s->why == DEBUG_STEP || s->why == DEBUG_ASKED;
}

int debug_go(struct guest *g, unsigned step, bool others)
{
	int err = ready(g);

	if (err)
		return err;
	if (!debug_held(g))
		return 0;
	plant_again(g);
	if (step < g->config->vcpus) {
		struct debug_point *at = standing_at(g, step);

		g->runs[step].debug.step = true;
		if (at || !others)
			step_alone(g, step, at);
		else
			release(g, DEBUG_NO_STEP);
		return 0;
	}
	for (unsigned i = 0; i < g->config->vcpus; i++) {
		struct debug_point *at = standing_at(g, i);

		if (at && !step_off(g, i, at))
			return 0; /* what came instead is told */
	}
	release(g, DEBUG_NO_STEP);
	return 0;
}

void debug_detach(struct guest *g)
{
	struct guest_debug *d = g->debug;

	if (!d)
		return;
	d->attached = d->hold_start = false;
	if (g->state != GUEST_RUNNING || debug_hold(g))
		return;
	d->active = false;
	points_remove_all(g);
	for (unsigned i = 0; i < g->config->vcpus; i++)
		g->runs[i].debug.step = false;
	release(g, DEBUG_NO_STEP);
}

/* ---- registers ---- */

int debug_regs_here(struct sched_vcpu *v, struct vcpu_regs *out)
{
	return v->guest->vm ? vm_debug_read(v->guest->vm, v->index, out)
			    : td_debug_read(v->guest->td, v->index, out);
}

int debug_set_here(struct sched_vcpu *v, enum vcpu_reg reg, uint64_t value)
{
	return v->guest->vm ? vm_debug_write(v->guest->vm, v->index, reg, value)
			    : td_debug_write(v->guest->td, v->index, reg, value);
}

struct remote {
	struct sched_vcpu *v;
	struct vcpu_regs *regs;
	struct vcpu_fpu *fpu;
	enum vcpu_reg reg;
	uint64_t value;
	int err;
};

static void do_remote(void *arg)
{
	struct remote *c = arg;
	uint64_t flags = irq_save();

	if (c->regs)
		c->err = debug_regs_here(c->v, c->regs);
	else if (!c->fpu)
		c->err = debug_set_here(c->v, c->reg, c->value);
	else if (c->v->guest->td)
		c->err = td_debug_fpu(c->v->guest->td, c->v->index, c->fpu);
	else
		vm_debug_fpu(c->v->guest->vm, c->v->index, c->fpu);
	irq_restore(flags);
}

static int remote(struct guest *g, unsigned vcpu, struct remote *c)
{
	if (!debug_held(g))
		return -EBUSY;
	if (vcpu >= g->config->vcpus)
		return -EINVAL;
	c->v = &g->vcpus[vcpu];

	unsigned cpu = g->td ? td_vcpu_cpu(g->td, vcpu, c->v->cpu) : c->v->cpu;

	cpu_call(cpu, do_remote, c);
	return c->err;
}

int debug_regs(struct guest *g, unsigned vcpu, struct vcpu_regs *out)
{
	struct guest_debug *d = g->debug;
	struct remote c = { .regs = out };

	if (debug_held(g) && d->has_regs && d->regs_of == vcpu)
		return *out = d->regs, 0;

	int err = remote(g, vcpu, &c);

	if (err)
		return err;
	d->regs = *out;
	d->regs_of = vcpu;
	d->has_regs = true;
	return 0;
}

int debug_set_reg(struct guest *g, unsigned vcpu, enum vcpu_reg reg, uint64_t value)
{
	struct remote c = { .reg = reg, .value = value };

	if (g->debug)
		g->debug->has_regs = false;
	return remote(g, vcpu, &c);
}

int debug_fpu(struct guest *g, unsigned vcpu, struct vcpu_fpu *out)
{
	struct remote c = { .fpu = out };

	return remote(g, vcpu, &c);
}
