; centry.asm - the start of plain guests that are written in C: vm_main(magic, info), ports, and the
; way of a second vCPU from its start-up interrupt to vm_other().
;
; SPDX-License-Identifier: BSD-2-Clause
%include "tests/guests/vm/vm.inc"

extern vm_main

start:
        cld
        push    ebx
        push    eax
        call    vm_main
        cli
        hlt
        jmp     $

;   void out_byte(uint16_t port, uint8_t value);
global out_byte
out_byte:
        mov     edx, [esp + 4]
        mov     eax, [esp + 8]
        out     dx, al
        ret

;   void out_dword(uint16_t port, uint32_t value);
global out_dword
out_dword:
        mov     edx, [esp + 4]
        mov     eax, [esp + 8]
        out     dx, eax
        ret

;   uint8_t in_byte(uint16_t port);
global in_byte
in_byte:
        mov     edx, [esp + 4]
        xor     eax, eax
        in      al, dx
        ret

;   void copy_words(volatile uint32_t *to, const volatile uint32_t *from, uint32_t words);
;   By one string instruction, over device windows too.
global copy_words
copy_words:
        push    esi
        push    edi
        mov     edi, [esp + 12]
        mov     esi, [esp + 16]
        mov     ecx, [esp + 20]
        rep movsd
        pop     edi
        pop     esi
        ret

; What a second vCPU finds at the page of its start-up interrupt: copied there by who sends it.
global ap_code, ap_code_end
bits 16
ap_code:
        cli
        mov     ax, cs
        mov     ds, ax
        o32 lgdt [ap_gdtr - ap_code]
        mov     eax, cr0
        or      al, 1
        mov     cr0, eax
        jmp     dword 0x08:ap_start
ap_gdtr:
        dw      ap_gdt_end - ap_gdt - 1
        dd      ap_gdt
ap_code_end:

bits 32
extern vm_other:weak ; only guests that start a second vCPU have it
ap_start:
        mov     ax, 0x10
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     esp, ap_stack_top
        cld
        call    vm_other
        cli
        hlt
        jmp     $

        align   8
ap_gdt:
        dq      0, 0x00cf9a000000ffff, 0x00cf92000000ffff
ap_gdt_end:

section .bss align=4096
        resb    4096
ap_stack_top:
section .text

;   uint64_t read_msr(uint32_t msr);
global read_msr
read_msr:
        mov     ecx, [esp + 4]
        rdmsr
        ret

;   uint32_t cpuid_ebx(uint32_t leaf);
global cpuid_ebx
cpuid_ebx:
        push    ebx
        mov     eax, [esp + 8]
        xor     ecx, ecx
        cpuid
        mov     eax, ebx
        pop     ebx
        ret

;   void load_tables(const void *idt, uint32_t limit);
;   The GDT above (code 8, data 10h: an IRET looks there), and that IDT.
global load_tables
load_tables:
        mov     eax, [esp + 4]
        mov     ecx, [esp + 8]
        mov     [idt_pointer], cx
        mov     [idt_pointer + 2], eax
        lgdt    [ap_gdtr]
        lidt    [idt_pointer]
        jmp     8:.segments
.segments:
        mov     eax, 0x10
        mov     ds, eax
        mov     es, eax
        mov     ss, eax
        ret

;   void irq_enable(void);
global irq_enable
irq_enable:
        sti
        ret

section .data
idt_pointer:    dw      0
                dd      0
