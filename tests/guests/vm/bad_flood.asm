; bad_flood.asm - a plain guest that prints without end.
;
; SPDX-License-Identifier: BSD-2-Clause
%include "tests/guests/vm/vm.inc"

start:
        mov     esi, text
        call    say
        jmp     start

section .data
text:   db "all work and no play makes a dull guest", 10, 0
