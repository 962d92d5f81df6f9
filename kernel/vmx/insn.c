/*
 * insn.c - decoding by two tables, and the arithmetic.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/vmx/insn.h"

#include <errno.h>
#include <string.h>

#include "kernel/machine/vmx.h"

/* How the operands of an opcode stand. */
enum form {
	F_NONE,
	F_MR,       /* ModRM: memory, register */
	F_RM,       /* register, memory */
	F_MI,       /* memory, immediate of operand size (at most 4 bytes) */
	F_MI8,      /* memory, sign-extended byte */
	F_GROUP1,   /* as F_MI with the operation in ModRM.reg */
	F_GROUP1_8, /* as F_MI8 likewise */
	F_GROUP3,   /* TEST with an immediate, NOT, NEG */
	F_GROUP4,   /* INC, DEC */
	F_GROUP8,   /* bit operations with an immediate byte */
	F_OFFSET,   /* accumulator and an address in the instruction */
	F_STRING,
};

struct opcode {
	uint8_t form, op, alu;
	bool byte;      /* operand of one byte, else of operand size */
	bool to_register;
	uint8_t source; /* MOVZX, MOVSX: bytes of the memory operand */
	bool sign;
};

#define ALU_ROWS(base, which) \
	[(base) + 0] = { F_MR, INSN_ALU, which, true, false, 0, false }, \
	[(base) + 1] = { F_MR, INSN_ALU, which, false, false, 0, false }, \
	[(base) + 2] = { F_RM, INSN_ALU, which, true, true, 0, false }, \
	[(base) + 3] = { F_RM, INSN_ALU, which, false, true, 0, false }

/* clang-format off */
static const struct opcode one_byte[256] = {
	ALU_ROWS(0x00, ALU_ADD), ALU_ROWS(0x08, ALU_OR),  ALU_ROWS(0x10, ALU_ADC),
	ALU_ROWS(0x18, ALU_SBB), ALU_ROWS(0x20, ALU_AND), ALU_ROWS(0x28, ALU_SUB),
	ALU_ROWS(0x30, ALU_XOR), ALU_ROWS(0x38, ALU_CMP),
	[0x63] = { F_RM,       INSN_LOAD,  0,        false, true,  4, true },  /* MOVSXD */
	[0x80] = { F_GROUP1,   INSN_ALU,   0,        true,  false, 0, false },
	[0x81] = { F_GROUP1,   INSN_ALU,   0,        false, false, 0, false },
	[0x83] = { F_GROUP1_8, INSN_ALU,   0,        false, false, 0, false },
	[0x84] = { F_MR,       INSN_ALU,   ALU_TEST, true,  false, 0, false },
	[0x85] = { F_MR,       INSN_ALU,   ALU_TEST, false, false, 0, false },
	[0x86] = { F_MR,       INSN_XCHG,  0,        true,  true,  0, false },
	[0x87] = { F_MR,       INSN_XCHG,  0,        false, true,  0, false },
	[0x88] = { F_MR,       INSN_STORE, 0,        true,  false, 0, false },
	[0x89] = { F_MR,       INSN_STORE, 0,        false, false, 0, false },
	[0x8a] = { F_RM,       INSN_LOAD,  0,        true,  true,  0, false },
	[0x8b] = { F_RM,       INSN_LOAD,  0,        false, true,  0, false },
	[0xa0] = { F_OFFSET,   INSN_LOAD,  0,        true,  true,  0, false },
	[0xa1] = { F_OFFSET,   INSN_LOAD,  0,        false, true,  0, false },
	[0xa2] = { F_OFFSET,   INSN_STORE, 0,        true,  false, 0, false },
	[0xa3] = { F_OFFSET,   INSN_STORE, 0,        false, false, 0, false },
	[0xa4] = { F_STRING,   INSN_MOVS,  0,        true,  false, 0, false },
	[0xa5] = { F_STRING,   INSN_MOVS,  0,        false, false, 0, false },
	[0xaa] = { F_STRING,   INSN_STOS,  0,        true,  false, 0, false },
	[0xab] = { F_STRING,   INSN_STOS,  0,        false, false, 0, false },
	[0xac] = { F_STRING,   INSN_LODS,  0,        true,  true,  0, false },
	[0xad] = { F_STRING,   INSN_LODS,  0,        false, true,  0, false },
	[0xc6] = { F_MI,       INSN_STORE, 0,        true,  false, 0, false },
	[0xc7] = { F_MI,       INSN_STORE, 0,        false, false, 0, false },
	[0xf6] = { F_GROUP3,   INSN_ALU,   ALU_TEST, true,  false, 0, false },
	[0xf7] = { F_GROUP3,   INSN_ALU,   ALU_TEST, false, false, 0, false },
	[0xfe] = { F_GROUP4,   INSN_ALU,   0,        true,  false, 0, false },
	[0xff] = { F_GROUP4,   INSN_ALU,   0,        false, false, 0, false },
};

