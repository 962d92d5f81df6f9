/*
 * log.c - log lines: a time stamp, a level, a text; kept in memory and sent to the console.
 *
 * Invariants
 *   - The log buffer keeps the newest KEPT_LOG_TEXT bytes; positions are absolute and only grow, so a
 *     reader can tell what it has missed.
 *   - One line is appended as a whole: lines of different CPUs do not mix.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/kept_log.h"
#include "kernel/base/lock.h"
#include "kernel/machine/console.h"
#include "kernel/machine/cpu_insn.h"
#include "kernel/machine/room.h"
#include "kernel/machine/time.h"

#define LINE_MAX 500

enum log_level log_threshold = LOG_INFO;

static struct kept_log ours;
static struct {
	spinlock_t lock; /* taken with interrupts off */
	uint64_t count[LOG_TRACE + 1];
	struct kept_log *kept; /* where the log is: our own until the loader's place is known */
} buffer = { .kept = &ours };

static const char *const level_label[] = {
	[LOG_ERROR] = "error: ", [LOG_WARN] = "warning: ", [LOG_INFO] = "",
	[LOG_DEBUG] = "debug: ", [LOG_TRACE] = "trace: ",
};

/* A crash takes no lock: who holds it may never give it back. */
static uint64_t log_lock(void) ACQUIRES(buffer.lock) NO_TSA
{
	uint64_t flags = irq_save();

	if (!crash_under_way())
		spin_lock(&buffer.lock);
	return flags;
}

static void log_unlock(uint64_t flags) RELEASES(buffer.lock) NO_TSA
{
	if (!crash_under_way())
		spin_unlock(&buffer.lock);
	irq_restore(flags);
}

static void append(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		kept_log_put(buffer.kept, (uint8_t)text[i]);
}

/* The log moves to where the next boot finds it. */
void log_keep(struct kept_log *kept)
{
	uint64_t flags = log_lock();

	for (uint64_t i = kept_log_begin(buffer.kept); i < buffer.kept->end; i++)
		kept_log_put(kept, buffer.kept->text[i % KEPT_LOG_TEXT]);
	buffer.kept = kept;
	log_unlock(flags);
}

/* What the next boot's loader is to do with it. */
void log_mark(enum kept_state state) { buffer.kept->state = state; }
enum kept_state log_state(void) { return (enum kept_state)buffer.kept->state; }
bool log_is_kept(void) { return buffer.kept != &ours; }

void log_append(const char *text, size_t length)
{
	uint64_t flags = log_lock();

	append(text, length);
	log_unlock(flags);
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char line[LINE_MAX + 32];
	uint64_t us = time_us();
	va_list ap;

	int n = snprintf(line, 40, "[%5u.%06u] %s", (unsigned)(us / 1000000),
			 (unsigned)(us % 1000000), level_label[level]);
	va_start(ap, fmt);
	int m = vsnprintf(line + n, LINE_MAX - (size_t)n, fmt, ap);
	va_end(ap);
	n = m < 0 ? n : n + m >= LINE_MAX ? LINE_MAX - 1 : n + m;
	line[n++] = '\n';

	uint64_t flags = log_lock();

	append(line, (size_t)n);
	buffer.count[level]++;
	log_unlock(flags);
	console_write(line, (size_t)n);
}

/* A crash reads without the lock, since its holder may be gone. */
size_t log_read(uint64_t *pos, char *buf, size_t max) NO_TSA
{
	uint64_t flags = log_lock();
	const struct kept_log *k = buffer.kept;

	if (k->end - *pos > KEPT_LOG_TEXT || *pos > k->end)
		*pos = kept_log_begin(k);
	size_t n = k->end - *pos < max ? (size_t)(k->end - *pos) : max;

	for (size_t i = 0; i < n; i++)
		buf[i] = (char)k->text[(*pos + i) % KEPT_LOG_TEXT];
	*pos += n;
	log_unlock(flags);
	return n;
}

/* Take the lock and never give it back. */
void log_hold(void) NO_TSA { (void)log_lock(); }

uint64_t log_end(void) { return buffer.kept->end; }

uint64_t log_count(enum log_level level) { return buffer.count[level]; }
