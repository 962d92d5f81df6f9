; real.asm - 64 KiB of firmware that never leaves real mode: from the reset vector, through an interrupt table
; of its own, by the 8259 and the 8254, to the exit port.
;
; SPDX-License-Identifier: BSD-2-Clause
COM1            equ     0x3f8
EXIT            equ     0xf4
TICKS           equ     3
TIMER_VECTOR    equ     0x20
SOFT_VECTOR     equ     0x60
COUNT           equ     0x500           ; words in low memory
FLAG            equ     0x502

        bits    16
        org     0
start:
        mov     ax, cs
        mov     si, text_real
        cmp     ax, 0xf000
        jne     bad
        smsw    ax
        test    al, 1
        jnz     bad
        call    say_here

        ; From here on in RAM, so that far pointers can name it: the code runs at 1000:0.
        xor     ax, ax
        mov     ss, ax
        mov     sp, 0x7000
        mov     ax, 0x1000
        mov     es, ax
        xor     di, di
        xor     si, si
        mov     cx, copy_end
        cld
        cs rep movsb
        jmp     0x1000:in_ram
in_ram:
        mov     ax, cs
        cmp     ax, 0x1000
        jne     bad
        xor     ax, ax
        mov     ds, ax
        mov     word [SOFT_VECTOR * 4], on_soft
        mov     word [SOFT_VECTOR * 4 + 2], cs
        mov     word [TIMER_VECTOR * 4], on_timer
        mov     word [TIMER_VECTOR * 4 + 2], cs
        mov     word [COUNT], 0
        mov     word [FLAG], 0
        int     SOFT_VECTOR
        cmp     word [FLAG], 0x1234
        jne     bad
        mov     si, text_int
        call    say_here

        mov     al, 0x11                ; the first 8259: edge, cascade, four words
        out     0x20, al
        mov     al, TIMER_VECTOR
        out     0x21, al
        mov     al, 4
        out     0x21, al
        mov     al, 1
        out     0x21, al
        mov     al, 0xfe                ; the timer only
        out     0x21, al
        mov     al, 0x34                ; channel 0, rate generator: 1 ms
        out     0x43, al
        mov     ax, 1193
        out     0x40, al
        mov     al, ah
        out     0x40, al
.wait:
        sti
        hlt
        cli
        cmp     word [COUNT], TICKS
        jb      .wait
        mov     si, text_ticks
        call    say_here
        mov     eax, 7
        out     EXIT, eax
bad:
        mov     eax, 1
        out     EXIT, eax
        hlt

on_soft:
        mov     word [FLAG], 0x1234
        iret

on_timer:
        push    ax
        inc     word [COUNT]
        mov     al, 0x20
        out     0x20, al
        pop     ax
        iret

; CS:SI: text that ends with 0. Uses AX, DX, SI.
say_here:
        mov     dx, COM1
.next:
        cs lodsb
        test    al, al
        jz      .done
        out     dx, al
        jmp     .next
.done:
        ret

text_real:      db      "real mode, from the reset vector", 10, 0
text_int:       db      "its own interrupt table", 10, 0
text_ticks:     db      "three ticks of the 8254 by the 8259", 10, 0
copy_end:
        times   0xfff0 - ($ - $$) db 0xff
        jmp     start                   ; FFFF:FFF0
        times   0x10000 - ($ - $$) db 0xff
