; loop.asm - a loop whose instructions can be told by heart: two a turn. In a section of its own, which
; only the guest that counts links in.
;
; SPDX-License-Identifier: BSD-2-Clause

	default	rel
	bits	64

	section .text.count_down progbits alloc exec nowrite
	global	count_down
; void count_down(uint64_t n): n turns, n > 0.
count_down:
	dec	rdi
	jnz	count_down
	ret
