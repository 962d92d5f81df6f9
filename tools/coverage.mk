# coverage.mk - make coverage: which lines of mmu/ and tdx/ the host tests run, by file.
#
# A third kind of native objects, build/cov/X.o, counts its lines. All unit tests and the vectors run;
# tools/coverage adds their counts up. Completion statuses that the module returned are counted too.

COV_FLAGS := $(NATIVE_FLAGS) -O1 --coverage -fprofile-update=atomic
COV_BINS  := $(UNIT_TESTS:tests/unit/%.c=build/cov/unit/%)
COV_HOST  := $(patsubst %.c,build/cov/%.o,$(sort $(wildcard tests/host/*.c)))

build/cov/%.o: %.c Makefile tools/unit.mk tools/coverage.mk
	$(call say,CC-C,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(COV_FLAGS) $(call warn_for,$<) -c $< -o $@

define coverage_rule
build/cov/unit/$(1): build/cov/tests/unit/$(1).o $$(COV_HOST) \
		$$(patsubst %.c,build/cov/%.o,$$(wildcard $$(LINKS_$(1)))) $(call unit_asm,$(1))
	$$(call say,LD-C,$$@)
	$$(Q)mkdir -p $$(@D) && $(CC) $(COV_FLAGS) $$(filter %.o,$$^) -o $$@ -lcmocka
endef
$(foreach t,$(UNIT_TESTS:tests/unit/%.c=%),$(eval $(call coverage_rule,$(t))))

build/cov/tain: $(HOST_TAIN_SRC:%.c=build/cov/%.o)
	$(call say,LD-C,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(COV_FLAGS) $^ -o $@

.PHONY: coverage
coverage: $(COV_BINS) build/cov/tain ## run the host tests and print which lines of mmu/ and tdx/ they reach
	$(Q)find build/cov -name '*.gcda' -delete; rm -f build/cov/statuses
	$(Q)-TAIN_STATUSES=$(CURDIR)/build/cov/statuses tools/run-tests -t 900 -j 2 --log build/cov/logs $(COV_BINS)
	$(Q)-TAIN_STATUSES=build/cov/statuses build/cov/tain vectors $(VECTOR_FILES) >build/cov/vectors.log
	$(Q)tools/coverage build/cov mmu tdx tdx/soft
	$(Q)echo "completion statuses that the software module was made to return: $$(sort -u build/cov/statuses | wc -l)" \
		"of $$(grep -c '^	X(0x' tdx/abi/status.h)"

-include $(patsubst %,build/cov/tests/unit/%.d,$(UNIT_TESTS:tests/unit/%.c=%)) $(COV_HOST:.o=.d)
