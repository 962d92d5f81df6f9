# pairs.mk - page pairs of dynamic PAMT under the thread sanitizer: run like a fuzzer, as the MMU's threads.

PAIRS_STRESS_OBJS := $(patsubst %.c,build/tsan/%.o,tdx/pairs.c tdx/retry.c $(sort $(wildcard tdx/abi/*.c)) \
	tests/host/machine.c tests/stress/pairs_stress.c)

build/stress/pairs_stress: $(PAIRS_STRESS_OBJS)
	$(call say,LD-TS,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(NATIVE_FLAGS) -O1 -fsanitize=thread $^ -o $@

FUZZ_BINS += build/stress/pairs_stress
FUZZ_RUNS += 'build/stress/pairs_stress 300000:120'

-include $(PAIRS_STRESS_OBJS:.o=.d)
