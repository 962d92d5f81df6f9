/*
 * gdb_regs.c - the tables of registers, and target.xml made from them.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/monitor/gdb_regs.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum source { FROM_VCPU, FROM_ST, FROM_X87, FROM_XMM, FROM_MXCSR };
enum feature { CORE, SSE, SEGMENTS, SYSTEM, RARE, FEATURES };

static const char *const feature_names[FEATURES] = {
	[CORE] = "org.gnu.gdb.i386.core",
	[SSE] = "org.gnu.gdb.i386.sse",
	[SEGMENTS] = "org.gnu.gdb.i386.segments",
	[SYSTEM] = "org.tain.system",
	[RARE] = "org.tain.rare", /* not in the packet of all registers */
};

struct gdb_reg {
	const char *name, *type;
	uint8_t bits, feature, source, index;
};

#define V(reg, name, bits, type, feature) { name, type, bits, feature, FROM_VCPU, VCPU_##reg }
#define ST(n)     { "st" #n, "i387_ext", 80, CORE, FROM_ST, n }
#define X87(n, name) { name, "int", 32, CORE, FROM_X87, n }
#define XMM(n)    { "xmm" #n, "vec128", 128, SSE, FROM_XMM, n }
#define MXCSR     { "mxcsr", "int", 32, SSE, FROM_MXCSR, 0 }
#define SEG(reg, name) V(reg, name, 32, "int", CORE)
#define SYS(reg, name, bits) V(reg, name, bits, "int", SYSTEM)
#define RAR(reg, name, bits) V(reg, name, bits, "int", RARE)

#define SEGMENT_REGS SEG(CS, "cs"), SEG(SS, "ss"), SEG(DS, "ds"), SEG(ES, "es"), SEG(FS, "fs"), SEG(GS, "gs")
#define ST_REGS ST(0), ST(1), ST(2), ST(3), ST(4), ST(5), ST(6), ST(7)
#define X87_REGS X87(0, "fctrl"), X87(1, "fstat"), X87(2, "ftag"), X87(3, "fiseg"), X87(4, "fioff"), \
	X87(5, "foseg"), X87(6, "fooff"), X87(7, "fop")
#define RARE_REGS(bits) RAR(LDTR, "ldtr", 32), RAR(TR, "tr", 32), RAR(LDTR_BASE, "ldtr_base", bits), \
	RAR(GDTR_LIMIT, "gdtr_limit", 32), RAR(IDTR_LIMIT, "idtr_limit", 32), RAR(ES_BASE, "es_base", bits), \
	RAR(DS_BASE, "ds_base", bits), RAR(CS_ACCESS, "cs_access", 32), RAR(SS_ACCESS, "ss_access", 32), \
	RAR(DR0, "dr0", bits), RAR(DR1, "dr1", bits), RAR(DR2, "dr2", bits), RAR(DR3, "dr3", bits)

/* clang-format off */
static const struct gdb_reg regs_64[] = {
#define Q(reg, name) V(reg, name, 64, "int", CORE)
	Q(RAX, "rax"), Q(RBX, "rbx"), Q(RCX, "rcx"), Q(RDX, "rdx"), Q(RSI, "rsi"), Q(RDI, "rdi"),
	V(RBP, "rbp", 64, "data_ptr", CORE), V(RSP, "rsp", 64, "data_ptr", CORE),
	Q(R8, "r8"), Q(R9, "r9"), Q(R10, "r10"), Q(R11, "r11"), Q(R12, "r12"), Q(R13, "r13"),
	Q(R14, "r14"), Q(R15, "r15"), V(RIP, "rip", 64, "code_ptr", CORE),
	V(RFLAGS, "eflags", 32, "eflags", CORE), SEGMENT_REGS, ST_REGS, X87_REGS,
	XMM(0), XMM(1), XMM(2), XMM(3), XMM(4), XMM(5), XMM(6), XMM(7), XMM(8), XMM(9), XMM(10),
	XMM(11), XMM(12), XMM(13), XMM(14), XMM(15), MXCSR,
	V(FS_BASE, "fs_base", 64, "int", SEGMENTS), V(GS_BASE, "gs_base", 64, "int", SEGMENTS),
	SYS(KERNEL_GS_BASE, "k_gs_base", 64), SYS(CR0, "cr0", 64), SYS(CR2, "cr2", 64),
	SYS(CR3, "cr3", 64), SYS(CR4, "cr4", 64), SYS(EFER, "efer", 64),
	SYS(IDTR_BASE, "idtr_base", 64), SYS(GDTR_BASE, "gdtr_base", 64), SYS(TR_BASE, "tr_base", 64),
	SYS(DR6, "dr6", 64), SYS(DR7, "dr7", 64),
	RARE_REGS(64), RAR(CS_BASE, "cs_base", 64), RAR(SS_BASE, "ss_base", 64),
#undef Q
};

