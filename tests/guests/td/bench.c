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

#define BLOCKS     UINT64_C(0x01400000) /* 2M each */
#define BLOCKS_END UINT64_C(0x01e00000)

static uint64_t shared, block = BLOCKS;

static void accept_block(void)
{
	if (tdg_accept(block, 1))
		td_fatal("bench: accept of 2M");
	block += SIZE_2M;
}

static void map_gpa(bool to_shared)
{
	block -= SIZE_2M;
	if (vmcall(VMCALL_MAP_GPA, to_shared ? block | shared : block, SIZE_2M, 0, 0, NULL))
		td_fatal("bench: MapGPA");
}

static void make_shared(void) { map_gpa(true); }
static void make_private(void) { map_gpa(false); }

/* After one pass downwards the next begins at the top again. */
static void rewind_blocks(void) { block = BLOCKS_END; }

/* clang-format off */
static const struct {
	const char *name;
	void (*run)(void);
	unsigned rounds;     /* 0: ROUNDS */
	void (*after)(void); /* not measured */
} benches[] = {
	{ "nothing", nothing, 0, NULL },
	{ "TDVMCALL GetTdVmCallInfo", info_call, 0, NULL },
	{ "TDVMCALL OUT to port 80h", port_write, 0, NULL },
	{ "TDCALL VP.INFO", vp_info, 0, NULL },
	{ "CPUID 21h", cpuid_native, 0, NULL },
	{ "ACCEPT of a new 4K page", accept_next, 0, NULL },
	{ "ACCEPT of a new 2M page",    accept_block, 5, NULL },
	{ "MapGPA of a 2M page to shared",        make_shared,  5, rewind_blocks },
	{ "MapGPA of 2M to private, never used",  make_private, 5, NULL },
	{ "ACCEPT of 2M that was converted",      accept_block, 5, rewind_blocks },
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

	(void)index, (void)boot_parameter;
	shared = BIT64((width & 0x3f) - 1);
	td_init();
	for (unsigned b = 0; b < ARRAY_LEN(benches); b++) {
		unsigned rounds = benches[b].rounds ? benches[b].rounds : ROUNDS;

		for (unsigned i = 0; i < rounds; i++) {
			(void)read_tsc();
			uint64_t start = read_tsc();

			benches[b].run();
			(void)read_tsc();
			ticks[i] = read_tsc() - start;
		}
		print("bench: %s: median %lu, first %lu ticks\n", benches[b].name,
		      median(ticks, rounds), ticks[0]);
		if (benches[b].after)
			benches[b].after();
	}
	td_power_off();
}
