# unit.mk - host unit tests: every tests/unit/*.c is one cmocka program.
#
# A test names what it links in a comment: /* links: mmu/iter.c mmu/fault.c */ (wildcards allowed,
# more lines too). tests/host/*.c is always linked. Native objects come in two kinds:
#   build/asan/X.o    with the address and undefined-behaviour sanitizers, for tests
#   build/native/X.o  optimised, for host programs

NATIVE_FLAGS := -std=gnu11 -g -fno-omit-frame-pointer -fno-strict-aliasing -pthread -I . \
	$(LWIP_INC) -DTAIN_NATIVE=1 -MMD -MP
ASAN_FLAGS   := $(NATIVE_FLAGS) -O1 -fsanitize=address,undefined -fno-sanitize-recover=all

UNIT_TESTS := $(sort $(wildcard tests/unit/*.c))
UNIT_BINS  := $(UNIT_TESTS:tests/unit/%.c=build/unit/%)
HOST_OBJS  := $(patsubst %.c,build/asan/%.o,$(sort $(wildcard tests/host/*.c)))

# Fuzzers: tests/fuzz/X.c, named apart from every unit test, has LLVMFuzzerTestOneInput(). Seeds, if
# there are any, lie in tests/fuzz/X/.
FUZZERS      := $(sort $(wildcard tests/fuzz/*.c))
FUZZ_BINS    := $(FUZZERS:tests/fuzz/%.c=build/fuzz/%)
FUZZ_SECONDS ?= 10
FUZZ_FLAGS   := -std=gnu11 -g -O1 -fno-strict-aliasing -pthread -I . $(LWIP_INC) -DTAIN_NATIVE=1 \
	-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
FUZZ_RUNS    := $(patsubst %,'tools/fuzz % $(FUZZ_SECONDS)',$(FUZZ_BINS))

build/asan/%.o: %.c Makefile tools/unit.mk
	$(call say,CC-T,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(ASAN_FLAGS) $(call warn_for,$<) -c $< -o $@

build/native/%.o: %.c Makefile tools/unit.mk
	$(call say,CC-N,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(NATIVE_FLAGS) -O2 $(call warn_for,$<) -c $< -o $@

build/native/%.asm.o: %.asm Makefile tools/unit.mk
	$(call say,NASM,$<)
	$(Q)mkdir -p $(@D) && $(NASM) -f elf64 -g -F dwarf -w+all -Werror -I ./ -MD $(@:.o=.d) -MP $< -o $@

# build/unit/links.mk: for each test a line LINKS_name := what its comment says.
build/unit/links.mk: $(UNIT_TESTS) $(FUZZERS) tools/unit-links
	$(Q)mkdir -p $(@D) && tools/unit-links $(UNIT_TESTS) $(FUZZERS) > $@
ifeq ($(filter clean help,$(MAKECMDGOALS)),)
-include build/unit/links.mk
endif

unit_asm = $(patsubst %.asm,build/native/%.asm.o,$(wildcard tests/unit/$(1).asm))

define unit_rule
build/unit/$(1): build/asan/tests/unit/$(1).o $$(HOST_OBJS) \
		$$(patsubst %.c,build/asan/%.o,$$(wildcard $$(LINKS_$(1)))) $(call unit_asm,$(1)) $(if $(filter net_%,$(1)),$(LWIP_ASAN))
	$$(call say,LD-T,$$@)
	$$(Q)mkdir -p $$(@D) && $(CC) $(ASAN_FLAGS) $$(filter %.o %.a,$$^) -o $$@ -lcmocka
endef
$(foreach t,$(UNIT_TESTS:tests/unit/%.c=%),$(eval $(call unit_rule,$(t))))

build/fuzz/obj/%.o: %.c Makefile tools/unit.mk
	$(Q)mkdir -p $(@D) && $(CLANG) $(FUZZ_FLAGS) -MMD -MP -c $< -o $@

define fuzz_rule
build/fuzz/$(1): $$(patsubst %.c,build/fuzz/obj/%.o,tests/fuzz/$(1).c \
		$$(wildcard tests/host/*.c $$(LINKS_$(1)))) $(if $(filter fuzz_net_%,$(1)),$(LWIP_FUZZ))
	$$(call say,FUZZ,$$@)
	$$(Q)mkdir -p $$(@D) && $(CLANG) $(FUZZ_FLAGS) $$^ -o $$@
endef
$(foreach t,$(FUZZERS:tests/fuzz/%.c=%),$(eval $(call fuzz_rule,$(t))))
# Who includes lwIP's headers waits until they are there.
LWIP_USERS := $(basename $(wildcard drivers/net/*.c kernel/net/*.c tests/unit/net_*.c tests/fuzz/fuzz_net_*.c))
$(foreach k,asan native fuzz/obj,$(LWIP_USERS:%=build/$(k)/%.o)): $(LWIP_STAMP)

-include $(shell find build/fuzz/obj -name '*.d' 2>/dev/null)

.PHONY: unit
unit: $(UNIT_BINS) ## build and run the host unit tests
	$(Q)tools/run-tests $(UNIT_BINS)

-include $(patsubst %,build/asan/tests/unit/%.d,$(UNIT_TESTS:tests/unit/%.c=%)) $(HOST_OBJS:.o=.d)
-include $(foreach t,$(UNIT_TESTS:tests/unit/%.c=%),$(patsubst %.c,build/asan/%.d,$(wildcard $(LINKS_$(t)))))
