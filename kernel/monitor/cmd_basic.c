/*
 * cmd_basic.c - commands about the console itself and the ways out.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/log.h"
#include "kernel/base/version.h"
#include "kernel/guest/guest.h"
#include "kernel/machine/chain.h"
#include "kernel/machine/console.h"
#include "kernel/machine/machine.h"
#include "kernel/machine/power.h"
#include "kernel/machine/symbols.h"
#include "kernel/machine/vmx.h"
#include "kernel/monitor/command.h"
#include "kernel/monitor/monitor.h"
#include "tdx/tdx.h"

static void help_all(struct call *c)
{
	const struct command *row;

	out_table(c->out);
	for (unsigned n = 0; (row = command_at(n)); n++) {
		out_row(c->out);
		out_text(c->out, "command", row->name);
		out_text(c->out, "arguments", row->usage);
		out_text(c->out, "summary", row->summary);
	}
	out_end(c->out);
}

static int cmd_help(struct call *c)
{
	const struct command *row;

	if (c->argc == 0) {
		help_all(c);
		out_printf(
			c->out,
			"`help COMMAND` says more. Tab completes, ^P and ^N walk the history.\n");
		return 0;
	}
	row = command_find(c->argv[0]);
	if (!row)
		return command_fail(c, "no command '%.40s': `help` lists them", c->argv[0]);
	if (c->json) {
		out_record(c->out);
		out_text(c->out, "command", row->name);
		out_text(c->out, "arguments", row->usage);
		out_text(c->out, "summary", row->summary);
		out_end(c->out);
		return 0;
	}
	out_printf(c->out, "%s%s%s%s\n", row->name, *row->usage ? " " : "", row->usage,
		   row->flags & COMMAND_JSON ? " [--json]" : "");
	out_printf(c->out, "    %s\n", row->summary);
	if (row->details)
		out_printf(c->out, "%s\n", row->details);
	return 0;
}

static int cmd_version(struct call *c)
{
	const struct boot_info *bi = boot_info();
	char module[120];

	out_record(c->out);
	out_text(c->out, "tain", TAIN_VERSION);
	out_text(c->out, "firmware", bi->firmware_vendor);
	out_bool(c->out, "secure boot", bi->secure_boot != 0);
	out_text(c->out, "vmx", vmx_available() ? "on" : vmx_reason());
	out_text(c->out, "tdx module", monitor_tdx_text(module, sizeof(module)));
	out_end(c->out);
	return 0;
}

/* ------------------------------------------------------------------ log */

static const char *const level_names[] = { "error", "warn", "info", "debug", "trace" };

static int log_level(struct call *c)
{
	for (size_t i = 0; i < ARRAY_LEN(level_names); i++)
		if (strcmp(c->argv[1], level_names[i]) == 0) {
			log_threshold = (enum log_level)i;
			return 0;
		}
	return command_fail(c, "expected: log level error|warn|info|debug|trace");
}

/* Position in the log from which @lines lines remain; the oldest if there are fewer. */
static uint64_t log_tail(uint64_t lines)
{
	char buf[512];
	uint64_t pos = 0, total = 0, seen = 0, at;
	size_t n;

	while ((n = log_read(&pos, buf, sizeof(buf))))
		for (size_t i = 0; i < n; i++)
			total += buf[i] == '\n';
	if (total <= lines)
		return 0;
	pos = 0;
	while ((n = log_read(&pos, buf, sizeof(buf)))) {
		at = pos - n;
		for (size_t i = 0; i < n; i++, at++)
			if (buf[i] == '\n' && ++seen == total - lines)
				return at + 1;
	}
	return 0;
}

static int save_log(struct call *c)
{
	const char *where = c->argc == 2 ? c->argv[1] : "both";
	bool both = strcmp(where, "both") == 0;
	bool in_memory = both || strcmp(where, "memory") == 0;
	bool in_variable = both || strcmp(where, "variable") == 0;

	if (!in_memory && !in_variable)
		return command_fail(c, "expected: log save [memory|variable]");
	log_save(&in_memory, &in_variable);
	if (!in_memory && !in_variable)
		return command_fail(c, "firmware gave no place for it, neither memory nor a variable");
	out_printf(c->out, "the next boot from this volume writes the log to \\tain\\log.txt (kept in %s)\n",
		   in_memory && in_variable ? "memory, its end in a UEFI variable"
		   : in_memory		    ? "memory"
					    : "a UEFI variable, the end only");
	return 0;
}

static int cmd_log(struct call *c)
{
	uint64_t lines = 1000, pos;
	char buf[400], *end;
	size_t n;

	if (c->argc == 2 && strcmp(c->argv[0], "level") == 0)
		return log_level(c);
	if (c->argc && strcmp(c->argv[0], "save") == 0)
		return save_log(c);
	if (c->argc == 1) {
		lines = strtoull(c->argv[0], &end, 10);
		if (*end || end == c->argv[0] || *c->argv[0] == '-')
			return command_fail(c, "expected: log [LINES], log save, or log level LEVEL");
	} else if (c->argc == 2) {
		return command_fail(c, "expected: log [LINES], log save, or log level LEVEL");
	}
	pos = log_tail(lines);
	while (lines && (n = log_read(&pos, buf, sizeof(buf) - 1))) {
		buf[n] = 0;
		out_printf(c->out, "%s", buf);
	}
	return 0;
}

/* ------------------------------------------------------------------ pager, symbol */

static int cmd_pager(struct call *c)
{
	static const char *const modes[] = { [PAGER_AUTO] = "auto", [PAGER_ON] = "on", [PAGER_OFF] = "off" };
	char *end;

	for (unsigned i = 0; i < ARRAY_LEN(modes); i++)
		if (strcmp(c->argv[0], modes[i]) == 0) {
			unsigned long rows = c->argc == 2 ? strtoul(c->argv[1], &end, 10) : 0;

			if (c->argc == 2 && (*end || rows < 2 || rows > 1000))
				return command_fail(c, "a screen has 2 to 1000 rows");
			monitor_set_pager((enum pager_mode)i, (unsigned)rows);
			return 0;
		}
	return command_fail(c, "expected: pager auto|on|off [ROWS]");
}

static int cmd_symbol(struct call *c)
{
	uint64_t address;
	char text[80], *end;

	if (symbol_find(c->argv[0], &address) != 0) {
		address = strtoull(c->argv[0], &end, 16);
		if (*end || end == c->argv[0])
			return command_fail(c, "no symbol '%.60s', and no address either", c->argv[0]);
	}
	out_printf(c->out, "%016llx %s\n", (unsigned long long)address,
		   symbol_text(address, text, sizeof(text)));
	return 0;
}

/* ------------------------------------------------------------------ scripts */

static bool never(void *arg)
{
	(void)arg;
	return false;
}

static int cmd_sleep(struct call *c)
{
	uint64_t us;

	if (!command_seconds(c->argv[0], &us))
		return command_fail(c, "expected: sleep SECONDS");
	if (us && monitor_wait(never, NULL, us) == WAIT_INTERRUPTED)
		return command_fail(c, "interrupted");
	return 0;
}

static int cmd_echo(struct call *c)
{
	for (int i = 0; i < c->argc; i++)
		out_printf(c->out, "%s%s", i ? " " : "", c->argv[i]);
	out_printf(c->out, "\n");
	return 0;
}

/* What `need` can ask for. */
static const char *lack_of_vmx(void) { return vmx_available() ? NULL : vmx_reason(); }
static const char *lack_of_tdx(void)
{
	static char text[160];

	return tdx_phase() == TDX_READY ? NULL : monitor_tdx_text(text, sizeof(text));
}

static const struct need {
	const char *name;
	const char *(*lack)(void);
} needs[] = { { "vmx", lack_of_vmx }, { "tdx", lack_of_tdx } };

static int cmd_need(struct call *c)
{
	for (size_t i = 0; i < ARRAY_LEN(needs); i++) {
		if (strcmp(c->argv[0], needs[i].name) != 0)
			continue;

		const char *lack = needs[i].lack();

		if (!lack)
			return 0;
		if (!monitor_end_script())
			return command_fail(c, "%s", lack);
		out_printf(c->out, "the script ends here: %s\n", lack);
		return 0;
	}
	return command_fail(c, "expected: need vmx|tdx");
}

