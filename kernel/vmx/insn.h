/*
 * insn.h - the instructions with which software touches devices in memory: decoded, and what they
 * compute. Pure: bytes in, a record out.
 *
 * A record says how many bytes, which way, with which register or immediate, how long the instruction
 * is, and how the address of its memory operand is made: the exit says which guest-physical address was
 * touched, but not that it was the operand that touched it.
 *
 * Invariants
 *   - At most INSN_MAX bytes are looked at; bytes that are missing or unknown give an error, never a
 *     guess.
 *   - What has a LOCK prefix, or reads and writes, is done as one read and one write: devices have
 *     no other users of their registers than vCPUs under the platform's lock.
 *
 * SDM volume 2, "Instruction Format" and "Opcode Map".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_VMX_INSN_H
#define TAIN_VMX_INSN_H

#include "kernel/base/types.h"

#define INSN_MAX 15

enum insn_mode { INSN_16, INSN_32, INSN_64 }; /* default sizes: by CS.D and CS.L */

enum insn_op {
	INSN_STORE, /* memory = value */
	INSN_LOAD,  /* register = memory, extended */
	INSN_ALU,   /* memory = memory op value, or register = register op memory; flags */
	INSN_XCHG,
	INSN_STOS,
	INSN_LODS,
	INSN_MOVS,  /* one side of it */
	INSN_BIT,   /* BT, BTS, BTR, BTC on memory with an immediate or a register below the size */
};

/* As group 1 numbers them, and more. */
enum insn_alu { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP, ALU_TEST,
		ALU_INC, ALU_DEC, ALU_NOT, ALU_NEG };
enum insn_bit { BIT_TEST = 4, BIT_SET, BIT_RESET, BIT_COMPLEMENT };

/* Segments as instructions number them. */
enum insn_segment { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_COUNT };

#define INSN_NO_REG 0xff

/*
 * Base + index << scale + displacement, cut to address_bytes, in a segment. Of a string instruction
 * only the segment counts: it is the source's; the destination is in ES.
 */
struct insn_address {
	enum insn_segment segment;
	uint8_t base, index; /* register numbers, or INSN_NO_REG */
	uint8_t scale;
	bool after; /* relative to the end of the instruction (RIP) */
	uint64_t displacement;
};

struct insn {
	enum insn_op op;
	unsigned length;
	unsigned bytes;         /* of the memory operand: 1, 2, 4, 8 */
	unsigned reg;           /* number as encoded, 0 to 15 */
	unsigned reg_bytes;     /* of the register operand: of a load the width it is extended to */
	bool reg_high;          /* AH, CH, DH, BH: reg is 0 to 3 */
	bool sign;              /* extend by sign */
	bool has_immediate;
	uint64_t immediate;     /* extended to 64 bits */
	bool to_register;       /* ALU: the register is the destination */
	enum insn_alu alu;
	enum insn_bit bit;
	bool rep;
	unsigned address_bytes; /* 2, 4, 8 */
	struct insn_address address;
};

/* Decode the @count bytes at @at. 0; -EINVAL: not one that we know; -ENODATA: it goes on behind them. */
int insn_decode(struct insn *i, const uint8_t *at, unsigned count, enum insn_mode mode) MUST_CHECK;

/* The result of @op on @bytes wide operands; the six status flags in *@rflags follow. */
uint64_t insn_alu(enum insn_alu op, uint64_t a, uint64_t b, unsigned bytes, uint64_t *rflags);

/* Does @op leave its destination alone? */
static inline bool insn_alu_only_flags(enum insn_alu op) { return op == ALU_CMP || op == ALU_TEST; }

#endif
