# mmu.mk - programs of mmu/ beyond its unit tests: threads under the thread sanitizer, the bench.

TSAN_FLAGS := $(NATIVE_FLAGS) -O1 -fsanitize=thread

build/tsan/%.o: %.c Makefile tools/unit.mk tools/mmu.mk
	$(call say,CC-TS,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(TSAN_FLAGS) $(call warn_for,$<) -c $< -o $@

MMU_SOURCES := $(sort $(wildcard mmu/*.c))
STRESS_OBJS := $(patsubst %.c,build/tsan/%.o,$(MMU_SOURCES) tests/fake/sept.c tests/host/machine.c \
	tests/stress/mmu_stress.c)

build/stress/mmu_stress: $(STRESS_OBJS)
	$(call say,LD-TS,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(TSAN_FLAGS) $^ -o $@

# Random fuzzers and this one are run the same way: tools/run-tests NAME:SECONDS.
FUZZ_BINS += build/stress/mmu_stress
FUZZ_RUNS += 'build/stress/mmu_stress 1000000:300'

-include $(STRESS_OBJS:.o=.d)

# The bench: optimised as the image is, no sanitizer.
BENCH_OBJS := $(patsubst %.c,build/native/%.o,$(MMU_SOURCES) tests/host/machine.c tools/mmu-bench/main.c)
HOST_PROGRAMS += build/host/mmu-bench

build/host/mmu-bench: $(BENCH_OBJS)
	$(call say,LD-N,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(NATIVE_FLAGS) -O2 $^ -o $@

-include $(BENCH_OBJS:.o=.d)
