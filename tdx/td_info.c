/*
 * td_info.c - what a TD is and has done: for `info` and `stats`.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tdx/retry.h"
#include "tdx/td_impl.h"

typedef void (*line_fn)(void *ctx, const char *text);

static int read_hash(struct td *td, uint64_t field, uint8_t *to)
{
	for (unsigned i = 0; i < TDX_HASH_BYTES / 8; i++) {
		uint64_t word;
		tdx_status_t st = TDX_RETRY(tdh_mng_rd(td->tdr, md_element(field, i), &word));

		if (!tdx_ok(st))
			return -EIO;
		memcpy(to + 8 * i, &word, sizeof(word));
	}
	return 0;
}

static int read_word(struct td *td, uint64_t field, uint64_t *value)
{
	return tdx_ok(TDX_RETRY(tdh_mng_rd(td->tdr, field, value))) ? 0 : -EIO;
}

int td_identity(struct td *td, struct td_identity *out)
{
	uint64_t tsc;

	*out = (struct td_identity){
		.keyid = td->keyid,
		.gpa_width = td->gpa_width,
		.ept_levels = td->mmu.levels,
		.shared_bit = td->gpa_width - 1,
	};
	if (read_word(td, MD_TD_ATTRIBUTES, &out->attributes) ||
	    read_word(td, MD_TD_XFAM, &out->xfam) || read_word(td, MD_TD_TSC_FREQUENCY, &tsc))
		return -EIO;
	out->tsc_frequency_hz = tsc * TSC_FREQUENCY_UNIT_HZ;
	out->mrtd_valid = read_hash(td, MD_TD_MRTD, out->mrtd) == 0;
	out->rtmr_valid = (out->attributes & TD_ATTR_DEBUG) != 0;
	for (unsigned i = 0; i < 4 && out->rtmr_valid; i++)
		out->rtmr_valid = read_hash(td, md_element(MD_TD_RTMR, 6 * i), out->rtmr[i]) == 0;
	return 0;
}

static void attribute_names(uint64_t attributes, char *buf, size_t size)
{
	size_t at = 0;

	buf[0] = 0;
#define X(bit, name, text)                          \
	if ((attributes & BIT64(bit)) && at < size) \
		at += (size_t)snprintf(buf + at, size - at, "%s%s", at ? ", " : "", text);
	TD_ATTRIBUTE_TABLE(X)
#undef X
	if (!buf[0])
		snprintf(buf, size, "none");
}

void td_describe(struct td *td, line_fn line, void *ctx)
{
	struct td_identity id;
	char buf[200], names[100];

	if (td_identity(td, &id)) {
		line(ctx, "the module does not answer for this TD");
		return;
	}
	attribute_names(id.attributes, names, sizeof(names));
	snprintf(buf, sizeof(buf), "attributes   0x%016llx  %s", (unsigned long long)id.attributes,
		 names);
	line(ctx, buf);
	snprintf(buf, sizeof(buf), "xfam         0x%llx (allowed 0x%llx)",
		 (unsigned long long)id.xfam, (unsigned long long)tdx_state.md.xfam_fixed0);
	line(ctx, buf);
	snprintf(buf, sizeof(buf), "gpa          %u bits, SHARED is bit %u, %u-level S-EPT",
		 id.gpa_width, id.shared_bit, id.ept_levels);
	line(ctx, buf);
	snprintf(buf, sizeof(buf), "tsc          %llu MHz; KeyID %u",
		 (unsigned long long)(id.tsc_frequency_hz / 1000000), id.keyid);
	line(ctx, buf);
}

struct guest_memory *td_shared_memory(struct td *td) { return &td->shared; }

/* ---- measurement ---- */

struct lines {
	line_fn line;
	void *ctx;
};

static void record_line(void *ctx, bool extended, gpa_t gpa)
{
	const struct lines *l = ctx;
	char text[64];

	snprintf(text, sizeof(text), "%-12s 0x%llx", measure_record_name(extended),
		 (unsigned long long)gpa.v);
	l->line(l->ctx, text);
}

