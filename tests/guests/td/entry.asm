; entry.asm - where a test trust domain starts, and the two things C cannot say: TDCALL and traps.
;
; A TD vCPU starts at 0xFFFFFFF0 in flat 32-bit mode, paging off, EFER.LME already set, with EBX = the
; width of guest-physical addresses, ESI = the vCPU's index, RCX = the host's boot parameter. Setting
; CR0.PG with CR4.PAE therefore leads straight to long mode, and EFER is never written.
;
; Invariants
;   - vCPU 0 builds the page tables; every other vCPU waits for tables_ready without a stack.
;   - Linear = guest-physical for the first 4 GiB, in 2 MiB pages; PML4 entry 1 belongs to C
;     (the alias of shared memory).
;   - Nothing is called before the stack of this vCPU is set: SMP_STACK bytes each.
;
; The image is its own metadata: the footer below is what a loader reads from the end of the file
; backwards (edk2: OvmfPkg/ResetVector, "TDX metadata offset" entry of the GUIDed table).
;
; SPDX-License-Identifier: BSD-2-Clause

SMP_STACK	equ 8192
SMP_MAX		equ 4
CODE64		equ 0x08
DATA		equ 0x10

	extern td_main
	extern td_trap
	extern image_start
	extern image_bytes
	extern ram_start
	extern ram_bytes

	global tdcall
	global trap_stubs
	global load_idt
	global pml4
	global cpu_halt
	global read_cr2
	global out_byte
	global cpuid_leaf
	global read_tsc
	global undefined_instruction
	global probe_run
	global read_msr
	global write_msr
	global irq_enable
	global irq_disable
	global irq_window_at
	global undefined_at
	global wait_interrupt
	global xmm_enable
	global xmm_load
	global xmm_store

; ---------------------------------------------------------------------------------------------
	section .text32 progbits alloc exec nowrite align=16
	bits 32
start32:
	mov	esp, ecx		; no stack yet: the boot parameter waits in ESP
%include "boot/tdload/start32.inc"

	bits 64
start64:
	mov	edi, esi		; td_main(index, boot parameter, width)
	mov	esi, esp
	mov	edx, ebx
	mov	eax, DATA
	mov	ds, eax
	mov	es, eax
	mov	ss, eax
	mov	eax, edi
	inc	eax
	imul	eax, eax, SMP_STACK
	mov	ecx, stacks
	lea	rsp, [rcx + rax]
	xor	ebp, ebp
	call	td_main
.end:	hlt
	jmp	.end

; ---------------------------------------------------------------------------------------------
; uint64_t tdcall(uint64_t rax, struct td_regs *r)
; Loads RCX RDX RBX RSI RDI R8..R15 from *r, executes TDCALL, stores them back; returns RAX.
; Keeps the C calling convention's registers.
	section .text progbits alloc exec nowrite align=16
tdcall:
	push	rbx
	push	rbp
	push	r12
	push	r13
	push	r14
	push	r15
	push	rsi
	mov	rax, rdi
	mov	rcx, [rsi + 0]
	mov	rdx, [rsi + 8]
	mov	rbx, [rsi + 16]
	mov	rdi, [rsi + 32]
	mov	r8, [rsi + 40]
	mov	r9, [rsi + 48]
	mov	r10, [rsi + 56]
	mov	r11, [rsi + 64]
	mov	r12, [rsi + 72]
	mov	r13, [rsi + 80]
	mov	r14, [rsi + 88]
	mov	r15, [rsi + 96]
	mov	rsi, [rsi + 24]
	db	0x66, 0x0f, 0x01, 0xcc
	xchg	rsi, [rsp]		; RSI's result to the stack, the block's address back
	mov	[rsi + 0], rcx
	mov	[rsi + 8], rdx
	mov	[rsi + 16], rbx
	pop	rcx
	mov	[rsi + 24], rcx
	mov	[rsi + 32], rdi
	mov	[rsi + 40], r8
	mov	[rsi + 48], r9
	mov	[rsi + 56], r10
	mov	[rsi + 64], r11
	mov	[rsi + 72], r12
	mov	[rsi + 80], r13
	mov	[rsi + 88], r14
	mov	[rsi + 96], r15
	pop	r15
	pop	r14
	pop	r13
	pop	r12
	pop	rbp
	pop	rbx
	ret

