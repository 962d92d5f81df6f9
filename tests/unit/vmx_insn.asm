; vmx_insn.asm - the CPU itself, against which vmx_insn.c compares the arithmetic of kernel/vmx/insn.c.
;
; uint64_t cpu_NAME(uint32_t *a, uint32_t b, bool carry): *a = *a NAME b, with CF as given before;
; returns RFLAGS. Those of one operand leave b aside.
;
; SPDX-License-Identifier: BSD-2-Clause

	section .text progbits alloc exec nowrite align=16

%macro ALU 2+
	global	cpu_%1
cpu_%1:
	bt	edx, 0			; CF
	%2
	pushfq
	pop	rax
	ret
%endmacro

	ALU	add, add dword [rdi], esi
	ALU	or, or dword [rdi], esi
	ALU	adc, adc dword [rdi], esi
	ALU	sbb, sbb dword [rdi], esi
	ALU	and, and dword [rdi], esi
	ALU	sub, sub dword [rdi], esi
	ALU	xor, xor dword [rdi], esi
	ALU	cmp, cmp dword [rdi], esi
	ALU	test, test dword [rdi], esi
	ALU	inc, inc dword [rdi]
	ALU	dec, dec dword [rdi]
	ALU	neg, neg dword [rdi]

	section .note.GNU-stack noalloc noexec nowrite progbits
