; faults.asm - string I/O into memory that the guest's page tables do not give: the #PF that the CPU makes,
; with its address and its error code, and then the instruction once more.
;
; The first 8 MiB are mapped as they are but for one 4K page, which the handler of #PF gives back.
;
; SPDX-License-Identifier: BSD-2-Clause
%include "tests/guests/vm/vm.inc"

PAGE            equ     0x400000        ; the one that comes and goes
PAGE_FRAME      equ     0x500000
PRESENT         equ     1
WRITABLE        equ     2
LARGE           equ     0x80
CR0_PG_WP       equ     0x80010000
CR4_PSE         equ     0x10
FWCFG_SELECT    equ     0x510
FWCFG_DATA      equ     0x511
EXIT            equ     0xf4
GATE            equ     0x8e00

start:
        lgdt    [gdt_pointer]
        jmp     8:.segments
.segments:
        mov     eax, 16
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     dword [directory], PRESENT | WRITABLE | LARGE
        mov     eax, table
        or      eax, PRESENT | WRITABLE
        mov     [directory + 4], eax
        mov     ecx, 1024               ; the second 4 MiB: all there but the first page
        mov     eax, PAGE | PRESENT | WRITABLE
        mov     edi, table
.fill:
        stosd
        add     eax, 0x1000
        loop    .fill
        mov     dword [table], 0
        mov     eax, on_fault
        mov     [idt + 14 * 8], ax
        shr     eax, 16
        mov     [idt + 14 * 8 + 6], ax
        mov     ax, cs
        mov     [idt + 14 * 8 + 2], ax
        mov     word [idt + 14 * 8 + 4], GATE
        lidt    [idt_pointer]
        mov     eax, cr4
        or      eax, CR4_PSE
        mov     cr4, eax
        mov     eax, directory
        mov     cr3, eax
        mov     eax, cr0
        or      eax, CR0_PG_WP
        mov     cr0, eax

        ; INS to where nothing is: a write, not present.
        mov     dword [give], PAGE_FRAME | PRESENT | WRITABLE
        call    read_signature
        mov     eax, 2
        mov     ebx, PAGE + 2
        call    judge
        cmp     dword [PAGE + 2], 'QEMU'
        jne     bad
        ; INS to what may not be written: a write, present.
        mov     dword [table], PAGE_FRAME | PRESENT
        invlpg  [PAGE]
        call    read_signature
        mov     eax, 3
        mov     ebx, PAGE + 2
        call    judge
        ; OUTS from where nothing is: a read, not present; the text comes whole.
        mov     dword [PAGE], 'ok, '
        mov     dword [PAGE + 4], `page`
        mov     dword [table], 0
        invlpg  [PAGE]
        mov     dword [faults], 0
        mov     esi, PAGE
        mov     ecx, 8
        mov     edx, COM1
        rep outsb
        xor     eax, eax
        mov     ebx, PAGE
        call    judge
        mov     esi, text_well
        call    say
        xor     eax, eax
        out     EXIT, eax
bad:
        mov     esi, text_bad
        call    say
        mov     eax, 1
        out     EXIT, eax
        hlt

read_signature:
        mov     dword [faults], 0
        mov     edx, FWCFG_SELECT
        xor     eax, eax
        out     dx, ax
        mov     edx, FWCFG_DATA
        mov     edi, PAGE + 2
        mov     ecx, 4
        rep insb
        ret

; One fault with error code EAX at EBX?
judge:
        cmp     dword [faults], 1
        jne     bad
        cmp     [code], eax
        jne     bad
        cmp     [where], ebx
        jne     bad
        ret

on_fault:
        push    eax
        inc     dword [faults]
        mov     eax, [esp + 4]
        mov     [code], eax
        mov     eax, cr2
        mov     [where], eax
        mov     eax, [give]
        mov     [table], eax
        invlpg  [PAGE]
        pop     eax
        add     esp, 4
        iret

section .data
text_well:      db      " faults as they should be", 10, 0
text_bad:       db      "faults: wrong", 10, 0
        align   8, db 0
gdt:            dq      0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdt_pointer:    dw      $ - gdt - 1
                dd      gdt
idt_pointer:    dw      15 * 8 - 1
                dd      idt

section .bss                            ; on from the stack, at a page
directory:      resb    4096
table:          resb    4096
idt:            resb    15 * 8
faults:         resd    1
code:           resd    1
where:             resd    1
give:           resd    1
