; bad_triple.asm - a plain guest that triple-faults: an exception without an IDT.
;
; SPDX-License-Identifier: BSD-2-Clause
%include "tests/guests/vm/vm.inc"

start:
        mov     esi, text
        call    say
        lidt    [no_idt]
        ud2

section .data
text:   db "about to triple-fault", 10, 0
no_idt: times 6 db 0
