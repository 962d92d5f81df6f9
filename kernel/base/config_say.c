/*
 * config_say.c - what is wrong with a configuration, noted in it. Contract: config_room.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdarg.h>
#include <stdio.h>

#include "kernel/base/config_room.h"

void config_add_message(struct config *cfg, unsigned line, const char *text)
{
	if (cfg->message_count == CONFIG_MESSAGES_MAX) {
		cfg->messages_lost++;
		return;
	}
	struct config_message *m = &cfg->messages[cfg->message_count++];

	m->line = line;
	snprintf(m->text, sizeof(m->text), "%s", text);
}

/* Foreign bytes end up on a terminal: keep them printable. */
void config_make_printable(char *s)
{
	for (; *s; s++)
		if (*s < ' ' || *s > '~')
			*s = '?';
}

void config_refuse(struct config *cfg, struct guest_config *g, unsigned line, const char *fmt, ...)
{
	char reason[100], text[CONFIG_REASON_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	config_make_printable(reason);
	snprintf(text, sizeof(text), "[%s %s] %s", g->kind == GUEST_TD ? "td" : "vm", g->name,
		 reason);
	config_add_message(cfg, line, text);
	if (!g->refusal[0])
		snprintf(g->refusal, sizeof(g->refusal), "%s:%u: %s", cfg->name, line, reason);
}