static const struct opcode two_byte[256] = {
	[0xb6] = { F_RM,     INSN_LOAD,  0, false, true,  1, false }, /* MOVZX */
	[0xb7] = { F_RM,     INSN_LOAD,  0, false, true,  2, false },
	[0xbe] = { F_RM,     INSN_LOAD,  0, false, true,  1, true },  /* MOVSX */
	[0xbf] = { F_RM,     INSN_LOAD,  0, false, true,  2, true },
	[0xba] = { F_GROUP8, INSN_BIT,   0, false, false, 0, false },
	[0xc3] = { F_MR,     INSN_STORE, 0, false, false, 0, false }, /* MOVNTI */
};
/* clang-format on */

enum { PREFIX_LOCK = 0xf0, PREFIX_REPNE = 0xf2, PREFIX_REP = 0xf3, PREFIX_OPERAND = 0x66,
       PREFIX_ADDRESS = 0x67, ESCAPE = 0x0f };

struct reader {
	const uint8_t *at;
	unsigned count, used;
	bool missing;
};

static uint8_t next(struct reader *r)
{
	if (r->used >= r->count || r->used >= INSN_MAX) {
		r->missing = true;
		return 0;
	}
	return r->at[r->used++];
}

static uint64_t number(struct reader *r, unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < bytes; i++)
		v |= (uint64_t)next(r) << (8 * i);
	return v;
}

static uint64_t extend_sign(uint64_t v, unsigned bytes)
{
	uint64_t sign = BIT64(bytes * 8 - 1);

	return bytes == 8 ? v : ((v & (BIT64(bytes * 8) - 1)) ^ sign) - sign;
}

struct prefixes {
	bool operand, address, rep, repne;
	uint8_t rex;     /* 0: none */
	uint8_t segment; /* enum insn_segment, or SEG_COUNT: none */
};

/* The prefix byte of each segment. */
static const uint8_t segment_prefixes[SEG_COUNT] = {
	[SEG_ES] = 0x26, [SEG_CS] = 0x2e, [SEG_SS] = 0x36,
	[SEG_DS] = 0x3e, [SEG_FS] = 0x64, [SEG_GS] = 0x65,
};

/* False: @b is no segment prefix. In 64-bit mode the first four say nothing. */
static bool read_segment(struct prefixes *p, uint8_t b, enum insn_mode mode)
{
	uint8_t s = SEG_ES;

	while (s < SEG_COUNT && segment_prefixes[s] != b)
		s++;
	if (s < SEG_COUNT && (mode != INSN_64 || s >= SEG_FS))
		p->segment = s;
	return s < SEG_COUNT;
}

/* Reads them and returns the opcode's first byte. */
static uint8_t read_prefixes(struct reader *r, struct prefixes *p, enum insn_mode mode)
{
	for (;;) {
		uint8_t b = next(r);

		switch (b) {
		case PREFIX_OPERAND:
			p->operand = true;
			break;
		case PREFIX_ADDRESS:
			p->address = true;
			break;
		case PREFIX_REP:
			p->rep = true;
			break;
		case PREFIX_REPNE:
			p->repne = true;
			break;
		case PREFIX_LOCK:
			break;
		default:
			if (read_segment(p, b, mode))
				break;
			if (mode != INSN_64 || (b & 0xf0) != 0x40)
				return b;
			p->rex = b; /* it counts only right before the opcode */
			b = next(r);
			r->used -= !r->missing;
			if ((b & 0xf0) == 0x40 || b == PREFIX_OPERAND || b == PREFIX_ADDRESS ||
			    b == PREFIX_REP || b == PREFIX_REPNE || b == PREFIX_LOCK ||
			    memchr(segment_prefixes, b, SEG_COUNT)) {
				p->rex = 0;
				break;
			}
			return next(r);
		}
		if (r->missing)
			return 0;
	}
}

/* What 16-bit addresses are made of, by ModRM.rm. */
static const struct {
	uint8_t base, index;
} pairs[8] = {
	{ REG_RBX, REG_RSI }, { REG_RBX, REG_RDI }, { REG_RBP, REG_RSI }, { REG_RBP, REG_RDI },
	{ REG_RSI, INSN_NO_REG }, { REG_RDI, INSN_NO_REG }, { REG_RBP, INSN_NO_REG },
	{ REG_RBX, INSN_NO_REG },
};

static void address_16(struct insn_address *a, struct reader *r, uint8_t modrm)
{
	uint8_t mod = modrm >> 6, rm = modrm & 7;
	unsigned displacement = mod; /* bytes */

	if (mod == 0 && rm == 6) {
		a->displacement = number(r, 2);
		return;
	}
	a->base = pairs[rm].base;
	a->index = pairs[rm].index;
	if (displacement)
		a->displacement = extend_sign(number(r, displacement), displacement);
}

