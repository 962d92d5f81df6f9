# host.mk - build/host/tain: what the image knows, as a program for the developer's machine.
#
# Its files are tools/host/*.c; each names what it links in a "links:" comment, as unit tests do.
# build/host/tain-asan is the same with the sanitizers, for tests.

HOST_TAIN_C := $(sort $(wildcard tools/host/*.c))

build/host/links.mk: $(HOST_TAIN_C) tools/unit-links
	$(Q)mkdir -p $(@D) && tools/unit-links $(HOST_TAIN_C) | sed 's/^LINKS_/HOST_LINKS_/' > $@
ifeq ($(filter clean help,$(MAKECMDGOALS)),)
-include build/host/links.mk
endif

HOST_TAIN_SRC := $(sort $(HOST_TAIN_C) $(wildcard tests/host/*.c \
	$(foreach f,$(HOST_TAIN_C:tools/host/%.c=%),$(HOST_LINKS_$(f)))))

ifneq ($(HOST_TAIN_C),)
HOST_PROGRAMS += build/host/tain build/host/tain-asan
all: build/host/tain
endif

build/host/tain: $(HOST_TAIN_SRC:%.c=build/native/%.o)
	$(call say,LD-N,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(NATIVE_FLAGS) -O2 $^ -o $@

build/host/tain-asan: $(HOST_TAIN_SRC:%.c=build/asan/%.o)
	$(call say,LD-T,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(ASAN_FLAGS) $^ -o $@

-include $(HOST_TAIN_SRC:%.c=build/native/%.d) $(HOST_TAIN_SRC:%.c=build/asan/%.d)