; void load_idt(const void *base, uint16_t limit)
load_idt:
	sub	rsp, 16
	mov	[rsp + 6], si
	mov	[rsp + 8], rdi
	lidt	[rsp + 6]
	add	rsp, 16
	ret

; void cpu_halt(void): HLT, which is a #VE in a TD
cpu_halt:
	hlt
	ret

; uint64_t read_cr2(void)
read_cr2:
	mov	rax, cr2
	ret

; uint64_t read_tsc(void)
read_tsc:
	lfence
	rdtsc
	shl	rdx, 32
	or	rax, rdx
	ret

; void out_byte(uint16_t port, uint8_t value): OUT itself, which is a #VE in a TD
out_byte:
	mov	edx, edi
	mov	eax, esi
	out	dx, al
	ret

; void cpuid_leaf(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
cpuid_leaf:
	push	rbx
	mov	r8, rdx
	mov	eax, edi
	mov	ecx, esi
	cpuid
	mov	[r8], eax
	mov	[r8 + 4], ebx
	mov	[r8 + 8], ecx
	mov	[r8 + 12], edx
	pop	rbx
	ret

; void undefined_instruction(void)
undefined_instruction:
	ud2

; void probe_run(const void *code, struct td_probe *regs): RAX RCX RDX RBX RSI RDI from *regs, the code,
; and back. The code keeps R12 and the stack.
probe_run:
	push	rbx
	push	r12
	push	r13
	mov	r13, rdi
	mov	r12, rsi
	mov	rax, [r12 + 0]
	mov	rcx, [r12 + 8]
	mov	rdx, [r12 + 16]
	mov	rbx, [r12 + 24]
	mov	rsi, [r12 + 32]
	mov	rdi, [r12 + 40]
	call	r13
	mov	[r12 + 0], rax
	mov	[r12 + 8], rcx
	mov	[r12 + 16], rdx
	mov	[r12 + 24], rbx
	mov	[r12 + 32], rsi
	mov	[r12 + 40], rdi
	pop	r13
	pop	r12
	pop	rbx
	ret

; uint64_t read_msr(uint32_t msr); void write_msr(uint32_t msr, uint64_t value)
read_msr:
	mov	ecx, edi
	rdmsr
	shl	rdx, 32
	or	rax, rdx
	ret
write_msr:
	mov	ecx, edi
	mov	eax, esi
	mov	rdx, rsi
	shr	rdx, 32
	wrmsr
	ret

; void irq_enable(void); void irq_disable(void): with an instruction between, so that one can come
irq_enable:
	sti
	nop
	ret
irq_disable:
	cli
	ret

; void irq_window_at(void *stack): as enable and disable, what comes meanwhile is pushed at @stack
irq_window_at:
	mov	rax, rsp
	mov	rsp, rdi
	sti
	nop
	cli
	mov	rsp, rax
	ret

; void undefined_at(void *stack): #UD, pushed at @stack; the handler steps over the two bytes
undefined_at:
	mov	rax, rsp
	mov	rsp, rdi
	ud2
	mov	rsp, rax
	ret

; void wait_interrupt(void): STI; HLT with nothing between, HLT being a #VE in a TD
wait_interrupt:
	sti
	hlt
	cli
	ret

; void xmm_enable(void): CR4.OSFXSR, without which MOVUPS is #UD
xmm_enable:
	mov	rax, cr4
	or	eax, 1 << 9
	mov	cr4, rax
	ret

; void xmm_load(const uint64_t xmm[16][2]); void xmm_store(uint64_t xmm[16][2]). C code uses none of them.
xmm_load:
%assign i 0
%rep 16
	movups	xmm%+i, [rdi + 16 * i]
%assign i i + 1
%endrep
	ret
xmm_store:
%assign i 0
%rep 16
	movups	[rdi + 16 * i], xmm%+i
%assign i i + 1
%endrep
	ret

; One stub a vector: all push an error code (0 where the CPU pushes none) and the vector, save every
; register, and call td_trap(struct td_frame *). It returns to the instruction at frame->rip.
%macro STUB 1
%%at:
%if %1 = 8 || (%1 >= 10 && %1 <= 14) || %1 = 17 || %1 = 21 || %1 = 30
%else
	push	qword 0
%endif
	push	qword %1
	jmp	near trap_common
	times	16 - ($ - %%at) int3
%endmacro

	align	16, int3
trap_stubs:
%assign v 0
%rep 256
	STUB	v
%assign v v + 1
%endrep

trap_common:
	push	r15
	push	r14
	push	r13
	push	r12
	push	r11
	push	r10
	push	r9
	push	r8
	push	rdi
	push	rsi
	push	rbp
	push	rbx
	push	rdx
	push	rcx
	push	rax
	mov	rdi, rsp
	mov	rbp, rsp
	and	rsp, -16
	cld
	call	td_trap
	mov	rsp, rbp
	pop	rax
	pop	rcx
	pop	rdx
	pop	rbx
	pop	rbp
	pop	rsi
	pop	rdi
	pop	r8
	pop	r9
	pop	r10
	pop	r11
	pop	r12
	pop	r13
	pop	r14
	pop	r15
	add	rsp, 16			; vector, error code
	iretq

	section .rodata progbits alloc noexec nowrite align=16
gdt:
	dq	0
	dq	0x00af9b000000ffff	; code, 64-bit
	dq	0x00cf93000000ffff	; data
gdt_pointer:
	dw	$ - gdt - 1
	dd	gdt

	section .bss nobits alloc noexec write align=4096
pml4:		resb 4096
pdpt:		resb 4096
pds:		resb 4 * 4096
stacks:		resb SMP_MAX * SMP_STACK
tables_ready:	resd 1

; ---------------------------------------------------------------------------------------------
; TDVF metadata and the GUIDed table at the end of the image.
	section .metadata progbits alloc noexec nowrite align=16
	dd	0xe9eaf9f3		; e9eaf9f3-168e-44d5-a8eb-7f4d8738f6ae
	dw	0x168e, 0x44d5
	db	0xa8, 0xeb, 0x7f, 0x4d, 0x87, 0x38, 0xf6, 0xae
descriptor:
	db	'TDVF'
	dd	metadata_end - descriptor
	dd	1			; version
	dd	(metadata_end - sections) / 32
sections:
	; data offset, raw size, GPA, memory size, type, attributes
	dd	ram_bytes, image_bytes	; BFV: code and data, measured
	dq	image_start, image_bytes
	dd	0, 1
	dd	0, 0			; TempMem: .bss, below it, in the file as zeroes
	dq	ram_start, ram_bytes
	dd	3, 0
	dd	0, 0			; TD HOB
	dq	0x809000, 0x2000
	dd	2, 0
metadata_end:

	section .footer progbits alloc exec nowrite
	extern descriptor_offset
	dd	descriptor_offset	; from the end of the file
	dw	22
	dd	0xe47a6535		; e47a6535-984a-4798-865e-4685a7bf8ec2
	dw	0x984a, 0x4798
	db	0x86, 0x5e, 0x46, 0x85, 0xa7, 0xbf, 0x8e, 0xc2
table_end:
	dw	22 + 18
	dd	0x96b582de		; 96b582de-1fb2-45f7-baea-a366c55a082d
	dw	0x1fb2, 0x45f7
	db	0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d
	; 32 bytes from here to the end of the file
	times	16 db 0
	bits	32
	jmp	near start32		; 0xFFFFFFF0
	times	16 - 5 db 0x90

	global descriptor
