; bad_loop.asm - a plain guest that never stops: interrupts off, no exits.
;
; SPDX-License-Identifier: BSD-2-Clause
%include "tests/guests/vm/vm.inc"

start:
        mov     esi, text
        call    say
        cli
.forever:
        inc     eax
        jmp     .forever

section .data
text:   db "about to run for ever", 10, 0
