/*
 * call_site.h - each place in tdx/ that calls a leaf is a record: the call, its file and line.
 *
 * In host programs the compiler collects the records in a section of their own, so that a test can
 * walk all of them, and the one under way can be asked for. In the image the macro is the call.
 *
 * Invariants
 *   - Every tdh_ call of tdx/ is the argument of TDX_CALL, TDX_RETRY or HOOK_RETRY (make check).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_CALL_SITE_H
#define TAIN_TDX_CALL_SITE_H

#ifdef TAIN_NATIVE

struct tdx_site {
	const char *call, *file;
	int line;
};

/* The one whose call is under way on this thread; NULL outside. */
extern _Thread_local struct tdx_site *tdx_site_now;

#define TDX_CALL(call_)                                                                 \
	({                                                                              \
		static struct tdx_site tdx_site_here_ = { #call_, __FILE__, __LINE__ }; \
		static struct tdx_site *tdx_site_entry_                                 \
			__attribute__((section("tdx_sites"), used)) = &tdx_site_here_;  \
		tdx_site_now = &tdx_site_here_;                                         \
		tdx_status_t tdx_site_status_ = (call_);                                \
		tdx_site_now = NULL;                                                    \
		tdx_site_status_;                                                       \
	})

#else
#define TDX_CALL(call) (call)
#endif

#endif
