; symbols.asm - carries the table of symbols that tools/gen-symbols made (SYMBOLS names the file).
;
; SPDX-License-Identifier: BSD-2-Clause
        section .rodata.symbols progbits alloc noexec nowrite align=8
        global  symbol_blob
symbol_blob:
        incbin  SYMBOLS
