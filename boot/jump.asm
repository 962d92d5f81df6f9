; jump.asm - the loader's few instructions that C cannot say, and the step into the kernel.
;
; SPDX-License-Identifier: BSD-2-Clause
bits 64
default rel
section .text

global boot_port_write, boot_port_read, boot_read_cr4, boot_jump

; void boot_port_write(uint16_t port, uint8_t value);
;   in DI port, SIL value; uses RAX RDX
boot_port_write:
        mov     edx, edi
        mov     eax, esi
        out     dx, al
        ret

; uint8_t boot_port_read(uint16_t port);
;   in DI port; out AL; uses RDX
boot_port_read:
        mov     edx, edi
        xor     eax, eax
        in      al, dx
        ret

; uint64_t boot_read_cr4(void);
boot_read_cr4:
        mov     rax, cr4
        ret

; NORETURN void boot_jump(uint64_t cr3, uint64_t entry, uint64_t boot_info_va);
;   in RDI cr3 (its tables map this code identically), RSI entry, RDX boot record
;   The kernel is entered with RDI = boot record, interrupts off, and a stack it must not use.
boot_jump:
        cli
        cld
        mov     cr3, rdi
        mov     rdi, rdx
        xor     ebp, ebp
        jmp     rsi

section .note.GNU-stack noalloc noexec nowrite progbits
