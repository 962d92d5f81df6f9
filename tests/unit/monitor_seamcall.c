/*
 * monitor_seamcall.c - SEAMCALLs by hand, against the software module's logic: the script of docs/
 * builds, runs and removes a TD; whatever is typed, Tain keeps its memory, and cleanup takes back
 * what the module gives back.
 *
 * links: tests/host/tdx/softmod.c tdx/[a-z]*.c tdx/abi/[a-z]*.c tdx/soft/[a-z]*.c mmu/[a-z]*.c
 *   kernel/base/sha384.c kernel/base/trace.c kernel/machine/vtimer.c kernel/platform/[a-z]*.c
 *   kernel/monitor/command.c kernel/monitor/words.c kernel/monitor/out.c kernel/monitor/script.c
 *   kernel/monitor/vars.c kernel/monitor/cmd_script.c kernel/monitor/cmd_seamcall.c
 *   kernel/monitor/seam_words.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/machine/port.h"
#include "kernel/machine/time.h"
#include "kernel/monitor/command.h"
#include "kernel/monitor/hand_entry.h"
#include "kernel/monitor/monitor.h"
#include "kernel/monitor/script.h"
#include "kernel/monitor/script.h"
#include "kernel/monitor/vars.h"
#include "tdx/abi/leaf.h"
#include "tdx/abi/leaf_operand.h"
#include "tdx/keyid.h"
#include "tdx/state.h"
#include "tests/host/machine.h"
#include "tests/host/tdx/softmod.h"

#define MEMORY (UINT64_C(256) << 20)
#define SCRIPT "docs/td-by-hand.script"

/* ---- what the commands have around them in the image ---- */

#define NO_COMMANDS                                                           \
	{                                                                     \
		{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL }, \
	}
