/*
 * smp.c - a trust domain with several vCPUs that work on one memory at the same time.
 *
 * Every vCPU adds to one counter and accepts its own pages; vCPU 0 waits for all, adds up, and powers
 * off. An accept of the same page by two vCPUs ends for one of them in "already accepted" or busy.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/guests/td/tdg.h"

#define OWN_GPA    UINT64_C(0x01000000) /* one 4K page a vCPU */
#define COMMON_GPA UINT64_C(0x01100000) /* pages that all accept */
#define PAGES      16
#define ROUNDS     1000

static uint32_t counter, arrived, accepted;

static void work(uint32_t index)
{
	volatile uint64_t *own = (volatile uint64_t *)(uintptr_t)(OWN_GPA + index * PAGE_SIZE);

	if (tdg_accept((uint64_t)(uintptr_t)own, 0))
		td_fatal("smp: own page");
	own[0] = index;
	for (unsigned i = 0; i < PAGES; i++) {
		uint64_t s;

		do
			s = tdg_accept(COMMON_GPA + i * PAGE_SIZE, 0);
		while (tdg_status(s) == TDG_OPERAND_BUSY);
		if (s == 0)
			__atomic_fetch_add(&accepted, 1, __ATOMIC_SEQ_CST);
		else if (tdg_status(s) != TDG_ALREADY_ACCEPTED)
			td_fatal("smp: common page");
	}
	for (unsigned i = 0; i < ROUNDS; i++)
		__atomic_fetch_add(&counter, 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&arrived, 1, __ATOMIC_SEQ_CST);
}

void td_main(uint32_t index, uint64_t boot_parameter, uint32_t width)
{
	struct td_info me = td_info();

	(void)boot_parameter, (void)width;
	td_init();
	work(index);
	if (index)
		td_halt();

	while (__atomic_load_n(&arrived, __ATOMIC_SEQ_CST) < me.vcpus)
		__builtin_ia32_pause();
	print("smp: %u of %u vCPUs, counter %u, common pages accepted %u\n", arrived, me.vcpus,
	      counter, accepted);
	td_check(counter == me.vcpus * ROUNDS, "nothing was lost");
	td_check(accepted == PAGES, "each common page was accepted once");
	if (td_failures())
		td_fatal("smp: failed");
	td_power_off();
}
