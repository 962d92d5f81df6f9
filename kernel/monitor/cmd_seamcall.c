/*
 * cmd_seamcall.c - SEAMCALLs by hand: any leaf with chosen registers, named leaves with named
 * operands, pages and KeyIDs on loan, and the way back.
 *
 * Invariants
 *   - A call is made once, as it was asked for: no retry, nothing before or after it. Its answer is
 *     printed and kept in variables; that it is an error is no error of the command, unless
 *     `is STATUS` was said.
 *   - What would take memory from Tain is refused before it is called (tdx/by_hand.h).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/machine/port.h"
#include "kernel/monitor/command.h"
#include "kernel/monitor/hand_entry.h"
#include "kernel/monitor/seam_words.h"
#include "kernel/monitor/vars.h"
#include "tdx/abi/exit.h"
#include "tdx/abi/explain.h"
#include "tdx/abi/layout.h"
#include "tdx/abi/leaf.h"
#include "tdx/abi/leaf_operand.h"
#include "tdx/abi/sept.h"
#include "tdx/by_hand.h"

#define WHY_BYTES 200

typedef unsigned long long ull;

/* ------------------------------------------------------------------ the answer */

/* Entry information of the leaves that look at the Secure EPT, whether they failed or not. */
static void say_entry(struct out *o, const struct seam_regs *r)
{
	struct sept_info e = sept_decode(r->rcx, r->rdx);
	const char *state = sept_state_name(e.state);

	out_printf(o, "  entry: level %d, %s, page 0x%llx, raw 0x%llx\n", e.level - 1,
		   state ? state : "?", (ull)e.page.v, (ull)r->rcx);
}

static void say_page(struct out *o, const struct seam_regs *r)
{
	static const char *const sizes[] = { "4K", "2M", "1G", "?" };
	const char *type = pamt_type_name((unsigned)r->rcx);

	out_printf(o, "  page: %s, owner 0x%llx, %s\n", type ? type : "?", (ull)r->rdx,
		   sizes[r->r8 & 3]);
}

static void say_exit(struct out *o, const struct seam_regs *r)
{
	uint32_t basic = (uint32_t)(r->rax & TDX_EXIT_BASIC);
	const char *name = tdx_exit_name(basic), *sub;

	out_printf(o, "  exit: %s(%u)\n", name ? name : "?", basic);
	if (basic != TDX_EXIT_TDCALL)
		return;
	sub = r->r10 == 0 ? tdvmcall_name(r->r11) : NULL;
	out_printf(o, "  TDVMCALL %s(0x%llx): r12 0x%llx r13 0x%llx r14 0x%llx r15 0x%llx\n",
		   sub ? sub : r->r10 ? "of the guest's own" : "?", (ull)r->r11, (ull)r->r12,
		   (ull)r->r13, (ull)r->r14, (ull)r->r15);
}

/* What the words of an answer mean, for the leaves where they do not speak for themselves. */
static const struct {
	uint16_t leaf;
	bool also_failed;
	void (*say)(struct out *o, const struct seam_regs *r);
} meanings[] = {
	{ TDH_MEM_SEPT_RD, true, say_entry },      { TDH_PHYMEM_PAGE_RDMD, false, say_page },
	{ TDH_PHYMEM_PAGE_RECLAIM, false, say_page }, { TDH_VP_ENTER, false, say_exit },
};

static void say_meaning(struct out *o, uint64_t leaf, const struct seam_regs *r)
{
	bool ok = tdx_ok((tdx_status_t){ r->rax });

	for (size_t i = 0; i < ARRAY_LEN(meanings); i++)
		if (meanings[i].leaf == leaf && (ok || meanings[i].also_failed))
			meanings[i].say(o, r);
}

static void answer_text(struct out *o, uint64_t leaf, const struct seam_regs *in,
			const struct seam_regs *r, const char *status, uint64_t ticks)
{
	const char *name = tdh_leaf_name(leaf);
	char changed[400] = "";
	size_t used = 0;

	for (unsigned i = 1; i < TDX_REGISTERS && used < sizeof(changed); i++) {
		uint64_t was, is;

		memcpy(&was, (const uint64_t *)(const void *)in + i, sizeof(was));
		memcpy(&is, (const uint64_t *)(const void *)r + i, sizeof(is));
		if (was != is)
			used += (size_t)snprintf(changed + used, sizeof(changed) - used,
						 "%s%s 0x%llx", used ? " " : "; ",
						 tdx_register_name(i), (ull)is);
	}
	out_printf(o, "%s: %s, %llu ticks%s\n", name ? name : "leaf", status, (ull)ticks, changed);
	say_meaning(o, leaf, r);
}

