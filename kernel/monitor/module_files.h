/*
 * module_files.h - a TDX module among the files that the loader brought, or from the network.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MONITOR_MODULE_FILES_H
#define TAIN_MONITOR_MODULE_FILES_H

#include "kernel/base/guest_config.h"
#include "kernel/monitor/fetched.h"
#include "tdx/seamldr.h"

/*
 * The module in @file, with PATH.sigstruct if that was brought too: checked, as seamldr_check_file()
 * does. 0, or below and @why.
 */
int module_file_find(const struct guest_file *file, struct module_file *m, char why[SEAMLDR_WHY])
	MUST_CHECK;

/*
 * Bring @file, whose path is a URL, and unless it has its signature inside, URL.sigstruct. As fetched_get();
 * what is here already is not asked for again.
 */
int module_file_fetch(struct guest_file *file, uint64_t timeout_us, char why[FETCHED_WHY]) MUST_CHECK;
/* @file and its signature go back. */
void module_file_drop(struct guest_file *file);

#endif
