/*
 * vmx_insn.c - the decoder of device accesses, and its arithmetic against the CPU's own.
 *
 * links: kernel/vmx/insn.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/vmx/insn.h"

static struct insn i;

/* Decodes @text, bytes as a C string of @n. */
static int decode(const char *text, unsigned n, enum insn_mode mode)
{
	return insn_decode(&i, (const uint8_t *)text, n, mode);
}

#define DECODE(text, mode) decode(text, sizeof(text) - 1, mode)

static void is(enum insn_op op, unsigned bytes, unsigned reg, unsigned length)
{
	assert_int_equal(i.op, op);
	assert_int_equal(i.bytes, bytes);
	assert_int_equal(i.reg, reg);
	assert_int_equal(i.length, length);
}

static void moves(void **state)
{
	(void)state;
	assert_int_equal(DECODE("\x89\x87\x00\xb0\xff\xff", INSN_64), 0); /* mov %eax,-5000h(%rdi) */
	is(INSN_STORE, 4, 0, 6);
	assert_int_equal(DECODE("\x44\x8b\x3c\x25\x00\x00\xe0\xfe", INSN_64), 0); /* mov abs,%r15d */
	is(INSN_LOAD, 4, 15, 8);
	assert_int_equal(DECODE("\x48\x89\x58\x08", INSN_64), 0); /* mov %rbx,8(%rax) */
	is(INSN_STORE, 8, 3, 4);
	assert_int_equal(DECODE("\x66\x41\x89\x00", INSN_64), 0); /* mov %ax,(%r8) */
	is(INSN_STORE, 2, 0, 4);
	assert_int_equal(DECODE("\x88\x20", INSN_64), 0); /* mov %ah,(%rax) */
	is(INSN_STORE, 1, 0, 2);
	assert_true(i.reg_high);
	assert_int_equal(DECODE("\x40\x88\x20", INSN_64), 0); /* mov %spl,(%rax) */
	is(INSN_STORE, 1, 4, 3);
	assert_false(i.reg_high);
	assert_int_equal(DECODE("\xc7\x80\xf0\x00\x00\x00\xff\x01\x00\x80", INSN_64), 0);
	is(INSN_STORE, 4, 0, 10);
	assert_int_equal(i.immediate, UINT64_C(0xffffffff800001ff));
	assert_int_equal(DECODE("\xc6\x00\x07", INSN_32), 0);
	is(INSN_STORE, 1, 0, 3);
	assert_int_equal(DECODE("\xa1\x30\x00\xe0\xfe", INSN_32), 0); /* mov FEE00030h,%eax */
	is(INSN_LOAD, 4, 0, 5);
	assert_int_equal(DECODE("\xa2\x34\x12", INSN_16), 0);
	is(INSN_STORE, 1, 0, 3);
	assert_int_equal(DECODE("\x89\x46\x02", INSN_16), 0); /* mov %ax,2(%bp) */
	is(INSN_STORE, 2, 0, 3);
	assert_int_equal(DECODE("\x66\x89\x0e\x34\x12", INSN_16), 0); /* mov %ecx,1234h */
	is(INSN_STORE, 4, 1, 5);
}

static uint64_t extend(uint32_t v) { return (uint64_t)(int64_t)(int32_t)v; }

/* Of the last one decoded. */
static void address_is(enum insn_segment segment, unsigned base, unsigned index, unsigned scale,
		       uint64_t displacement)
{
	assert_int_equal(i.address.segment, segment);
	assert_int_equal(i.address.base, base);
	assert_int_equal(i.address.index, index);
	if (index != INSN_NO_REG)
		assert_int_equal(i.address.scale, scale);
	assert_int_equal(i.address.displacement, displacement);
}