static void answer_json(struct out *o, uint64_t leaf, struct seam_regs *r, const char *status,
			uint64_t ticks)
{
	const char *name = tdh_leaf_name(leaf);

	out_record(o);
	out_number(o, "leaf", leaf);
	out_text(o, "name", name ? name : "");
	out_text(o, "status", status);
	out_number(o, "ticks", ticks);
	for (unsigned i = 0; i < TDX_REGISTERS; i++)
		if (tdx_register_by_name(tdx_register_name(i)) >= 0)
			out_hex(o, tdx_register_name(i), *tdx_register(r, i));
	out_end(o);
}

/* $rcx and its like, and $status. A table of variables that is full keeps its old values. */
static void keep_answer(struct seam_regs *r)
{
	for (unsigned i = 0; i < TDX_REGISTERS; i++)
		if (tdx_register_by_name(tdx_register_name(i)) >= 0)
			(void)!vars_set(tdx_register_name(i), *tdx_register(r, i));
	(void)!vars_set("status", r->rax);
}

/* ------------------------------------------------------------------ the call */

static int call_leaf(struct call *c, uint64_t leaf, bool named)
{
	struct seam_words w;
	struct seam_regs in;
	char why[WHY_BYTES], status[120];
	const char *refusal;
	uint64_t ticks;
	tdx_status_t st;

	if (seam_words(leaf, named, c->argv + 1, c->argc - 1, &w, why, sizeof(why)) != 0)
		return command_fail(c, "%s", why);
	refusal = hand_refusal(&w.regs, why, sizeof(why));
	if (refusal)
		return command_fail(c, "%s", refusal);
	in = w.regs;
	st = hand_call(&w.regs, w.cpu, &hand_entry_bounds, &ticks);
	keep_answer(&w.regs);
	tdx_status_text(st, status, sizeof(status));
	if (c->json)
		answer_json(c->out, leaf & TDX_RAX_LEAF, &w.regs, status, ticks);
	else
		answer_text(c->out, leaf & TDX_RAX_LEAF, &in, &w.regs, status, ticks);
	if (w.expected && !tdx_status_is_named(st, w.expected))
		return command_fail(c, "the status is %s, not %s", status, w.expected);
	return 0;
}

static int cmd_seamcall(struct call *c)
{
	char why[WHY_BYTES];
	int64_t leaf;
	uint64_t number;

	if (tdx_parse_leaf(c->argv[0], &leaf) == 0 && leaf < TDX_LEAF_SEAMLDR)
		return call_leaf(c, (uint64_t)leaf, false);
	if (expression(c->argv[0], &number, why, sizeof(why)) != 0)
		return command_fail(c, "'%.40s' is no leaf: expected its number or name",
				    c->argv[0]);
	return call_leaf(c, number, false);
}

static int list_leaves(struct call *c)
{
	const struct tdx_leaf_operand *op;

	out_table(c->out);
	for (unsigned leaf = 0; leaf < TDH_LEAF_LIMIT; leaf++) {
		char text[160];
		size_t used = 0;

		text[0] = 0;
		if (!tdx_leaf_operand(leaf, 0))
			continue;
		for (unsigned i = 0; (op = tdx_leaf_operand(leaf, i)) && used < sizeof(text); i++)
			used += (size_t)snprintf(text + used, sizeof(text) - used,
						 op->optional ? "%s[%s=%s]" : "%s%s=%s",
						 i ? " " : "", op->name, tdx_register_name(op->reg));
		out_row(c->out);
		out_number(c->out, "leaf", leaf);
		out_text(c->out, "name", tdh_leaf_name(leaf));
		out_text(c->out, "operands", text);
	}
	out_end(c->out);
	return 0;
}

