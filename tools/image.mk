# image.mk - build/tain.elf: every source of the rooms inside the image.

IMAGE_DIRS := kernel kernel/base kernel/machine kernel/platform kernel/vmx kernel/guest \
	kernel/monitor mmu tdx tdx/abi tdx/soft tdx/soft/vmx drivers $(patsubst %/,%,$(wildcard drivers/*/))
IMAGE_C    := $(sort $(foreach d,$(IMAGE_DIRS),$(wildcard $(d)/*.c)))
IMAGE_ASM  := $(sort $(foreach d,$(IMAGE_DIRS),$(wildcard $(d)/*.asm)))
IMAGE_OBJS := $(IMAGE_C:%.c=build/image/%.o) $(IMAGE_ASM:%.asm=build/image/%.asm.o)

IMAGE_MACHINE := -m64 -ffreestanding -mno-red-zone -mgeneral-regs-only -mcmodel=kernel -fno-pic \
	-fno-pie -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables
IMAGE_FLAGS = -std=gnu11 $(IMAGE_MACHINE) -O2 -g -fno-omit-frame-pointer -fno-common \
	-fno-strict-aliasing -nostdinc $(NEWLIB_INC) -isystem $(GCC_INC) -I . -MMD -MP

build/image/%.o: %.c $(NEWLIB)/src/.unpacked Makefile tools/image.mk
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(IMAGE_FLAGS) $(call warn_for,$<) -c $< -o $@

build/image/%.asm.o: %.asm Makefile tools/image.mk
	$(call say,NASM,$<)
	$(Q)mkdir -p $(@D) && $(NASM) -f elf64 -g -F dwarf -w+all -Werror -I ./ -I build/gen/ \
		-MD $(@:.o=.d) -MP $< -o $@

# The list of objects is an input too: a removed file must not stay in the image.
build/image/objects: FORCE
	$(Q)mkdir -p $(@D); echo '$(IMAGE_OBJS)' | cmp -s - $@ || echo '$(IMAGE_OBJS)' > $@

build/tain.elf: $(IMAGE_OBJS) $(NEWLIB_LIB) linker.ld build/image/objects
	$(call say,LD,$@)
	$(Q)ld -T linker.ld -nostdlib -static -z max-page-size=4096 -z noexecstack \
		--no-warn-rwx-segments --fatal-warnings -Map build/tain.map \
		-o $@ $(IMAGE_OBJS) --start-group $(NEWLIB_LIB) $(shell $(CC) -print-libgcc-file-name) --end-group

.PHONY: FORCE
FORCE:

-include $(IMAGE_OBJS:.o=.d)
