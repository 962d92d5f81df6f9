# top.mk - the commands of the README: run, image, test, check, bench.

SAMPLE_RUN := tools/run --cpus 2

.PHONY: run
run: all ## boot the sample guests in the emulator; a console when there is a terminal
	$(Q)if [ -t 0 ] && [ -t 1 ]; then exec $(SAMPLE_RUN) --interactive; \
	else exec $(SAMPLE_RUN) --timeout 600 --script tools/sample/run.txt; fi

.PHONY: image
image: build/tain.img ## build/tain.img for a USB stick; KEY=file CERT=file sign for Secure Boot

# Signed or not, with the sample configuration; remade when key or certificate change.
build/image.keys: FORCE
	$(Q)mkdir -p $(@D); echo '$(KEY) $(CERT)' | cmp -s - $@ || echo '$(KEY) $(CERT)' > $@

ifneq ($(strip $(KEY)$(CERT)),)
ifneq ($(words $(KEY) $(CERT)) $(words $(wildcard $(KEY) $(CERT))),2 2)
$(error signing needs KEY=file and CERT=file, two files that exist)
endif
endif

build/stick/BOOTX64.EFI: build/tain.efi build/image.keys $(KEY) $(CERT)
	$(Q)mkdir -p $(@D)
ifneq ($(strip $(KEY)),)
	$(call say,SIGN,$@)
	$(Q)sbsign --key '$(KEY)' --cert '$(CERT)' --output $@ build/tain.efi >$(@D)/log 2>&1 && \
		sbverify --cert '$(CERT)' $@ >>$(@D)/log 2>&1 || { cat $(@D)/log; exit 1; }
else
	$(Q)cp build/tain.efi $@
endif

SAMPLE_FILES := $(shell sed -e 's/\#.*//' -e '/^ *$$/d' tools/sample/files)
SAMPLE_HOST  := $(foreach f,$(SAMPLE_FILES),$(firstword $(subst =, ,$(f))))

build/tain.img: build/stick/BOOTX64.EFI tools/sample/tain.cfg tools/sample/files tools/mkimage \
		tools/esp.py $(wildcard $(SAMPLE_HOST)) | all
	$(call say,IMAGE,$@)
	$(Q)tools/mkimage $@ build/stick/BOOTX64.EFI=EFI/BOOT/BOOTX64.EFI \
		tools/sample/tain.cfg=tain/tain.cfg \
		$(foreach f,$(SAMPLE_FILES),$(if $(wildcard $(firstword $(subst =, ,$(f)))),'$(f)'))

# Everything that a test run executes; each line tells its own results (tools/run-tests).
E2E_TESTS  := $(sort $(wildcard tests/e2e/test_*.py))
# Other test programs: tests/*.py, each told what it needs by its own first lines.
SCRIPT_TESTS := $(sort $(wildcard tests/*.py))
# Emulator runs are single-threaded for the most part: two at a time on two CPUs.
TEST_JOBS  ?= 2
# The recorded behaviour of the real module judges the software one, under the sanitizers.
VECTOR_FILES := $(sort $(wildcard tests/vectors/*.vec tests/vectors/*/*.vec))
VECTOR_RUN   := $(if $(VECTOR_FILES),'build/host/tain-asan vectors $(VECTOR_FILES):900')

.PHONY: test
test: all $(UNIT_BINS) $(E2E_NEEDS) $(FUZZ_BINS) $(HOST_PROGRAMS) ## run every test; the last line is 'N passed, N failed'
	$(Q)tools/run-tests -t 300 -j $(TEST_JOBS) --log build/test-logs $(E2E_TESTS:%=%:900) $(VECTOR_RUN) \
		$(UNIT_BINS) $(FUZZ_RUNS) 'make -s --no-print-directory check:1200' $(SCRIPT_TESTS:%=%:600)

.PHONY: bench
bench: all $(HOST_PROGRAMS) ## print the figures: sizes, ticks, rates
	$(Q)tools/bench

.PHONY: test-long
test-long: all $(FUZZ_BINS) $(E2E_NEEDS) $(BROWSER) ## soaks: long fuzzing, many boots
	$(Q)tools/test-long

.PHONY: check
check: $(NEWLIB)/src/.unpacked $(LWIP_STAMP) ## static checks: rooms, lengths, locking, headers, analysers
	$(Q)IMAGE_FLAGS='$(IMAGE_FLAGS)' EFI_FLAGS='$(EFI_FLAGS)' tools/check

.PHONY: format
format: ## lay out all C by .clang-format
	$(Q)git ls-files -z '*.c' '*.h' | xargs -0 clang-format -i
