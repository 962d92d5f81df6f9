# linux-guest.mk - the Linux test guests: stock kernels (tools/fetch-guests) and one initramfs for all of
# them: busybox, tests/guests/linux/init, a program that prints a TDREPORT, a few modules.

LINUX_DIR     := build/guests/linux
LINUX_KERNELS := build/guests/debian13-vmlinuz build/guests/debian12-vmlinuz build/guests/memtest.bin
LINUX_INITRD  := build/guests/linux-initrd.gz
LINUX_GUESTS  := $(LINUX_KERNELS) $(LINUX_INITRD)

$(LINUX_KERNELS) &: tools/fetch-guests
	$(Q)tools/fetch-guests && touch $(LINUX_KERNELS)

$(LINUX_DIR)/tdreport: tests/guests/linux/tdreport.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) -std=gnu11 -Os -static -s $(WARN) $< -o $@

# The modules' names are only known when the kernels have come.
$(LINUX_INITRD): $(LINUX_DIR)/tdreport $(wildcard tests/guests/linux/*) tools/mkcpio $(LINUX_KERNELS)
	$(call say,CPIO,$@)
	$(Q)cd build/guests && ../../tools/mkcpio linux-initrd.gz dir:bin dir:dev dir:proc dir:sys dir:mnt \
		dir:lib dir:lib/modules node:dev/console:c:5:1 /usr/bin/busybox=bin/busybox:755 \
		link:bin/sh=busybox ../../tests/guests/linux/init=init:755 linux/tdreport=bin/tdreport:755 \
		../../tests/guests/linux/virtio=bin/virtio:755 ../../tests/guests/linux/lease=bin/lease:755 \
		$$(cd modules && for r in *; do echo "dir:lib/modules/$$r"; \
			for m in $$r/*.ko; do echo "modules/$$m=lib/modules/$$m"; done; done)

.PHONY: linux-guests
linux-guests: $(LINUX_GUESTS) ## fetch and make the Linux test guests, build/guests/debian*, linux-initrd.gz

E2E_NEEDS += $(LINUX_GUESTS)
