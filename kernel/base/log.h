/*
 * log.h - one line to the log, and the end of the road: panic and assert.
 *
 * Invariants
 *   - Logging never blocks on a device: text goes to the console ring (kernel/machine/console.c),
 *     which is drained by interrupt or when idle. Overflow is counted, not waited for.
 *   - panic() prints synchronously and stops the machine; it returns to nobody.
 *
 * Native programs (host tests, build/host/tain) supply log_line() and panic() themselves:
 * tests/host/machine.c.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_BASE_LOG_H
#define TAIN_BASE_LOG_H

#include "kernel/base/types.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE };

/* Lines above this level are dropped before their arguments are formatted. */
extern enum log_level log_threshold;

/* Write one line; the newline is added. Any context but NMI. At most 500 bytes, then cut. */
void log_line(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define log_at(level, ...)                                                                         \
	do {                                                                                       \
		if ((level) <= log_threshold)                                                      \
			log_line((level), __VA_ARGS__);                                            \
	} while (0)
#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_at(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)
#define log_trace(...) log_at(LOG_TRACE, __VA_ARGS__)

/* Stop everything: a broken invariant of the whole machine. */
NORETURN void panic(const char *fmt, ...) PRINTF_LIKE(1, 2);

#undef assert
#define assert(cond)                                                                               \
	do {                                                                                       \
		if (unlikely(!(cond)))                                                             \
			panic("assertion failed: %s (%s:%d)", #cond, __FILE__, __LINE__);          \
	} while (0)

#endif
