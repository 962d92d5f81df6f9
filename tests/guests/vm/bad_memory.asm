; bad_memory.asm - a plain guest that reads memory it does not have.
;
; SPDX-License-Identifier: BSD-2-Clause
%include "tests/guests/vm/vm.inc"

start:
        mov     esi, text
        call    say
        mov     eax, [0xd0000000]
        mov     esi, text_after
        call    say
        jmp     $

section .data
text:       db "about to read memory that is not there", 10, 0
text_after: db "and something answered", 10, 0
