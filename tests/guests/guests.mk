# guests.mk - the test guests: build/guests/NAME.fd for each tests/guests/td/NAME.c.
#
# A trust domain is one C file, td/lib.c, td/entry.asm and what it needs of td/loop.asm, linked at the top of
# the first 4 GiB; the image carries its own TDVF metadata. Each is freestanding: nothing of the hypervisor is
# linked in but kernel/base/sha384.c.
#
# SPDX-License-Identifier: BSD-2-Clause

GUEST_DIR      := build/guests
TD_GUEST_NAMES := $(filter-out lib,$(basename $(notdir $(wildcard tests/guests/td/*.c))))
TD_GUESTS      := $(TD_GUEST_NAMES:%=$(GUEST_DIR)/%.fd)
TD_GUEST_LIB   := $(GUEST_DIR)/td/lib.o $(GUEST_DIR)/td/entry.o $(GUEST_DIR)/td/sha384.o $(GUEST_DIR)/td/loop.o
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

$(GUEST_DIR)/td/%.o: tests/guests/td/%.asm boot/tdload/start32.inc
	@mkdir -p $(@D)
	$(call say,NASM,$<)
	$(Q)$(NASM) -f elf64 -I ./ -o $@ $<

$(GUEST_DIR)/td/%.elf: $(GUEST_DIR)/td/%.o $(TD_GUEST_LIB) tests/guests/td/td.ld
	$(Q)ld -nostdlib --no-relax --gc-sections --no-warn-rwx-segments -z noexecstack -z max-page-size=4096 \
		-T tests/guests/td/td.ld -o $@ $< $(TD_GUEST_LIB)

$(GUEST_DIR)/%.fd: $(GUEST_DIR)/td/%.elf
	$(call say,GUEST,$@)
	$(Q)objcopy -O binary --set-section-flags .bss=alloc,load,contents -j .bss -j .image $< $@

.SECONDARY: $(TD_GUEST_LIB) $(TD_GUEST_NAMES:%=$(GUEST_DIR)/td/%.o) $(TD_GUEST_NAMES:%=$(GUEST_DIR)/td/%.elf)
-include $(wildcard $(GUEST_DIR)/td/*.d)

# Plain guests: build/guests/NAME.elf for each tests/guests/vm/NAME.asm, and for each NAME.c with
# centry.asm: a multiboot ELF at 1 MiB.
# Those whose names a trust domain has too are told apart by their ending.
VM_ASM_NAMES := $(filter-out centry,$(basename $(notdir $(wildcard tests/guests/vm/*.asm))))
VM_C_NAMES   := $(basename $(notdir $(wildcard tests/guests/vm/*.c)))
VM_GUESTS    := $(VM_ASM_NAMES:%=$(GUEST_DIR)/%.elf) $(VM_C_NAMES:%=$(GUEST_DIR)/%.elf)
VM_LINK      := ld -m elf_i386 -nostdlib -z noexecstack --no-warn-rwx-segments -N -Ttext 0x100000
VM_GUEST_CFLAGS := $(filter-out -fpie,$(TD_GUEST_CFLAGS)) -m32 -fno-pic -fno-pie

# Images without a header: build/guests/NAME.bin.
VM_RAW       := $(patsubst tests/guests/vm/raw/%.asm,$(GUEST_DIR)/%.bin,$(wildcard tests/guests/vm/raw/*.asm))

guests: $(VM_GUESTS) $(VM_RAW)
all: $(VM_GUESTS) $(VM_RAW)

$(VM_RAW): $(GUEST_DIR)/%.bin: tests/guests/vm/raw/%.asm
	@mkdir -p $(@D)
	$(call say,NASM,$<)
	$(Q)$(NASM) -f bin -w+all -Werror -o $@ $<

$(GUEST_DIR)/vm/%.o: tests/guests/vm/%.asm tests/guests/vm/vm.inc
	@mkdir -p $(@D)
	$(call say,NASM,$<)
	$(Q)$(NASM) -f elf32 -w+all -Werror -I ./ -o $@ $<

$(GUEST_DIR)/vm/%.c.o: tests/guests/vm/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(VM_GUEST_CFLAGS) -c $< -o $@

$(VM_ASM_NAMES:%=$(GUEST_DIR)/%.elf): $(GUEST_DIR)/%.elf: $(GUEST_DIR)/vm/%.o
	$(call say,GUEST,$@)
	$(Q)$(VM_LINK) -o $@ $<

# The header is in the first 8 KiB: centry.o comes first.
$(VM_C_NAMES:%=$(GUEST_DIR)/%.elf): $(GUEST_DIR)/%.elf: $(GUEST_DIR)/vm/centry.o $(GUEST_DIR)/vm/%.c.o
	$(call say,GUEST,$@)
	$(Q)$(VM_LINK) -o $@ $^

.SECONDARY: $(VM_ASM_NAMES:%=$(GUEST_DIR)/vm/%.o) $(VM_C_NAMES:%=$(GUEST_DIR)/vm/%.c.o) $(GUEST_DIR)/vm/centry.o
-include $(wildcard $(GUEST_DIR)/vm/*.d)
