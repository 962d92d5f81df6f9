; centry.asm - the start of plain guests that are written in C: vm_main(magic, info), and ports.
;
; SPDX-License-Identifier: BSD-2-Clause
%include "tests/guests/vm/vm.inc"

extern vm_main

start:
        cld
        push    ebx
        push    eax
        call    vm_main
        cli
        hlt
        jmp     $

;   void out_byte(uint16_t port, uint8_t value);
global out_byte
out_byte:
        mov     edx, [esp + 4]
        mov     eax, [esp + 8]
        out     dx, al
        ret

;   uint8_t in_byte(uint16_t port);
global in_byte
in_byte:
        mov     edx, [esp + 4]
        xor     eax, eax
        in      al, dx
        ret

;   void copy_words(volatile uint32_t *to, const volatile uint32_t *from, uint32_t words);
;   By one string instruction, over device windows too.
global copy_words
copy_words:
        push    esi
        push    edi
        mov     edi, [esp + 12]
        mov     esi, [esp + 16]
        mov     ecx, [esp + 20]
        rep movsd
        pop     edi
        pop     esi
        ret
