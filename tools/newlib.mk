# newlib.mk - the C library of the image: a listed set of newlib's integer files, our flags.
#
# The sources are Debian's package newlib-source. Its complete libc needs SSE (strtod, the float
# part of printf); these files do not. kernel/machine supplies what they want of a system:
# _sbrk_r() (or _sbrk() and errno), __malloc_lock(), __malloc_unlock().

NEWLIB_TAR := /usr/src/newlib/newlib-3.3.0.tar.xz
NEWLIB     := build/newlib
NEWLIB_C   := $(NEWLIB)/src/newlib/libc
NEWLIB_LIB := $(NEWLIB)/libc.a
# Headers for whoever compiles against it.
NEWLIB_INC := -isystem tools/newlib -isystem $(NEWLIB_C)/include

NEWLIB_FILES := \
	$(addprefix string/,memchr memcmp memcpy memmove memset memmem memrchr mempcpy \
		strcat strchr strchrnul strcmp strcoll strcpy strcspn strlcat strlcpy strlen \
		strncat strncmp strncpy strnlen strpbrk strrchr strsep strspn strstr strtok_r \
		strcasecmp strncasecmp strcasestr stpcpy stpncpy strdup strdup_r strndup \
		strndup_r strerror strerror_r u_strerr) \
	$(addprefix stdlib/,abs labs llabs div ldiv lldiv atoi atol atoll strtol strtoul strtoll \
		strtoll_r strtoull strtoull_r strtoimax strtoumax malloc realloc calloc \
		reallocarray mbtowc_r wctomb_r) \
	$(addprefix search/,bsearch qsort) \
	$(addprefix ctype/,ctype_ isalnum isalpha isascii isblank iscntrl isdigit islower \
		isprint ispunct isspace isupper isxdigit tolower toupper) \
	$(addprefix stdio/,snprintf vsnprintf sprintf vsprintf asprintf vasprintf) \
	$(addprefix locale/,locale localeconv) \
	reent/impure reent/sbrkr errno/errno

NEWLIB_FLAGS = $(IMAGE_MACHINE) -std=gnu11 -O2 -g1 -w -fno-strict-aliasing \
	-nostdinc $(NEWLIB_INC) -isystem $(GCC_INC) -DINTEGER_ONLY -D_svfprintf_r=_svfiprintf_r

# mallocr.c is one source for several objects; of vfprintf.c only the printer into strings.
NEWLIB_MALLOC := malloc free realloc calloc
NEWLIB_OBJS   := $(NEWLIB_FILES:%=$(NEWLIB)/obj/%.o) $(NEWLIB)/obj/stdio/svfiprintf.o \
	$(NEWLIB_MALLOC:%=$(NEWLIB)/obj/stdlib/%r.o)

# The stamp is the last thing made: an interrupted unpacking is done again from the start.
$(NEWLIB)/src/.unpacked: $(NEWLIB_TAR)
	$(call say,UNPACK,newlib)
	$(Q)rm -rf $(NEWLIB)/src && mkdir -p $(NEWLIB)/src
	$(Q)tar -C $(NEWLIB)/src -xf $< --strip-components=1 --wildcards '*/newlib/libc/*'
	$(Q)touch $@

$(NEWLIB_OBJS): $(NEWLIB)/src/.unpacked tools/newlib.mk tools/newlib/newlib.h

$(NEWLIB)/obj/stdio/svfiprintf.o:
	$(Q)mkdir -p $(@D) && $(CC) $(NEWLIB_FLAGS) -DSTRING_ONLY -c $(NEWLIB_C)/stdio/vfprintf.c -o $@

$(NEWLIB_MALLOC:%=$(NEWLIB)/obj/stdlib/%r.o): $(NEWLIB)/obj/stdlib/%r.o:
	$(Q)mkdir -p $(@D) && $(CC) $(NEWLIB_FLAGS) -DINTERNAL_NEWLIB \
		-DDEFINE_$(shell echo $* | tr a-z A-Z) -c $(NEWLIB_C)/stdlib/mallocr.c -o $@

$(NEWLIB_FILES:%=$(NEWLIB)/obj/%.o): $(NEWLIB)/obj/%.o:
	$(Q)mkdir -p $(@D) && $(CC) $(NEWLIB_FLAGS) -c $(NEWLIB_C)/$*.c -o $@

$(NEWLIB_LIB): $(NEWLIB_OBJS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $(NEWLIB_OBJS)
