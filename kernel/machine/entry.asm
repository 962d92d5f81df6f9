; entry.asm - the first instructions of the kernel, on the boot CPU.
;
; The loader jumps here in long mode with RDI = struct boot_info * (a direct-map address), paging by
; its temporary tables, interrupts off, and .bss cleared. From here on the stack is ours.
;
; SPDX-License-Identifier: BSD-2-Clause

bits 64
default rel

BOOT_STACK_BYTES equ 32768

extern kernel_main                      ; void kernel_main(const struct boot_info *)

section .text.entry progbits alloc exec nowrite align=16

; NORETURN void kernel_entry(const struct boot_info *bi);
;   in RDI bi; never returns
global kernel_entry:function
kernel_entry:
        cli
        cld
        lea     rsp, [boot_stack_top]
        xor     ebp, ebp                ; ends the chain of frames in a backtrace
        call    kernel_main
.stop:
        cli
        hlt
        jmp     .stop

section .bss nobits alloc noexec write align=4096

global boot_stack_guard
global boot_stack
global boot_stack_top
boot_stack_guard:                       ; one page that is not mapped: an overflow faults
        resb    4096
boot_stack:
        resb    BOOT_STACK_BYTES
boot_stack_top:
