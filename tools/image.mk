# image.mk - build/tain.elf: every source of the rooms inside the image.

IMAGE_DIRS := kernel kernel/base kernel/machine kernel/platform kernel/vmx kernel/guest kernel/net \
	kernel/monitor mmu tdx tdx/abi tdx/soft tdx/soft/vmx drivers $(patsubst %/,%,$(wildcard drivers/*/))
IMAGE_C    := $(sort $(foreach d,$(IMAGE_DIRS),$(wildcard $(d)/*.c)))
IMAGE_ASM  := $(sort $(foreach d,$(IMAGE_DIRS),$(wildcard $(d)/*.asm)))
IMAGE_OBJS := $(IMAGE_C:%.c=build/image/%.o) $(IMAGE_ASM:%.asm=build/image/%.asm.o)

IMAGE_MACHINE := -m64 -ffreestanding -mno-red-zone -mgeneral-regs-only -mcmodel=kernel -fno-pic \
	-fno-pie -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables \
	-ffunction-sections -fdata-sections
IMAGE_FLAGS = -std=gnu11 $(IMAGE_MACHINE) -O2 -g -fno-omit-frame-pointer -fno-common \
	-fno-strict-aliasing -nostdinc $(NEWLIB_INC) -isystem $(GCC_INC) $(LWIP_INC) -I . -MMD -MP

# Rooms that wait for people and for wires are built for size; what measures is built as the rest.
COLD_ROOMS := kernel/monitor/% kernel/net/%
cold_flags  = $(if $(filter $(COLD_ROOMS),$(filter-out kernel/monitor/bench%,$(1))),-Os)

build/image/%.o: %.c $(NEWLIB)/src/.unpacked $(LWIP_STAMP) Makefile tools/image.mk
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(IMAGE_FLAGS) $(call cold_flags,$<) $(call warn_for,$<) -c $< -o $@

build/image/%.asm.o: %.asm Makefile tools/image.mk
	$(call say,NASM,$<)
	$(Q)mkdir -p $(@D) && $(NASM) -f elf64 -g -F dwarf -w+all -Werror -I ./ -I build/gen/ \
		-MD $(@:.o=.d) -MP $< -o $@

# The list of objects is an input too: a removed file must not stay in the image.
build/image/objects: FORCE
	$(Q)mkdir -p $(@D); echo '$(IMAGE_OBJS)' | cmp -s - $@ || echo '$(IMAGE_OBJS)' > $@

# What nothing in the image calls is left out (wrappers that only tests use, parts of lwIP).
IMAGE_LINK = ld -T linker.ld -nostdlib -static --gc-sections -z max-page-size=4096 -z noexecstack \
	--no-warn-rwx-segments --fatal-warnings $(IMAGE_OBJS) --start-group $(LWIP_LIB) $(NEWLIB_LIB) \
	$(shell $(CC) -print-libgcc-file-name) --end-group

# The image carries its own symbols. The table lies behind the text and moves what follows it: a link
# without it gives the names, one with it the addresses, and the third the image.
SYM := build/image/symbols
symbols_object = tools/gen-symbols $(SYM)$(1).nm $(SYM)$(1).bin && \
	$(NASM) -f elf64 -w+all -Werror '-DSYMBOLS="$(SYM)$(1).bin"' tools/symbols.asm -o $(SYM)$(1).o

build/tain.elf: $(IMAGE_OBJS) $(NEWLIB_LIB) $(LWIP_LIB) linker.ld build/image/objects tools/gen-symbols tools/symbols.asm
	$(call say,LD,$@)
	$(Q): > $(SYM)0.nm && $(call symbols_object,0)
	$(Q)$(IMAGE_LINK) $(SYM)0.o -o $(SYM)1.elf && nm $(SYM)1.elf > $(SYM)1.nm && $(call symbols_object,1)
	$(Q)$(IMAGE_LINK) $(SYM)1.o -o $(SYM)2.elf && nm $(SYM)2.elf > $(SYM)2.nm && $(call symbols_object,2)
	$(Q)$(IMAGE_LINK) $(SYM)2.o -Map build/tain.map -o $@
	$(Q)nm $@ | cmp -s - $(SYM)2.nm || { echo 'the symbols moved between two links' >&2; exit 1; }
	$(Q)rm -f $(SYM)1.elf $(SYM)2.elf

.PHONY: FORCE
FORCE:

-include $(IMAGE_OBJS:.o=.d)
