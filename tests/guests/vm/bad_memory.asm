; bad_memory.asm - a plain guest that reads and writes where nothing is, and then jumps there.
;
; SPDX-License-Identifier: BSD-2-Clause
%include "tests/guests/vm/vm.inc"

start:
        mov     esi, text
        call    say
        mov     eax, [0xd0000000]
        mov     esi, text_after
        cmp     eax, -1
        jne     .answered
        mov     esi, text_none
.answered:
        call    say
        mov     dword [0xd0000000], 1
        mov     eax, 0xd0000000
        jmp     eax

section .data
text:       db "about to read memory that is not there", 10, 0
text_none:  db "nobody answered", 10, 0
text_after: db "and something answered", 10, 0
