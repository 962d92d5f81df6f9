/*
 * tdx_races.c - vCPUs of one TD that make the same TDCALLs at the same time: one of them is told
 * OPERAND_BUSY, it asks again, and what comes of it is what one after the other would have made.
 *
 * Each vCPU runs on a thread of its own through the image's run loop and the software module; the
 * guests are scripts that repeat what was refused as busy, as the guest ABI asks of them.
 *
 * links: tests/host/tdx/softmod.c tdx/[a-z]*.c tdx/abi/[a-z]*.c tdx/soft/[a-z]*.c mmu/[a-z]*.c
 *   kernel/base/sha384.c kernel/base/trace.c kernel/machine/vtimer.c kernel/platform/[a-z]*.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel/base/sha384.h"
#include "tdx/abi/exit.h"
#include "tdx/abi/leaf.h"
#include "tdx/td_impl.h"
#include "tests/fake/tdvf_image.h"
#include "tests/host/machine.h"
#include "tests/host/tdx/softmod.h"

#define MEMORY   (UINT64_C(3) << 30)
#define VCPUS    2u
#define AREA     UINT64_C(0x40000000)
#define INTR_NMI 0x80000202u
#define ENOUGH   5u    /* busy answers that prove a race */
#define PATIENCE 20000u /* of 100 us each */

static struct guest_config config;
static struct platform platform;
static struct vcpu_run runs[VCPUS];
static struct td *td;

/* What a vCPU asks next. @st: the answer to what it asked last. False: it has nothing more to ask. */
typedef bool (*ask_fn)(struct soft_vcpu *v, tdx_status_t st);
static ask_fn ask;

static struct asker {
	uint64_t leaf; /* of the TDCALL under way; 0: none yet */
	uint64_t busy, done, already;
	uint64_t stayed; /* the round in which it has not yet waited for the other, inside */
	uint32_t finished;
} askers[VCPUS] ALIGNED(64);

static uint32_t over; /* vCPUs that have come to the end of their script */

static uint32_t get(const uint32_t *p) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); }
static void set(uint32_t *p, uint32_t v) { __atomic_store_n(p, v, __ATOMIC_SEQ_CST); }

static bool is_busy(tdx_status_t st)
{
	return tdx_is(st, TDX_OPERAND_BUSY) || tdx_is(st, TDX_OPERAND_BUSY_HOST_PRIORITY);
}

static void tdcall(struct soft_vcpu *v, uint64_t leaf, uint64_t rcx, uint64_t rdx)
{
	v->gpr.rax = askers[v->index].leaf = leaf;
	v->gpr.rcx = rcx;
	v->gpr.rdx = rdx;
}

/* One entry: a TDCALL that has no answer yet, or was told to come again, is made once more. */
static void guest(struct soft_vcpu *v, struct soft_exit *x)
{
	struct asker *a = &askers[v->index];
	tdx_status_t st = { v->gpr.rax };
	bool answered = a->leaf && v->gpr.rax != a->leaf;

	*x = (struct soft_exit){ .reason = SOFT_EXIT_TDCALL, .instr_len = 4 };
	if (answered && is_busy(st)) {
		__atomic_store_n(&a->busy, a->busy + 1, __ATOMIC_RELAXED);
		sched_yield();
		v->gpr.rax = a->leaf;
		return;
	}
	if (a->leaf && !answered)
		return;
	if (!a->finished && ask(v, st))
		return;
	if (!a->finished)
		__atomic_fetch_add(&over, 1, __ATOMIC_SEQ_CST);
	a->finished = 1;
	*x = (struct soft_exit){ .reason = SOFT_EXIT_EXCEPTION_NMI, .intr_info = INTR_NMI };
}

/* Nobody stays inside: every TDCALL is an exit, so whoever waits for one is not waiting long. */
static void no_kick(unsigned cpu) { (void)cpu; }

static void *run_vcpu(void *arg)
{
	unsigned i = (unsigned)(uintptr_t)arg;

	machine_cpu(i);
	while (get(&over) < VCPUS)
		if (td_vcpu_run(td, i) != RUN_AGAIN)
			fail_msg("vCPU %u: %s", i, runs[i].reason);
	return NULL;
}

static void console(void *ctx, uint8_t byte)
{
	(void)ctx;
	(void)byte;
}

