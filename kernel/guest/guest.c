/*
 * guest.c - the table of guests, and the life of each.
 *
 * Building and taking down happen on the boot CPU only (guest_start from the monitor, guests_reap
 * from the run loop), so they never meet; g->lock guards what a vCPU's CPU changes when it ends.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/guest/guest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/log.h"
#include "kernel/guest/debug.h"
#include "kernel/guest/guest_room.h"
#include "kernel/guest/memlog.h"
#include "kernel/machine/apic.h"
#include "kernel/machine/console.h"
#include "kernel/machine/cpu.h"
#include "kernel/machine/time.h"
#include "kernel/platform/memory.h"
#include "kernel/vmx/vm.h"
#include "mmu/mmu.h"
#include "tdx/td.h"

static struct {
	struct guest *table[GUESTS_MAX];
	unsigned count; /* grows, and each that is below it stays */
} guests;

/* ---- the table ---- */

/*
 * What guests may have waiting for the line together (1.4 s at 115200 baud): one that prints without
 * end keeps neither the hypervisor's own words nor the user's echo waiting for longer.
 */
#define GUESTS_BACKLOG_MAX 16384

static bool to_console(void *ctx, const char *text, size_t length)
{
	(void)ctx;
	if (console_backlog() > GUESTS_BACKLOG_MAX)
		return false;
	console_write_guest(text, length);
	return true;
}

/* As its record says; nothing of an earlier one is left. */
static void define(struct guest *g)
{
	const struct guest_config *c = g->config;

	g->state = c->refusal[0] ? GUEST_REFUSED : GUEST_CREATED;
	g->was_started = c->refusal[0] != 0;
	g->starts = 0;
	snprintf(g->reason, sizeof(g->reason), "%s", c->refusal);
	output_init(&g->output, c->name, to_console, NULL);
}

int guests_add(const struct guest_config *config)
{
	struct guest *g = guests.count < GUESTS_MAX ? heap_alloc(sizeof(*g)) : NULL;

	if (!g)
		return -ENOMEM;
	g->config = config;
	define(g);
	guests.table[guests.count] = g;
	__atomic_store_n(&guests.count, guests.count + 1, __ATOMIC_RELEASE);
	return 0;
}

void guest_redefined(struct guest *g)
{
	assert(g->state != GUEST_RUNNING);
	define(g);
}

int guests_init(const struct guest_config *configs, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (guests_add(&configs[i]) != 0)
			return -ENOMEM;
	return 0;
}

unsigned guest_count(void)
{
	return __atomic_load_n(&guests.count, __ATOMIC_ACQUIRE);
}

struct guest *guest_at(unsigned index)
{
	return index < guest_count() ? guests.table[index] : NULL;
}

struct guest *guest_find(const char *name)
{
	for (unsigned i = 0; i < guests.count; i++)
		if (!strcmp(guests.table[i]->config->name, name))
			return guests.table[i];
	return NULL;
}

const char *guest_state_name(enum guest_state state)
{
	static const char *const name[] = {
		[GUEST_CREATED] = "created", [GUEST_REFUSED] = "refused",
		[GUEST_RUNNING] = "running", [GUEST_STOPPED] = "stopped",
		[GUEST_DEAD] = "dead",
	};

	return name[state];
}

const char *guest_state_text(const struct guest *g)
{
	return debug_held(g) ? "held" : guest_state_name(g->state);
}

bool guest_ended(const struct guest *g)
{
	return g->state != GUEST_RUNNING;
}

static void set_state(struct guest *g, enum guest_state state)
{
	const char *name = g->config->name;

	g->state = state;
	if (state == GUEST_RUNNING)
		console_printf("tain: %s: running\n", name);
	else
		console_printf("tain: %s: %s: %s\n", name, guest_state_name(state), g->reason);
}

/* ---- start ---- */

static void on_output(void *ctx, uint8_t byte)
{
	struct guest *g = ctx;

	output_byte(&g->output, byte);
}

