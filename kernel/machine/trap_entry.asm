; trap_entry.asm - where the CPU arrives by exception, interrupt or NMI, and how it goes back.
;
; 256 stubs of 16 bytes push what is missing of struct trap_frame (trap.h) and go to one common
; path that saves all registers and calls trap_dispatch(). The kernel uses no x87/SSE state, so
; none is saved. Also here: idle and capture, whose instructions must stand next to each other, and
; the few instructions that may fault, with their rows of the exception table.
;
; SPDX-License-Identifier: BSD-2-Clause

bits 64
default rel

extern trap_dispatch                    ; void trap_dispatch(struct trap_frame *)

EIO    equ 5
EFAULT equ 14

; One row of the exception table: a fault at %1 continues at %2.
%macro FIXUP 2
        section .ex_table progbits alloc noexec nowrite align=8
        dq      %1, %2
        section .text
%endmacro

section .text

align 16
global trap_stubs
global trap_common
global trap_common_end
trap_stubs:
%assign vec 0
%rep 256
        align   16
%if vec == 8 || (vec >= 10 && vec <= 14) || vec == 17 || vec == 21 || vec == 29 || vec == 30
        ; the CPU has pushed an error code
%else
        push    0
%endif
        push    vec
        jmp     near trap_common
%assign vec vec + 1
%endrep

trap_common:
        push    rax
        push    rbx
        push    rcx
        push    rdx
        push    rsi
        push    rdi
        push    rbp
        push    r8
        push    r9
        push    r10
        push    r11
        push    r12
        push    r13
        push    r14
        push    r15
        cld
        mov     rdi, rsp
        mov     rbp, rsp                ; a backtrace finds the trap frame by it
        call    trap_dispatch
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     r11
        pop     r10
        pop     r9
        pop     r8
        pop     rbp
        pop     rdi
        pop     rsi
        pop     rdx
        pop     rcx
        pop     rbx
        pop     rax
        add     rsp, 16
        iretq
trap_common_end:

; void cpu_sleep(volatile uint32_t *wake);
;   in RDI wake    Sleep with interrupts open unless *wake is set. Interrupts off after.
;   An NMI inside the window continues at its end, so that a kick is not slept through.
global cpu_sleep:function
global cpu_sleep_window_start
global cpu_sleep_window_end
cpu_sleep:
cpu_sleep_window_start:
        cmp     dword [rdi], 0
        jne     cpu_sleep_window_end
        sti
        hlt
cpu_sleep_window_end:
        cli
        ret

; void irq_open_once(void);
;   Interrupts open for exactly one instruction. STI holds them back until the NOP is done.
global irq_open_once:function
irq_open_once:
        sti
        nop
        cli
        ret

; int msr_read_safe(uint32_t msr, uint64_t *value);    0, or -EIO if RDMSR faults
global msr_read_safe:function
msr_read_safe:
        mov     ecx, edi
.access:
        rdmsr
        shl     rdx, 32
        or      rax, rdx
        mov     [rsi], rax
        xor     eax, eax
        ret
.fault:
        mov     eax, -EIO
        ret
FIXUP msr_read_safe.access, msr_read_safe.fault

; int msr_write_safe(uint32_t msr, uint64_t value);    0, or -EIO if WRMSR faults
global msr_write_safe:function
msr_write_safe:
        mov     ecx, edi
        mov     eax, esi
        mov     rdx, rsi
        shr     rdx, 32
.access:
        wrmsr
        xor     eax, eax
        ret
.fault:
        mov     eax, -EIO
        ret
FIXUP msr_write_safe.access, msr_write_safe.fault

; int copy_safe(void *dst, const void *src, size_t bytes);    0, or -EFAULT
global copy_safe:function
copy_safe:
        mov     rcx, rdx
.access:
        rep movsb
        xor     eax, eax
        ret
.fault:
        mov     eax, -EFAULT
        ret
FIXUP copy_safe.access, copy_safe.fault

; void gdt_activate(const struct table_register *gdt, uint16_t code, uint16_t data, uint16_t tss);
;   in RDI gdt, SI code, DX data, CX tss    FS and GS become null: their bases are set afterwards
global gdt_activate:function
gdt_activate:
        lgdt    [rdi]
        mov     ds, dx
        mov     es, dx
        mov     ss, dx
        xor     eax, eax
        mov     fs, ax
        mov     gs, ax
        ltr     cx
        movzx   eax, si
        pop     rdx
        push    rax
        push    rdx
        retfq
