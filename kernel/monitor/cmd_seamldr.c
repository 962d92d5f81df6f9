/*
 * cmd_seamldr.c - the P-SEAMLDR at the console, and the module files that tain.cfg names.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <string.h>

#include "kernel/base/config.h"
#include "kernel/base/log.h"
#include "kernel/machine/machine.h"
#include "kernel/machine/port.h"
#include "kernel/monitor/command.h"
#include "kernel/monitor/module_files.h"
#include "kernel/monitor/monitor.h"
#include "tdx/abi/explain.h"
#include "tdx/seamldr.h"

#define SIGNATURE ".sigstruct"

int module_file_find(const struct guest_file *file, struct module_file *m, char why[SEAMLDR_WHY])
{
	char path[sizeof(file->path) + sizeof(SIGNATURE)];
	const struct boot_file *sig;
	const void *data = NULL;
	size_t size = 0;

	if (!file->data) {
		snprintf(why, SEAMLDR_WHY, "%.120s is not there", file->path);
		return -1;
	}
	snprintf(path, sizeof(path), "%s" SIGNATURE, file->path);
	sig = boot_file_find(path);
	if (sig && sig->status == BOOT_FILE_OK) {
		data = hpa_to_ptr((hpa_t){ sig->hpa });
		size = sig->size;
	}
	return seamldr_check_file(m, file->data, file->size, data, size, why);
}

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

/* The file that @file names, checked, and said what it is. */
static int file_for(struct call *c, const struct guest_file *file, const char *key, struct module_file *m)
{
	char why[SEAMLDR_WHY], text[120];

	if (!file->path[0])
		return command_fail(c, "tain.cfg names no file: `%s = PATH` in [tain]", key);
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
	const struct tain_config *t = &monitor_config()->tain;
	struct module_file m;

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
	return command_fail(c, "expected: seamldr [info|check|load|update|shutdown]");
}

/* clang-format off */
const struct command seamldr_commands[] = {
	{ "seamldr", "[info|check|load|update|shutdown]", "the P-SEAMLDR: what it is; a module loaded or replaced by it",
	  cmd_seamldr, 0, 1, COMPLETE_NOTHING, COMMAND_JSON,
	  "    check: the files that tain.cfg names as module and update: structure, hash, signature.\n"
	  "    load: the file of `module`, when no module is in use; then it is brought up.\n"
	  "    update: the file of `update` takes the place of the module, and TDs live on.\n"
	  "    shutdown: end the P-SEAMLDR itself; only a reset brings it back." },
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
/* clang-format on */
