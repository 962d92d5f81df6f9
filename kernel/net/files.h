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

#include "kernel/base/types.h"

struct config;
struct guest_config;

/* Know the configuration. Once. */
void files_start(struct config *cfg);

/* Begin to fetch what guest @name lacks. True: there is something to wait for. */
bool files_ask(const char *name);

enum files_state { FILES_HERE, FILES_COMING, FILES_FAILED, FILES_NOT_ASKED };

/* Of guest @name. *@why: of FAILED; else NULL. */
enum files_state files_look(const char *name, const char **why);

/* Each round. */
void files_poll(void);

#endif