static void start(void)
{
	static char why[200];
	struct platform_config pc = { .name = "racing", .vcpus = VCPUS, .console = console };
	struct tdx_host host;

	config = (struct guest_config){ .name = "racing",
					.kind = GUEST_TD,
					.memory = UINT64_C(2) << 30,
					.vcpus = VCPUS,
					.page_level = LEVEL_2M,
					.attributes = GUEST_ATTR_DEBUG,
					.firmware = { .path = "racing.fd",
						      .data = tdvf_image_make(),
						      .size = TDVF_IMAGE_SIZE } };
	pc.memory_bytes = config.memory;
	memset(runs, 0, sizeof(runs));
	memset(askers, 0, sizeof(askers));
	over = 0;
	for (unsigned i = 0; i < VCPUS; i++)
		runs[i].slice_tsc = UINT64_C(1) << 60;
	softmod_start(MEMORY, VCPUS + 1, 52);
	host = *softmod_host();
	host.kick = no_kick;
	assert_int_equal(tdx_init(&host), 0);
	assert_int_equal(platform_init(&platform, &pc), 0);
	assert_int_equal(td_create(&td, &config, &platform, runs, why, sizeof(why)), 0);
	softmod_guest = guest;
}

/* Both vCPUs at once, until each has asked all that it wants to. */
static void race(ask_fn fn)
{
	pthread_t other;

	ask = fn;
	assert_int_equal(pthread_create(&other, NULL, run_vcpu, (void *)1), 0);
	run_vcpu(NULL);
	pthread_join(other, NULL);
	machine_cpu(0);
}

static void end(void)
{
	printf("busy answers: %llu and %llu\n", (unsigned long long)askers[0].busy,
	       (unsigned long long)askers[1].busy);
	assert_int_equal(mmu_check(&td->mmu, NULL, NULL), 0);
	assert_int_equal(td_destroy(td), 0);
	assert_int_equal(page_count(PAGE_LEAKED), 0);
	platform_fini(&platform);
}

static uint64_t busy_answers(void)
{
	return __atomic_load_n(&askers[0].busy, __ATOMIC_RELAXED) +
	       __atomic_load_n(&askers[1].busy, __ATOMIC_RELAXED);
}

/* ---- the same page ---- */

#define BLOCKS 64u

static uint32_t arrived; /* at the start of a round, of both vCPUs together */

/* Both go into a round together, so that the calls meet. */
static void meet(uint32_t round)
{
	__atomic_fetch_add(&arrived, 1, __ATOMIC_SEQ_CST);
	while (get(&arrived) < (round + 1) * VCPUS)
		sched_yield();
}

static uint64_t in_block(unsigned round) { return AREA + round * SIZE_2M; }

/*
 * Whoever is first reaches for the page with its entry locked, and stays there until the other has been
 * told so; a module that lets both in makes this wait in vain, and the test fail.
 */
static void first_one_stays(uint64_t hpa)
{
	static uint32_t staying;
	int level;
	unsigned i = cpu_index();
	uint64_t round = askers[i].done + askers[i].already, was;

	if (!askers[i].leaf || round >= BLOCKS || __atomic_exchange_n(&staying, 1, __ATOMIC_SEQ_CST))
		return;
	spte_t spte = mmu_lookup(&td->mmu, MMU_MIRROR,
				 gpa_to_gfn((gpa_t){ in_block((unsigned)round) }), &level);

	if (pfn_to_hpa(spte_pfn(spte)).v == hpa && askers[i].stayed == round) {
		askers[i].stayed = round + 1;
		was = __atomic_load_n(&askers[!i].busy, __ATOMIC_RELAXED);
		for (unsigned n = 0; n < PATIENCE; n++) {
			if (__atomic_load_n(&askers[!i].busy, __ATOMIC_RELAXED) != was)
				break;
			usleep(100);
		}
	}
	set(&staying, 0);
}

static bool accept_the_same(struct soft_vcpu *v, tdx_status_t st)
{
	struct asker *a = &askers[v->index];

	if (a->leaf && tdx_is(st, TDX_SUCCESS))
		a->done++;
	else if (a->leaf && tdx_is(st, TDX_PAGE_ALREADY_ACCEPTED))
		a->already++;
	else if (a->leaf)
		fail_msg("ACCEPT said %#llx", (unsigned long long)st.raw);

	uint32_t round = (uint32_t)(a->done + a->already);

	if (round == BLOCKS)
		return false;
	meet(round);
	askers[v->index].stayed = round;
	tdcall(v, TDG_MEM_PAGE_ACCEPT, in_block(round) | 1, 0);
	return true;
}

static void one_of_two_accepts_of_a_page_succeeds(void **state)
{
	(void)state;
	arrived = 0;
	start();
	for (unsigned i = 0; i < BLOCKS; i++) {
		struct mmu_fault f = { .gfn = gpa_to_gfn((gpa_t){ in_block(i) }),
				       .root = MMU_MIRROR, .max_level = LEVEL_2M };

		assert_int_equal(td_memory_fault(td, &f), 0);
	}
	softmod_mapped = first_one_stays;
	race(accept_the_same);
	softmod_mapped = NULL;
	assert_int_equal(askers[0].done + askers[1].done, BLOCKS);
	assert_int_equal(askers[0].already + askers[1].already, BLOCKS);
	assert_true(busy_answers() >= BLOCKS);
	assert_int_equal(td->private_pages, page_count(PAGE_TDX_PRIVATE));
	end();
}

