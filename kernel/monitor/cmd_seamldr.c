/*
 * cmd_seamldr.c - the P-SEAMLDR at the console, and the module files that tain.cfg names.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <string.h>

#include "kernel/base/config.h"
#include "kernel/base/log.h"
#include "kernel/base/net_use.h"
#include "kernel/machine/machine.h"
#include "kernel/machine/port.h"
#include "kernel/monitor/command.h"
#include "kernel/monitor/module_files.h"
#include "kernel/monitor/monitor.h"
#include "tdx/abi/explain.h"
#include "tdx/seamldr.h"

static void hash(struct out *o, const char *name, const uint8_t *bytes)
{
	char text[97];

	for (unsigned i = 0; i < 48; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	out_text(o, name, text);
}

static int info(struct call *c)
{
	struct seamldr_info info;
	struct seamldr_seaminfo machine;
	tdx_status_t st = seamldr_ask(&info);
	char text[64];

	if (tdx_is_unreachable(st))
		return command_fail(c, "no P-SEAMLDR answers on this machine");
	if (!tdx_ok(st))
		return command_fail(c, "SEAMLDR.INFO: %s", tdx_seamldr_text(st.raw));
	out_record(c->out);
	snprintf(text, sizeof(text), "%u.%u.%02u, build %u of %x%s", info.major, info.minor, info.update,
		 info.build_num, info.build_date, info.attributes & SEAMLDR_DEBUG ? ", DEBUG" : "");
	out_text(c->out, "version", text);
	out_bool(c->out, "ready", info.p_seamldr_ready != 0);
	out_bool(c->out, "module loaded", info.seam_ready != 0);
	out_number(c->out, "acm apic id", info.acm_apic_id);
	out_number(c->out, "updates left", info.updates_left);
	if (info.seam_extend_valid) {
		out_number(c->out, "module svn", info.tee_tcb_svn[0] | (unsigned)info.tee_tcb_svn[1] << 8);
		hash(c->out, "mrseam", info.mrseam);
		hash(c->out, "mrsigner", info.mrsigner);
	}
	if (tdx_ok(seamldr_ask_machine(&machine))) {
		out_number(c->out, "cpus", machine.lps);
		out_number(c->out, "packages", machine.packages);
	}
	out_end(c->out);
	return 0;
}

/* The one that the words behind the verb name, else the one of tain.cfg. NULL: the reason is noted. */
static struct guest_file *chosen(struct call *c, struct guest_file *of_config, const char *key)
{
	static struct guest_file named;
	char text[GUEST_PATH_MAX + 100];
	const char *wrong;

	if (c->argc < 2 && !of_config->path[0]) {
		command_fail(c, "tain.cfg names no file: `%s = PATH` in [tain]", key);
		return NULL;
	}
	if (c->argc < 2)
		return of_config;
	if (named.path[0])
		module_file_drop(&named);
	snprintf(text, sizeof(text), "%s%s%s", c->argv[1], c->argc > 2 ? " " : "", c->argc > 2 ? c->argv[2] : "");
	wrong = net_file_read(text, &named);
	if (!wrong)
		return &named;
	named.path[0] = 0;
	command_fail(c, "%s", wrong);
	return NULL;
}

/* The file that is meant, fetched if it is not here, checked, and said what it is. */
static int file_for(struct call *c, struct guest_file *of_config, const char *key, struct module_file *m)
{
	struct guest_file *file = chosen(c, of_config, key);
	char why[SEAMLDR_WHY], text[120];

	if (!file)
		return -1;
	if (file->remote && module_file_fetch(file, 0, why) != 0)
		return command_fail(c, "%s: %s", file->path, why);
	if (module_file_find(file, m, why))
		return command_fail(c, "%s: %s", file->path, why);
	out_printf(c->out, "%s: %s\n", file->path, module_file_text(m, text, sizeof(text)));
	return 0;
}

static int load(struct call *c)
{
	struct module_file m;
	char why[SEAMLDR_WHY];
	int err = file_for(c, &monitor_config()->tain.module_file, "module", &m);

	if (err)
		return err;
	if (seamldr_load(&m, why))
		return command_fail(c, "%s", why);
	out_printf(c->out, "the module is loaded\n");
	return tdx_retry() ? command_fail(c, "%s", tdx_reason()) : 0;
}

static int update(struct call *c)
{
	struct module_file m;
	char why[SEAMLDR_WHY], text[120];
	int err = file_for(c, &monitor_config()->tain.update_file, "update", &m);

	if (err)
		return err;
	if (seamldr_update(&m, why))
		return command_fail(c, "%s", why);
	out_printf(c->out, "replaced: %s\n", tdx_module_text(text, sizeof(text)));
	return 0;
}

static int check(struct call *c)
{
	struct tain_config *t = &monitor_config()->tain;
	struct module_file m;

	if (c->argc > 1)
		return file_for(c, &t->module_file, "module", &m);
	if (t->module_file.path[0] || !t->update_file.path[0]) {
		int err = file_for(c, &t->module_file, "module", &m);

		if (err || !t->update_file.path[0])
			return err;
	}
	return file_for(c, &t->update_file, "update", &m);
}

static int shut_down(struct call *c)
{
	char why[SEAMLDR_WHY];

	if (seamldr_shut_down(why))
		return command_fail(c, "%s", why);
	out_printf(c->out, "the P-SEAMLDR is shut down: nothing is loaded any more until a reset\n");
	return 0;
}

static int cmd_seamldr(struct call *c)
{
	static const struct {
		const char *name;
		int (*run)(struct call *c);
	} words[] = { { "info", info }, { "check", check }, { "load", load }, { "update", update },
		      { "shutdown", shut_down } };

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcmp(c->argc ? c->argv[0] : "info", words[i].name) == 0)
			return words[i].run(c);
	return command_fail(c, "expected: seamldr [info|shutdown], seamldr check|load|update [URL [sha256=HEX]]");
}

/* clang-format off */
const struct command seamldr_commands[] = {
	{ "seamldr", "[info|check|load|update|shutdown] [URL [sha256=HEX]]", "the P-SEAMLDR: what it is; a module loaded or replaced by it",
	  cmd_seamldr, 0, 3, COMPLETE_NOTHING, COMMAND_JSON,
	  "    check: the files that tain.cfg names as module and update: structure, hash, signature.\n"
	  "    A URL names another file, by HTTP or TFTP; unless its signature is inside, URL.sigstruct has it.\n"
	  "    load: the file of `module`, when no module is in use; then it is brought up.\n"
	  "    update: the file of `update` takes the place of the module, and TDs live on.\n"
	  "    shutdown: end the P-SEAMLDR itself; only a reset brings it back." },
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
/* clang-format on */
