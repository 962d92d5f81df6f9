; selftest_td.asm - what runs inside the trust domain of `selftest`: a kernel of one page in the form of
; a Linux bzImage, so that the TD loader accepts the memory and enters it.
;
; It asks the module who it is, looks at CPUID leaf 21h, writes its own address into pages that were
; accepted and reads it back, and prints one line by TDVMCALL: "selftest: ok" or "selftest: bad X".
; Then it halts with interrupts blocked, for ever.
;
;   at the entry   64-bit mode, identity map of 4 GiB, interrupts off (Linux boot protocol)
;
; SPDX-License-Identifier: BSD-2-Clause

LOAD            equ     0x200000
MEMORY          equ     0x100000        ; from LOAD on, ours from the start
AREA            equ     0x400000        ; accepted by the loader
AREA_PAGES      equ     512
COM1            equ     0x3f8
VMCALL_HLT      equ     12
VMCALL_IO       equ     30
VMCALL_MASK     equ     0xfc00          ; R10 to R15
TDG_VP_INFO     equ     1

%macro  TDCALL 0                        ; NASM 2.16 has no mnemonic for it
        db      0x66, 0x0f, 0x01, 0xcc
%endmacro

section .rodata
global selftest_td_start
global selftest_td_end

        align   16
; Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header"
selftest_td_start:
        times   0x1f1 - ($ - selftest_td_start) db 0
        db      1                       ; set-up sectors
        times   0x1fe - ($ - selftest_td_start) db 0
        dw      0xaa55
        db      0xeb, 0x66              ; the header ends at 268h
        db      "HdrS"
        dw      0x20f                   ; version
        times   0x211 - ($ - selftest_td_start) db 0
        db      1                       ; loaded high
        times   0x22c - ($ - selftest_td_start) db 0
        dd      0x7fffffff              ; last address of an initrd
        times   0x236 - ($ - selftest_td_start) db 0
        dw      1                       ; has a 64-bit entry
        dd      255                     ; longest command line
        times   0x258 - ($ - selftest_td_start) db 0
        dq      LOAD
        dd      MEMORY
        times   0x400 + 0x200 - ($ - selftest_td_start) db 0

bits 64
entry:
        mov     rsp, LOAD + MEMORY
        mov     ebx, 'I'
        mov     eax, TDG_VP_INFO
        TDCALL
        test    rax, rax
        jnz     .bad

        mov     ebx, 'C'
        mov     eax, 0x21
        xor     ecx, ecx
        cpuid
        cmp     ebx, 'Inte'
        mov     ebx, 'C'
        jne     .bad

        mov     ebx, 'M'
        mov     edi, AREA
        mov     ecx, AREA_PAGES
.write: mov     [rdi], rdi
        add     rdi, 4096
        dec     ecx
        jnz     .write
        mov     edi, AREA
        mov     ecx, AREA_PAGES
.read:  cmp     [rdi], rdi
        jne     .bad
        add     rdi, 4096
        dec     ecx
        jnz     .read

        lea     rsi, [rel good]
        call    print
        jmp     halt
.bad:   lea     rsi, [rel bad]
        call    print
        mov     r15d, ebx
        call    put
        mov     r15d, 10
        call    put
halt:   mov     r12d, 1                 ; interrupts are blocked
        mov     r11d, VMCALL_HLT
        call    vmcall
        jmp     halt

; the zero-terminated text at RSI
print:  movzx   r15d, byte [rsi]
        test    r15d, r15d
        jz      .end
        inc     rsi
        call    put
        jmp     print
.end:   ret

; the character in R15
put:    mov     r11d, VMCALL_IO
        mov     r12d, 1                 ; one byte
        mov     r13d, 1                 ; out
        mov     r14d, COM1
vmcall: xor     r10d, r10d
        xor     eax, eax
        mov     ecx, VMCALL_MASK
        TDCALL
        ret

good:   db      "selftest: ok", 10, 0
bad:    db      "selftest: bad ", 0
selftest_td_end:
