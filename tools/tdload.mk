# tdload.mk - the TD loader (boot/tdload): built as a guest is, carried by the image and by build/host/tain
# as a table of bytes, build/gen/tdload_image.h.

TDLOAD      := build/tdload
TDLOAD_OBJS := $(TDLOAD)/entry.o $(TDLOAD)/main.o
TDLOAD_FLAGS := -std=gnu11 -Os -g -ffreestanding -fno-stack-protector -fno-pic -fno-pie -mcmodel=large \
	-fno-asynchronous-unwind-tables -fcf-protection=none -mno-red-zone -mgeneral-regs-only -I. -MMD -MP

$(TDLOAD)/entry.o: boot/tdload/entry.asm boot/tdload/start32.inc
	$(call say,NASM,$<)
	$(Q)mkdir -p $(@D) && $(NASM) -f elf64 -w+all -Werror -I ./ -o $@ $<

$(TDLOAD)/main.o: boot/tdload/main.c tools/tdload.mk
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(TDLOAD_FLAGS) $(WARN) -Wconversion -c $< -o $@

$(TDLOAD)/tdload.elf: $(TDLOAD_OBJS) boot/tdload/tdload.ld
	$(call say,LD,$@)
	$(Q)ld -nostdlib --no-warn-rwx-segments -z noexecstack -z max-page-size=4096 \
		-T boot/tdload/tdload.ld -o $@ $(TDLOAD_OBJS)

$(TDLOAD)/tdload.bin: $(TDLOAD)/tdload.elf
	$(Q)objcopy -O binary -j .image $< $@

build/gen/tdload_image.h: $(TDLOAD)/tdload.bin
	$(Q)mkdir -p $(@D) && od -An -v -tu1 -w16 $< | sed -e 's/^ *//' -e 's/  */,/g' -e 's/$$/,/' > $@.part && \
		mv $@.part $@

# Whoever compiles the table, in whatever way.
$(foreach d,image asan native tsan fuzz/obj,build/$(d)/tdx/tdload_image.o): build/gen/tdload_image.h
check: build/gen/tdload_image.h

-include $(TDLOAD)/main.d
