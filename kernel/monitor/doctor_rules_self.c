/*
 * doctor_rules_self.c - rows about Tain itself on this boot. They do not count in the verdict on TDX.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/monitor/doctor_room.h"

void rule_software(const struct doctor_machine *m, struct doctor_row *row)
{
	const struct doctor_self *s = &m->self;

	if (!s->tds_wanted)
		row_note(row, "module = none in tain.cfg", "%s", s->module_text);
	else if (s->software_module)
		row_note(row, "trust domains run on it, unprotected: for development", "%s", s->module_text);
	else if (m->seam.ready)
		row_ok(row, "%s", s->module_text);
	else
		row_fail(m, row, "a module that is ready", OPTION_NONE, "no trust domain can start here",
			 "%s", s->module_text);
}

void rule_leaks(const struct doctor_machine *m, struct doctor_row *row)
{
	if (m->self.leaked_pages)
		row_fail(m, row, "none leaked", OPTION_NONE, "the TDX module kept pages: see `log`",
			 "%llu pages leaked", (unsigned long long)m->self.leaked_pages);
	else
		row_ok(row, "%llu MiB free, none leaked", (unsigned long long)m->self.free_pages >> 8);
}

void rule_console(const struct doctor_machine *m, struct doctor_row *row)
{
	const struct doctor_self *s = &m->self;

	if (s->console_dropped)
		row_note(row, "guests print more than the line carries", "%s; %llu bytes dropped",
			 s->console, (unsigned long long)s->console_dropped);
	else
		row_ok(row, "%s, %s", s->console, s->console_interrupts ? "by interrupt" : "polled");
}

void rule_config(const struct doctor_machine *m, struct doctor_row *row)
{
	if (m->self.config_errors)
		row_fail(m, row, "no mistake", OPTION_NONE, "see `log`: each with its line",
			 "%u things wrong", m->self.config_errors);
	else
		row_ok(row, "%u guests", m->self.guests);
}

void rule_log(const struct doctor_machine *m, struct doctor_row *row)
{
	unsigned long long errors = m->self.log_errors, warnings = m->self.log_warnings;

	if (errors)
		row_fail(m, row, "no errors", OPTION_NONE, "see `log`", "%llu errors, %llu warnings", errors,
			 warnings);
	else if (warnings)
		row_note(row, "see `log`", "%llu warnings", warnings);
	else
		row_ok(row, "nothing to report");
}
