/*
 * debug.h - guests under a debugger: hold and let go, registers, memory, breakpoints, steps. The console's
 * commands and the GDB stub are written on this.
 *
 *   running --debug_hold, a breakpoint, a watchpoint, the end of a step--> held --debug_go--> running
 *
 * Invariants
 *   - All or none: when a vCPU meets a breakpoint, all vCPUs of its guest are held; debug_go() lets all
 *     go, or steps one.
 *   - Registers can be asked for while the guest is held, memory always.
 *   - Breakpoints of software are INT3 in the guest's memory; whoever reads memory here sees what was
 *     there before. An INT3 or #DB of the guest's own goes to the guest.
 *   - A guest that comes to its end while a debugger is attached is held first, with its last state.
 *   - Boot CPU, no lock held, but for what guest_room.h declares.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_GUEST_DEBUG_H
#define TAIN_GUEST_DEBUG_H

#include "kernel/guest/guest.h"
#include "kernel/platform/vcpu_debug.h"

#define DEBUG_POINTS_MAX 64

enum debug_kind {
	DEBUG_SOFTWARE, /* INT3 at a linear address */
	DEBUG_HARDWARE, /* a debug register: execution */
	DEBUG_WRITE,    /* a debug register: a write to 1, 2, 4 or 8 bytes, aligned */
	DEBUG_ACCESS,   /* a read or a write */
};

enum debug_why {
	DEBUG_ASKED,  /* debug_hold(), or it was started held */
	DEBUG_BREAK,  /* a breakpoint at `address` */
	DEBUG_WATCH,  /* a watchpoint of `kind` at `address` */
	DEBUG_STEP,   /* the step is done */
	DEBUG_ENDING, /* it is about to end: `text` */
	DEBUG_ENDED,  /* it has ended: `text` */
};

struct debug_stop {
	enum debug_why why;
	unsigned vcpu;
	enum debug_kind kind;
	uint64_t address;
	char text[160];
};

struct debug_point {
	enum debug_kind kind;
	uint64_t address;
	unsigned length;
	unsigned number; /* since the first, from 1 */
	/* Ours. */
	gpa_t gpa;
	uint8_t was; /* the byte under the INT3 */
	bool planted;
};

/*
 * May this guest be looked into? 0; -ESRCH: it does not run; -EACCES: a trust domain that is no debug TD,
 * its registers and private memory are its own. @why holds a line.
 */
int debug_allowed(const struct guest *g, char *why, size_t why_size) MUST_CHECK;

/*
 * Somebody debugs it: its end is held back for a look, and a start of it is held at the first
 * instruction if @hold_start. debug_detach() takes all points out and lets it go.
 */
int debug_attach(struct guest *g, bool hold_start) MUST_CHECK;
void debug_detach(struct guest *g);
bool debug_attached(const struct guest *g);

/* All vCPUs stand still when it returns. 0 (also if they did before), -ESRCH, -EACCES, -ETIMEDOUT. */
int debug_hold(struct guest *g) MUST_CHECK;

#define DEBUG_NO_STEP (~0u)
/*
 * Let all vCPUs go; or step vCPU @step by one instruction, and let the others go if @others. From a
 * software breakpoint the instruction under it is done first. 0; -ESRCH; -EACCES.
 */
int debug_go(struct guest *g, unsigned step, bool others) MUST_CHECK;

bool debug_held(const struct guest *g);

/* Why it was held last; false: nothing new since debug_stop_take() was last asked. */
bool debug_stop_take(struct guest *g, struct debug_stop *out);
/* The same without taking it: the last stop, NULL if there never was one. */
const struct debug_stop *debug_last_stop(const struct guest *g);

/* ---- registers of a held guest ---- */

/* 0; -EBUSY: not held; -ENODATA: the vCPU waits for its start-up; -EIO; -EINVAL. */
int debug_regs(struct guest *g, unsigned vcpu, struct vcpu_regs *out) MUST_CHECK;
int debug_set_reg(struct guest *g, unsigned vcpu, enum vcpu_reg reg, uint64_t value) MUST_CHECK;
int debug_fpu(struct guest *g, unsigned vcpu, struct vcpu_fpu *out) MUST_CHECK;
const char *debug_reg_name(enum vcpu_reg reg);

/* ---- memory ---- */

/*
 * By guest-physical address; of a TD with its SHARED bit. Returns the bytes done: fewer than @bytes if
 * what follows is not there.
 */
size_t debug_read_phys(struct guest *g, gpa_t at, void *to, size_t bytes);
size_t debug_write_phys(struct guest *g, gpa_t at, const void *from, size_t bytes);

/* By linear address, through the page tables of a vCPU. The guest is held. */
size_t debug_read(struct guest *g, unsigned vcpu, uint64_t at, void *to, size_t bytes);
size_t debug_write(struct guest *g, unsigned vcpu, uint64_t at, const void *from, size_t bytes);

/* One level of a page walk, from the top; @bytes: what one entry of it maps. */
struct debug_level {
	gpa_t entry_at;
	uint64_t entry, maps_bytes;
};
#define DEBUG_LEVELS_MAX 5
struct debug_walk {
	unsigned levels; /* 0: paging is off */
	struct debug_level level[DEBUG_LEVELS_MAX];
	gpa_t gpa;
};
/* 0; -EFAULT: not mapped (the last level says where); -ENOENT: a table lies where no memory is. */
int debug_translate(struct guest *g, const struct vcpu_regs *r, uint64_t linear,
		    struct debug_walk *out) MUST_CHECK;

/* ---- breakpoints and watchpoints; the guest is held ---- */

/*
 * 0, also if it is there already; -ENOSPC: no room, or no debug register left; -EINVAL: length or
 * alignment; -EFAULT: no memory there. @vcpu: whose page tables say where a software one lies.
 */
int debug_point_add(struct guest *g, unsigned vcpu, enum debug_kind kind, uint64_t address,
		    unsigned length) MUST_CHECK;
/* 0, -ENOENT. */
int debug_point_remove(struct guest *g, enum debug_kind kind, uint64_t address, unsigned length)
	MUST_CHECK;
/* The @nth, or NULL. */
const struct debug_point *debug_point_at(const struct guest *g, unsigned nth);
const char *debug_kind_name(enum debug_kind kind);

#endif
