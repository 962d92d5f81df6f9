# efi.mk - build/tain.efi: the GNU-EFI loader with the kernel inside.

EFI_C     := $(sort $(wildcard boot/*.c)) kernel/base/cfg_lex.c
EFI_ASM   := $(sort $(wildcard boot/*.asm))
EFI_OBJS  := $(EFI_C:%.c=build/efi/%.o) $(EFI_ASM:%.asm=build/efi/%.asm.o)
EFI_LIB   := /usr/lib
EFI_FLAGS := -std=gnu11 -O2 -g -ffreestanding -fpic -fshort-wchar -mno-red-zone -mgeneral-regs-only \
	-fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables -fno-strict-aliasing \
	-fno-tree-loop-distribute-patterns -maccumulate-outgoing-args -DGNU_EFI_USE_MS_ABI \
	-isystem /usr/include/efi -isystem /usr/include/efi/x86_64 -I . -MMD -MP
# The firmware's headers are older than our conventions: function types without prototypes.
EFI_WARN  := $(filter-out -Wundef,$(WARN))

build/efi/%.o: %.c Makefile tools/efi.mk
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(EFI_FLAGS) $(EFI_WARN) -c $< -o $@

build/efi/%.asm.o: %.asm Makefile tools/efi.mk
	$(call say,NASM,$<)
	$(Q)mkdir -p $(@D) && $(NASM) -f elf64 -w+all -Werror -I ./ -MD $(@:.o=.d) -MP $< -o $@

# What is carried: the image without symbols and debug data.
build/tain.bin: build/tain.elf
	$(Q)strip --strip-all -R .comment $< -o $@

build/efi/boot/payload.asm.o: build/tain.bin

build/tain.so: $(EFI_OBJS)
	$(call say,LD,$@)
	$(Q)ld -nostdlib -znocombreloc -shared -Bsymbolic -z noexecstack --no-warn-rwx-segments \
		-T $(EFI_LIB)/elf_x86_64_efi.lds -L $(EFI_LIB) $(EFI_LIB)/crt0-efi-x86_64.o $^ \
		-o $@ -lefi -lgnuefi --no-undefined

build/tain.efi: build/tain.so
	$(call say,EFI,$@)
	$(Q)objcopy -S -j .text -j .sdata -j .data -j .dynamic -j .dynsym -j '.rel*' -j '.rela*' \
		-j '.reloc' --target=efi-app-x86_64 $< $@

-include $(EFI_OBJS:.o=.d)
