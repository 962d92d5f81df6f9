/*
 * config.h - what tain.cfg says, as records.
 *
 * Invariants
 *   - Plain data with every string NUL terminated inside its array: no pointer into the file.
 *   - A record that survives parsing with @disabled false holds only values inside the limits
 *     below; whoever reads it need not check them again. A disabled one is listed and refused.
 *   - The file is foreign input: config_parse() never fails, never reads past the text, and says
 *     line and reason for everything that it ignores.
 *
 * Format: docs/configuration.md.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_BASE_CONFIG_H
#define TAIN_BASE_CONFIG_H

#include "kernel/base/types.h"

#define CFG_NAME_BYTES    32   /* guest name with its NUL: letters, digits, '-', '_', '.' */
#define CFG_PATH_BYTES    256  /* as struct boot_file.path */
#define CFG_CMDLINE_BYTES 2048
#define CFG_REASON_BYTES  160
#define CFG_GUESTS_MAX    64
#define CFG_MESSAGES_MAX  64

#define CFG_MEMORY_MIN  UINT64_C(0x10000)         /* 64 KiB: the smallest flat image with a stack */
#define CFG_MEMORY_MAX  (UINT64_C(1) << 43)       /* 8 TiB */
#define CFG_VCPUS_MAX   256

enum cfg_kind { CFG_TD, CFG_VM };
enum cfg_accept { CFG_ACCEPT_LAZY, CFG_ACCEPT_EAGER, CFG_ACCEPT_ADDED, CFG_ACCEPT_MEASURED };
enum cfg_measure { CFG_MEASURE_PER_PAGE, CFG_MEASURE_SECTION, CFG_MEASURE_TWO_PASS };

/* One [td NAME] or [vm NAME]. A path that is empty was not given. */
struct cfg_guest {
	char name[CFG_NAME_BYTES];
	enum cfg_kind kind;
	unsigned line; /* of the section header */

	char firmware[CFG_PATH_BYTES];
	char kernel[CFG_PATH_BYTES];
	char initrd[CFG_PATH_BYTES];
	char image[CFG_PATH_BYTES]; /* [vm]: multiboot ELF or flat image */
	char cmdline[CFG_CMDLINE_BYTES];
	uint64_t memory; /* bytes, a multiple of 4 KiB */
	uint64_t load;   /* [vm]: where a flat image goes, below memory */
	unsigned vcpus;

	uint64_t attributes; /* [td]: the bits of TD_PARAMS.ATTRIBUTES */
	enum cfg_accept accept;
	enum cfg_measure measure;
	int page_level; /* LEVEL_4K, LEVEL_2M or LEVEL_1G: the largest to use */

	bool disabled;
	unsigned bad_line; /* 0: the section as a whole */
	char reason[CFG_REASON_BYTES];
};

/* CFG_CONSOLE_PORT and _MMIO use struct cfg_tain.console_address. */
enum cfg_console { CFG_CONSOLE_AUTO, CFG_CONSOLE_COM1, CFG_CONSOLE_COM2, CFG_CONSOLE_PORT,
		   CFG_CONSOLE_MMIO };
enum cfg_module { CFG_MODULE_AUTO, CFG_MODULE_HARDWARE, CFG_MODULE_SOFT, CFG_MODULE_NONE,
		  CFG_MODULE_FILE };
enum cfg_profile { CFG_PROFILE_DEFAULT, CFG_PROFILE_1_5_01, CFG_PROFILE_1_5_05, CFG_PROFILE_2_0 };
enum cfg_gdb { CFG_GDB_OFF, CFG_GDB_COM1, CFG_GDB_COM2 };
enum cfg_bringup { CFG_BRINGUP_ON, CFG_BRINGUP_STEP, CFG_BRINGUP_PROBE };

/* The [tain] section, or its defaults. */
struct cfg_tain {
	enum cfg_console console;
	uint64_t console_address;
	unsigned baud;
	unsigned log; /* enum log_level */
	enum cfg_module module;
	enum cfg_profile profile; /* of the software module */
	char module_path[CFG_PATH_BYTES];
	char start[CFG_GUESTS_MAX][CFG_NAME_BYTES];
	unsigned start_count;
	char script[CFG_PATH_BYTES];
	enum cfg_gdb gdb;
	enum cfg_bringup bringup;
};

struct cfg_message {
	unsigned line; /* 0: the file as a whole */
	char text[CFG_REASON_BYTES];
};

struct config {
	struct cfg_tain tain;
	struct cfg_guest guests[CFG_GUESTS_MAX];
	unsigned guest_count;
	/* What was wrong, in the order of the file; further ones are only counted. */
	struct cfg_message messages[CFG_MESSAGES_MAX];
	unsigned message_count, messages_lost;
};

/* What is true without any tain.cfg: console auto, 115200 baud, log info, nothing to start. */
void config_defaults(struct config *cfg);

/* Fill @cfg from @size bytes of @text (not NUL terminated, any bytes at all). */
void config_parse(struct config *cfg, const char *text, size_t size);

/* The record named @name, disabled ones included, or NULL. */
struct cfg_guest *config_guest(struct config *cfg, const char *name);

/* Note @g as unusable (first reason stays) and add the message; @line 0 means the section's. */
void config_disable(struct config *cfg, struct cfg_guest *g, unsigned line, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

/* "256M", "0x1000", "64K" to bytes. 0, -EINVAL (not a size) or -ERANGE (does not fit 64 bits). */
int cfg_size(const char *text, uint64_t *bytes) MUST_CHECK;

#endif
