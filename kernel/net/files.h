/*
 * files.h - files of guests that tain.cfg names by a URL: fetched in turn, once the network is there.
 *
 *     NOT ASKED --files_ask()--> WAITS --> COMES --> HERE
 *                                            \--> FAILED --files_ask()--> WAITS ...
 *
 * Invariants
 *   - A file that has come stays: the guest's record then names memory like that of any other file.
 *   - One file at a time; a failure is said once, with its reason, and keeps only that guest from
 *     starting.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_NET_FILES_H
#define TAIN_NET_FILES_H

#include "kernel/base/guest_config.h"
#include "kernel/base/types.h"

struct config;

/* Know the configuration. Once. */
void files_start(struct config *cfg);

/* Begin to fetch what guest @name lacks. True: there is something to wait for. */
bool files_ask(const char *name);

enum files_state { FILES_HERE, FILES_COMING, FILES_FAILED, FILES_NOT_ASKED };

/* Of guest @name. *@why: of FAILED; else NULL. */
enum files_state files_look(const char *name, const char **why);

/*
 * Write @record into @place of the configuration, where a guest that does not run may stand, or none. A file
 * of it that is here under the same URL and the same given hash is used; what nobody names any more goes back.
 */
void files_take_over(struct guest_config *place, const struct guest_config *record);

/* Each round; and: is there nothing to do in it? */
void files_poll(void);
bool files_quiet(void);

#endif
