; payload.asm - the kernel, carried inside the EFI file as a stripped ELF image.
;
; SPDX-License-Identifier: BSD-2-Clause
section .data align=4096
global payload_start, payload_end
payload_start:
        incbin  "build/tain.bin"
payload_end:
section .note.GNU-stack noalloc noexec nowrite progbits
