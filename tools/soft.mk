# soft.mk - the random test of the software module once more, optimised, for as many calls as
# TAIN_SOFT_CALLS says: make test-long runs it.

SOFT_RANDOM_OBJS := $(patsubst %.c,build/native/%.o,tests/unit/soft_random.c \
	$(sort $(wildcard tests/host/*.c)) tools/host/vectors_machine.c $(sort $(wildcard tdx/soft/*.c)) \
	tdx/abi/rsa.c kernel/base/sha384.c kernel/base/trace.c)

build/stress/soft_random: $(SOFT_RANDOM_OBJS)
	$(call say,LD-N,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(NATIVE_FLAGS) -O2 $^ -o $@ -lcmocka

test-long: build/stress/soft_random

-include $(SOFT_RANDOM_OBJS:.o=.d)
