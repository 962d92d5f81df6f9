/*
 * seam_words.c - words into registers. Contract: seam_words.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/monitor/seam_words.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/machine/port.h"
#include "kernel/machine/vmcs_fields.h"
#include "kernel/monitor/vars.h"
#include "tdx/abi/leaf.h"
#include "tdx/abi/leaf_operand.h"

#define OPERANDS_MAX 16u

static int wrong(char *why, size_t size, const char *fmt, ...) PRINTF_LIKE(3, 4);
static int wrong(char *why, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, size, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* ------------------------------------------------------------------ fields */

static const struct {
	uint32_t encoding;
	const char *name;
} vmcs_names[] = {
#define X(number, name) { number, #name },
	VMCS_FIELDS(X)
#undef X
};

static char upper(char c) { return c >= 'a' && c <= 'z' ? (char)(c - 32) : c; }

static bool same(const char *a, const char *b)
{
	while (*a && upper(*a) == upper(*b)) {
		a++;
		b++;
	}
	return !*a && !*b;
}

static const char *without_prefix(const char *name)
{
	static const char prefix[] = "VMCS.";

	for (size_t i = 0; i < sizeof(prefix) - 1; i++)
		if (upper(name[i]) != prefix[i])
			return name;
	return name + sizeof(prefix) - 1;
}

int vmcs_field_by_name(const char *name)
{
	name = without_prefix(name);
	for (size_t i = 0; i < ARRAY_LEN(vmcs_names); i++)
		if (same(vmcs_names[i].name, name))
			return (int)vmcs_names[i].encoding;
	return -1;
}

const char *vmcs_field_name(uint32_t encoding)
{
	for (size_t i = 0; i < ARRAY_LEN(vmcs_names); i++)
		if (vmcs_names[i].encoding == encoding)
			return vmcs_names[i].name;
	return NULL;
}

int vmcs_field_at(unsigned nth)
{
	return nth < ARRAY_LEN(vmcs_names) ? (int)vmcs_names[nth].encoding : -1;
}

int seam_field(enum md_scope scope, const char *text, uint64_t *id, char *why, size_t why_size)
{
	const struct md_name *field;
	unsigned element;
	int encoding;

	if (md_field_by_name(scope, text, &field, &element) == 0) {
		*id = md_field_id(field, element);
		return 0;
	}
	encoding = scope == MD_SCOPE_VP ? vmcs_field_by_name(text) : -1;
	if (encoding >= 0) {
		*id = md_vmcs_id((uint32_t)encoding);
		return 0;
	}
	if (text[0] < '0' || text[0] > '9') /* as an expression it would be called no number */
		return wrong(why, why_size, "no metadata field '%.40s'", text);
	return expression(text, id, why, why_size);
}

static enum md_scope scope_of(uint64_t leaf)
{
	switch (leaf) {
	case TDH_MNG_RD:
	case TDH_MNG_WR:
		return MD_SCOPE_TD;
	case TDH_VP_RD:
	case TDH_VP_WR:
		return MD_SCOPE_VP;
	default:
		return MD_SCOPE_SYS;
	}
}

/* ------------------------------------------------------------------ operands */

struct reader {
	uint64_t leaf;
	struct seam_words *out;
	uint32_t given; /* operands of the table, a bit each */
	char *why;
	size_t why_size;
};

static int read_value(struct reader *r, const char *text, uint64_t *value)
{
	return expression(text, value, r->why, r->why_size);
}

static int read_cpu(struct reader *r, const char *text)
{
	uint64_t value;

	if (read_value(r, text, &value))
		return -EINVAL;
	if (value >= cpu_count() || !cpu_is_online((unsigned)value))
		return wrong(r->why, r->why_size, "no CPU %llu", (unsigned long long)value);
	r->out->cpu = (unsigned)value;
	return 0;
}