static void on_unclaimed(void *ctx, bool write, uint16_t port, unsigned bytes, uint32_t value)
{
	const struct guest *g = ctx;
	const struct port_table *t = &g->platform.ports;

	(void)value;
	if (t->unclaimed_reads + t->unclaimed_writes == 1)
		log_warn("%s: %s of %u bytes at port %#x: no device there (more are only counted)",
			 g->config->name, write ? "write" : "read", bytes, port);
}

/* The CPU's random numbers; where it fails, the clock's low bits are mixed in, better than nothing. */
static void entropy(uint8_t *to, size_t bytes)
{
	uint64_t word = 0;

	for (size_t i = 0; i < bytes; i++) {
		if (i % sizeof(word) == 0 && !rdrand64(&word))
			word = (word ^ tsc_now()) * UINT64_C(0x9e3779b97f4a7c15);
		to[i] = (uint8_t)(word >> (i % sizeof(word) * 8));
	}
}

/* A frame waits for it: its first vCPU takes it over, when it is about to run or in the middle of its slice. */
static void on_frame(void *ctx)
{
	struct guest *g = ctx;

	if (g->state != GUEST_RUNNING)
		return;
	vcpu_request(&g->runs[0], VCPU_REQ_EVENT);
	sched_wake(&g->vcpus[0]);
}

/* With no interface of the machine's to tell machines apart, names alone make the addresses. */
static uint8_t lan_seed[6];

void guests_set_lan_seed(const uint8_t mac[6]) { memcpy(lan_seed, mac, sizeof(lan_seed)); }

static int start_platform(struct guest *g)
{
	const struct guest_config *c = g->config;
	uint8_t mac[6];

	lan_mac(c->name, lan_seed, mac);
	if (c->network[0]) {
		g->lan = lan_plug(c->network, LAN_GUEST, mac, on_frame, g);
		if (!g->lan)
			return -ENOMEM;
	}

	const struct platform_config config = {
		.name = c->name,
		.memory_bytes = c->memory,
		.memory_low = c->memory_low,
		.vcpus = c->vcpus,
		.pic = c->kind == GUEST_VM,
		.kernel = c->kernel.data,
		.kernel_size = c->kernel.size,
		.initrd = c->initrd.data,
		.initrd_size = c->initrd.size,
		.cmdline = c->cmdline,
		.disk = c->disk.data,
		.disk_size = c->disk.size,
		.lan = g->lan,
		.virtio_console = (c->devices & GUEST_DEVICE_CONSOLE) != 0,
		.entropy = c->devices & GUEST_DEVICE_RNG ? entropy : NULL,
		.console = on_output,
		.console_ctx = g,
		.unclaimed = on_unclaimed,
		.faults = &g->faults,
	};

	return platform_init(&g->platform, &config);
}

static void free_parts(struct guest *g)
{
	g->platform.config.lan = NULL;
	lan_unplug(g->lan);
	g->lan = NULL;
	heap_free(g->vcpus);
	heap_free(g->runs);
	g->vcpus = NULL;
	g->runs = NULL;
	platform_fini(&g->platform);
}

static void (*td_gate)(void);

void guests_set_td_gate(void (*gate)(void)) { td_gate = gate; }

void guests_open_td_gate(void)
{
	void (*gate)(void) = td_gate;

	td_gate = NULL;
	if (gate)
		gate();
}

static int build(struct guest *g, char *why, size_t why_size)
{
	const struct guest_config *c = g->config;

	snprintf(why, why_size, "no memory");
	g->vcpus = heap_alloc(c->vcpus * sizeof(g->vcpus[0]));
	g->runs = heap_alloc(c->vcpus * sizeof(g->runs[0]));
	if (!g->vcpus || !g->runs || start_platform(g))
		return -ENOMEM;
	if (c->kind == GUEST_TD) {
		guests_open_td_gate();
		return td_create(&g->td, c, &g->platform, g->runs, why, why_size);
	}
	g->vm = vm_create(c, &g->platform, g->runs, why, why_size);
	return g->vm ? 0 : -EIO;
}

uint16_t guest_trace_id(const struct guest *g)
{
	if (g->vm)
		return vm_trace_id(g->vm);
	return g->td ? td_keyid(g->td) : 0;
}

static void wake_vcpu(struct vcpu_run *run)
{
	sched_wake(run->waker);
}

static void attend(struct vcpu_run *run)
{
	const struct sched_vcpu *v = run->waker;

	platform_take_frames(&v->guest->platform);
}

static void launch(struct guest *g)
{
	unsigned count = g->config->vcpus;

	g->vcpus_off = 0;
	g->verdict = RUN_AGAIN;
	g->reason[0] = 0;
	g->starts++;
	g->started_tsc = tsc_now();
	set_state(g, GUEST_RUNNING);
	/* All of them know how to wake each other before the first one runs. */
	for (unsigned i = 0; i < count; i++) {
		struct sched_vcpu *v = &g->vcpus[i];

		*v = (struct sched_vcpu){ .guest = g, .index = i, .run = &g->runs[i],
					  .trace_id = guest_trace_id(g) };
		v->run->wake_tsc = WAKE_NEVER;
		v->run->waker = v;
		v->run->wake = wake_vcpu;
		v->run->attend = g->lan ? attend : NULL;
	}
	(void)debug_holds_start(g);
	for (unsigned i = 0; i < count; i++) {
		g->vcpus[i].cpu = sched_place();
		sched_add(&g->vcpus[i]);
	}
}

/* A file of its configuration has not come from the network. */
static bool lacks_file(struct guest *g, char *why, size_t why_size)
{
	const struct guest_file *f = guest_config_missing(g->config);

	if (f)
		snprintf(why, why_size, "%.100s has not been fetched", f->path);
	g->was_started |= f != NULL; /* refused is an answer too */
	return f != NULL;
}

int guest_start(struct guest *g, char *why, size_t why_size)
{
	if (g->state == GUEST_RUNNING) {
		snprintf(why, why_size, "%s runs already", g->config->name);
		return -EBUSY;
	}
	if (g->state == GUEST_REFUSED) {
		snprintf(why, why_size, "%s", g->reason);
		return -EINVAL;
	}
	if (lacks_file(g, why, why_size))
		return -EIO;
	output_init(&g->output, g->config->name, to_console, NULL);
	g->expect_from = 0;
	g->td = NULL;
	g->vm = NULL;
	if (build(g, why, why_size)) {
		free_parts(g);
		g->was_started = true; /* refused is an answer too */
		return -EIO;
	}
	launch(g);
	return 0;
}

/* ---- running and ending ---- */

/* The figure that start-up is judged by, once. */
static void note_first_entry(void)
{
	static uint32_t noted;

	if (likely(noted) || __atomic_exchange_n(&noted, 1, __ATOMIC_RELAXED))
		return;

	uint64_t total = ticks_since_entry(), waits = wait_ticks();

	log_info("first guest entry after %llu ticks: %llu busy, %llu waiting",
		 (unsigned long long)total, (unsigned long long)(total - waits),
		 (unsigned long long)waits);
}

enum vcpu_outcome guest_vcpu_run(struct sched_vcpu *v)
{
	struct guest *g = v->guest;
	enum vcpu_outcome outcome;

	note_first_entry();
	platform_take_frames(&g->platform);
	if (g->vm) {
		outcome = vm_vcpu_run(g->vm, v->index);
	} else {
		/* What ends a TD's stay on a TDX server is an interrupt. */
		timer_set(tsc_now() + v->run->slice_tsc);
		outcome = td_vcpu_run(g->td, v->index);
		timer_set(0);
	}
	g->was_started = true;
	return outcome;
}

static void ask_to_stop(struct guest *g, const struct sched_vcpu *except)
{
	for (unsigned i = 0; i < g->config->vcpus; i++) {
		struct sched_vcpu *v = &g->vcpus[i];

		if (v == except)
			continue;
		vcpu_request(v->run, VCPU_REQ_STOP);
		sched_wake(v);
	}
}

/* The first word about how it ends counts. */
static void decide(struct guest *g, enum vcpu_outcome verdict, const char *reason)
{
	spin_lock(&g->lock);
	if (g->verdict == RUN_AGAIN) {
		g->verdict = verdict;
		snprintf(g->reason, sizeof(g->reason), "%s", reason);
	}
	spin_unlock(&g->lock);
}

