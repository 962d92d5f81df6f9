; bench.asm - what a CPUID exit costs, seen from inside: RDTSC around 1000 CPUIDs, less what the same
; loop costs without them. The second round counts (the first warms up and synchronises counters that
; are kept lazily).
;
; SPDX-License-Identifier: BSD-2-Clause
%include "tests/guests/vm/vm.inc"

ROUNDS  equ     1000

start:
        call    measure
        call    measure
        push    eax
        mov     esi, text_ticks
        call    say
        pop     eax
        call    say_decimal
        mov     esi, text_end
        call    say
        cli
        hlt
        jmp     $

; EAX: ticks a CPUID.
measure:
        mov     edi, ROUNDS
        rdtsc
        mov     esi, eax
.next:
        xor     eax, eax
        cpuid
        dec     edi
        jnz     .next
        rdtsc
        sub     eax, esi
        mov     ebp, eax
        mov     edi, ROUNDS
        rdtsc
        mov     esi, eax
.empty:
        xor     eax, eax
        dec     edi
        jnz     .empty
        rdtsc
        sub     eax, esi
        sub     ebp, eax
        mov     eax, ebp
        xor     edx, edx
        mov     ecx, ROUNDS
        div     ecx
        ret

section .data
text_ticks:     db "CPUID exit: ", 0
text_end:       db " ticks", 10, 0
