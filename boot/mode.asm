; mode.asm - change between 5-level and 4-level paging: only possible with paging off.
;
; Firmware of large machines may run with CR4.LA57 on; the kernel's tables have four levels. The
; routine is copied to a page below 4 GiB, that its 32-bit part can run there.
;
; SPDX-License-Identifier: BSD-2-Clause
bits 64
default rel

CODE32 equ 0x08
DATA32 equ 0x10
CODE64 equ 0x18
CR0_PG equ 1 << 31

section .text

global boot_mode_start, boot_mode_end

; void boot_mode(uint64_t cr3, uint64_t cr4, void *self);
;   in   RDI new CR3 and RSI new CR4, both below 4 GiB; RDX where this copy lies
;   The new tables map this page, the caller and its stack as the old ones do. Interrupts are off
;   on return, and the GDT is this page's. uses RAX
boot_mode_start:
        cli
        push    rbx
        push    rbp
        push    r12
        push    r13
        push    r14
        push    r15
        mov     [stack], rsp            ; upper halves do not survive 32-bit mode
        mov     ebx, edx
        lea     rax, [gdt]
        mov     [gdtr.base], rax
        lgdt    [gdtr]
        push    CODE32
        lea     rax, [down]
        push    rax
        retfq
bits 32
down:
        mov     ax, DATA32
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     eax, cr0
        and     eax, ~CR0_PG            ; leaves long mode: LMA falls, LME stays
        mov     cr0, eax
        mov     cr4, esi
        mov     cr3, edi
        or      eax, CR0_PG
        mov     cr0, eax
        lea     esp, [ebx + far_target_end - boot_mode_start]
        lea     eax, [ebx + up - boot_mode_start]
        push    CODE64
        push    eax
        retf
bits 64
up:
        mov     ax, DATA32
        mov     ss, ax
        mov     rsp, [stack]
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbp
        pop     rbx
        ret

align 16
gdt:    dq      0
        dq      0x00cf9a000000ffff      ; CODE32
        dq      0x00cf92000000ffff      ; DATA32
        dq      0x00af9a000000ffff      ; CODE64
gdtr:   dw      gdtr - gdt - 1
.base:  dq      0
align 8
stack:  dq      0
        times 4 dq 0                    ; the far return's eight bytes, pushed downwards
far_target_end:
boot_mode_end:

section .note.GNU-stack noalloc noexec nowrite progbits
