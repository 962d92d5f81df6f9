/*
 * guest.h - the front door of kernel/guest: guests as their user sees them.
 *
 * Every section of tain.cfg becomes one struct guest, whatever its kind; a VM or a TD stands behind
 * it only while it lives. The run loop (sched.h) gives the vCPUs their turns.
 *
 *   CREATED --start--> RUNNING --its own end, stop--> STOPPED --start--> RUNNING ...
 *      |                  \--what must not go on--> DEAD --start--> RUNNING ...
 *      \--a record that is no good--> REFUSED (for ever)
 *
 * Invariants
 *   - Each change of state prints one line: `tain: NAME: running`, `stopped: REASON`, `dead: REASON`.
 *   - STOPPED and DEAD are entered after the guest's memory, tables and control structures went
 *     back: the page counts then are what they were before its start.
 *   - A guest's end touches no other guest.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_GUEST_GUEST_H
#define TAIN_GUEST_GUEST_H

#include "kernel/base/guest_config.h"
#include "kernel/base/lock.h"
#include "kernel/base/types.h"
#include "kernel/guest/output.h"
#include "kernel/guest/sched.h"
#include "kernel/platform/platform.h"

enum guest_state { GUEST_CREATED, GUEST_REFUSED, GUEST_RUNNING, GUEST_STOPPED, GUEST_DEAD };

struct vm;
struct td;

struct guest {
	const struct guest_config *config;
	enum guest_state state; /* read anywhere; changed under lock */
	char reason[160];       /* of STOPPED, DEAD, REFUSED */
	spinlock_t lock;

	/* Alive only while RUNNING: */
	struct vm *vm; /* one of the two */
	struct td *td;
	struct memlog *memlog; /* memlog.h; NULL: its writes are not logged */
	struct lan_port *lan; /* its place at the switch; NULL: it has none */
	struct platform platform;
	struct sched_vcpu *vcpus; /* config->vcpus of them */
	struct vcpu_run *runs;
	struct guest_debug *debug;      /* debug.h; NULL: nobody ever debugged it; stays */
	unsigned vcpus_off;             /* vCPUs that came to their end; atomic */
	enum vcpu_outcome verdict;      /* first of RUN_STOPPED, RUN_DEAD; RUN_AGAIN: none yet */

	struct output output; /* what it prints */
	struct fault_table faults; /* wrong answers that it gets on demand; boot CPU */
	uint64_t expect_from; /* byte of output from which `expect` looks; the monitor's */
	bool was_started;     /* has run or been refused at least once */
	uint64_t started_tsc, ended_tsc;
	uint64_t starts;
};

#define GUESTS_MAX 64

/* Take over the records of the configuration (kept by the caller). Boot CPU, once. 0 or -ENOMEM. */
int guests_init(const struct guest_config *configs, unsigned count) MUST_CHECK;

/* One more, behind the last. Boot CPU. 0; -ENOMEM, also if there are GUESTS_MAX. */
int guests_add(const struct guest_config *config) MUST_CHECK;

/* The record of @g, which does not run, is another now: as if it had been there from the start. Boot CPU. */
void guest_redefined(struct guest *g);

/*
 * @gate is called once, before the first TD is built or by guests_open_td_gate(): it brings the TDX
 * module up. So a plain guest does not wait for what it does not need. Boot CPU.
 */
void guests_set_td_gate(void (*gate)(void));
void guests_open_td_gate(void);

unsigned guest_count(void);
struct guest *guest_at(unsigned index);
struct guest *guest_find(const char *name); /* NULL: no such guest */

const char *guest_state_name(enum guest_state state);
/* The same for people: "held" while a debugger holds it. */
const char *guest_state_text(const struct guest *g);

/*
 * Build and start. 0; -EBUSY: it runs already; -EINVAL: refused by the configuration; -EIO: could
 * not be built, all undone. @why holds the reason. Boot CPU, no lock held.
 */
int guest_start(struct guest *g, char *why, size_t why_size) MUST_CHECK;

/*
 * Ask it to end with STOPPED: @reason; it has ended when guest_state says so (sched_poll() makes
 * it happen). -ESRCH: it does not run.
 */
int guest_stop(struct guest *g, const char *reason) MUST_CHECK;

/* True once it is not running and its pages are back. */
bool guest_ended(const struct guest *g);

/* Stop all, and poll until they ended or @timeout_us passed; the number still running. */
unsigned guests_stop_all(uint64_t timeout_us);

/* A byte typed for its serial line; false: not running or full. */
bool guest_type(struct guest *g, uint8_t byte);

/* The address of the machine's interface: from it and their names guests get theirs. Before any starts. */
void guests_set_lan_seed(const uint8_t mac[6]);

/* Who it is in trace records; 0: it does not run. */
uint16_t guest_trace_id(const struct guest *g);

/* Its page tables, for the self-check; NULL: it has none now. Boot CPU. */
struct mmu;
struct mmu *guest_mmu(const struct guest *g);

/* The frames behind what the host may see of its memory: a VM's RAM, a TD's shared half. Likewise. */
struct guest_memory;
struct guest_memory *guest_ram(const struct guest *g);

/* Say which vCPUs have run for @limit_ticks without an exit of their own. Boot CPU, its run loop. */
void guests_watch(uint64_t limit_ticks);

/* One line of the kind's own numbers at a time, through @line: exits by name, SEAMCALLs, ... */
void guest_stats(const struct guest *g, void (*line)(void *ctx, const char *text), void *ctx);

#endif
