; plain.asm - the ordinary guest of `make run`: says what it finds, and halts.
;
; It reads its boot information, the hypervisor's name by CPUID, its memory by writing and reading
; across it, the PCI host bridge, fw_cfg's signature and a port that nobody claims.
;
; SPDX-License-Identifier: BSD-2-Clause
%include "tests/guests/vm/vm.inc"

HYPERVISOR_LEAF equ     0x40000000
MEGABYTE        equ     1 << 20

start:
        cmp     eax, MB_BOOT_MAGIC
        mov     esi, text_not_multiboot
        jne     fail
        mov     ebp, ebx                ; boot information
        mov     esi, text_hello
        call    say

        mov     eax, HYPERVISOR_LEAF
        cpuid
        mov     [name], ebx
        mov     [name + 4], ecx
        mov     [name + 8], edx
        mov     esi, text_hypervisor
        call    say
        mov     esi, name
        call    say

        mov     esi, text_memory
        call    say
        mov     eax, [ebp + 8]          ; KiB above 1 MiB
        shr     eax, 10
        inc     eax
        mov     [megabytes], eax
        call    say_decimal
        mov     esi, text_mib
        call    say
        call    check_memory

        mov     esi, text_bridge
        call    say
        mov     edx, 0xcf8
        mov     eax, 0x80000000
        out     dx, eax
        mov     edx, 0xcfc
        in      eax, dx
        call    say_hex

        mov     esi, text_fwcfg
        call    say
        mov     edx, 0x510
        xor     eax, eax
        out     dx, ax                  ; select the signature
        mov     edi, signature
        mov     ecx, 4
        mov     edx, 0x511
        cld
        rep     insb
        mov     esi, signature
        call    say

        mov     esi, text_nobody
        call    say
        mov     edx, 0x2e8              ; COM4: not there
        in      al, dx
        movzx   eax, al
        call    say_hex
        mov     esi, text_bye
        call    say
        cli
        hlt
        jmp     $

fail:
        call    say
        ud2

; One word at the start of every megabyte from 2 MiB on: written first, all compared afterwards.
check_memory:
        mov     edi, 2 * MEGABYTE
        mov     ecx, [megabytes]
        sub     ecx, 2
        jbe     .done
        mov     eax, ecx
.write:
        mov     [edi], edi
        add     edi, MEGABYTE
        loop    .write
        mov     ecx, eax
        mov     edi, 2 * MEGABYTE
.check:
        cmp     [edi], edi
        mov     esi, text_memory_wrong
        jne     fail
        add     edi, MEGABYTE
        loop    .check
        mov     esi, text_memory_good
        call    say
.done:
        ret

section .data
text_hello:        db "hello from a plain VMX guest", 10, 0
text_hypervisor:   db "hypervisor: ", 0
text_memory:       db 10, "memory: ", 0
text_mib:          db " MiB", 0
text_memory_good:  db ", every one written and read back", 0
text_memory_wrong: db ", wrong", 10, 0
text_bridge:       db 10, "PCI 0:0.0: ", 0
text_fwcfg:        db 10, "fw_cfg: ", 0
text_nobody:       db 10, "port 2e8: ", 0
text_bye:          db 10, "good-bye", 10, 0
text_not_multiboot: db "not started by multiboot", 10, 0
name:              times 13 db 0
signature:         times 5 db 0
                   align 4
megabytes:         dd 0
