; modes.asm - a plain guest that climbs into long mode and back, and does what exits only rarely:
; XSETBV, MSRs, string output, power off by ACPI.
;
; SPDX-License-Identifier: BSD-2-Clause
%include "tests/guests/vm/vm.inc"

EFER    equ     0xc0000080
PM1_CNT equ     0xb004

start:
        mov     dword [pml4], pdpt + 3
        mov     dword [pdpt], pd + 3
        mov     dword [pd], 0x83
        mov     dword [pd + 8], 0x200083
        mov     eax, cr4
        or      eax, 1 << 5             ; PAE
        mov     cr4, eax
        mov     eax, pml4
        mov     cr3, eax
        mov     ecx, EFER
        rdmsr
        or      eax, 1 << 8             ; LME
        wrmsr
        mov     eax, cr0
        or      eax, 1 << 31
        mov     cr0, eax
        lgdt    [gdt_register]
        jmp     0x08:long_mode

bits 64
long_mode:
        mov     r15, 0x123456789abcdef0
        mov     esi, text_long
        mov     ecx, text_long_end - text_long
        mov     edx, COM1
        cld
        rep     outsb
        mov     rax, cr4
        or      rax, 1 << 18            ; OSXSAVE
        mov     cr4, rax
        xor     ecx, ecx
        xor     edx, edx
        mov     eax, 3                  ; x87, SSE
        xsetbv
        xgetbv
        cmp     eax, 3
        jne     wrong
        mov     eax, 0x7fffffff
        mov     ecx, 0xc0000102         ; KERNEL_GS_BASE
        xor     edx, edx
        wrmsr
        mov     ecx, 100
.exits: push    rcx
        xor     eax, eax
        cpuid
        pop     rcx
        loop    .exits
        mov     ecx, 0xc0000102
        rdmsr
        cmp     eax, 0x7fffffff
        jne     wrong
        mov     rax, 0x123456789abcdef0
        cmp     r15, rax
        jne     wrong
        mov     esi, text_good
        mov     ecx, text_good_end - text_good
        mov     edx, COM1
        rep     outsb
        mov     edx, PM1_CNT
        mov     eax, 1 << 13            ; SLP_EN
        out     dx, ax
        jmp     $
wrong:
        ud2

section .data
        align   8
gdt:            dq      0, 0x00209b0000000000, 0x00cf93000000ffff
gdt_register:   dw      $ - gdt - 1
                dd      gdt
text_long:      db      "long mode", 10
text_long_end:
text_good:      db      "registers, MSRs and XCR0 kept", 10
text_good_end:

section .bss align=4096
pml4:   resb    4096
pdpt:   resb    4096
pd:     resb    4096
