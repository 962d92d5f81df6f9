# lwip.mk - TCP/IP: lwIP's core from Debian's source package, with our port (drivers/net/lwip_port).
#
# Two libraries of the same files: the image's, and one for host tests with the sanitizers. A unit test
# whose name begins with net_ and a fuzzer fuzz_net_ are linked with the second.

LWIP       := build/lwip
LWIP_SRC   := $(LWIP)/src/src
LWIP_STAMP := $(LWIP)/src/.unpacked
LWIP_LIB   := $(LWIP)/liblwip.a
# Headers for whoever compiles against it.
LWIP_INC   := -isystem drivers/net/lwip_port -isystem $(LWIP_SRC)/include

LWIP_FILES := \
	$(addprefix core/,init def dns inet_chksum ip mem memp netif pbuf raw stats sys tcp tcp_in \
		tcp_out timeouts udp) \
	$(addprefix core/ipv4/,dhcp etharp icmp igmp ip4_frag ip4 ip4_addr) \
	$(addprefix core/ipv6/,ethip6 icmp6 inet6 ip6 ip6_addr ip6_frag mld6 nd6) \
	netif/ethernet

LWIP_OPTIMIZE := -Os
LWIP_FLAGS = $(IMAGE_MACHINE) -std=gnu11 $(LWIP_OPTIMIZE) -g1 -w -fno-strict-aliasing -fno-omit-frame-pointer \
	-nostdinc $(NEWLIB_INC) -isystem $(GCC_INC) -I . $(LWIP_INC)
LWIP_OBJS  := $(LWIP_FILES:%=$(LWIP)/obj/%.o)

# The stamp is the last thing made: an interrupted unpacking is done again from the start.
$(LWIP_STAMP): tools/fetch-lwip tools/apt-private
	$(Q)tools/fetch-lwip $(LWIP)/src && touch $@

LWIP_PORT := $(wildcard drivers/net/lwip_port/*.h drivers/net/lwip_port/*/*.h)
$(LWIP_OBJS): $(LWIP_STAMP) $(NEWLIB)/src/.unpacked tools/lwip.mk tools/image.mk $(LWIP_PORT)
$(LWIP_OBJS): $(LWIP)/obj/%.o:
	$(Q)mkdir -p $(@D) && $(CC) $(LWIP_FLAGS) -c $(LWIP_SRC)/$*.c -o $@

$(LWIP_LIB): $(LWIP_OBJS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $(LWIP_OBJS)

# For host tests by gcc, and for fuzzers by clang.
LWIP_ASAN := $(LWIP)/asan.a
LWIP_FUZZ := $(LWIP)/fuzz.a

define lwip_native
$$(LWIP_FILES:%=$(LWIP)/$(1)/%.o): $$(LWIP_STAMP) tools/lwip.mk $$(LWIP_PORT)
$$(LWIP_FILES:%=$(LWIP)/$(1)/%.o): $(LWIP)/$(1)/%.o:
	$$(Q)mkdir -p $$(@D) && $(2) -w -c $$(LWIP_SRC)/$$*.c -o $$@
$(LWIP)/$(1).a: $$(LWIP_FILES:%=$(LWIP)/$(1)/%.o)
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && ar rcs $$@ $$^
endef
$(eval $(call lwip_native,asan,$$(CC) $$(ASAN_FLAGS) -MF /dev/null))
# lwIP takes the address of a member of what may be NULL, and asks afterwards.
$(eval $(call lwip_native,fuzz,$$(CLANG) $$(FUZZ_FLAGS) -fno-sanitize=null))
# For the bench: as the image's.
$(eval $(call lwip_native,native,$$(CC) $$(NATIVE_FLAGS) $(LWIP_OPTIMIZE) -MF /dev/null))
