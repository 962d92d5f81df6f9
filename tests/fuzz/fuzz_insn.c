/*
 * fuzz_insn.c - the decoder of device accesses takes any bytes in any mode.
 *
 * links: kernel/vmx/insn.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/vmx/insn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct insn i;
	uint64_t flags = 2;

	if (!size)
		return 0;

	/* A copy of exact size: the sanitizer sees a byte too far. */
	unsigned count = (unsigned)(size - 1);
	uint8_t *copy = malloc(count ? count : 1);

	memcpy(copy, data + 1, count);
	if (!insn_decode(&i, copy, count, (enum insn_mode)(data[0] % 3))) {
		assert(i.length && i.length <= INSN_MAX && i.length <= count);
		assert(i.bytes == 1 || i.bytes == 2 || i.bytes == 4 || i.bytes == 8);
		assert(i.reg < 16 && (!i.reg_high || i.reg < 4));
		if (i.op == INSN_BIT)
			assert(i.immediate < i.bytes * 8 && i.bit >= BIT_TEST && i.bit <= BIT_COMPLEMENT);
		if (i.op == INSN_ALU)
			(void)insn_alu(i.alu, i.immediate, flags, i.bytes, &flags);
	}
	free(copy);
	return 0;
}