static void addresses(void **state)
{
	(void)state;
	assert_int_equal(DECODE("\x89\x87\x00\xb0\xff\xff", INSN_64), 0); /* -5000h(%rdi) */
	address_is(SEG_DS, 7, INSN_NO_REG, 0, -UINT64_C(0x5000));
	assert_int_equal(DECODE("\x44\x8b\x3c\x25\x00\x00\xe0\x7e", INSN_64), 0); /* 7ee00000h */
	address_is(SEG_DS, INSN_NO_REG, INSN_NO_REG, 0, 0x7ee00000);
	assert_false(i.address.after);
	assert_int_equal(DECODE("\x8b\x05\xfc\xff\xff\xff", INSN_64), 0); /* -4(%rip) */
	address_is(SEG_DS, INSN_NO_REG, INSN_NO_REG, 0, -UINT64_C(4));
	assert_true(i.address.after);
	assert_int_equal(DECODE("\x8b\x05\x00\x00\xe0\xfe", INSN_32), 0); /* fee00000h */
	address_is(SEG_DS, INSN_NO_REG, INSN_NO_REG, 0, extend(0xfee00000));
	assert_false(i.address.after);
	assert_int_equal(DECODE("\x43\x8b\x44\xa5\x10", INSN_64), 0); /* 16(%r13,%r12,4) */
	address_is(SEG_DS, 13, 12, 2, 16);
	assert_int_equal(DECODE("\x8b\x44\x24\x80", INSN_64), 0); /* -128(%rsp) */
	address_is(SEG_SS, 4, INSN_NO_REG, 0, -UINT64_C(128));
	assert_int_equal(DECODE("\x8b\x04\x0b", INSN_32), 0); /* (%ebx,%ecx) */
	address_is(SEG_DS, 3, 1, 0, 0);
	assert_int_equal(DECODE("\x8b\x45\x08", INSN_32), 0); /* 8(%ebp) */
	address_is(SEG_SS, 5, INSN_NO_REG, 0, 8);
	assert_int_equal(DECODE("\x41\x8b\x45\x08", INSN_64), 0); /* 8(%r13): not the stack's */
	address_is(SEG_DS, 13, INSN_NO_REG, 0, 8);
	assert_int_equal(DECODE("\x89\x46\xfe", INSN_16), 0); /* -2(%bp) */
	address_is(SEG_SS, 5, INSN_NO_REG, 0, -UINT64_C(2));
	assert_int_equal(DECODE("\x89\x80\x34\x12", INSN_16), 0); /* 1234h(%bx,%si) */
	address_is(SEG_DS, 3, 6, 0, 0x1234);
	assert_int_equal(DECODE("\x89\x0e\x34\x92", INSN_16), 0); /* 9234h */
	address_is(SEG_DS, INSN_NO_REG, INSN_NO_REG, 0, 0x9234);
	assert_int_equal(DECODE("\xa1\x30\x00\xe0\xfe", INSN_32), 0);
	address_is(SEG_DS, INSN_NO_REG, INSN_NO_REG, 0, 0xfee00030);
}

static void segments(void **state)
{
	(void)state;
	assert_int_equal(DECODE("\x65\x8b\x00", INSN_64), 0);
	assert_int_equal(i.address.segment, SEG_GS);
	assert_int_equal(DECODE("\x36\x8b\x00", INSN_64), 0); /* says nothing there */
	assert_int_equal(i.address.segment, SEG_DS);
	assert_int_equal(DECODE("\x36\x8b\x00", INSN_32), 0);
	assert_int_equal(i.address.segment, SEG_SS);
	assert_int_equal(DECODE("\x3e\x8b\x45\x00", INSN_32), 0); /* %ds:(%ebp) */
	assert_int_equal(i.address.segment, SEG_DS);
	assert_int_equal(DECODE("\x26\xa4", INSN_16), 0); /* movsb from %es */
	assert_int_equal(i.address.segment, SEG_ES);
	assert_int_equal(DECODE("\x48\x64\x8b\x00", INSN_64), 0); /* REX that counts for nothing */
	is(INSN_LOAD, 4, 0, 4);
	assert_int_equal(i.address.segment, SEG_FS);
}

static void loads_that_extend(void **state)
{
	(void)state;
	assert_int_equal(DECODE("\x0f\xb6\x02", INSN_64), 0); /* movzbl (%rdx),%eax */
	is(INSN_LOAD, 1, 0, 3);
	assert_int_equal(i.reg_bytes, 4);
	assert_false(i.sign);
	assert_int_equal(DECODE("\x48\x0f\xbf\x0a", INSN_64), 0); /* movswq (%rdx),%rcx */
	is(INSN_LOAD, 2, 1, 4);
	assert_int_equal(i.reg_bytes, 8);
	assert_true(i.sign);
	assert_int_equal(DECODE("\x48\x63\x0a", INSN_64), 0); /* movslq */
	is(INSN_LOAD, 4, 1, 3);
	assert_int_equal(DECODE("\x63\x0a", INSN_32), -EINVAL); /* ARPL */
}

static void read_modify_write(void **state)
{
	(void)state;
	assert_int_equal(DECODE("\xf0\x81\x08\x00\x00\x01\x00", INSN_64), 0); /* lock orl */
	is(INSN_ALU, 4, 0, 7);
	assert_int_equal(i.alu, ALU_OR);
	assert_int_equal(i.immediate, 0x10000);
	assert_int_equal(DECODE("\x83\x38\xff", INSN_64), 0);
	assert_int_equal(i.alu, ALU_CMP);
	assert_int_equal(i.immediate, ~UINT64_C(0));
	assert_int_equal(DECODE("\x85\x10", INSN_64), 0);
	assert_int_equal(i.alu, ALU_TEST);
	assert_int_equal(DECODE("\xf7\x00\x01\x00\x00\x00", INSN_64), 0);
	is(INSN_ALU, 4, 0, 6);
	assert_int_equal(i.alu, ALU_TEST);
	assert_int_equal(DECODE("\x23\x10", INSN_64), 0); /* and (%rax),%edx */
	assert_true(i.to_register);
	assert_int_equal(DECODE("\x87\x10", INSN_64), 0);
	is(INSN_XCHG, 4, 2, 2);
	assert_int_equal(DECODE("\x0f\xba\x28\x25", INSN_64), 0); /* btsl $25h: bit 5 */
	is(INSN_BIT, 4, 0, 4);
	assert_int_equal(i.bit, BIT_SET);
	assert_int_equal(i.immediate, 5);
}

