/*
 * module_files.h - a TDX module among the files that the loader brought.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MONITOR_MODULE_FILES_H
#define TAIN_MONITOR_MODULE_FILES_H

#include "kernel/base/guest_config.h"
#include "tdx/seamldr.h"

/*
 * The module in @file, with PATH.sigstruct if that was brought too: checked, as seamldr_check_file()
 * does. 0, or below and @why.
 */
int module_file_find(const struct guest_file *file, struct module_file *m, char why[SEAMLDR_WHY])
	MUST_CHECK;

#endif