static void read_sib(struct insn_address *a, struct reader *r, uint8_t mod, uint8_t rex)
{
	uint8_t sib = next(r), index = (sib >> 3 & 7) | (rex & 2 ? 8 : 0);

	a->scale = sib >> 6;
	if (index != REG_RSP) /* its number means: none */
		a->index = index;
	if (mod != 0 || (sib & 7) != REG_RBP)
		a->base = (sib & 7) | (rex & 1 ? 8 : 0);
}

static void address_32(struct insn_address *a, struct reader *r, uint8_t modrm, uint8_t rex,
		       enum insn_mode mode)
{
	uint8_t mod = modrm >> 6, rm = modrm & 7;

	if (rm == REG_RSP)
		read_sib(a, r, mod, rex);
	else if (mod != 0 || rm != REG_RBP)
		a->base = rm | (rex & 1 ? 8 : 0);
	else
		a->after = mode == INSN_64;
	unsigned displacement = mod == 1 ? 1 : mod == 2 || a->base == INSN_NO_REG ? 4 : 0;

	if (displacement)
		a->displacement = extend_sign(number(r, displacement), displacement);
}

/* ModRM, SIB and displacement. Returns ModRM; -1: a register operand, which touches no memory. */
static int read_modrm(struct insn *i, struct reader *r, const struct prefixes *p,
		      enum insn_mode mode)
{
	struct insn_address *a = &i->address;
	uint8_t modrm = next(r);

	if (modrm >> 6 == 3)
		return -1;
	if (i->address_bytes == 2)
		address_16(a, r, modrm);
	else
		address_32(a, r, modrm, p->rex, mode);
	if (p->segment == SEG_COUNT && (a->base == REG_RBP || a->base == REG_RSP))
		a->segment = SEG_SS;
	return modrm;
}

static unsigned operand_bytes(const struct prefixes *p, enum insn_mode mode)
{
	if (p->rex & 8)
		return 8;
	return (mode == INSN_16) != p->operand ? 2 : 4;
}

static unsigned address_size(const struct prefixes *p, enum insn_mode mode)
{
	if (mode == INSN_64)
		return p->address ? 4 : 8;
	return (mode == INSN_16) != p->address ? 2 : 4;
}

static void set_register(struct insn *i, const struct prefixes *p, unsigned reg, bool byte)
{
	i->reg = reg | (p->rex & 4 ? 8u : 0);
	i->reg_high = byte && !p->rex && reg >= 4;
	if (i->reg_high)
		i->reg = reg - 4;
}

static void set_immediate(struct insn *i, struct reader *r, unsigned bytes)
{
	i->has_immediate = true;
	i->immediate = extend_sign(number(r, bytes), bytes);
}

/* What ModRM.reg says where it is part of the opcode. False: another instruction. */
static bool group(struct insn *i, struct reader *r, enum form form, unsigned which)
{
	unsigned size = i->bytes < 4 ? i->bytes : 4;

	switch (form) {
	case F_GROUP1:
	case F_GROUP1_8:
		i->alu = (enum insn_alu)which;
		set_immediate(i, r, form == F_GROUP1_8 ? 1 : size);
		return true;
	case F_GROUP3:
		if (which < 2)
			set_immediate(i, r, size);
		else if (which < 4)
			i->alu = which == 2 ? ALU_NOT : ALU_NEG;
		i->has_immediate = true;
		return which < 4;
	case F_GROUP4:
		i->alu = which == 0 ? ALU_INC : ALU_DEC;
		i->has_immediate = true;
		i->immediate = 1;
		return which < 2;
	case F_GROUP8:
		i->bit = (enum insn_bit)which;
		set_immediate(i, r, 1);
		i->immediate &= i->bytes * 8 - 1;
		return which >= BIT_TEST;
	default: /* F_MI: C6 /0 and C7 /0 only */
		set_immediate(i, r, size);
		return which == 0;
	}
}

static bool finish(struct insn *i, struct reader *r, const struct opcode *o,
		   const struct prefixes *p, enum insn_mode mode)
{
	int modrm;

	switch (o->form) {
	case F_STRING:
		i->rep = p->rep || p->repne;
		i->reg_bytes = i->bytes;
		return true;
	case F_OFFSET:
		i->address.displacement = number(r, i->address_bytes);
		i->reg_bytes = i->bytes;
		return true;
	case F_NONE:
		return false;
	default:
		break;
	}
	modrm = read_modrm(i, r, p, mode);
	if (modrm < 0)
		return false;
	if (o->form != F_MR && o->form != F_RM)
		return group(i, r, (enum form)o->form, (unsigned)modrm >> 3 & 7);
	i->reg_bytes = i->bytes;
	if (o->source)
		i->bytes = o->source;
	set_register(i, p, (unsigned)modrm >> 3 & 7, o->byte);
	return true;
}

