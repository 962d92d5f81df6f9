/*
 * debug_room.h - what the files of the debugger share: debug.c (hold, go, stops), debug_memory.c,
 * debug_points.c, debug_deliver.c.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_GUEST_DEBUG_ROOM_H
#define TAIN_GUEST_DEBUG_ROOM_H

#include "kernel/guest/debug.h"
#include "kernel/guest/guest_room.h"

struct guest_debug {
	spinlock_t lock; /* stop, fresh: written where a vCPU stopped */
	struct debug_stop stop;
	bool fresh, any; /* not taken yet; there was one */
	bool attached, hold_start;
	bool active; /* the vCPUs' #DB comes out: it was held, or started held, since it was let alone */
	uint32_t held; /* atomic */
	bool has_regs; /* regs are those of vCPU regs_of, which is held */
	unsigned regs_of;
	struct vcpu_regs regs;
	unsigned count, number;
	struct debug_point point[DEBUG_POINTS_MAX];
	gpa_t lifted; /* of a software breakpoint that is out for one step; LIFTED_NONE */
};

#define LIFTED_NONE ((gpa_t){ ~UINT64_C(0) })

/* debug.c: registers on the vCPU's own CPU, within its slice. */
int debug_regs_here(struct sched_vcpu *v, struct vcpu_regs *out) MUST_CHECK;
int debug_set_here(struct sched_vcpu *v, enum vcpu_reg reg, uint64_t value) MUST_CHECK;

/* debug_memory.c: as debug_read_phys(), what is there, INT3s of ours too. Any CPU. */
size_t phys_read(struct guest *g, gpa_t at, void *to, size_t bytes);
size_t phys_write(struct guest *g, gpa_t at, const void *from, size_t bytes);
size_t linear_read(struct guest *g, const struct vcpu_regs *r, uint64_t at, void *to, size_t bytes);
size_t linear_write(struct guest *g, const struct vcpu_regs *r, uint64_t at, const void *from,
		    size_t bytes);
/*
 * As debug_translate(); an address of a kernel that does not map itself while its users run is looked for
 * in the kernel's own tables.
 */
int debug_reach(struct guest *g, const struct vcpu_regs *r, uint64_t linear, struct debug_walk *out)
	MUST_CHECK;
/* RIP as a linear address. */
uint64_t linear_rip(const struct vcpu_regs *r);

/* debug_points.c */
/* The planted software breakpoint that covers @gpa, or NULL. */
struct debug_point *point_at_gpa(struct guest_debug *d, gpa_t gpa);
/* The nth debug register's point, as points_apply() gave them out; NULL: none. */
struct debug_point *point_of_register(struct guest_debug *d, unsigned nth);
int point_plant(struct guest *g, struct debug_point *p) MUST_CHECK;
void point_lift(struct guest *g, struct debug_point *p);
/* All vCPUs shall follow the points from their next stay on. They are held. */
void points_apply(struct guest *g);
void points_remove_all(struct guest *g);

/*
 * debug_deliver.c: let a TD's guest have an exception that came out: the stack frame and the jump that the
 * CPU would have made. 64-bit mode. False: not possible, *why says it.
 */
bool debug_deliver(struct sched_vcpu *v, const struct vcpu_regs *r, unsigned vector,
		   unsigned instruction_length, const char **why);

#endif
