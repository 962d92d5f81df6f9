/*
 * insn.h - the instructions with which software touches devices in memory: decoded, and what they
 * compute. Pure: bytes in, a record out.
 *
 * The address needs no decoding: the exit says which one was touched. So a record is only: how many
 * bytes, which way, with which register or immediate, and how long the instruction is.
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
	unsigned address_bytes; /* 2, 4, 8: of the string instructions' registers */
};

/* Decode the @count bytes at @at. 0; -EINVAL: not one that we know; -ENODATA: it goes on behind them. */
int insn_decode(struct insn *i, const uint8_t *at, unsigned count, enum insn_mode mode) MUST_CHECK;

/* The result of @op on @bytes wide operands; the six status flags in *@rflags follow. */
uint64_t insn_alu(enum insn_alu op, uint64_t a, uint64_t b, unsigned bytes, uint64_t *rflags);

/* Does @op leave its destination alone? */
static inline bool insn_alu_only_flags(enum insn_alu op) { return op == ALU_CMP || op == ALU_TEST; }

#endif