static void strings(void **state)
{
	(void)state;
	assert_int_equal(DECODE("\xf3\x48\xab", INSN_64), 0); /* rep stosq */
	is(INSN_STOS, 8, 0, 3);
	assert_true(i.rep);
	assert_int_equal(i.address_bytes, 8);
	assert_int_equal(DECODE("\x67\xa4", INSN_16), 0);
	is(INSN_MOVS, 1, 0, 2);
	assert_int_equal(i.address_bytes, 4);
	assert_int_equal(DECODE("\xad", INSN_32), 0);
	is(INSN_LODS, 4, 0, 1);
}

static void what_is_not_known_is_refused(void **state)
{
	(void)state;
	assert_int_equal(DECODE("\x89\xc8", INSN_64), -EINVAL);         /* register to register */
	assert_int_equal(DECODE("\x0f\x10\x00", INSN_64), -EINVAL);     /* movups */
	assert_int_equal(DECODE("\xff\x20", INSN_64), -EINVAL);         /* jmp *(%rax) */
	assert_int_equal(DECODE("\xc7\xf8\x00\x00\x00\x00", INSN_64), -EINVAL); /* xbegin */
	assert_int_equal(DECODE("\x89\x87\x00\xb0", INSN_64), -ENODATA);
	assert_int_equal(DECODE("", INSN_64), -ENODATA);
	assert_int_equal(DECODE("\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x89\x00",
				INSN_64), -EINVAL); /* longer than an instruction may be */
}

/* ---- arithmetic against the CPU ---- */

#define STATUS UINT64_C(0x8d5) /* OF SF ZF AF PF CF */

/* vmx_insn.asm */
typedef uint64_t cpu_alu(uint32_t *a, uint32_t b, bool carry);
cpu_alu cpu_add, cpu_or, cpu_adc, cpu_sbb, cpu_and, cpu_sub, cpu_xor, cpu_cmp, cpu_test, cpu_inc, cpu_dec,
	cpu_neg;

static cpu_alu *const on_cpu[] = {
	[ALU_ADD] = cpu_add, [ALU_OR] = cpu_or,   [ALU_ADC] = cpu_adc,	 [ALU_SBB] = cpu_sbb,
	[ALU_AND] = cpu_and, [ALU_SUB] = cpu_sub, [ALU_XOR] = cpu_xor,	 [ALU_CMP] = cpu_cmp,
	[ALU_TEST] = cpu_test, [ALU_INC] = cpu_inc, [ALU_DEC] = cpu_dec, [ALU_NEG] = cpu_neg,
};

static void the_flags_are_the_cpus(void **state)
{
	static const uint32_t values[] = { 0, 1, 0xf, 0x10, 0x7fffffff, 0x80000000, 0xffffffff,
					   0x12345678, 0xfedcba98 };
	static const enum insn_alu ops[] = { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB,
					     ALU_XOR, ALU_CMP, ALU_TEST, ALU_INC, ALU_DEC, ALU_NEG };

	(void)state;
	for (size_t o = 0; o < sizeof(ops) / sizeof(ops[0]); o++)
		for (size_t x = 0; x < 9; x++)
			for (size_t y = 0; y < 9; y++)
				for (unsigned carry = 0; carry < 2; carry++) {
					uint64_t flags = 0x202 | carry;
					uint32_t want = values[x];
					uint64_t cpu = on_cpu[ops[o]](&want, values[y], carry) & STATUS;
					uint64_t got = insn_alu(ops[o], values[x], values[y], 4, &flags);
					bool logic = ops[o] == ALU_AND || ops[o] == ALU_OR ||
						     ops[o] == ALU_XOR || ops[o] == ALU_TEST;

					if (!insn_alu_only_flags(ops[o]))
						assert_int_equal(got, want);
					/* AF is undefined after the logical ones. */
					assert_int_equal(flags & STATUS & ~(logic ? 0x10u : 0),
							 cpu & ~(logic ? UINT64_C(0x10) : 0));
					assert_int_equal(flags & ~STATUS, 0x202);
				}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moves),
		cmocka_unit_test(addresses),
		cmocka_unit_test(segments),
		cmocka_unit_test(loads_that_extend),
		cmocka_unit_test(read_modify_write),
		cmocka_unit_test(strings),
		cmocka_unit_test(what_is_not_known_is_refused),
		cmocka_unit_test(the_flags_are_the_cpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
