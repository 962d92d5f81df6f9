; ap_entry.asm - how an application processor gets from real mode to C.
;
; The block ap_blob is copied to a page below 1 MiB (any page: it finds itself by CS) and started by
; SIPI. The three pages after it are a PML4, PDPT and PD that map the first 2 MiB one to one and the
; kernel's upper half. All APs run it at once: a ticket picks the stack and the struct cpu.
; Offsets of the fields that C fills in: struct ap_params in smp.c, at AP_PARAMS of the page.
;
; SPDX-License-Identifier: BSD-2-Clause

AP_PARAMS   equ 0x800
P_CR3_LOW   equ AP_PARAMS + 0           ; tables with the one-to-one part (below 4 GiB)
P_CR3       equ AP_PARAMS + 8           ; the kernel's tables
P_CR0       equ AP_PARAMS + 16
P_CR4       equ AP_PARAMS + 24
P_EFER      equ AP_PARAMS + 32
P_AREAS     equ AP_PARAMS + 40          ; struct cpu *areas[]
P_COUNT     equ AP_PARAMS + 48          ; how many areas
P_TICKET    equ AP_PARAMS + 52
P_ENTRY     equ AP_PARAMS + 56          ; void ap_start(struct cpu *)
P_STACK_OFF equ AP_PARAMS + 64          ; offset of stack_top in struct cpu

MSR_EFER    equ 0xc0000080
CR4_PAE     equ 0x20
CR0_PG_PE   equ 0x80000001

section .rodata progbits alloc noexec nowrite align=16

global ap_blob
global ap_blob_end

bits 16
ap_blob:
        cli
        cld
        mov     ax, cs
        mov     ds, ax
        xor     ebx, ebx
        mov     bx, ax
        shl     ebx, 4                  ; EBX = linear address of this page, kept to the end
        lea     eax, [ebx + (ap_gdt - ap_blob)]
        mov     [ap_gdtr - ap_blob + 2], eax
        lea     eax, [ebx + (ap_long - ap_blob)]
        mov     [ap_far - ap_blob], eax
        mov     eax, CR4_PAE
        mov     cr4, eax
        mov     eax, [P_CR3_LOW]
        mov     cr3, eax
        mov     ecx, MSR_EFER
        mov     eax, [P_EFER]
        mov     edx, [P_EFER + 4]
        wrmsr
        o32 lgdt [ap_gdtr - ap_blob]
        mov     eax, CR0_PG_PE
        mov     cr0, eax                ; long mode, compatibility, at once
        jmp     far dword [ap_far - ap_blob]

bits 64
ap_long:
        mov     ebx, ebx
        mov     ax, 0x10
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     rax, [rbx + P_CR0]
        mov     cr0, rax
        mov     rax, [rbx + P_CR4]
        mov     cr4, rax
        mov     eax, 1
        lock xadd [rbx + P_TICKET], eax
        cmp     eax, [rbx + P_COUNT]
        jae     .surplus                ; a CPU that nobody asked for
        mov     rdx, [rbx + P_AREAS]
        mov     rdi, [rdx + rax * 8]
        mov     rcx, [rbx + P_STACK_OFF]
        mov     rsp, [rdi + rcx]
        mov     rax, [rbx + P_ENTRY]
        mov     rdx, [rbx + P_CR3]
        xor     ebp, ebp
        jmp     rax                     ; ap_enter below: changes CR3 from a high address
.surplus:
        cli
        hlt
        jmp     .surplus

align 8
ap_gdt: dq      0
        dq      0x00af9b000000ffff      ; 0x08 code, 64 bit
        dq      0x00cf93000000ffff      ; 0x10 data
ap_gdtr:
        dw      ap_gdtr - ap_gdt - 1
        dd      0
ap_far: dd      0
        dw      0x08
ap_blob_end:

section .text
bits 64
default rel

extern ap_start                         ; NORETURN void ap_start(struct cpu *)

; in RDI struct cpu *, RDX the kernel's CR3, RSP the CPU's own stack
global ap_enter
ap_enter:
        mov     cr3, rdx
        call    ap_start
        ud2
