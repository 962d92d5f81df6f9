/*
 * files.c - the queue of files that guests lack. Contract: files.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/net/files.h"

#include <stdio.h>
#include <string.h>

#include "kernel/base/config.h"
#include "kernel/base/log.h"
#include "kernel/net/fetch.h"
#include "kernel/net/store.h"
#include "kernel/net/stream.h"

#define FILES_OF_GUEST 5u

static struct {
	struct config *cfg;
	bool wanted[CONFIG_GUESTS_MAX];
	char why[CONFIG_GUESTS_MAX][120]; /* empty: nothing has failed */
	bool busy, asked; /* asked: someone wants something; looked at in the next round */
	unsigned guest; /* whose file comes now */
	bool stale;     /* that guest was defined anew meanwhile */
	struct guest_file file;
} q;

static struct guest_file *file_of(struct guest_config *g, unsigned index)
{
	struct guest_file *const files[FILES_OF_GUEST] = { &g->firmware, &g->kernel, &g->initrd, &g->image,
							   &g->disk };

	return files[index];
}

static int index_of(const char *name)
{
	for (unsigned i = 0; q.cfg && i < q.cfg->guest_count; i++)
		if (strcmp(q.cfg->guests[i].name, name) == 0)
			return (int)i;
	return -1;
}

void files_start(struct config *cfg) { q.cfg = cfg; }

bool files_ask(const char *name)
{
	int i = index_of(name);

	if (i < 0 || !guest_config_missing(&q.cfg->guests[i]))
		return false;
	q.wanted[i] = q.asked = true;
	q.why[i][0] = 0;
	return true;
}

enum files_state files_look(const char *name, const char **why)
{
	int i = index_of(name);

	*why = NULL;
	if (i < 0 || !guest_config_missing(&q.cfg->guests[i]))
		return FILES_HERE;
	if (q.wanted[i])
		return FILES_COMING;
	if (!q.why[i][0])
		return FILES_NOT_ASKED;
	*why = q.why[i];
	return FILES_FAILED;
}

static void failed(const char *what)
{
	unsigned i = q.guest;

	if (q.stale)
		return;
	q.wanted[i] = false;
	snprintf(q.why[i], sizeof(q.why[i]), "%s", what);
	log_error("fetch: %s: %.200s: %s", q.cfg->guests[i].name, q.file.path, what);
}

/* The same URL may stand with more than one guest, with the same hash: it is fetched once. */
static void hand_out(const struct fetched *file)
{
	bool taken = false;

	for (unsigned i = 0; i < q.cfg->guest_count; i++)
		for (unsigned j = 0; j < FILES_OF_GUEST; j++) {
			struct guest_file *f = file_of(&q.cfg->guests[i], j);

			if (!f->remote || f->data || strcmp(f->path, q.file.path) != 0 ||
			    (f->has_sha256 && memcmp(f->sha256, file->sha256, SHA256_BYTES) != 0))
				continue;
			f->size = file->size;
			f->data = file->bytes;
			taken = true;
		}
	if (!taken)
		store_free(file->bytes, file->size);
}

static void on_done(void *ctx, const struct fetched *file, const char *why)
{
	char hash[2 * SHA256_BYTES + 1];

	(void)ctx;
	q.busy = false;
	if (!file) {
		failed(why);
		return;
	}
	if (!file->size) {
		failed("the file is empty");
		return;
	}
	for (unsigned i = 0; i < SHA256_BYTES; i++)
		snprintf(hash + 2 * i, 3, "%02x", file->sha256[i]);
	log_info("fetch: %s: %.200s: %llu bytes in %llu ms, sha256 %s%s", q.cfg->guests[q.guest].name,
		 q.file.path, (unsigned long long)file->size, (unsigned long long)(file->took_us / 1000), hash,
		 q.file.has_sha256 ? " as given" : " (none was given)");
	hand_out(file);
}

static void begin(unsigned guest, const struct guest_file *file)
{
	const struct fetch_want want = {
		.url = q.file.path,
		.limit = q.cfg->tain.fetch_limit,
		.sha256 = file->has_sha256 ? q.file.sha256 : NULL,
	};
	const char *why = "another fetch is under way";

	q.guest = guest;
	q.stale = false;
	q.file = *file;
	q.busy = fetch_begin(&want, on_done, NULL, &why) == 0;
	if (!q.busy && why)
		failed(why);
}

/* ---- records that change ---- */

/* Does a record of the configuration use what lies at @data? */
static bool is_used(const void *data)
{
	for (unsigned i = 0; i < q.cfg->guest_count; i++)
		for (unsigned j = 0; j < FILES_OF_GUEST; j++)
			if (file_of(&q.cfg->guests[i], j)->data == data)
				return true;
	return false;
}

/* The same bytes, without a doubt: only a hash tells. */
static void adopt(struct guest_file *f, struct guest_config *from)
{
	for (unsigned j = 0; j < FILES_OF_GUEST && f->remote && f->has_sha256 && !f->data; j++) {
		const struct guest_file *have = file_of(from, j);

		if (!have->remote || !have->data || strcmp(have->path, f->path) != 0 || !have->has_sha256 ||
		    memcmp(have->sha256, f->sha256, SHA256_BYTES) != 0)
			continue;
		f->data = have->data;
		f->size = have->size;
	}
}

void files_take_over(struct guest_config *place, const struct guest_config *record)
{
	static struct guest_config was; /* too large for a stack */
	unsigned index = (unsigned)(place - q.cfg->guests);

	was = *place;
	if (index >= q.cfg->guest_count)
		memset(&was, 0, sizeof(was));
	*place = *record;
	q.wanted[index] = false;
	q.why[index][0] = 0;
	q.stale |= q.busy && q.guest == index;
	for (unsigned j = 0; j < FILES_OF_GUEST; j++) {
		adopt(file_of(place, j), &was);
		for (unsigned i = 0; i < q.cfg->guest_count; i++)
			adopt(file_of(place, j), &q.cfg->guests[i]);
	}
	for (unsigned j = 0; j < FILES_OF_GUEST; j++) {
		const struct guest_file *f = file_of(&was, j);
		bool again = false;

		for (unsigned k = 0; k < FILES_OF_GUEST; k++)
			again |= file_of(place, k)->data == f->data || (k < j && file_of(&was, k)->data == f->data);
		if (f->remote && f->data && !again && !is_used(f->data))
			store_free(f->data, f->size);
	}
}

void files_poll(void)
{
	struct fetch_progress other;

	fetch_progress(&other);
	if (q.busy || other.url || !q.cfg || !stream_is_up())
		return;
	for (unsigned i = 0; i < q.cfg->guest_count; i++) {
		const struct guest_file *file = q.wanted[i] ? guest_config_missing(&q.cfg->guests[i]) : NULL;

		if (file) {
			begin(i, file);
			return;
		}
		q.wanted[i] = false;
	}
	q.asked = false;
}

bool files_quiet(void) { return !q.busy && !q.asked; }
