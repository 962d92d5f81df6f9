# guests.mk - the test guests: build/guests/NAME.fd for each tests/guests/td/NAME.c.
#
# A trust domain is one C file, td/lib.c and td/entry.asm, linked at the top of the first 4 GiB; the
# image carries its own TDVF metadata. Each is freestanding: nothing of the hypervisor is linked in
# but kernel/base/sha384.c.
#
# SPDX-License-Identifier: BSD-2-Clause

GUEST_DIR      := build/guests
TD_GUEST_NAMES := $(filter-out lib,$(basename $(notdir $(wildcard tests/guests/td/*.c))))
TD_GUESTS      := $(TD_GUEST_NAMES:%=$(GUEST_DIR)/%.fd)
TD_GUEST_LIB   := $(GUEST_DIR)/td/lib.o $(GUEST_DIR)/td/entry.o $(GUEST_DIR)/td/sha384.o
TD_GUEST_CFLAGS := -std=gnu11 -O2 -g -ffreestanding -fno-builtin -fno-stack-protector -fpie \
	-fno-asynchronous-unwind-tables -fcf-protection=none -mno-red-zone -mgeneral-regs-only \
	-ffunction-sections -fdata-sections -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wconversion -Wno-sign-conversion -I. -MMD -MP

.PHONY: guests
guests: $(TD_GUESTS) ## the test guests, build/guests/*
all: $(TD_GUESTS)

$(GUEST_DIR)/td/%.o: tests/guests/td/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(TD_GUEST_CFLAGS) -c $< -o $@

$(GUEST_DIR)/td/sha384.o: kernel/base/sha384.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(TD_GUEST_CFLAGS) -c $< -o $@

$(GUEST_DIR)/td/entry.o: tests/guests/td/entry.asm
	@mkdir -p $(@D)
	$(call say,NASM,$<)
	$(Q)$(NASM) -f elf64 -o $@ $<

$(GUEST_DIR)/td/%.elf: $(GUEST_DIR)/td/%.o $(TD_GUEST_LIB) tests/guests/td/td.ld
	$(Q)ld -nostdlib --no-relax --gc-sections --no-warn-rwx-segments -z noexecstack -z max-page-size=4096 \
		-T tests/guests/td/td.ld -o $@ $< $(TD_GUEST_LIB)

$(GUEST_DIR)/%.fd: $(GUEST_DIR)/td/%.elf
	$(call say,GUEST,$@)
	$(Q)objcopy -O binary --set-section-flags .bss=alloc,load,contents -j .bss -j .image $< $@

.SECONDARY: $(TD_GUEST_LIB) $(TD_GUEST_NAMES:%=$(GUEST_DIR)/td/%.o) $(TD_GUEST_NAMES:%=$(GUEST_DIR)/td/%.elf)
-include $(wildcard $(GUEST_DIR)/td/*.d)

# Plain guests: build/guests/NAME.elf for each tests/guests/vm/NAME.asm, a multiboot ELF at 1 MiB.
# Those whose names a trust domain has too are told apart by their ending.
VM_GUEST_NAMES := $(basename $(notdir $(wildcard tests/guests/vm/*.asm)))
VM_GUESTS      := $(VM_GUEST_NAMES:%=$(GUEST_DIR)/%.elf)

guests: $(VM_GUESTS)
all: $(VM_GUESTS)

$(GUEST_DIR)/vm/%.o: tests/guests/vm/%.asm tests/guests/vm/vm.inc
	@mkdir -p $(@D)
	$(call say,NASM,$<)
	$(Q)$(NASM) -f elf32 -w+all -Werror -I ./ -o $@ $<

$(GUEST_DIR)/%.elf: $(GUEST_DIR)/vm/%.o
	$(call say,GUEST,$@)
	$(Q)ld -m elf_i386 -nostdlib -z noexecstack --no-warn-rwx-segments -N -Ttext 0x100000 -o $@ $<

.SECONDARY: $(VM_GUEST_NAMES:%=$(GUEST_DIR)/vm/%.o)