static const struct gdb_reg regs_32[] = {
#define L(reg, name) V(reg, name, 32, "int", CORE)
	L(RAX, "eax"), L(RCX, "ecx"), L(RDX, "edx"), L(RBX, "ebx"),
	V(RSP, "esp", 32, "data_ptr", CORE), V(RBP, "ebp", 32, "data_ptr", CORE),
	L(RSI, "esi"), L(RDI, "edi"), V(RIP, "eip", 32, "code_ptr", CORE),
	V(RFLAGS, "eflags", 32, "eflags", CORE), SEGMENT_REGS, ST_REGS, X87_REGS,
	XMM(0), XMM(1), XMM(2), XMM(3), XMM(4), XMM(5), XMM(6), XMM(7), MXCSR,
	SYS(CR0, "cr0", 32), SYS(CR2, "cr2", 32), SYS(CR3, "cr3", 32), SYS(CR4, "cr4", 32),
	SYS(IDTR_BASE, "idtr_base", 32), SYS(GDTR_BASE, "gdtr_base", 32), SYS(CS_BASE, "cs_base", 32),
	SYS(SS_BASE, "ss_base", 32), SYS(DR6, "dr6", 32), SYS(DR7, "dr7", 32),
	RARE_REGS(32), RAR(FS_BASE, "fs_base", 32), RAR(GS_BASE, "gs_base", 32), RAR(TR_BASE, "tr_base", 32),
#undef L
};
/* clang-format on */

const struct gdb_arch gdb_arch_64 = { "i386:x86-64", regs_64, ARRAY_LEN(regs_64), 16, 7, 6 };
const struct gdb_arch gdb_arch_32 = { "i386", regs_32, ARRAY_LEN(regs_32), 8, 4, 5 };

unsigned gdb_regs_usual(const struct gdb_arch *arch)
{
	unsigned n = arch->count;

	while (n && arch->reg[n - 1].feature == RARE)
		n--;
	return n;
}

unsigned gdb_reg_bytes(const struct gdb_arch *arch, unsigned n) { return arch->reg[n].bits / 8; }

enum vcpu_reg gdb_reg_source(const struct gdb_arch *arch, unsigned n)
{
	const struct gdb_reg *r = &arch->reg[n];

	return r->source == FROM_VCPU ? (enum vcpu_reg)r->index : VCPU_REG_COUNT;
}

/* ---- values ---- */

/* FXSAVE keeps one bit a register; GDB wants two: 0 valid, 3 empty. */
static uint32_t full_tag(const uint8_t *fx)
{
	uint32_t tag = 0;

	for (unsigned i = 0; i < 8; i++)
		if (!(fx[4] >> i & 1))
			tag |= UINT32_C(3) << (2 * i);
	return tag;
}

/* SDM volume 1, table "Non-64-Bit-Mode Layout of FXSAVE and FXRSTOR Memory Region". */
static uint32_t x87_value(const uint8_t *fx, unsigned n)
{
	static const uint8_t at[8] = { 0, 2, 0, 12, 8, 20, 16, 6 };
	static const uint8_t bytes[8] = { 2, 2, 0, 2, 4, 2, 4, 2 };
	uint32_t value = 0;

	if (n == 2)
		return full_tag(fx);
	memcpy(&value, fx + at[n], bytes[n]);
	return value;
}