static int read_version(struct reader *r, const char *text)
{
	uint64_t value;

	if (read_value(r, text, &value))
		return -EINVAL;
	if (value > 255)
		return wrong(r->why, r->why_size, "a version is a byte");
	r->out->regs.rax |= value << 16;
	return 0;
}

static int read_operand(struct reader *r, const struct tdx_leaf_operand *op, const char *text)
{
	uint64_t value;
	int err = op->kind == TDX_OPERAND_IS_FIELD
			  ? seam_field(scope_of(r->leaf), text, &value, r->why, r->why_size)
			  : read_value(r, text, &value);

	if (!err)
		*tdx_register(&r->out->regs, op->reg) |= value;
	return err;
}

/* The operand of this name, or NULL; @nth says which it is. */
static const struct tdx_leaf_operand *operand_named(uint64_t leaf, const char *name, unsigned *nth)
{
	const struct tdx_leaf_operand *op;

	for (*nth = 0; (op = tdx_leaf_operand(leaf, *nth)); ++*nth)
		if (strcmp(op->name, name) == 0)
			return op;
	return NULL;
}

static void operand_list(uint64_t leaf, char *buf, size_t size)
{
	const struct tdx_leaf_operand *op;
	size_t used = 0;

	buf[0] = 0;
	for (unsigned i = 0; (op = tdx_leaf_operand(leaf, i)) && used < size; i++)
		used += (size_t)snprintf(buf + used, size - used, op->optional ? " [%s]" : " %s",
					 op->name);
}

static int read_word(struct reader *r, bool named, char *word)
{
	char *equals = strchr(word, '='), list[120];
	const struct tdx_leaf_operand *op;
	unsigned nth;
	int reg;

	if (!equals)
		return wrong(r->why, r->why_size, "expected NAME=VALUE, not '%.40s'", word);
	*equals = 0;
	if (strcmp(word, "cpu") == 0)
		return read_cpu(r, equals + 1);
	if (strcmp(word, "version") == 0)
		return read_version(r, equals + 1);
	op = named ? operand_named(r->leaf, word, &nth) : NULL;
	if (op) {
		r->given |= BIT32(nth);
		return read_operand(r, op, equals + 1);
	}
	reg = tdx_register_by_name(word);
	if (reg > 0)
		return read_value(r, equals + 1, tdx_register(&r->out->regs, (unsigned)reg));
	operand_list(r->leaf, list, sizeof(list));
	return wrong(r->why, r->why_size, "'%.20s' is no register%s%s", word,
		     named ? " and no operand; this leaf has:" : " (rcx to r15)", named ? list : "");
}

/* What was not given has its default, or must be. */
static int complete(struct reader *r)
{
	const struct tdx_leaf_operand *op;
	char list[120];

	for (unsigned i = 0; i < OPERANDS_MAX && (op = tdx_leaf_operand(r->leaf, i)); i++) {
		if (r->given & BIT32(i))
			continue;
		operand_list(r->leaf, list, sizeof(list));
		if (!op->optional)
			return wrong(r->why, r->why_size, "%s needs %s=; its operands:%s",
				     tdh_leaf_name(r->leaf), op->name, list);
		*tdx_register(&r->out->regs, op->reg) |= op->otherwise;
	}
	return 0;
}

int seam_words(uint64_t leaf, bool named, char **words, int count, struct seam_words *out,
	       char *why, size_t why_size)
{
	struct reader r = { .leaf = leaf & TDX_RAX_LEAF, .out = out, .why = why,
			    .why_size = why_size };

	*out = (struct seam_words){ .regs = { .rax = leaf }, .cpu = cpu_index() };
	if (count >= 2 && strcmp(words[count - 2], "is") == 0) {
		out->expected = words[count - 1];
		count -= 2;
	}
	for (int i = 0; i < count; i++)
		if (read_word(&r, named, words[i]))
			return -EINVAL;
	return named ? complete(&r) : 0;
}
