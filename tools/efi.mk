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

EFI_LINK := ld -nostdlib -znocombreloc -shared -Bsymbolic -z noexecstack --no-warn-rwx-segments \
	-T $(EFI_LIB)/elf_x86_64_efi.lds -L $(EFI_LIB) $(EFI_LIB)/crt0-efi-x86_64.o
EFI_COPY := objcopy -S -j .text -j .sdata -j .data -j .dynamic -j .dynsym -j '.rel*' -j '.rela*' \
	-j '.reloc' --target=efi-app-x86_64

build/tain.so: $(EFI_OBJS)
	$(call say,LD,$@)
	$(Q)$(EFI_LINK) $^ -o $@ -lefi -lgnuefi --no-undefined

build/tain.efi: build/tain.so
	$(call say,EFI,$@)
	$(Q)$(EFI_COPY) $< $@

# The same loader, that stands in for a firmware with 5-level paging: for tests/e2e.
LA57_OBJS := $(patsubst build/efi/boot/paging.o,build/efi/la57/paging.o,$(EFI_OBJS))
build/efi/la57/paging.o: boot/paging.c Makefile tools/efi.mk
	$(Q)mkdir -p $(@D) && $(CC) $(EFI_FLAGS) $(EFI_WARN) -DBOOT_TEST_LA57 -c $< -o $@

build/test/la57.so: $(LA57_OBJS)
	$(Q)mkdir -p $(@D) && $(EFI_LINK) $^ -o $@ -lefi -lgnuefi --no-undefined

build/test/la57.efi: build/test/la57.so
	$(Q)$(EFI_COPY) $< $@

E2E_NEEDS += build/test/la57.efi

-include $(EFI_OBJS:.o=.d)
