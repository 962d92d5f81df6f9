; bench_guest.asm - what runs inside the plain guest of `bench mmu`: writes one word to each of a row
; of pages, takes the time, and waits for the next order.
;
; A flat image for GPA 1 MiB, 32-bit protected mode, no paging, no stack. Its orders and its answer lie
; at GPA 2000h: base, stride in bytes, count, ticks, and 1 while there is work. RDTSC is taken twice at each end and the second
; counts: some CPUs synchronise their counter only then.
;
; SPDX-License-Identifier: BSD-2-Clause

BOX     equ     0x2000

section .rodata
global bench_guest_start
global bench_guest_end

bits 32
        align   16
bench_guest_start:
        pause
        cmp     dword [BOX + 16], 0
        je      bench_guest_start
        mov     edi, [BOX]
        mov     ebx, [BOX + 4]
        mov     ecx, [BOX + 8]
        rdtsc
        rdtsc
        mov     esi, eax
.next:
        mov     [edi], ecx
        add     edi, ebx
        dec     ecx
        jnz     .next
        rdtsc
        rdtsc
        sub     eax, esi
        mov     [BOX + 12], eax
        mov     dword [BOX + 16], 0
        jmp     bench_guest_start
bench_guest_end:
