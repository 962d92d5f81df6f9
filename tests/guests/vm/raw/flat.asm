; flat.asm - a flat image: entered where `load =` put it, in 32-bit protected mode, with multiboot's boot
; information. It says where it stands, its command line and its memory map, and ends by the exit port.
;
; SPDX-License-Identifier: BSD-2-Clause
COM1            equ     0x3f8
EXIT            equ     0xf4
MB_BOOT_MAGIC   equ     0x2badb002
INFO_CMDLINE    equ     16
INFO_MMAP       equ     44              ; length, then address

        bits    32
        org     0
entry:
        mov     esp, 0x7000
        mov     ebp, eax
        call    .here
.here:
        pop     edi
        sub     edi, .here              ; where this image lies
        lea     esi, [edi + text_at]
        call    say
        mov     eax, edi
        call    say_hex
        cmp     ebp, MB_BOOT_MAGIC
        jne     bad
        lea     esi, [edi + text_cmdline]
        call    say
        mov     esi, [ebx + INFO_CMDLINE]
        call    say
        mov     ebp, [ebx + INFO_MMAP]
        mov     ebx, [ebx + INFO_MMAP + 4]
.entry:                                 ; each: size of the rest, base, length, type
        lea     esi, [edi + text_map]
        call    say
        mov     eax, [ebx + 4]
        call    say_hex
        lea     esi, [edi + text_for]
        call    say
        mov     eax, [ebx + 12]
        call    say_hex
        mov     ecx, [ebx]
        add     ecx, 4
        add     ebx, ecx
        sub     ebp, ecx
        ja      .entry
        lea     esi, [edi + text_end]
        call    say
        mov     eax, 42
        out     EXIT, eax
bad:
        mov     eax, 1
        out     EXIT, eax
        hlt

; ESI: text that ends with 0. Uses EAX, EDX, ESI.
say:
        mov     edx, COM1
.next:
        lodsb
        test    al, al
        jz      .done
        out     dx, al
        jmp     .next
.done:
        ret

; EAX as 8 hexadecimal digits. Uses EAX, ECX, EDX.
say_hex:
        push    ebx
        mov     ebx, eax
        mov     edx, COM1
        mov     ecx, 8
.digit:
        rol     ebx, 4
        mov     eax, ebx
        and     al, 15
        add     al, '0'
        cmp     al, '9'
        jbe     .out
        add     al, 'a' - '9' - 1
.out:
        out     dx, al
        loop    .digit
        pop     ebx
        ret

text_at:        db      "flat image at ", 0
text_cmdline:   db      10, "command line: ", 0
text_map:       db      10, "memory at ", 0
text_for:       db      " bytes ", 0
text_end:       db      10, 0
