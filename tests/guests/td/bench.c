/*
 * bench.c - what a TDVMCALL, a TDCALL that stays in the module, and a CPUID cost a trust domain,
 * in ticks of its own time-stamp counter.
 *
 * The counter is read twice before and after and the second reading kept: an emulator may bring it up
 * to date only at the end of a run of instructions. The median of the rounds is printed.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/guests/td/tdg.h"

#define ROUNDS 101

static void nothing(void) {}
static void info_call(void) { (void)vmcall(VMCALL_GET_INFO, 0, 0, 0, 0, NULL); }
static void port_write(void) { (void)vmcall(VMCALL_IO, 1, 1, 0x80, 0, NULL); }

static void vp_info(void)
{
	struct td_regs r = { 0 };

	(void)tdcall(TDG_VP_INFO, &r);
}

static void cpuid_native(void)
{
	uint32_t r[4];

	cpuid_leaf(0x21, 0, r);
}

static void accept_next(void)
{
	static uint64_t gpa = 0x01000000;

	if (tdg_accept(gpa, 0))
		td_fatal("bench: accept");
	gpa += PAGE_SIZE;
}

/* clang-format off */
static const struct {
	const char *name;
	void (*run)(void);
} benches[] = {
	{ "nothing",                    nothing },
	{ "TDVMCALL GetTdVmCallInfo",   info_call },
	{ "TDVMCALL OUT to port 80h",   port_write },
	{ "TDCALL VP.INFO",             vp_info },
	{ "CPUID 21h",                  cpuid_native },
	{ "ACCEPT of a new 4K page",    accept_next },
};
/* clang-format on */

static uint64_t median(uint64_t *v, unsigned n)
{
	for (unsigned i = 1; i < n; i++) {
		uint64_t x = v[i];
		unsigned j = i;

		for (; j > 0 && v[j - 1] > x; j--)
			v[j] = v[j - 1];
		v[j] = x;
	}
	return v[n / 2];
}

void td_main(uint32_t index, uint64_t boot_parameter, uint32_t width)
{
	static uint64_t ticks[ROUNDS];

	(void)index, (void)boot_parameter, (void)width;
	td_init();
	for (unsigned b = 0; b < ARRAY_LEN(benches); b++) {
		for (unsigned i = 0; i < ROUNDS; i++) {
			(void)read_tsc();
			uint64_t start = read_tsc();

			benches[b].run();
			(void)read_tsc();
			ticks[i] = read_tsc() - start;
		}
		print("bench: %s: median %lu, first %lu ticks\n", benches[b].name,
		      median(ticks, ROUNDS), ticks[0]);
	}
	td_power_off();
}