static int cmd_tdh(struct call *c)
{
	int64_t leaf;

	if (c->argc == 0)
		return list_leaves(c);
	if (tdx_parse_leaf(c->argv[0], &leaf) != 0 || leaf >= TDX_LEAF_SEAMLDR)
		return command_fail(c, "'%.40s' is no leaf: `tdh` lists them", c->argv[0]);
	if (!tdx_leaf_operand((uint64_t)leaf, 0))
		return command_fail(c, "the operands of %s have no names here: use seamcall",
				    tdh_leaf_name((uint64_t)leaf));
	return call_leaf(c, (uint64_t)leaf, true);
}

/* ------------------------------------------------------------------ on loan */

static int set_variable(struct call *c, const char *name, uint64_t value)
{
	if (vars_set(name, value) == 0)
		return 0;
	return command_fail(c, "'%.30s' is no name for a variable", name);
}

static int cmd_page(struct call *c)
{
	char why[WHY_BYTES];
	uint64_t count = 1;
	hpa_t base;

	if (c->argc == 2 && expression(c->argv[1], &count, why, sizeof(why)) != 0)
		return command_fail(c, "%s", why);
	if (count == 0 || count > HAND_PAGES_MAX)
		return command_fail(c, "expected: 1 to %u pages", HAND_PAGES_MAX);
	if (set_variable(c, c->argv[0], 0))
		return -1;
	switch (hand_pages((unsigned)count, &base)) {
	case 0:
		break;
	case -ENODEV:
		return command_fail(c, "no TDX module is ready");
	case -ENOSPC:
		return command_fail(c, "too many pieces are on loan: `cleanup` takes them back");
	default:
		return command_fail(c, "no memory");
	}
	out_printf(c->out, "%s = 0x%llx, %llu pages\n", c->argv[0], (ull)base.v, (ull)count);
	return set_variable(c, c->argv[0], base.v);
}

static int cmd_keyid(struct call *c)
{
	uint16_t keyid;

	if (set_variable(c, c->argv[0], 0))
		return -1;
	switch (hand_keyid(&keyid)) {
	case 0:
		break;
	case -ENODEV:
		return command_fail(c, "no TDX module is ready");
	default:
		return command_fail(c, "no KeyID is free");
	}
	out_printf(c->out, "%s = %u\n", c->argv[0], keyid);
	return set_variable(c, c->argv[0], keyid);
}

/* ------------------------------------------------------------------ memory on loan */

static uint8_t *borrowed(struct call *c, uint64_t at, uint64_t bytes)
{
	uint8_t *memory = hand_memory(at, bytes);

	if (!memory)
		command_fail(c, "0x%llx: no memory of yours, or the module has it", (ull)at);
	return memory;
}