static void hash_line(const struct lines *l, const char *name, const uint8_t hash[TDX_HASH_BYTES])
{
	char text[16 + 2 * TDX_HASH_BYTES];
	size_t at = (size_t)snprintf(text, sizeof(text), "%-10s ", name);

	for (unsigned i = 0; i < TDX_HASH_BYTES; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%02x", hash[i]);
	l->line(l->ctx, text);
}

void td_measured(const struct td *td, bool each_record, line_fn line, void *ctx)
{
	struct lines l = { line, ctx };

	if (each_record)
		measure_log_records(td->log, record_line, &l);
	else
		measure_log_runs(td->log, line, ctx);
	hash_line(&l, "predicted", td->predicted);
	hash_line(&l, "module", td->mrtd);
	line(ctx, memcmp(td->predicted, td->mrtd, sizeof(td->mrtd)) ? "THEY DIFFER"
								    : "they are the same");
}

void td_page_counts(const struct td *td, struct td_page_counts *out)
{
	*out = (struct td_page_counts){
		.control = td->control_count,
		.sept = td->sept_pages,
		.private_pages = td->private_pages,
		.shared = td->shared.pages,
		.leaked = td->leaked,
	};
}

static void one(line_fn line, void *ctx, const char *name, uint64_t count)
{
	char buf[80];

	if (!count)
		return;
	snprintf(buf, sizeof(buf), "%-32s %llu", name, (unsigned long long)count);
	line(ctx, buf);
}

uint64_t td_own_exits(const struct td *td, unsigned index)
{
	const struct td_vcpu *v = &td->vcpus[index];
	uint64_t sum = 0;

	for (uint32_t i = 0; i < TDX_EXIT_LIMIT; i++)
		sum += v->exits[i];
	return sum - v->exits[TDX_EXIT_EXCEPTION_NMI] - v->exits[TDX_EXIT_EXTERNAL_INTERRUPT];
}

static void vcpu_stats(const struct td_vcpu *v, line_fn line, void *ctx)
{
	char name[64];

	snprintf(name, sizeof(name), "vcpu %u: entries", v->index);
	one(line, ctx, name, v->entries);
	snprintf(name, sizeof(name), "vcpu %u: ticks inside VP.ENTER", v->index);
	one(line, ctx, name, v->enter_ticks);
	snprintf(name, sizeof(name), "vcpu %u: ticks in other SEAMCALLs", v->index);
	one(line, ctx, name, v->call_ticks);
	snprintf(name, sizeof(name), "vcpu %u: entries refused, busy", v->index);
	one(line, ctx, name, v->enter_busy);
	for (uint32_t i = 0; i < TDX_EXIT_LIMIT; i++) {
		if (!v->exits[i])
			continue;
		snprintf(name, sizeof(name), "vcpu %u: exit %s", v->index, tdx_exit_name(i));
		one(line, ctx, name, v->exits[i]);
	}
	for (unsigned i = 0; td_vmcall_row_name(i); i++) {
		snprintf(name, sizeof(name), "vcpu %u: TDVMCALL %s", v->index,
			 td_vmcall_row_name(i));
		one(line, ctx, name, v->vmcalls[i]);
	}
}

static void mistake_stats(const struct td *td, line_fn line, void *ctx)
{
	char name[80];

	for (unsigned i = 0; i < TD_MISTAKES; i++) {
		snprintf(name, sizeof(name), "guest: %s", td_mistake_name((enum td_mistake)i));
		one(line, ctx, name, td->mistakes[i]);
	}
}

static void interrupt_stats(const struct td_vcpu *v, line_fn line, void *ctx)
{
	const struct {
		const char *what;
		uint64_t count;
	} rows[] = {
		{ "interrupts posted", v->posted }, { "wake-ups from HLT", v->wakes },
		{ "timer interrupts", v->apic.fired }, { "IPIs sent", v->apic.ipis },
	};
	char name[64];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		snprintf(name, sizeof(name), "vcpu %u: %s", v->index, rows[i].what);
		one(line, ctx, name, rows[i].count);
	}
}

/* SEAMCALLs for each GiB, as if all of it were like what was done. */
static void work_stats(const struct td *td, line_fn line, void *ctx)
{
	static const char *const names[TD_WORK_KINDS] = {
		[TD_POPULATE] = "populated",
		[TD_REMOVE] = "removed",
		[TD_CONVERT] = "converted",
	};
	char name[64];

	for (unsigned i = 0; i < TD_WORK_KINDS; i++) {
		const struct td_work *w = &td->work[i];

		if (!w->pages)
			continue;
		snprintf(name, sizeof(name), "pages %s", names[i]);
		one(line, ctx, name, w->pages);
		snprintf(name, sizeof(name), "SEAMCALLs per GiB %s", names[i]);
		one(line, ctx, name, w->calls * (SIZE_1G / PAGE_SIZE) / w->pages);
	}
}

void td_stats(const struct td *td, line_fn line, void *ctx)
{
	struct td_page_counts pages;

	td_page_counts(td, &pages);
	one(line, ctx, "pages: control", pages.control);
	one(line, ctx, "pages: S-EPT", pages.sept);
	one(line, ctx, "pages: private", pages.private_pages);
	one(line, ctx, "pages: shared", pages.shared);
	one(line, ctx, "pages: leaked", pages.leaked);
	work_stats(td, line, ctx);
	mistake_stats(td, line, ctx);
	one(line, ctx, "PAGE.ADD", td->adds);
	one(line, ctx, "PAGE.AUG", td->augs);
	one(line, ctx, "MEM.TRACK", td->tracks);
	one(line, ctx, "kicks", td->kicks);
	one(line, ctx, "ticks of the build", td->build_ticks);
	for (unsigned i = 0; i < td->vcpu_count; i++) {
		vcpu_stats(&td->vcpus[i], line, ctx);
		interrupt_stats(&td->vcpus[i], line, ctx);
	}
}

int td_private_read(struct td *td, gpa_t gpa, uint64_t *value)
{
	/* Only this takes the tree without the MMU's lock: it must not make a removal busy. */
	read_lock(&td->tree_lock);
	tdx_status_t st = TDX_RETRY(tdh_mem_rd(td->tdr, gpa, value));

	read_unlock(&td->tree_lock);
	if (tdx_ok(st))
		return 0;
	return tdx_is(st, TDX_TD_NON_DEBUG) ? -EACCES : -EFAULT;
}

int td_private_write(struct td *td, gpa_t gpa, uint64_t value)
{
	read_lock(&td->tree_lock);
	tdx_status_t st = TDX_RETRY(tdh_mem_wr(td->tdr, gpa, value));

	read_unlock(&td->tree_lock);
	if (tdx_ok(st))
		return 0;
	return tdx_is(st, TDX_TD_NON_DEBUG) ? -EACCES : -EFAULT;
}

uint64_t td_shared_bit(const struct td *td) { return shared_bit(td); }

uint16_t td_keyid(const struct td *td) { return td->keyid; }