void guest_vcpu_ended(struct sched_vcpu *v, enum vcpu_outcome outcome)
{
	struct guest *g = v->guest;

	if (outcome != RUN_AGAIN) {
		decide(g, outcome, v->run->reason);
		ask_to_stop(g, v);
	}
	/* From here on the boot CPU may free *v. */
	__atomic_add_fetch(&g->vcpus_off, 1, __ATOMIC_ACQ_REL);
	sched_kick(0);
}

int guest_stop(struct guest *g, const char *reason)
{
	if (g->state != GUEST_RUNNING)
		return -ESRCH;
	decide(g, RUN_STOPPED, reason);
	ask_to_stop(g, NULL);
	return 0;
}

void guest_kill(struct guest *g, const char *reason)
{
	decide(g, RUN_DEAD, reason);
	ask_to_stop(g, NULL);
}

static void take_down(struct guest *g)
{
	memlog_stop(g);
	if (g->vm)
		vm_destroy(g->vm);
	if (g->td) {
		uint64_t leaked = td_destroy(g->td);

		if (leaked)
			log_error("%s: %llu pages leaked: the TDX module would not give them back",
				  g->config->name, (unsigned long long)leaked);
	}
	g->vm = NULL;
	g->td = NULL;
	free_parts(g);
	output_flush(&g->output);
	g->ended_tsc = tsc_now();
	set_state(g, g->verdict == RUN_DEAD ? GUEST_DEAD : GUEST_STOPPED);
	debug_ended(g);
}

void guests_reap(void)
{
	guests_machine_checks();
	for (unsigned i = 0; i < guests.count; i++) {
		struct guest *g = guests.table[i];

		if (g->state == GUEST_RUNNING &&
		    __atomic_load_n(&g->vcpus_off, __ATOMIC_ACQUIRE) == g->config->vcpus)
			take_down(g);
	}
}

unsigned guests_stop_all(uint64_t timeout_us)
{
	uint64_t deadline = tsc_now() + us_to_ticks(timeout_us);
	unsigned running;

	for (unsigned i = 0; i < guests.count; i++)
		if (guests.table[i]->state == GUEST_RUNNING &&
		    guest_stop(guests.table[i], "the hypervisor is leaving"))
			log_debug("%s ended by itself", guests.table[i]->config->name);
	do {
		sched_poll();
		running = 0;
		for (unsigned i = 0; i < guests.count; i++)
			running += guests.table[i]->state == GUEST_RUNNING;
	} while (running && tsc_now() < deadline);
	return running;
}

bool guest_type(struct guest *g, uint8_t byte)
{
	if (g->state != GUEST_RUNNING || !platform_type(&g->platform, byte))
		return false;
	for (unsigned i = 0; i < g->config->vcpus; i++) {
		vcpu_request(&g->runs[i], VCPU_REQ_EVENT);
		sched_wake(&g->vcpus[i]);
	}
	return true;
}

/* ---- numbers ---- */

static void vm_stats(const struct guest *g, void (*line)(void *ctx, const char *text), void *ctx)
{
	char text[96];

	for (uint32_t reason = 0; reason < EXIT_REASON_COUNT; reason++) {
		uint64_t count = vm_exit_count(g->vm, reason);

		if (!count)
			continue;
		snprintf(text, sizeof(text), "exit %s %llu", vm_exit_row_name(reason),
			 (unsigned long long)count);
		line(ctx, text);
	}
	snprintf(text, sizeof(text), "memory_pages %llu",
		 (unsigned long long)vm_memory(g->vm)->pages);
	line(ctx, text);
}

static void vcpu_stats(const struct guest *g, void (*line)(void *ctx, const char *text), void *ctx)
{
	char text[96];

	for (unsigned i = 0; i < g->config->vcpus; i++) {
		const struct sched_vcpu *v = &g->vcpus[i];

		snprintf(text, sizeof(text), "vcpu%u cpu %u slices %llu waits %llu ticks %llu", i,
			 v->cpu, (unsigned long long)v->slices, (unsigned long long)v->waits,
			 (unsigned long long)v->run_ticks);
		line(ctx, text);
	}
}

