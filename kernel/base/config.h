/*
 * config.h - what tain.cfg says, as records.
 *
 * Invariants
 *   - Plain data with every string NUL terminated inside its array: no pointer into the text.
 *   - A guest record with an empty refusal holds only values inside the limits
 *     given here; whoever reads it need not check again. A refused one is only listed.
 *   - The file is foreign input: config_parse() never fails, never reads past the text, and says
 *     line and reason for everything that it ignores.
 *
 * Format: docs/configuration.md.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_BASE_CONFIG_H
#define TAIN_BASE_CONFIG_H

#include "kernel/base/guest_config.h"
#include "kernel/base/net_config.h"
#include "kernel/base/net_use.h"

#define CONFIG_GUESTS_MAX   64
#define CONFIG_MESSAGES_MAX 64
#define CONFIG_REASON_BYTES 160
#define CONFIG_NAME_MAX     31

#define CONFIG_MEMORY_MIN UINT64_C(0x10000)   /* 64 KiB: the smallest flat image with a stack */
#define CONFIG_MEMORY_MAX (UINT64_C(1) << 43) /* 8 TiB */

#define TDX_MEMORY_MAX    (UINT64_C(1) << 46) /* 64 TiB */

/* PORT and MMIO use struct tain_config.console_address. */
enum console_choice { CONSOLE_AUTO, CONSOLE_COM1, CONSOLE_COM2, CONSOLE_PORT, CONSOLE_MMIO };
enum module_choice { MODULE_AUTO, MODULE_HARDWARE, MODULE_SOFT, MODULE_NONE, MODULE_FILE };
enum gdb_choice { GDB_OFF, GDB_COM1, GDB_COM2 };
enum crash_choice { CRASH_STOP, CRASH_REBOOT };
enum bringup_choice { BRINGUP_ON, BRINGUP_STEP, BRINGUP_PROBE };
enum tdx_pamt_choice { TDX_PAMT_AUTO, TDX_PAMT_STATIC, TDX_PAMT_DYNAMIC };

/* The [tain] section, or its defaults. */
struct tain_config {
	enum console_choice console;
	uint64_t console_address;
	unsigned baud;
	unsigned log; /* enum log_level */
	enum module_choice module;
	const char *profile; /* version of the software module; NULL: its own choice */
	struct guest_file module_file;
	struct guest_file update_file; /* a module for later */
	struct guest_file config_file; /* from the network: more of the configuration */
	char start[CONFIG_GUESTS_MAX][GUEST_NAME_MAX + 1];
	unsigned start_count;
	struct guest_file script;
	enum gdb_choice gdb;
	enum bringup_choice bringup;
	enum tdx_pamt_choice pamt;
	enum crash_choice crash; /* what comes after a crash report */
	unsigned watchdog;       /* seconds without progress that are reported; 0: never */
	struct net_config net;
	struct net_use_config use;
	char uplink[GUEST_NAME_MAX + 1]; /* the guests' network that the machine's is joined to */
	uint64_t fetch_limit; /* bytes of one file from the network */
	uint64_t tdx_memory; /* bytes to give to the TDX module; 0: all */
};

struct config_message {
	unsigned line; /* 0: the file as a whole */
	char text[CONFIG_REASON_BYTES];
};

struct config {
	char name[CONFIG_NAME_MAX + 1]; /* of the file, as messages say it */
	struct tain_config tain;
	struct guest_config guests[CONFIG_GUESTS_MAX];
	unsigned guest_count;
	struct config_lines {
		unsigned firmware, kernel, initrd, image, disk;
	} lines[CONFIG_GUESTS_MAX]; /* where each guest's paths stand */
	unsigned start_line; /* 0: there is no `start` */
	unsigned script_line, module_line, update_line;
	/* What was wrong, in the order it was found; further ones are only counted. */
	struct config_message messages[CONFIG_MESSAGES_MAX];
	unsigned message_count, messages_lost;
};

/* What is true without any tain.cfg: console auto, 115200 baud, log info, nothing to start. */
void config_defaults(struct config *cfg);

/*
 * Fill @cfg from @size bytes of @text (not NUL terminated, any bytes at all), on top of the
 * defaults. Paths are recorded, files are not looked at: config_attach_files().
 */
void config_parse(struct config *cfg, const char *text, size_t size);

/*
 * The same of a file from the network, called @name, on top of the defaults: sections of guests, and of
 * [tain] the key `start`, which may also name guests of @known. Any other key is a mistake.
 */
void config_parse_fetched(struct config *cfg, const char *name, const struct config *known, const char *text,
			  size_t size);

/*
 * Can the guests of @more, which was fetched, take their places in @cfg? NULL, or why not, in @why: it has
 * mistakes, a guest of that name is @busy, there are too many.
 */
const char *config_merge_check(struct config *cfg, const struct config *more, bool (*busy)(const char *name),
			       char why[CONFIG_REASON_BYTES]);

/*
 * Each guest of @more by @take(its place in @cfg, its record, whether a guest had this place): in the place
 * of the one with its name, else behind the last. @take fills the place. `start` of @more, if it is there,
 * replaces the other. After a check that found nothing.
 */
typedef void (*config_take_fn)(struct guest_config *place, const struct guest_config *record, bool replaces);
void config_merge(struct config *cfg, const struct config *more, config_take_fn take);

/*
 * Ask @find for each file that the records name; it fills data and size, or returns why not (one
 * short phrase, "no such file"). A guest whose file is not there is refused.
 */
void config_attach_files(struct config *cfg, const char *(*find)(struct guest_file *file));

/* The record named @name, refused ones included, or NULL. */
struct guest_config *config_guest(struct config *cfg, const char *name);

/* "256M", "0x1000", "64K" to bytes. 0, -EINVAL (not a size) or -ERANGE (does not fit 64 bits). */
int config_size(const char *text, uint64_t *bytes) MUST_CHECK;

#endif
