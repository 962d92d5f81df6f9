/*
 * seamldr.h - the P-SEAMLDR from the host's side: who it is, a module loaded by it, a module replaced
 * under living TDs.
 *
 *   module_file.h  the file      in_step.h  all CPUs together      abi/seamldr.h  layouts, statuses
 *
 * Invariants
 *   - A file is checked, hash and signature included, before anything is asked of the machine.
 *   - One CPU at a time calls the loader, and after each call the CPU's current VMCS is current again:
 *     SEAMRET from it may forget that (ABI reference, errata).
 *   - An update is not begun while a TD is being built, and not before all memory is initialised.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_SEAMLDR_H
#define TAIN_TDX_SEAMLDR_H

#include "tdx/abi/seamldr.h"
#include "tdx/abi/status.h"
#include "tdx/module_file.h"
#include "tdx/tdx.h"

#define SEAMLDR_WHY 200

/* What tdx_init() will get, before it is called: for a module that is loaded first. */
void seamldr_attach(const struct tdx_host *host);

/* Who the loader is. TDX_SW_...: there is none. Changes nothing. */
tdx_status_t seamldr_ask(struct seamldr_info *info) MUST_CHECK;

/* What it knows of the machine: CPUs, packages. */
tdx_status_t seamldr_ask_machine(struct seamldr_seaminfo *info) MUST_CHECK;

/*
 * Find and check a module in the bytes of a file (and of the one with its signature structure, NULL:
 * none), both page aligned and zero filled. 0, or -EINVAL and @why.
 */
int seamldr_check_file(struct module_file *m, const void *data, size_t size, const void *sig,
		       size_t sig_size, char why[SEAMLDR_WHY]) MUST_CHECK;

/*
 * INSTALL, scenario LOAD: afterwards the module is fresh, and tdx_init() or tdx_retry() brings it up.
 * 0; -EBUSY: a module is in use, or TDs are
 * left; -ENODEV: no loader; -EIO: refused. @why: one line.
 */
int seamldr_load(const struct module_file *m, char why[SEAMLDR_WHY]) MUST_CHECK;

/*
 * The module gives way to @m, and TDs live on. 0; -EBUSY, -ENODEV, -EINVAL: nothing was changed;
 * -EIO: refused half way: @why says whether the TDs are lost. Boot CPU, no lock held.
 */
int seamldr_update(const struct module_file *m, char why[SEAMLDR_WHY]) MUST_CHECK;

/* SHUTDOWN: until a reset, or until an ACM is run again, nothing can be loaded. As seamldr_load(). */
int seamldr_shut_down(char why[SEAMLDR_WHY]) MUST_CHECK;

#endif
