/*
 * cmd_gdb.c - the console's side of the GDB stub.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <string.h>

#include "kernel/guest/guest.h"
#include "kernel/machine/wire.h"
#include "kernel/monitor/command.h"
#include "kernel/monitor/gdb.h"
#include "kernel/monitor/gdb_serial.h"

static int cmd_gdb(struct call *c)
{
	struct guest *g = c->argc ? guest_find(c->argv[0]) : NULL;
	struct wire_stats s;
	char text[160];
	bool here = gdb_serial_is_shared();

	if (c->argc == 2 && strcmp(c->argv[1], "here") != 0)
		return command_fail(c, "expected: gdb [NAME [here]]");
	here |= c->argc == 2;
	if (c->argc && !g)
		return command_fail(c, "no guest '%.40s': `guests` lists them", c->argv[0]);
	if (g && gdb_choose(g, text, sizeof(text)))
		return command_fail(c, "%s", text);
	if (g && here && !c->json) {
		gdb_serial_borrow();
		return 0;
	}
	wire_stats(&s);
	gdb_describe(text, sizeof(text));
	out_record(c->out);
	out_text(c->out, "line", gdb_serial_text());
	out_text(c->out, "state", text);
	out_number(c->out, "received", s.received);
	out_number(c->out, "sent", s.sent);
	out_number(c->out, "lost", s.lost);
	out_end(c->out);
	return 0;
}

/* clang-format off */
const struct command gdb_commands[] = {
	{ "gdb", "[NAME [here]]", "which guest the next gdb finds, and its serial line", cmd_gdb, 0, 2,
	  COMPLETE_GUEST, COMMAND_JSON,
	  "    A guest that does not run yet is held at its first instruction when it is started.\n"
	  "    here (always so with gdb = com1): the console's own line is gdb's, until it detaches or ^].\n"
	  "    Of trust domains only those with the attribute debug can be looked into." },
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
/* clang-format on */
