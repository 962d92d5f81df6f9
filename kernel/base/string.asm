; string.asm - memcpy and memset by the string instructions, in the place of the C library's loops.
;
; Eight bytes a step: the fastest way on the CPUs we run on for anything but a few bytes, and those
; the compiler expands itself. Neither touches SSE. The direction flag is clear, as the ABI says.
;
; SPDX-License-Identifier: BSD-2-Clause

bits 64
default rel
section .text

; void *memcpy(void *to, const void *from, size_t bytes);
;   in RDI to, RSI from, RDX bytes    out RAX to    uses RCX RSI RDI
global memcpy:function
memcpy:
        mov     rax, rdi
        mov     rcx, rdx
        shr     rcx, 3
        rep movsq
        mov     ecx, edx
        and     ecx, 7
        rep movsb
        ret

; void *memset(void *at, int value, size_t bytes);
;   in RDI at, SIL value, RDX bytes    out RAX at    uses RCX RSI RDI R8
global memset:function
memset:
        mov     r8, rdi
        movzx   eax, sil
        mov     rcx, 0x0101010101010101
        imul    rax, rcx                ; the byte eight times
        mov     rcx, rdx
        shr     rcx, 3
        rep stosq
        mov     ecx, edx
        and     ecx, 7
        rep stosb
        mov     rax, r8
        ret