static int hex_digit(char ch)
{
	if (ch >= '0' && ch <= '9')
		return ch - '0';
	ch = (char)(ch | 0x20);
	return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

/* x:HEXDIGITS: bytes in their order. */
static int put_bytes(struct call *c, uint64_t *at, const char *digits)
{
	for (; *digits; digits += 2, ++*at) {
		int high = hex_digit(digits[0]), low = high < 0 ? -1 : hex_digit(digits[1]);
		uint8_t *memory;

		if (low < 0)
			return command_fail(c, "'%.20s': expected two hexadecimal digits a byte",
					    digits);
		memory = borrowed(c, *at, 1);
		if (!memory)
			return -1;
		*memory = (uint8_t)(high << 4 | low);
	}
	return 0;
}

/* VALUE, 8 bytes, or VALUE:BYTES; lowest byte first. */
static int put_value(struct call *c, uint64_t *at, char *word)
{
	char *colon = strchr(word, ':'), why[WHY_BYTES];
	uint64_t value, bytes = 8;
	uint8_t *memory;

	if (colon) {
		*colon = 0;
		if (expression(colon + 1, &bytes, why, sizeof(why)) != 0)
			return command_fail(c, "%s", why);
	}
	if (bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8)
		return command_fail(c, "a value has 1, 2, 4 or 8 bytes");
	if (expression(word, &value, why, sizeof(why)) != 0)
		return command_fail(c, "%s", why);
	memory = borrowed(c, *at, bytes);
	if (!memory)
		return -1;
	memcpy(memory, &value, bytes);
	*at += bytes;
	return 0;
}

static int cmd_put(struct call *c)
{
	char why[WHY_BYTES];
	uint64_t at;

	if (expression(c->argv[0], &at, why, sizeof(why)) != 0)
		return command_fail(c, "%s", why);
	for (int i = 1; i < c->argc; i++)
		if (strncmp(c->argv[i], "x:", 2) == 0 ? put_bytes(c, &at, c->argv[i] + 2)
						      : put_value(c, &at, c->argv[i]))
			return -1;
	return 0;
}

static int cmd_get(struct call *c)
{
	char why[WHY_BYTES];
	uint64_t at, value;
	uint8_t *memory;

	if (expression(c->argv[0], &at, why, sizeof(why)) != 0)
		return command_fail(c, "%s", why);
	memory = borrowed(c, at, sizeof(value));
	if (!memory)
		return -1;
	memcpy(&value, memory, sizeof(value));
	(void)!vars_set("value", value);
	out_record(c->out);
	out_hex(c->out, "value", value);
	out_end(c->out);
	return 0;
}

/* ------------------------------------------------------------------ the way back */

static int cmd_cleanup(struct call *c)
{
	struct hand_counts n = hand_cleanup();

	vars_clear();
	out_record(c->out);
	out_number(c->out, "pages", n.pages);
	out_number(c->out, "reclaimed", n.reclaimed);
	out_number(c->out, "freed", n.freed);
	out_number(c->out, "leaked", n.leaked);
	out_number(c->out, "keyids", n.keyids);
	out_number(c->out, "keyids_leaked", n.keyids_leaked);
	out_end(c->out);
	if (n.leaked || n.keyids_leaked)
		return command_fail(c, "the module keeps %llu pages: they are never used again",
				    (ull)n.leaked);
	return 0;
}

/* clang-format off */
const struct command seamcall_commands[] = {
	{ "seamcall", "LEAF [REG=VALUE]... [cpu=N] [is STATUS]", "any SEAMCALL with chosen registers",
	  cmd_seamcall, 1, 20, COMPLETE_NOTHING, COMMAND_JSON | COMMAND_VERDICT,
	  "    LEAF: its number (with a version in bits 23:16) or name. Registers: rcx to r15; what is not\n"
	  "    said is 0. The answer's registers are in $rax, $rcx, ...; `is`: fail if the status differs." },
	{ "tdh", "[LEAF OPERAND=VALUE... [REG=VALUE]... [cpu=N] [version=N] [is STATUS]]",
	  "a SEAMCALL with its operands by name; without words: the leaves and their operands", cmd_tdh,
	  0, 20, COMPLETE_NOTHING, COMMAND_JSON | COMMAND_VERDICT,
	  "    tdh mem.page.aug gpa=0x100000 level=0 tdr=$tdr page=$p is SUCCESS\n"
	  "    Metadata fields by name: tdh mng.rd tdr=$tdr field=ATTRIBUTES" },
	{ "page", "NAME [COUNT]", "borrow zeroed pages in a row; $NAME is their address", cmd_page, 1, 2,
	  COMPLETE_NOTHING, COMMAND_VERDICT, NULL },
	{ "keyid", "NAME", "borrow a KeyID for a TD; $NAME is its number", cmd_keyid, 1, 1,
	  COMPLETE_NOTHING, COMMAND_VERDICT, NULL },
	{ "put", "ADDRESS VALUE[:BYTES]|x:HEXDIGITS...", "write to a page on loan", cmd_put, 2, 31,
	  COMPLETE_NOTHING, COMMAND_VERDICT, "    VALUE: 8 bytes, lowest first, or as many as BYTES says." },
	{ "get", "ADDRESS", "eight bytes of a page on loan; also in $value", cmd_get, 1, 1,
	  COMPLETE_NOTHING, COMMAND_JSON | COMMAND_VERDICT, NULL },
	{ "cleanup", "", "tear down what was made by hand, take pages and KeyIDs back, forget variables",
	  cmd_cleanup, 0, 0, COMPLETE_NOTHING, COMMAND_JSON | COMMAND_VERDICT,
	  "    What the module does not give back is leaked, counted, and never used again." },
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
/* clang-format on */
