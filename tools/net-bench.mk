# net-bench.mk - what a frame costs, on a desk: drivers and lwIP against the register models.

NET_BENCH_OBJS := $(patsubst %.c,build/native/%.o,$(filter-out drivers/net/vtd.c,$(sort $(wildcard drivers/net/*.c))) \
	tests/fake/nic_model.c kernel/base/net_addr.c \
	$(sort $(wildcard tests/host/*.c)) $(sort $(wildcard tools/net-bench/*.c)))
HOST_PROGRAMS += build/host/net-bench

$(patsubst %.c,build/native/%.o,$(wildcard tools/net-bench/*.c)): $(LWIP_STAMP)
build/host/net-bench: $(NET_BENCH_OBJS) $(LWIP)/native.a
	$(call say,LD-N,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(NATIVE_FLAGS) -O2 $^ -o $@

-include $(NET_BENCH_OBJS:.o=.d)