void gdb_reg_put(struct gdb_out *o, const struct gdb_arch *arch, unsigned n, const struct gdb_state *s)
{
	const struct gdb_reg *r = &arch->reg[n];
	const uint8_t *fx = (const uint8_t *)s->fpu;
	uint32_t word;

	if (r->source == FROM_VCPU ? !s->regs : !fx) {
		for (unsigned i = 0; i < r->bits / 8u; i++)
			gdb_put(o, "xx");
		return;
	}
	switch (r->source) {
	case FROM_VCPU:
		gdb_put_bytes(o, &s->regs->r[r->index], r->bits / 8);
		break;
	case FROM_ST:
		gdb_put_bytes(o, fx + 32 + 16 * r->index, 10);
		break;
	case FROM_X87:
		word = x87_value(fx, r->index);
		gdb_put_bytes(o, &word, sizeof(word));
		break;
	case FROM_XMM:
		gdb_put_bytes(o, fx + 160 + 16 * r->index, 16);
		break;
	default:
		gdb_put_bytes(o, fx + 24, 4);
		break;
	}
}

/* ---- target.xml ---- */

/* A window over text that is made from its beginning each time. */
struct window {
	struct gdb_out *out;
	size_t at, from, end;
	bool more;
};

static void add(struct window *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void add(struct window *w, const char *fmt, ...)
{
	char text[160];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (int i = 0; i < n && (size_t)i < sizeof(text) - 1; i++, w->at++) {
		if (w->at >= w->end)
			w->more = true;
		else if (w->at >= w->from)
			gdb_put_raw(w->out, &text[i], 1);
	}
}

/* The types that the registers of a feature name and GDB does not know by itself. */
static void add_types(struct window *w, enum feature f)
{
	static const struct {
		const char *name;
		uint8_t bit;
	} flags[] = {
		{ "CF", 0 }, { "", 1 },   { "PF", 2 },  { "AF", 4 },  { "ZF", 6 },  { "SF", 7 },
		{ "TF", 8 }, { "IF", 9 }, { "DF", 10 }, { "OF", 11 }, { "NT", 14 }, { "RF", 16 },
		{ "VM", 17 }, { "AC", 18 }, { "VIF", 19 }, { "VIP", 20 }, { "ID", 21 },
	};

	if (f == SSE) {
		add(w, "<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>");
		add(w, "<vector id=\"v4i\" type=\"int32\" count=\"4\"/>");
		add(w, "<vector id=\"v2l\" type=\"int64\" count=\"2\"/>");
		add(w, "<union id=\"vec128\"><field name=\"v4_float\" type=\"v4f\"/>");
		add(w, "<field name=\"v4_int32\" type=\"v4i\"/>");
		add(w, "<field name=\"v2_int64\" type=\"v2l\"/>");
		add(w, "<field name=\"uint128\" type=\"uint128\"/></union>");
	}
	if (f != CORE)
		return;
	add(w, "<flags id=\"eflags\" size=\"4\">");
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		add(w, "<field name=\"%s\" start=\"%u\" end=\"%u\"/>", flags[i].name, flags[i].bit,
		    flags[i].bit);
	add(w, "</flags>");
}

void gdb_target_xml(struct gdb_out *o, const struct gdb_arch *arch, size_t from, size_t count,
		    bool *more)
{
	struct window w = { .out = o, .from = from, .end = from + count };
	unsigned n = 0;

	add(&w, "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target>");
	add(&w, "<architecture>%s</architecture>", arch->name);
	for (unsigned f = 0; f < FEATURES; f++) {
		if (n == arch->count || arch->reg[n].feature != f)
			continue;
		add(&w, "<feature name=\"%s\">", feature_names[f]);
		add_types(&w, (enum feature)f);
		for (; n < arch->count && arch->reg[n].feature == f; n++) {
			const struct gdb_reg *r = &arch->reg[n];
			bool is_int = strcmp(r->type, "int") == 0;

			add(&w, "<reg name=\"%s\" bitsize=\"%u\" type=\"%s", r->name, r->bits, r->type);
			if (is_int && r->feature != CORE)
				add(&w, "%u", r->bits);
			else if (is_int && r->source == FROM_VCPU && r->bits == 64)
				add(&w, "64");
			add(&w, "\" regnum=\"%u\"%s/>", n, r->source == FROM_X87 ? " group=\"float\"" : "");
		}
		add(&w, "</feature>");
	}
	add(&w, "</target>");
	*more = w.more;
}
