/*
 * interleave.c - the scheduler of interleave.h: tasks are contexts of one thread.
 *
 * An order is a list of choices, one at each access where another task could go on: 0 stays, n goes
 * to the n-th other. To walk through all of them, the last choice that has a successor is raised
 * and what comes after it is forgotten (depth first, nothing is stored but the path).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/fake/interleave.h"

#include <stdio.h>
#include <string.h>
#include <ucontext.h>

#include "kernel/base/types.h"
#include "tests/host/machine.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#define LEAVE_STACK(save, bottom, size) __sanitizer_start_switch_fiber(save, bottom, size)
#define ENTER_STACK(save, bottom, size) __sanitizer_finish_switch_fiber(save, bottom, size)
#else
#define LEAVE_STACK(save, bottom, size) ((void)(bottom), (void)(size))
#define ENTER_STACK(save, bottom, size) ((void)(save))
#endif

#define STACK_SIZE  (128u << 10)
#define MAX_CHOICES 4096u
/* Far more than any order needs: reached, it is a wait that nobody ends. */
#define MAX_STEPS 20000u

struct task {
	ucontext_t context;
	void *fake_stack;
	bool ended;
};

static struct {
	const struct interleave_test *test;
	struct task tasks[INTERLEAVE_TASKS];
	ucontext_t home;
	void *home_fake;
	const void *home_bottom;
	size_t home_size;
	unsigned now, alive;
	bool active;
	/* choices */
	uint8_t chosen[MAX_CHOICES], options[MAX_CHOICES];
	unsigned depth, known; /* choices made in this run; prescribed from the run before */
	unsigned bound;
	bool random;
	uint64_t state;
	/* what happened */
	uint64_t hash;
	unsigned steps, switches;
	const char *fault;
	char text[1024];
	size_t text_length;
} il;

static uint8_t stacks[INTERLEAVE_TASKS][STACK_SIZE] __attribute__((aligned(64)));

static uint64_t draw(void)
{
	il.state ^= il.state << 13;
	il.state ^= il.state >> 7;
	il.state ^= il.state << 17;
	return il.state * UINT64_C(0x2545f4914f6cdd1d) >> 33;
}

/* One of @options, as prescribed; then the first; or drawn, mostly the first if @stay. */
static unsigned choose(unsigned options, bool stay)
{
	if (options < 2)
		return 0;
	if (il.random)
		return stay && draw() % 4 != 0 ? 0 : (unsigned)(draw() % options);
	if (il.depth == MAX_CHOICES) {
		il.fault = "more choices than an order can have";
		return 0;
	}
	if (il.depth == il.known) {
		il.chosen[il.known] = 0;
		il.options[il.known++] = (uint8_t)options;
	}
	return il.chosen[il.depth++];
}

/* The @nth task that lives, beginning after the running one. */
static unsigned other(unsigned nth)
{
	for (unsigned i = 1;; i++) {
		unsigned t = (il.now + i) % il.test->tasks;

		if (!il.tasks[t].ended && nth-- == 0)
			return t;
	}
}

static void note_switch(unsigned to)
{
	int n = snprintf(il.text + il.text_length, sizeof(il.text) - il.text_length, " %u:%u",
			 il.steps, to);

	if (n > 0 && il.text_length + (size_t)n < sizeof(il.text))
		il.text_length += (size_t)n;
}

/* From the running task to @to. */
static void go(unsigned to)
{
	struct task *from = &il.tasks[il.now];

	note_switch(to);
	il.now = to;
	machine_cpu(1 + to);
	LEAVE_STACK(from->ended ? NULL : &from->fake_stack, stacks[to], STACK_SIZE);
	swapcontext(&from->context, &il.tasks[to].context);
	ENTER_STACK(from->fake_stack, NULL, NULL);
}

static void go_home(void)
{
	struct task *from = &il.tasks[il.now];

	LEAVE_STACK(from->ended ? NULL : &from->fake_stack, il.home_bottom, il.home_size);
	swapcontext(&from->context, &il.home);
	ENTER_STACK(from->fake_stack, NULL, NULL);
}

static void look(void)
{
	il.active = false;
	const char *fault = il.fault ? il.fault : il.test->check();

	il.active = true;
	if (!fault && ++il.steps > MAX_STEPS)
		fault = "a task waits for ever";
	if (fault) {
		il.fault = fault;
		go_home(); /* and never back */
	}
}

void interleave_point(const volatile void *at)
{
	if (!il.active || !il.test->matters(at))
		return;
	look();
	unsigned pick = 0;

	if (il.random || il.switches < il.bound)
		pick = choose(il.alive, true);
	if (pick != 0) {
		il.switches++;
		go(other(pick - 1));
	}
	il.hash = (il.hash ^ (il.now + 1)) * UINT64_C(0x100000001b3) ^ ((uintptr_t)at & 0xfff);
}

int interleave_relax(void)
{
	if (!il.active)
		return 0;
	look();
	if (il.alive > 1)
		go(other(il.random ? choose(il.alive - 1, false) : 0));
	return 0;
}

static void task_main(void)
{
	ENTER_STACK(NULL, il.home_bottom ? NULL : &il.home_bottom,
		    il.home_size ? NULL : &il.home_size);
	il.test->run(il.now);
	look();
	il.tasks[il.now].ended = true;
	if (--il.alive == 0)
		go_home();
	else
		go(other(choose(il.alive, false)));
}

static void prepare_task(struct task *t, uint8_t *stack)
{
	memset(t, 0, sizeof(*t));
	getcontext(&t->context);
	t->context.uc_stack.ss_sp = stack;
	t->context.uc_stack.ss_size = STACK_SIZE;
	makecontext(&t->context, task_main, 0);
}

static void prepare(const struct interleave_test *test)
{
	il.test = test;
	il.alive = test->tasks;
	il.depth = il.steps = il.switches = 0;
	il.hash = 0;
	il.fault = NULL;
	il.text[0] = '\0';
	il.text_length = 0;
	il.home_bottom = NULL;
	il.home_size = 0;
	for (unsigned i = 0; i < test->tasks; i++)
		prepare_task(&il.tasks[i], stacks[i]);
}

const char *interleave_run(const struct interleave_test *test)
{
	prepare(test);
	il.now = test->tasks - 1;
	il.now = other(choose(il.alive, false));
	note_switch(il.now);
	machine_cpu(1 + il.now);
	il.active = true;
	LEAVE_STACK(&il.home_fake, stacks[il.now], STACK_SIZE);
	swapcontext(&il.home, &il.tasks[il.now].context);
	ENTER_STACK(il.home_fake, NULL, NULL);
	il.active = false;
	machine_cpu(0);
	return il.fault;
}

void interleave_first(unsigned preemptions)
{
	il.random = false;
	il.bound = preemptions;
	il.known = 0;
}

bool interleave_next(void)
{
	while (il.known > 0) {
		unsigned last = il.known - 1;

		if (il.chosen[last] + 1u < il.options[last]) {
			il.chosen[last]++;
			return true;
		}
		il.known--;
	}
	return false;
}

void interleave_seed(uint64_t seed)
{
	il.random = true;
	il.known = 0;
	il.state = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

unsigned interleave_task(void) { return il.now; }
uint64_t interleave_hash(void) { return il.hash; }
unsigned interleave_steps(void) { return il.steps; }
unsigned interleave_switches(void) { return il.switches; }
const char *interleave_text(void) { return il.text; }
