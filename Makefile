# Tain. `make help` lists what there is to make; V=1 shows the commands.
#
# Sources are found by room: a new file needs no change here. The pieces:
#   tools/newlib.mk   the C library of the image      tools/unit.mk    host unit tests
#   tools/lwip.mk     TCP/IP
#   tools/setup.sh    the packages                    tools/*.mk, tests/guests/guests.mk: the rest

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules
# As many jobs as CPUs, unless the caller chose.
ifeq ($(filter -j% --jobserver%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc)
endif

ifeq ($(filter-out 0,$(V)),)
override V :=
Q := @
say = @printf '  %-7s %s\n' '$(1)' '$(2)'
else
Q :=
say = @:
endif

# Debian's tools by their own names: what else is on PATH does not matter.
CC    := gcc
CLANG := clang
NASM  := nasm
GCC_INC = $(shell $(CC) -print-file-name=include)

# Packages first: make remakes what it includes before it looks at anything else, and starts over.
ifneq ($(filter-out clean help,$(or $(MAKECMDGOALS),all)),)
include build/setup.mk
endif
build/setup.mk: tools/setup tools/packages
	$(Q)mkdir -p build && V=$(V) tools/setup && echo '# All packages are there.' > $@

WARN := -Wall -Wextra -Werror -Wshadow -Wundef -Wvla -Wstrict-prototypes -Wmissing-prototypes \
	-Wcast-qual -Wpointer-arith -Wwrite-strings -Wformat=2 -Wlogical-op
# Rooms where an implicit narrowing is always a mistake.
STRICT_ROOMS := mmu/% tdx/%
warn_for = $(WARN) $(if $(filter $(STRICT_ROOMS),$(1)),-Wconversion)

FIRST := tools/newlib.mk tools/lwip.mk tools/image.mk tools/efi.mk tools/unit.mk tools/host.mk
include $(FIRST)
include $(filter-out $(FIRST) tools/top.mk,$(sort $(wildcard tools/*.mk)))
-include tests/guests/guests.mk
# Last: its commands use what the others have listed.
include tools/top.mk

.PHONY: all
all: build/tain.efi ## build everything (build/tain.efi, host programs, test guests)

.PHONY: clean
clean: ## remove what was built, but not what was installed
	$(Q)rm -rf build

.PHONY: help
help: ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1|\2/p' $(MAKEFILE_LIST) | sort -u | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'