/* ------------------------------------------------------------------ the ways out */

static int cmd_exit(struct call *c)
{
	char *end;
	long n = -1;

	if (c->argc == 1) {
		n = strtol(c->argv[0], &end, 10);
		if (*end || end == c->argv[0] || n < 0 || n > 255)
			return command_fail(c, "expected: exit [0 to 255]");
	}
	monitor_exit((int)n);
}

static int cmd_reboot(struct call *c)
{
	(void)c;
	monitor_shut_down();
	power_reset();
}

static int cmd_chain(struct call *c)
{
	bool firmware = strcmp(c->argv[0], "firmware") == 0;
	const char *why = firmware ? chain_to_firmware() : chain_to_file(c->argv[0]);

	if (why)
		return command_fail(c, "%s", why);
	if (firmware)
		out_printf(c->out, "the machine resets into the firmware's menu\n");
	else
		out_printf(c->out, "the machine resets; the firmware then starts %s, once\n", c->argv[0]);
	monitor_shut_down();
	power_reset();
}

static int cmd_poweroff(struct call *c)
{
	(void)c;
	monitor_shut_down();
	power_off();
}

/* clang-format off */
const struct command basic_commands[] = {
	{ "help", "[COMMAND]", "list the commands, or say more about one", cmd_help, 0, 1,
	  COMPLETE_COMMAND, COMMAND_JSON, NULL },
	{ "version", "", "what runs here: Tain, firmware, VMX, TDX module", cmd_version, 0, 0,
	  COMPLETE_NOTHING, COMMAND_JSON, NULL },
	{ "log", "[LINES] | save [memory|variable] | level LEVEL", "show the log, keep it, or set from which level on is logged",
	  cmd_log, 0, 2, COMPLETE_NOTHING, 0,
	  "    Levels: error, warn, info, debug, trace.\n"
	  "    save: the next boot's loader writes it to \\tain\\log.txt, as it does after a crash: whole\n"
	  "    from memory that survived the reset, or its end from a UEFI variable." },
	{ "pager", "auto|on|off [ROWS]", "show long output a screenful at a time", cmd_pager, 1, 2,
	  COMPLETE_NOTHING, 0,
	  "    auto: of commands typed by hand (keys come one by one); never in a script. 24 rows." },
	{ "symbol", "NAME|ADDRESS", "an address of Tain's own for a name, or the other way round",
	  cmd_symbol, 1, 1, COMPLETE_SYMBOL, 0, NULL },
	{ "echo", "[WORD]...", "print the words", cmd_echo, 0, 31, COMPLETE_NOTHING, 0, NULL },
	{ "sleep", "SECONDS", "let the guests run for a while", cmd_sleep, 1, 1, COMPLETE_NOTHING, 0,
	  NULL },
	{ "need", "vmx|tdx", "in a script: end it here, as a success, if the machine lacks that",
	  cmd_need, 1, 1, COMPLETE_NOTHING, COMMAND_VERDICT,
	  "    Typed, it fails with the reason instead." },
	{ "exit", "[N]", "tear all guests down, print `tain: exit N`, end the emulator or power off",
	  cmd_exit, 0, 1, COMPLETE_NOTHING, 0,
	  "    Without N: 0, or 1 if the script, an expect, a wait or another check failed." },
	{ "reboot", "", "tear all guests down and reset the machine", cmd_reboot, 0, 0,
	  COMPLETE_NOTHING, 0, NULL },
	{ "chain", "FILE|firmware", "leave for another EFI program, or for the firmware's menu", cmd_chain, 1, 1,
	  COMPLETE_NOTHING, 0,
	  "    FILE of the volume that Tain came from (\\EFI\\other\\boot.efi). Boot services are gone, so the\n"
	  "    firmware is told to start it once (BootNext), and the machine is reset. If it is not there,\n"
	  "    the firmware goes on as usual." },
	{ "poweroff", "", "tear all guests down and switch the machine off", cmd_poweroff, 0, 0,
	  COMPLETE_NOTHING, 0, NULL },
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
/* clang-format on */
