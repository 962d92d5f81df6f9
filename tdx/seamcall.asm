; seamcall.asm - the only SEAMCALL in the tree.
;
;   void seamcall_raw(struct seam_regs *regs);
;
;   in    RDI = regs: RAX, RCX, RDX, RBX, RBP, RSI, RDI, R8 to R15 are loaded from it
;   out   *regs: the same registers as the module left them; CF = 1 (VMfailInvalid: no module)
;         and a fault of the instruction put a software status into regs->rax instead
;   uses  everything but RSP and the callee-saved registers, which come back
;
; On a CPU without SEAM the instruction raises #UD. If a handler executes it (it sets RAX and the
; other outputs in the trap frame, clears CF and steps over the four bytes) nothing here can tell.
; If nobody does, the exception table leads to .fault.
;
; SPDX-License-Identifier: BSD-2-Clause

bits 64
default rel

SW_VMFAILINVALID equ 0x8000FF00FFFF0000
SW_FAULT         equ 0x8000FF0000000006 ; as for #UD; #GP cannot be told apart here

%macro SEAMCALL 0                       ; NASM has no mnemonic for it
        db      0x66, 0x0f, 0x01, 0xcf
%endmacro

; struct seam_regs, tdx/abi/seamcall.h
struc REGS
.rax:   resq 1
.rcx:   resq 1
.rdx:   resq 1
.rbx:   resq 1
.rsp:   resq 1
.rbp:   resq 1
.rsi:   resq 1
.rdi:   resq 1
.r8:    resq 1
.r9:    resq 1
.r10:   resq 1
.r11:   resq 1
.r12:   resq 1
.r13:   resq 1
.r14:   resq 1
.r15:   resq 1
endstruc

section .text
align 16
global seamcall_raw
seamcall_raw:
        push    rbp
        push    rbx
        push    r12
        push    r13
        push    r14
        push    r15
        push    rdi
        mov     rax, [rdi + REGS.rax]
        mov     rcx, [rdi + REGS.rcx]
        mov     rdx, [rdi + REGS.rdx]
        mov     rbx, [rdi + REGS.rbx]
        mov     rbp, [rdi + REGS.rbp]
        mov     rsi, [rdi + REGS.rsi]
        mov     r8,  [rdi + REGS.r8]
        mov     r9,  [rdi + REGS.r9]
        mov     r10, [rdi + REGS.r10]
        mov     r11, [rdi + REGS.r11]
        mov     r12, [rdi + REGS.r12]
        mov     r13, [rdi + REGS.r13]
        mov     r14, [rdi + REGS.r14]
        mov     r15, [rdi + REGS.r15]
        mov     rdi, [rdi + REGS.rdi]
.call:
        SEAMCALL
        jc      .absent
.store:
        push    rdi
        mov     rdi, [rsp + 8]
        mov     [rdi + REGS.rax], rax
        mov     [rdi + REGS.rcx], rcx
        mov     [rdi + REGS.rdx], rdx
        mov     [rdi + REGS.rbx], rbx
        mov     [rdi + REGS.rbp], rbp
        mov     [rdi + REGS.rsi], rsi
        mov     [rdi + REGS.r8], r8
        mov     [rdi + REGS.r9], r9
        mov     [rdi + REGS.r10], r10
        mov     [rdi + REGS.r11], r11
        mov     [rdi + REGS.r12], r12
        mov     [rdi + REGS.r13], r13
        mov     [rdi + REGS.r14], r14
        mov     [rdi + REGS.r15], r15
        pop     qword [rdi + REGS.rdi]
        pop     rdi
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbx
        pop     rbp
        ret
.absent:
        mov     rax, SW_VMFAILINVALID
        jmp     .store
.fault:
        mov     rax, SW_FAULT
        jmp     .store

        section .ex_table progbits alloc noexec nowrite align=8
        dq      seamcall_raw.call, seamcall_raw.fault
