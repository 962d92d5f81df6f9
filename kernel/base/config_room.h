/*
 * config_room.h - what the parts of the configuration's parser share: one way of saying what is wrong.
 *
 *   config.c        sections and keys       config_files.c  the files that they name
 *   config_say.c    messages and refusals   config_merge.c  a file from the network
 *
 * Invariant: what ends up in a message or a refusal is printable ASCII.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_BASE_CONFIG_ROOM_H
#define TAIN_BASE_CONFIG_ROOM_H

#include "kernel/base/config.h"

/* One line about @line of the file; beyond CONFIG_MESSAGES_MAX it is only counted. */
void config_add_message(struct config *cfg, unsigned line, const char *text);

/* The same about guest @g, which is refused by it. */
void config_refuse(struct config *cfg, struct guest_config *g, unsigned line, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* Foreign bytes end up on a terminal: others become '?'. */
void config_make_printable(char *s);

#endif