static void lan_stats(const struct guest *g, void (*line)(void *ctx, const char *text), void *ctx)
{
	char text[200];

	if (!g->lan)
		return;
	const struct lan_counts *c = &g->lan->counts;

	snprintf(text, sizeof(text), "frames sent %llu received %llu dropped %llu forged %llu bad %llu wakes %llu",
		 (unsigned long long)c->sent, (unsigned long long)c->received,
		 (unsigned long long)c->dropped, (unsigned long long)c->forged, (unsigned long long)c->bad,
		 (unsigned long long)c->wakes);
	line(ctx, text);
}

static void platform_stats(const struct guest *g, void (*line)(void *ctx, const char *text),
			   void *ctx)
{
	const struct port_table *t = &g->platform.ports;
	char text[96];

	for (unsigned i = 0; i < t->count; i++) {
		if (!t->range[i].reads && !t->range[i].writes)
			continue;
		snprintf(text, sizeof(text), "port %s reads %llu writes %llu", t->range[i].name,
			 (unsigned long long)t->range[i].reads,
			 (unsigned long long)t->range[i].writes);
		line(ctx, text);
	}
	for (unsigned i = 0; i < g->platform.mmio.count; i++) {
		const struct mmio_range *r = &g->platform.mmio.range[i];

		if (!r->reads && !r->writes)
			continue;
		snprintf(text, sizeof(text), "mmio %s reads %llu writes %llu", r->name,
			 (unsigned long long)r->reads, (unsigned long long)r->writes);
		line(ctx, text);
	}
	snprintf(text, sizeof(text), "mmio unclaimed reads %llu writes %llu last %#llx",
		 (unsigned long long)g->platform.mmio.unclaimed_reads,
		 (unsigned long long)g->platform.mmio.unclaimed_writes,
		 (unsigned long long)g->platform.mmio.last_unclaimed);
	line(ctx, text);
	snprintf(text, sizeof(text), "port unclaimed reads %llu writes %llu last %#x",
		 (unsigned long long)t->unclaimed_reads, (unsigned long long)t->unclaimed_writes,
		 t->last_unclaimed);
	line(ctx, text);
}

struct mmu *guest_mmu(const struct guest *g)
{
	if (g->vm)
		return vm_mmu(g->vm);
	return g->td ? td_mmu(g->td) : NULL;
}

struct guest_memory *guest_ram(const struct guest *g)
{
	if (g->vm)
		return vm_memory(g->vm);
	return g->td ? td_shared_memory(g->td) : NULL;
}

/* What its page tables hold, by root and level: leaves and tables. */
static void table_stats(const struct guest *g, void (*line)(void *ctx, const char *text), void *ctx)
{
	static const char *const roots[MMU_ROOTS] = { "direct", "mirror", "second direct" };
	static const char *const levels[] = { "", "4K", "2M", "1G", "512G", "256T" };
	struct mmu_stats s;
	char text[96];

	mmu_stats(guest_mmu(g), &s);
	for (unsigned root = 0; root < MMU_ROOTS; root++)
		for (unsigned level = LEVEL_4K; level < ARRAY_LEN(levels); level++) {
			if (!s.leaves[root][level] && !s.tables[root][level])
				continue;
			snprintf(text, sizeof(text), "%s %s leaves %llu tables %llu", roots[root],
				 levels[level], (unsigned long long)s.leaves[root][level],
				 (unsigned long long)s.tables[root][level]);
			line(ctx, text);
		}
	snprintf(text, sizeof(text), "mmu flushes %llu bytes_of_tables %llu leaked_tables %llu",
		 (unsigned long long)s.flushes, (unsigned long long)s.table_bytes,
		 (unsigned long long)s.leaked_tables);
	line(ctx, text);
}

void guest_stats(const struct guest *g, void (*line)(void *ctx, const char *text), void *ctx)
{
	if (g->state != GUEST_RUNNING)
		return;
	vcpu_stats(g, line, ctx);
	if (g->vm)
		vm_stats(g, line, ctx);
	if (g->td)
		td_stats(g->td, line, ctx);
	if (guest_mmu(g))
		table_stats(g, line, ctx);
	platform_stats(g, line, ctx);
	lan_stats(g, line, ctx);
}