int insn_decode(struct insn *i, const uint8_t *at, unsigned count, enum insn_mode mode)
{
	struct reader r = { .at = at, .count = count };
	struct prefixes p = { .segment = SEG_COUNT };
	uint8_t first = read_prefixes(&r, &p, mode);
	const struct opcode *o = first == ESCAPE ? &two_byte[next(&r)] : &one_byte[first];

	memset(i, 0, sizeof(*i));
	i->op = (enum insn_op)o->op;
	i->alu = (enum insn_alu)o->alu;
	i->bytes = o->byte ? 1 : operand_bytes(&p, mode);
	i->address_bytes = address_size(&p, mode);
	i->sign = o->sign;
	i->to_register = o->to_register;
	i->address = (struct insn_address){
		.segment = p.segment == SEG_COUNT ? SEG_DS : (enum insn_segment)p.segment,
		.base = INSN_NO_REG,
		.index = INSN_NO_REG,
	};
	if (first == 0x63 && mode != INSN_64)
		return -EINVAL; /* ARPL there */

	bool known = finish(i, &r, o, &p, mode);

	if (r.missing)
		return r.used >= INSN_MAX ? -EINVAL : -ENODATA;
	i->length = r.used;
	return known ? 0 : -EINVAL;
}

/* ---- arithmetic ---- */

#define FLAG_CF BIT64(0)
#define FLAG_PF BIT64(2)
#define FLAG_AF BIT64(4)
#define FLAG_ZF BIT64(6)
#define FLAG_SF BIT64(7)
#define FLAG_OF BIT64(11)
#define FLAGS_STATUS (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)

static uint64_t flag(bool set, uint64_t mask) { return set ? mask : 0; }

/* a + b + carry, or a - b - carry; CF, AF and OF in *flags. */
static uint64_t add(uint64_t a, uint64_t b, unsigned carry, uint64_t mask, uint64_t sign,
		    uint64_t *flags)
{
	uint64_t r = (a + b + carry) & mask;

	*flags |= flag(carry ? r <= a : r < a, FLAG_CF) | flag((a ^ b ^ r) & 0x10, FLAG_AF) |
		  flag(~(a ^ b) & (a ^ r) & sign, FLAG_OF);
	return r;
}

static uint64_t subtract(uint64_t a, uint64_t b, unsigned carry, uint64_t mask, uint64_t sign,
			 uint64_t *flags)
{
	uint64_t r = (a - b - carry) & mask;

	*flags |= flag(carry ? a <= b : a < b, FLAG_CF) | flag((a ^ b ^ r) & 0x10, FLAG_AF) |
		  flag((a ^ b) & (a ^ r) & sign, FLAG_OF);
	return r;
}

uint64_t insn_alu(enum insn_alu op, uint64_t a, uint64_t b, unsigned bytes, uint64_t *rflags)
{
	uint64_t sign = BIT64(bytes * 8 - 1), mask = sign | (sign - 1), flags = 0, r;
	unsigned carry = *rflags & FLAG_CF;

	a &= mask;
	b &= mask;
	switch (op) {
	case ALU_ADD:
		r = add(a, b, 0, mask, sign, &flags);
		break;
	case ALU_ADC:
		r = add(a, b, carry, mask, sign, &flags);
		break;
	case ALU_SBB:
		r = subtract(a, b, carry, mask, sign, &flags);
		break;
	case ALU_SUB:
	case ALU_CMP:
		r = subtract(a, b, 0, mask, sign, &flags);
		break;
	case ALU_OR:
		r = a | b;
		break;
	case ALU_XOR:
		r = a ^ b;
		break;
	case ALU_INC: /* these two leave the carry alone */
		r = add(a, 1, 0, mask, sign, &flags);
		flags = (flags & ~FLAG_CF) | carry;
		break;
	case ALU_DEC:
		r = subtract(a, 1, 0, mask, sign, &flags);
		flags = (flags & ~FLAG_CF) | carry;
		break;
	case ALU_NEG:
		r = subtract(0, a, 0, mask, sign, &flags);
		break;
	case ALU_NOT: /* no flags at all */
		return ~a & mask;
	default: /* AND, TEST */
		r = a & b;
		break;
	}
	flags |= flag(r == 0, FLAG_ZF) | flag(r & sign, FLAG_SF) |
		 flag(!(__builtin_popcountll(r & 0xff) & 1), FLAG_PF);
	*rflags = (*rflags & ~FLAGS_STATUS) | flags;
	return r;
}