static int cmd_nothing(struct call *c)
{
	(void)c;
	return 0;
}
const struct command basic_commands[] = {
	{ "need", "WORD", "", cmd_nothing, 1, 1, COMPLETE_NOTHING, 0, NULL },
	{ "echo", "WORD...", "", cmd_nothing, 0, 9, COMPLETE_NOTHING, 0, NULL },
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
const struct command machine_commands[] = NO_COMMANDS, guest_commands[] = NO_COMMANDS,
		     trace_commands[] = NO_COMMANDS, check_commands[] = NO_COMMANDS,
		     tdx_commands[] = NO_COMMANDS, inject_commands[] = NO_COMMANDS,
		     bench_commands[] = NO_COMMANDS, mmu_commands[] = NO_COMMANDS,
		     gdb_commands[] = NO_COMMANDS, look_commands[] = NO_COMMANDS,
		     look_td_commands[] = NO_COMMANDS, debug_commands[] = NO_COMMANDS,
		     hardware_commands[] = NO_COMMANDS, net_commands[] = NO_COMMANDS,
		     seamldr_commands[] = NO_COMMANDS, use_commands[] = NO_COMMANDS, lan_commands[] = NO_COMMANDS;

uint64_t time_us(void) { return 0; }
bool monitor_interrupted(void) { return false; }
enum wait_end monitor_wait(bool (*done)(void *arg), void *arg, uint64_t timeout_us)
{
	(void)done;
	(void)arg;
	(void)timeout_us;
	return WAIT_DONE;
}

static uint64_t entry_begin(void) { return 1; }
static void entry_end(uint64_t from_begin) { assert_int_equal(from_begin, 1); }
const struct hand_bounds hand_entry_bounds = { entry_begin, entry_end };

static char printed[1 << 20];
static size_t printed_length;

static void keep(void *ctx, const char *text, size_t n)
{
	(void)ctx;
	if (printed_length + n >= sizeof(printed))
		printed_length = 0;
	memcpy(printed + printed_length, text, n);
	printed_length += n;
	printed[printed_length] = 0;
}

bool monitor_run_line(const char *text)
{
	char line[1024];
	bool verdict = false;

	snprintf(line, sizeof(line), "%s", text);
	return command_run(line, keep, NULL, &verdict) != COMMAND_FAILED;
}

static bool types(const char *line)
{
	printed_length = 0;
	printed[0] = 0;
	return monitor_run_line(line);
}

static void refuses(const char *line, const char *part)
{
	if (types(line) || !strstr(printed, part))
		fail_msg("%s: not refused with '%s' but:\n%s", line, part, printed);
}

static void does(const char *line)
{
	if (!types(line))
		fail_msg("%s:\n%s", line, printed);
}

static uint64_t value_of(const char *expression_text)
{
	uint64_t value;
	char why[120];

	if (expression(expression_text, &value, why, sizeof(why)))
		fail_msg("%s: %s", expression_text, why);
	return value;
}

static uint64_t control_pages, leaked_pages;

static void begin(void)
{
	softmod_start(MEMORY, 4, 52);
	assert_int_equal(tdx_init(softmod_host()), 0);
	control_pages = page_count(PAGE_TDX_CONTROL);
	leaked_pages = page_count(PAGE_LEAKED);
}

static void nothing_is_lent(void)
{
	assert_int_equal(page_count(PAGE_TDX_CONTROL), control_pages);
	assert_int_equal(keyid_counts().used, 0);
	assert_int_equal(hand_lent().pages, 0);
}

static void end(void)
{
	softmod_guest = NULL;
	tdx_fini();
}

/* ---- the script of docs/ ---- */

/* The guest of the script: a TDVMCALL for each letter, then HLT for ever. */
static unsigned entries;

static void letters(struct soft_vcpu *v, struct soft_exit *x)
{
	static const char word[] = "Tain";

	x->reason = 77;
	v->gpr.rax = 0;
	v->gpr.rcx = 0xfc00;
	v->gpr.r10 = 0;
	v->gpr.r11 = entries < 4 ? 30 : 12;
	v->gpr.r12 = v->gpr.r13 = 1;
	v->gpr.r14 = 0x3f8;
	v->gpr.r15 = entries < 4 ? (uint64_t)word[entries] : 0;
	entries++;
}

static enum script_step run_step(void *ctx, const char *line)
{
	(void)ctx;
	/* The desk has four CPUs in two packages; the script is for a machine with one. */
	if (strstr(line, "key.config") && !monitor_run_line("tdh mng.key.config tdr=$tdr cpu=2 is SUCCESS"))
		return SCRIPT_FAILED;
	if (strstr(line, "cache.wb") && !monitor_run_line("tdh phymem.cache.wb cpu=2 is SUCCESS"))
		return SCRIPT_FAILED;
	return monitor_run_line(line) ? SCRIPT_GO_ON : SCRIPT_FAILED;
}

/* Pages are lent in powers of two. */
static unsigned lent_for(unsigned pages)
{
	unsigned lent = 1;

	while (lent < pages)
		lent *= 2;
	return lent;
}

static void the_documented_script_runs_to_its_end(void **state)
{
	static char text[65536];
	FILE *file = fopen(SCRIPT, "r");
	char freed[20];
	size_t size;
	unsigned line;

	(void)state;
	assert_non_null(file);
	size = fread(text, 1, sizeof(text), file);
	fclose(file);
	begin();
	softmod_guest = letters;
	entries = 0;
	line = script_run(text, size, run_step, NULL);
	if (line)
		fail_msg(SCRIPT ":%u fails:\n%s", line, printed);
	assert_int_equal(entries, 5);
	snprintf(freed, sizeof(freed), "freed: %u",
		 15 + lent_for(softmod_profile->tdcs_pages) + lent_for(softmod_profile->tdvps_pages));
	assert_non_null(strstr(printed, freed));
	assert_non_null(strstr(printed, "reclaimed: 0")); /* the script did it */
	nothing_is_lent();
	assert_int_equal(page_count(PAGE_LEAKED), leaked_pages);
	end();
}

/* ---- cleanup ---- */

static const char *const build[] = {
	"tdh sys.rd field=TDCS_BASE_SIZE is SUCCESS",
	"let tdcs_pages = $r8 / 4096",
	"tdh sys.rd field=TDVPS_BASE_SIZE is SUCCESS",
	"let vp_pages = $r8 / 4096",
	"tdh sys.rd field=ATTRIBUTES_FIXED1 is SUCCESS",
	"let attributes = 1 | $r8",
	"page tdr",
	"keyid hkid",
	"tdh mng.create tdr=$tdr hkid=$hkid is SUCCESS",
	"tdh mng.key.config tdr=$tdr is SUCCESS",
	"tdh mng.key.config tdr=$tdr cpu=2 is SUCCESS",
	"page tdcs $tdcs_pages",
	"for i in 0..$tdcs_pages do tdh mng.addcx page=$tdcs+$i*4K tdr=$tdr is SUCCESS",
	"page params",
	"put $params $attributes 3 2:2",
	"put $params+24 0x1e",
	"put $params+40 40:2",
	"tdh mng.init tdr=$tdr params=$params is SUCCESS",
	"page vp $vp_pages",
	"tdh vp.create vp=$vp tdr=$tdr is SUCCESS",
	"for i in 1..$vp_pages do tdh vp.addcx page=$vp+$i*4K vp=$vp is SUCCESS",
	"tdh vp.init vp=$vp initial=7 cpu=1 is SUCCESS",
	"page sept 3",
	"for i in 0..3 do tdh mem.sept.add gpa=0 level=3-$i tdr=$tdr page=$sept+$i*4K is SUCCESS",
	"page source",
	"page small",
	"tdh mem.page.add gpa=0 tdr=$tdr page=$small source=$source is SUCCESS",
	"tdh mr.finalize tdr=$tdr is SUCCESS",
	"page large 512",
	"tdh mem.page.aug gpa=0x200000 level=1 tdr=$tdr page=$large",
};

/* A TD left behind after any step goes whole. */
static void cleanup_takes_a_td_back_from_any_step(void **state)
{
	(void)state;
	for (size_t steps = 1; steps <= ARRAY_LEN(build); steps++) {
		begin();
		for (size_t i = 0; i < steps; i++)
			does(build[i]);
		does("cleanup");
		nothing_is_lent();
		assert_int_equal(page_count(PAGE_LEAKED), leaked_pages);
		end();
	}
}

/* The 2M page of the last step is really the module's before cleanup. */
static void a_large_page_comes_back(void **state)
{
	(void)state;
	begin();
	for (size_t i = 0; i < ARRAY_LEN(build); i++)
		does(build[i]);
	refuses("get $large+0x1000", "the module has it");
	refuses("put $small 1", "the module has it");
	does("get $source");
	does("cleanup");
	nothing_is_lent();
	end();
}

/* Split by hand, on a module with dynamic PAMT: the pages that describe the pieces are lent ones too. */
static void a_large_page_is_split_by_hand(void **state)
{
	(void)state;
	begin();
	if (softmod_profile->features0 & SOFT_F_DYNAMIC_PAMT) {
		for (size_t i = 0; i < ARRAY_LEN(build); i++)
			does(build[i]);
		does("page table");
		does("page half0");
		does("page half1");
		does("tdh mem.range.block gpa=0x200000 level=1 tdr=$tdr is SUCCESS");
		does("tdh mem.track tdr=$tdr is SUCCESS");
		does("tdh mem.page.demote gpa=0x200000 level=1 tdr=$tdr page=$table pamt_0=$half0 "
		     "pamt_1=0x1000 is OPERAND_ADDR_RANGE_ERROR");
		does("tdh mem.page.demote gpa=0x200000 level=1 tdr=$tdr page=$table pamt_0=$half0 "
		     "pamt_1=$half0 is PAGE_NOT_FREE");
		does("tdh mem.page.demote gpa=0x200000 level=1 tdr=$tdr page=$table pamt_0=$half0 "
		     "pamt_1=$half1 is SUCCESS");
		refuses("get $half0", "the module has it");
		does("cleanup");
		nothing_is_lent();
	}
	end();
}

/* The names of CPUID values lead to fields that the module has, and to no other. */
static void cpuid_values_are_read_by_name(void **state)
{
	(void)state;
	begin();
	for (size_t i = 0; i < ARRAY_LEN(build); i++)
		does(build[i]);
	does("tdh mng.rd tdr=$tdr field=CPUID_VALUES[0] is SUCCESS");
	assert_int_equal(value_of("$r8") >> 32, 0x756e6547); /* EBX: "Genu" */
	does("tdh mng.rd tdr=$tdr field=CPUID_VALUES[0][1] is SUCCESS");
	assert_int_equal(value_of("$r8"), UINT64_C(0x49656e696c65746e)); /* EDX, ECX: "ineIntel" */
	does("tdh mng.rd tdr=$tdr field=CPUID_VALUES[7.0] is SUCCESS");
	does("tdh mng.rd tdr=$tdr field=CPUID_VALUES[0x80000008] is SUCCESS");
	does("tdh mng.rd tdr=$tdr field=CPUID_VALUES[7] is METADATA_FIELD_ID_INCORRECT");
	does("tdh mng.rd tdr=$tdr field=CPUID_VALUES[0x7f] is METADATA_FIELD_ID_INCORRECT");
	does("cleanup");
	nothing_is_lent();
	end();
}

static void what_the_module_keeps_is_leaked_and_counted(void **state)
{
	char keeps[40];

	(void)state;
	begin();
	for (size_t i = 0; i < 6 + 7; i++) /* what it wants, then TDR and TDCS */
		does(build[i]);
	does("page untouched 4");
	softmod_unload();
	snprintf(keeps, sizeof(keeps), "the module keeps %u pages", 1 + softmod_profile->tdcs_pages);
	refuses("cleanup", keeps);
	assert_int_equal(page_count(PAGE_LEAKED), leaked_pages + 1 + softmod_profile->tdcs_pages);
	assert_int_equal(page_count(PAGE_TDX_CONTROL), control_pages);
	assert_int_equal(keyid_counts().leaked, 1);
	end();
}

/* ---- what must not be ---- */

static void memory_of_tains_is_not_handed_over(void **state)
{
	hpa_t kernel;
	char line[200];

	(void)state;
	begin();
	kernel = page_alloc(PAGE_KERNEL);
	does("page tdr");
	does("keyid hkid");
	(void)!vars_set("kernel", kernel.v);
	refuses("tdh mng.create tdr=$kernel hkid=$hkid", "is no page of yours");
	refuses("tdh mng.create tdr=$tdr hkid=$hkid+1", "is free: `keyid NAME` lends one");
	refuses("seamcall 9 rcx=$kernel rdx=$hkid", "is no page of yours");
	refuses("tdh sys.rdall page=$kernel", "the module writes there");
	refuses("tdh sys.info info=$tdr cmrs=$kernel", "the module writes there");
	refuses("tdh sys.config list=$tdr count=1 hkid=32", "hands memory of Tain's");
	refuses("seamcall 96 rcx=$kernel", "operands are not known");
	refuses("seamcall 68 r9=$kernel", "operands are not known");
	refuses("seamcall 0x8000000000000001", "P-SEAMLDR");
	/* A large page that only begins in a page on loan. */
	does("page one");
	refuses("tdh mem.page.aug gpa=0 level=1 tdr=$tdr page=$one", "is no page of yours");
	/* The same words with a page on loan get as far as the module. */
	does("tdh mng.create tdr=$tdr hkid=$hkid is SUCCESS");
	does("seamcall 96 rcx=$tdr");
	does("cleanup");
	nothing_is_lent();
	snprintf(line, sizeof(line), "print %llu", (unsigned long long)kernel.v);
	does(line);
	page_free(kernel, PAGE_KERNEL);
	end();
}

static void words_that_are_no_good_call_nothing(void **state)
{
	uint64_t calls;

	(void)state;
	begin();
	does("page p");
	calls = tdx_call_ticks();
	refuses("tdh mem.page.add gpa=0 tdr=$p page=$p", "needs source=");
	refuses("tdh mem.page.add colour=1", "no operand; this leaf has: gpa [level] tdr page source");
	refuses("tdh mng.rd tdr=$p field=NO_SUCH_FIELD", "no metadata field 'NO_SUCH_FIELD'");
	refuses("tdh mng.rd tdr=$p field=MRTD[6]", "no metadata field");
	refuses("tdh no.such.leaf", "is no leaf");
	refuses("tdh mem.sept.wr", "have no names here");
	refuses("seamcall 11 rcx", "expected NAME=VALUE");
	refuses("seamcall 11 rcx=1/0", "a division by zero");
	refuses("seamcall 11 cpu=99", "no CPU 99");
	refuses("seamcall 11 rcx=$nothing", "no variable 'nothing'");
	refuses("seamcall 11 rsp=1", "is no register");
	refuses("page 7up", "is no name");
	refuses("page p 513", "1 to 512 pages");
	refuses("put $p 1:3", "1, 2, 4 or 8 bytes");
	refuses("put $p x:123", "two hexadecimal digits");
	refuses("put $p+4090 1", "no memory of yours");
	refuses("get 0x1000", "no memory of yours");
	assert_int_equal(tdx_call_ticks(), calls);
	does("cleanup");
	end();
}

static void an_answer_is_kept_and_judged(void **state)
{
	struct seam_regs r;

	(void)state;
	begin();
	does("tdh sys.rd field=TDCS_BASE_SIZE");
	assert_int_equal(value_of("$r8"), softmod_profile->tdcs_pages * PAGE_SIZE);
	assert_int_equal(value_of("$status"), 0);
	does("seamcall TDH.SYS.RD rdx=0x9800000100000100 is success");
	refuses("tdh sys.rd field=0x123 is SUCCESS", "TDX_METADATA_FIELD_ID_INCORRECT");
	does("tdh sys.rd field=0x123 is TDX_METADATA_FIELD_ID_INCORRECT");
	assert_true(hand_last(&r));
	assert_int_equal(r.rax, value_of("$status"));
	does("tdh sys.rd field=NUM_CMRS --json");
	assert_non_null(strstr(printed, "\"name\": \"TDH.SYS.RD\", \"status\": \"TDX_SUCCESS\""));
	does("cleanup");
	refuses("print $r8", "no variable 'r8'");
	end();
}

/* ---- at random ---- */

static uint64_t seed = 88172645463325252;

static uint64_t random_number(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static uint64_t random_operand(const hpa_t *mine, hpa_t kernel)
{
	switch (random_number() % 8) {
	case 0:
		return random_number();
	case 1:
		return kernel.v;
	case 2:
		return random_number() % 64;
	case 3:
		return (random_number() % 16) << 12 | random_number() % 4;
	case 4:
		return (random_number() % 4) << 21 | 1;
	default:
		return mine[random_number() % 8].v;
	}
}

/* Whatever is typed: what is Tain's stays Tain's, and at the end all is back or counted. */
static void the_console_survives_whatever_is_typed(void **state)
{
	hpa_t kernel, mine[8];
	char line[400], name[8];
	uint64_t *word, free_before;

	(void)state;
	begin();
	machine_log_clear();
	kernel = page_alloc(PAGE_KERNEL);
	word = hpa_to_ptr(kernel);
	*word = 0x5a5a5a5a;
	/* Page pairs that describe what is leaked stay with it. */
	free_before = page_count(PAGE_FREE) + page_count(PAGE_TDX_PAMT);
	for (unsigned round = 0; round < 40; round++) {
		/* With dynamic PAMT a module that was shut down by hand takes no page any more. */
		if (machine_logged("PAMT.ADD: TDX_SYS_SHUTDOWN"))
			break;
		for (unsigned i = 0; i < ARRAY_LEN(mine); i++) {
			snprintf(line, sizeof(line), "page m%u", i);
			if (!types(line) && !machine_logged("PAMT.ADD: TDX_SYS_SHUTDOWN"))
				fail_msg("%s:\n%s", line, printed);
			snprintf(name, sizeof(name), "$m%u", i);
			mine[i].v = value_of(name);
		}
		for (size_t i = 0; i < random_number() % ARRAY_LEN(build); i++)
			(void)types(build[i]);
		for (unsigned i = 0; i < 300; i++) {
			snprintf(line, sizeof(line),
				 "seamcall %u rcx=%llu rdx=%llu r8=%llu r9=%llu cpu=%u",
				 (unsigned)(random_number() % 100),
				 (unsigned long long)random_operand(mine, kernel),
				 (unsigned long long)random_operand(mine, kernel),
				 (unsigned long long)random_operand(mine, kernel),
				 (unsigned long long)random_operand(mine, kernel),
				 (unsigned)(random_number() % 4));
			(void)types(line);
			assert_int_equal(*word, 0x5a5a5a5a);
		}
		(void)types("cleanup");
		assert_int_equal(hand_lent().pages, 0);
		assert_int_equal(page_count(PAGE_TDX_CONTROL), control_pages);
	}
	assert_int_equal(page_count(PAGE_FREE) + page_count(PAGE_TDX_PAMT) + page_count(PAGE_LEAKED),
			 free_before + leaked_pages);
	page_free(kernel, PAGE_KERNEL);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_documented_script_runs_to_its_end),
		cmocka_unit_test(cleanup_takes_a_td_back_from_any_step),
		cmocka_unit_test(a_large_page_comes_back),
		cmocka_unit_test(a_large_page_is_split_by_hand),
		cmocka_unit_test(cpuid_values_are_read_by_name),
		cmocka_unit_test(what_the_module_keeps_is_leaked_and_counted),
		cmocka_unit_test(memory_of_tains_is_not_handed_over),
		cmocka_unit_test(words_that_are_no_good_call_nothing),
		cmocka_unit_test(an_answer_is_kept_and_judged),
		cmocka_unit_test(the_console_survives_whatever_is_typed),
	};

	return softmod_run_versions(tests);
}
