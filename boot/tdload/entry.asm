; entry.asm - where every vCPU of a TD without firmware starts, and what C cannot say: TDCALL, the way
; into the kernel, the wait at the mailbox.
;
; A TD vCPU starts at 0xFFFFFFF0 in flat 32-bit mode, paging off, EFER.LME already set, with ESI = its
; index. Setting CR0.PG with CR4.PAE leads straight to long mode; EFER is never written. There is no
; IDT: nothing here may fault or meet a #VE.
;
; Invariants
;   - vCPU 0 builds the page tables; the others wait for tables_ready, without a stack.
;   - Linear = guest-physical for the first 4 GiB, in 2 MiB pages, all private.
;   - CR4.MCE stays set: the module does not let it go.
;
; Facts: TDX module 1.5 ABI, "Initial State of Guest GPRs"; ACPI 6.5, "Multiprocessor Wakeup
; Structure"; Linux, Documentation/arch/x86/boot.rst, "64-bit Boot Protocol".
;
; SPDX-License-Identifier: BSD-2-Clause

CODE64		equ 0x10		; Linux wants these two selectors
DATA		equ 0x18
STACK_BYTES	equ 1024
MAILBOX_WAKEUP	equ 1

	extern tdload_main

	global tdcall
	global kernel_enter
	global mailbox_wait
	global mailbox

; ---------------------------------------------------------------------------------------------
	section .text32 progbits alloc exec nowrite align=16
	bits 32
start32:
%include "boot/tdload/start32.inc"

	bits 64
start64:
	mov	eax, DATA
	mov	ds, eax
	mov	es, eax
	mov	ss, eax
	mov	edi, esi		; tdload_main(index)
	lea	eax, [esi + 1]
	imul	eax, eax, STACK_BYTES
	mov	ecx, stacks
	lea	rsp, [rcx + rax]
	xor	ebp, ebp
	call	tdload_main
	ud2

; ---------------------------------------------------------------------------------------------
; uint64_t tdcall(uint64_t rax, struct tdload_regs *r)
; Loads RCX RDX RBX RSI RDI R8..R15 from *r, executes TDCALL, stores RCX RDX R8..R11 back; returns RAX.
; Keeps the C calling convention's registers.
	section .text progbits alloc exec nowrite align=16
tdcall:
	push	rbx
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
	pop	rsi
	mov	[rsi + 0], rcx
	mov	[rsi + 8], rdx
	mov	[rsi + 40], r8
	mov	[rsi + 48], r9
	mov	[rsi + 56], r10
	mov	[rsi + 64], r11
	pop	r15
	pop	r14
	pop	r13
	pop	r12
	pop	rbx
	ret

; void kernel_enter(uint64_t entry, uint64_t boot_params): never returns
kernel_enter:
	mov	rax, rdi
	xor	ebp, ebp
	xor	edi, edi
	xor	ebx, ebx
	cli
	cld
	jmp	rax

; void mailbox_wait(uint32_t apic_id): until the operating system names a place to go to
;
; Layout: u16 command, u16 reserved, u32 APIC id, u64 vector. The command goes back to 0 before the
; jump: whoever sent it waits for that.
mailbox_wait:
	cli
	mov	ebx, mailbox
.look:	pause
	cmp	word [rbx], MAILBOX_WAKEUP
	jne	.look
	cmp	[rbx + 4], edi
	jne	.look
	mov	rax, [rbx + 8]
	mov	word [rbx], 0
	jmp	rax

	section .rodata progbits alloc noexec nowrite align=16
gdt:
	dq	0
	dq	0
	dq	0x00af9b000000ffff	; code, 64-bit
	dq	0x00cf93000000ffff	; data
gdt_pointer:
	dw	$ - gdt - 1
	dd	gdt

	section .mailbox nobits alloc noexec write align=4096
mailbox:	resb 4096

	section .bss nobits alloc noexec write align=4096
pml4:		resb 4096
pdpt:		resb 4096
pds:		resb 4 * 4096
stacks:		resb 64 * STACK_BYTES
tables_ready:	resd 1

	section .reset progbits alloc exec nowrite
	bits 32
	jmp	near start32		; 0xFFFFFFF0
	times	16 - 5 db 0x90
