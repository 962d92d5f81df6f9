/*
 * config_merge.c - guests of a file from the network take their places among those in force.
 *
 * Invariant: all of a file or nothing of it. One mistake, one guest that runs under a name that the file
 * defines anew, one guest too many: nothing changes.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <string.h>

#include "kernel/base/config.h"

const char *config_merge_check(struct config *cfg, const struct config *more, bool (*busy)(const char *name),
			       char why[CONFIG_REASON_BYTES])
{
	unsigned mistakes = more->message_count + more->messages_lost, fresh = 0;

	if (mistakes) {
		snprintf(why, CONFIG_REASON_BYTES, "%u mistake%s", mistakes, mistakes == 1 ? "" : "s");
		return why;
	}
	for (unsigned i = 0; i < more->guest_count; i++) {
		const char *name = more->guests[i].name;

		if (!config_guest(cfg, name)) {
			fresh++;
		} else if (busy(name)) {
			snprintf(why, CONFIG_REASON_BYTES, "it defines %s anew, which is running", name);
			return why;
		}
	}
	if (fresh > CONFIG_GUESTS_MAX - cfg->guest_count) {
		snprintf(why, CONFIG_REASON_BYTES, "together there would be more than %d guests", CONFIG_GUESTS_MAX);
		return why;
	}
	return NULL;
}

void config_merge(struct config *cfg, const struct config *more, config_take_fn take)
{
	for (unsigned i = 0; i < more->guest_count; i++) {
		struct guest_config *was = config_guest(cfg, more->guests[i].name);

		take(was ? was : &cfg->guests[cfg->guest_count], &more->guests[i], was != NULL);
		cfg->guest_count += was == NULL;
	}
	if (!more->start_line)
		return;
	memcpy(cfg->tain.start, more->tain.start, sizeof(cfg->tain.start));
	cfg->tain.start_count = more->tain.start_count;
}