/* ---- the same register ---- */

#define EXTENDS 500u /* at least, and until they were in each other's way */
#define EXTENDS_MAX 5000000u
#define RTMR    3
#define CODE    (TDVF_TOP - 4 * PAGE_SIZE) /* the firmware's code: what is extended with */

static bool extend(struct soft_vcpu *v, tdx_status_t st)
{
	struct asker *a = &askers[v->index];

	if (a->leaf && !tdx_is(st, TDX_SUCCESS))
		fail_msg("RTMR.EXTEND said %#llx", (unsigned long long)st.raw);
	a->done += a->leaf != 0;
	if (a->done == EXTENDS_MAX || (a->done >= EXTENDS && busy_answers() >= ENOUGH))
		return false;
	tdcall(v, TDG_MR_RTMR_EXTEND, CODE, RTMR);
	return true;
}

static void no_extension_is_lost_or_made_twice(void **state)
{
	uint8_t expected[SHA384_BYTES] = { 0 };
	struct td_identity id;
	struct sha384 s;

	(void)state;
	start();
	race(extend);
	for (uint64_t i = 0; i < askers[0].done + askers[1].done; i++) {
		sha384_init(&s);
		sha384_update(&s, expected, sizeof(expected));
		sha384_update(&s, (const uint8_t *)config.firmware.data + TDVF_IMAGE_SIZE -
					  (TDVF_TOP - CODE), sizeof(expected));
		sha384_final(&s, expected);
	}
	assert_int_equal(td_identity(td, &id), 0);
	assert_true(id.rtmr_valid);
	assert_memory_equal(id.rtmr[RTMR], expected, sizeof(expected));
	assert_true(busy_answers() >= ENOUGH);
	end();
}

/* ---- against the host ---- */

#define ACCEPTS     300u  /* until the host has seen so many, it goes on */
#define ROUNDS_MAX  1000000u
#define FRAMES      8u

static uint32_t host_is_done;

/* The pages of a small area, one after another, until the host has had enough of taking them away. */
static bool accept_what_goes_away(struct soft_vcpu *v, tdx_status_t st)
{
	struct asker *a = &askers[v->index];

	if (a->leaf && tdx_is(st, TDX_SUCCESS))
		__atomic_store_n(&a->done, a->done + 1, __ATOMIC_RELAXED);
	else if (a->leaf && tdx_is(st, TDX_PAGE_ALREADY_ACCEPTED))
		a->already++;
	else if (a->leaf)
		fail_msg("ACCEPT said %#llx", (unsigned long long)st.raw);
	if (get(&host_is_done))
		return false;
	tdcall(v, TDG_MEM_PAGE_ACCEPT, AREA + (a->done + a->already) % FRAMES * PAGE_SIZE, 0);
	return true;
}

static uint64_t accepts(void)
{
	return __atomic_load_n(&askers[0].done, __ATOMIC_RELAXED) +
	       __atomic_load_n(&askers[1].done, __ATOMIC_RELAXED);
}

static void *take_away(void *arg)
{
	unsigned busy = 0, taken = 0;

	(void)arg;
	machine_cpu(VCPUS);
	for (unsigned i = 0; i < ROUNDS_MAX && accepts() < ACCEPTS; i++) {
		int err = td_memory_convert(td, (gpa_t){ AREA + i % FRAMES * PAGE_SIZE }, PAGE_SIZE,
					    true);

		if (err && err != -EAGAIN)
			fail_msg("taking a page away: %d", err);
		busy += err != 0;
		taken += err == 0;
		sched_yield();
	}
	printf("the host took pages away %u times and was told to come again %u times\n", taken, busy);
	set(&host_is_done, 1);
	return NULL;
}

static void pages_that_the_host_takes_away_are_accepted_anew(void **state)
{
	pthread_t host;

	(void)state;
	start();
	host_is_done = 0;
	assert_int_equal(pthread_create(&host, NULL, take_away, NULL), 0);
	race(accept_what_goes_away);
	pthread_join(host, NULL);
	assert_true(accepts() >= ACCEPTS);
	assert_int_equal(td->private_pages, page_count(PAGE_TDX_PRIVATE));
	end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_of_two_accepts_of_a_page_succeeds),
		cmocka_unit_test(no_extension_is_lost_or_made_twice),
		cmocka_unit_test(pages_that_the_host_takes_away_are_accepted_anew),
	};
	int failures = softmod_run_versions(tests);

	tdx_fini();
	return failures;
}
