; vmx_entry.asm - the one place that enters a guest: VMLAUNCH, VMRESUME and the way back.
;
; Invariants
;   - On exit every general register of the guest is in *regs before anything else happens; RSP,
;     RIP and RFLAGS are in the VMCS.
;   - HOST_RSP of the VMCS is written only when the stack is not where it was the last time.
;   - Between vmx_entry_window_start and vmx_entry_window_end nothing is pushed, so that the NMI
;     handler may continue at vmx_entry_abort from anywhere inside: *regs is still whole.
;
; SDM volume 3C, chapters "VM Entries" and "VM Exits".
;
; SPDX-License-Identifier: BSD-2-Clause

bits 64
default rel
section .text

VMCS_HOST_RSP   equ     0x6c14
VMX_EXITED      equ     0
VMX_FAILED      equ     1
VMX_KICKED      equ     2

struc REGS                              ; struct vmx_regs of vmx.h, asserted in vmx_vmcs.c
.rax:           resq 1
.rcx:           resq 1
.rdx:           resq 1
.rbx:           resq 1
.rsp:           resq 1
.rbp:           resq 1
.rsi:           resq 1
.rdi:           resq 1
.r8:            resq 1
.r9:            resq 1
.r10:           resq 1
.r11:           resq 1
.r12:           resq 1
.r13:           resq 1
.r14:           resq 1
.r15:           resq 1
.host_rsp:      resq 1
.kick:          resq 1
endstruc

;   enum vmx_entry vmx_enter(struct vmx_regs *regs, bool launched);
;
;   in   RDI regs, SIL launched       out  EAX enum vmx_entry, *regs if VMX_EXITED
;   uses the caller-saved registers; the guest's own values are in all others while it runs
global vmx_enter:function
vmx_enter:
        push    rbx
        push    rbp
        push    r12
        push    r13
        push    r14
        push    r15
        push    rdi
        cmp     rsp, [rdi + REGS.host_rsp]
        jne     stack_moved

global vmx_entry_window_start
vmx_entry_window_start:
        mov     rax, [rdi + REGS.kick]
        cmp     dword [rax], 0
        jne     vmx_entry_abort
        test    sil, sil                ; MOV leaves the flags alone: ZF lasts until the JZ
        mov     rax, [rdi + REGS.rax]
        mov     rcx, [rdi + REGS.rcx]
        mov     rdx, [rdi + REGS.rdx]
        mov     rbx, [rdi + REGS.rbx]
        mov     rbp, [rdi + REGS.rbp]
        mov     rsi, [rdi + REGS.rsi]
        mov     r8, [rdi + REGS.r8]
        mov     r9, [rdi + REGS.r9]
        mov     r10, [rdi + REGS.r10]
        mov     r11, [rdi + REGS.r11]
        mov     r12, [rdi + REGS.r12]
        mov     r13, [rdi + REGS.r13]
        mov     r14, [rdi + REGS.r14]
        mov     r15, [rdi + REGS.r15]
        mov     rdi, [rdi + REGS.rdi]
        jz      first_entry
        vmresume
        jmp     entry_failed
first_entry:
        vmlaunch
global vmx_entry_window_end
vmx_entry_window_end:
entry_failed:                                ; VMfail: nothing ran, *regs is as it was
        mov     eax, VMX_FAILED
        jmp     leave_stub

stack_moved:
        mov     eax, VMCS_HOST_RSP
        vmwrite rax, rsp
        mov     [rdi + REGS.host_rsp], rsp
        jmp     vmx_entry_window_start

global vmx_entry_abort
vmx_entry_abort:
        mov     eax, VMX_KICKED
        jmp     leave_stub

; HOST_RIP of every VMCS. RSP is HOST_RSP: the saved regs pointer is on top.
global vmx_exit_point
vmx_exit_point:
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
        xor     eax, eax                ; VMX_EXITED
leave_stub:
        pop     rdi
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbp
        pop     rbx
        ret

;   void vmx_nmi_unblock(void);
;
; An IRET to the next instruction: NMIs stay blocked after an NMI exit until one is executed.
;   uses RAX, RCX
global vmx_nmi_unblock:function
vmx_nmi_unblock:
        mov     rcx, rsp
        mov     eax, ss
        push    rax
        push    rcx
        pushfq
        mov     eax, cs
        push    rax
        lea     rax, [.done]
        push    rax
        iretq
.done:
        ret
