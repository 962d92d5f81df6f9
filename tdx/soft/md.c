/*
 * md.c - reading, writing and listing metadata fields by id.
 *
 * Invariants
 *   - Order of checks: id format, look-up, access mask, value.
 *   - A write changes exactly the bits that both masks select.
 *
 * Facts: ABI reference sections 7.1, 7.4 and 7.5.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/md.h"
#include "tdx/soft/cpuid.h"

/* Bits of an id that must be zero for access to one element. */
#define ID_RESERVED \
	(BITS64(31, 24) | BITS64(37, 34) | BITS64(46, 38) | BITS64(49, 47) | BIT64(55) | BIT64(62))
#define ID_CODE(id)      ((uint32_t)((id)&0xffffff))
#define ID_CLASS(id)     ((uint8_t)((id) >> 56 & 0x3f))
#define ID_LAST_FIELD(n) ((uint64_t)(n) << 38)
#define ID_INC           BIT64(50)

/* A field found: a row and an element, or a VMCS field made into a row. */
struct found {
	const struct md_field *row;
	unsigned element;
	struct md_field vmcs;
};

static uint8_t vmcs_size(uint32_t encoding)
{
	static const uint8_t by_width[] = { 1, 3, 2, 3 }; /* 16, 64, 32 bits, natural */

	return by_width[encoding >> 13 & 3];
}

static int vmcs_index(uint32_t encoding)
{
	unsigned low = 0, high = md_vmcs_count;

	while (low < high) {
		unsigned mid = (low + high) / 2;

		if (md_vmcs_fields[mid].encoding == encoding)
			return (int)mid;
		if (md_vmcs_fields[mid].encoding < encoding)
			low = mid + 1;
		else
			high = mid;
	}
	return -1;
}

static void vmcs_row(unsigned i, struct md_field *f)
{
	const struct md_vmcs *v = &md_vmcs_fields[i];

	*f = (struct md_field){
		.size = vmcs_size(v->encoding), .kind = K_VMCS, .n = 1, .code = v->encoding
	};
	f->mask[MD_HOST].rd = v->rd;
	f->mask[MD_HOST].wr = v->wr;
	f->mask[MD_HOST_DEBUG].rd = v->debug_rd;
	f->mask[MD_HOST_DEBUG].wr = v->debug_wr;
}

/* CPUID_VALUES: element, sub-leaf (or none), leaf. */
static uint32_t cpuid_code(unsigned row, unsigned half)
{
	const struct cpuid_row *r = &cpuid_rows[row];
	uint32_t sub = r->sub == CPUID_ANY_SUB ? 0xff : r->sub & 0x7f;

	return half | sub << 1 | (r->leaf & 0x7f) << 9 | (r->leaf >> 31) << 16;
}

static int cpuid_element(const struct soft_module *m, uint32_t code)
{
	uint32_t leaf = (code >> 9 & 0x7f) | (code >> 16 & 1) << 31;
	uint32_t sub = code >> 8 & 1 ? CPUID_ANY_SUB : code >> 1 & 0x7f;
	int row = code >> 17 ? -1 : cpuid_row_of(m, leaf, sub);

	return row < 0 ? -1 : row * 2 + (int)(code & 1);
}

static bool find(const struct md_table *t, const struct md_target *x, uint64_t id,
		 struct found *out)
{
	uint8_t cls = ID_CLASS(id);
	uint32_t code = ID_CODE(id);

	if (t->context == MD_VP && cls == 0) {
		int i = vmcs_index(code);

		if (i < 0)
			return false;
		vmcs_row((unsigned)i, &out->vmcs);
		out->row = &out->vmcs;
		out->element = 0;
		return true;
	}
	for (unsigned i = 0; i < t->count; i++) {
		const struct md_field *f = &t->rows[i];

		if (f->cls != cls || !md_elements(x->c->m, f))
			continue;
		if (f->kind == K_CPUID) {
			int e = cpuid_element(x->c->m, code);

			out->row = f;
			out->element = (unsigned)e;
			return e >= 0;
		}
		if (code >= f->code && code - f->code < md_elements(x->c->m, f)) {
			out->row = f;
			out->element = code - f->code;
			return true;
		}
	}
	return false;
}

static tdx_status_t look_up(const struct md_table *t, const struct md_target *x, uint64_t id,
			    struct found *out)
{
	return (id & ID_RESERVED) || !find(t, x, id, out) ? FAIL(METADATA_FIELD_ID_INCORRECT, 0) : OK;
}

static uint64_t make_id(const struct md_table *t, const struct md_target *x,
			const struct md_field *f, unsigned element)
{
	bool later = (x->c->m->profile->features0 & SOFT_F_TOPOLOGY) != 0;
	uint64_t nonarch = f->flags & (later ? MD_NONARCH | MD_NA_LATER : MD_NONARCH) ? BIT64(63) : 0;
	uint32_t code =
		f->kind == K_CPUID ? cpuid_code(element / 2, element % 2) : f->code + element;

	return nonarch | (uint64_t)f->cls << 56 | (uint64_t)t->context << 52 | (f->kind == K_VMCS ? ID_INC : 0) |
	       (uint64_t)f->size << 32 | code;
}

/* Is the field there in this version? */
static bool exists(const struct soft_module *m, const struct md_field *f)
{
	if (f->flags & MD_TOPOLOGY)
		return (m->profile->features0 & SOFT_F_TOPOLOGY) != 0;
	return !(f->flags & MD_IF_SET) || md_profile_value(m, f) != 0;
}

unsigned md_elements(const struct soft_module *m, const struct md_field *f)
{
	if (!exists(m, f))
		return 0;
	switch (f->kind) {
	case K_CPUID:
		return m->profile->cpuid_rows * 2u;
	case K_TDCX_PA:
		return tdcs_pages(m, MAX_L2_VMS);
	case K_TDVPS_PA:
		return tdvps_pages(m, MAX_L2_VMS);
	case K_X2APIC:
		return m->profile->max_vcpus;
	default:
		return f->n;
	}
}

static bool readable(const struct md_target *x, const struct md_field *f)
{
	return f->mask[x->reader].rd != 0 && md_elements(x->c->m, f) != 0;
}

/* The first readable VMCS field from index @i on. */
static uint64_t vmcs_from(const struct md_table *t, const struct md_target *x, unsigned i)
{
	struct md_field f;

	for (; i < md_vmcs_count; i++) {
		vmcs_row(i, &f);
		if (readable(x, &f))
			return make_id(t, x, &f, 0);
	}
	return ALL_ONES;
}

static uint64_t rows_from(const struct md_table *t, const struct md_target *x, unsigned i)
{
	for (; i < t->count; i++) {
		if (t->rows[i].kind == K_VMCS) {
			uint64_t id = vmcs_from(t, x, 0);

			if (id != ALL_ONES)
				return id;
		} else if (readable(x, &t->rows[i])) {
			return make_id(t, x, &t->rows[i], 0);
		}
	}
	return ALL_ONES;
}

uint64_t md_first(const struct md_table *t, const struct md_target *x)
{
	return rows_from(t, x, 0);
}

uint64_t md_next(const struct md_table *t, const struct md_target *x, uint64_t id)
{
	struct found f;

	if (!find(t, x, id, &f))
		return ALL_ONES;
	if (f.row == &f.vmcs) {
		uint64_t next = vmcs_from(t, x, (unsigned)vmcs_index(f.row->code) + 1);

		return next != ALL_ONES ? next : rows_from(t, x, 1);
	}
	if (f.row->kind == K_CPUID && f.element + 1 < md_elements(x->c->m, f.row))
		return make_id(t, x, f.row, f.element + 1);
	/* Inside an array the bits that look-up ignores stay as they came. */
	if (f.element + 1 < md_elements(x->c->m, f.row))
		return id + 1;
	return rows_from(t, x, (unsigned)(f.row - t->rows) + 1);
}

static bool faults(const struct md_target *x, const struct found *f)
{
	return f->row->kind == K_CPUID && cpuid_row(x->c->m, f->element / 2)->faults;
}

tdx_status_t md_read(const struct md_table *t, const struct md_target *x, uint64_t id,
		     uint64_t *value)
{
	struct found f;

	TRY(look_up(t, x, id, &f));
	if (!readable(x, f.row) || faults(x, &f))
		return FAIL(METADATA_FIELD_NOT_READABLE, 0);
	*value = md_load(x, f.row, f.element) & f.row->mask[x->reader].rd;
	return OK;
}

static uint64_t width_mask(const struct md_field *f) { return ALL_ONES >> (64 - (8u << f->size)); }

/* TD_CTLS: a guest may ask for a topology only where its host may choose one. */
static uint64_t write_mask(const struct md_target *x, const struct md_field *f)
{
	bool topology = (x->c->m->profile->features0 & SOFT_F_TOPOLOGY) != 0;
	uint64_t wr = f->mask[x->reader].wr & width_mask(f);

	return f->flags & MD_NA_LATER && !topology ? wr & ~TD_CTLS_ENUM_TOPOLOGY : wr;
}

static bool is_hp_timeout(const struct md_field *f)
{
	return f->kind == K_TDCS && f->off == offsetof(struct tdcs, hp_lock_timeout);
}

/* Addresses hold all ones until first written: bits that nobody may write count as zero then. */
static uint64_t current(const struct md_field *f, uint64_t loaded, uint64_t wr)
{
	return f->kind == K_VMCS && (loaded & BIT64(63)) && md_vmcs_is_address(f->code)
		       ? loaded & wr
		       : loaded;
}

tdx_status_t md_write(const struct md_table *t, const struct md_target *x, uint64_t id,
		      uint64_t value, uint64_t mask, uint64_t *old)
{
	struct found f;

	TRY(look_up(t, x, id, &f));

	if (faults(x, &f))
		return FAIL(METADATA_FIELD_NOT_READABLE, 0);

	uint64_t wr = write_mask(x, f.row), set = wr & mask;
	uint64_t loaded = md_load(x, f.row, f.element), now = loaded;

	if (set == 0)
		return FAIL(METADATA_FIELD_NOT_WRITABLE, 0);
	if (is_hp_timeout(f.row) && mask != ALL_ONES)
		return FAIL(METADATA_WR_MASK_NOT_VALID, 0);
	/* A vCPU's field that is written as a whole is not looked at before. */
	if (t->context == MD_VP && set == width_mask(f.row))
		now = 0;
	now = current(f.row, now, wr);
	if ((now ^ value) & mask & ~wr)
		return FAIL(METADATA_FIELD_VALUE_NOT_VALID, 0);
	TRY(md_store(x, f.row, f.element, (now & ~set) | (value & set)));
	*old = loaded & f.row->mask[x->reader].rd;
	return OK;
}

/* Elements that make one field: lists keep them together. */
static unsigned per_field(const struct md_field *f)
{
	return f->kind == K_SYS && f->off == V_CPUID_VALUES ? 2 : 1;
}

/* Fields whose codes follow each other, alike in class and shape, go into one sequence. */
static bool continues(const struct md_field *a, unsigned a_end, const struct md_field *b,
		      unsigned b_at)
{
	return a->cls == b->cls && a->size == b->size && per_field(a) == per_field(b) &&
	       a->code + a_end == b->code + b_at;
}

#define LIST_WORDS      (PAGE_SIZE / 8)
#define LIST_WORD_BYTES 8

/* A metadata list under construction: page[0] is its header, page[sequence] the open sequence's. */
struct list {
	uint64_t *page;
	unsigned used, sequences, sequence, fields;
	const struct md_field
		*last; /* the field written last, up to element @last_end of its row */
	unsigned last_end;
};

/* Of a CPUID_CONFIG entry that does not exist the real module writes the first word only. */
static bool left_alone(const struct md_target *x, const struct md_field *f, unsigned element)
{
	return per_field(f) == 2 && element % 2 &&
	       element / 2 >= x->c->m->profile->config_count;
}

/* One field. False if the page has no room for it. */
static bool list_field(struct list *l, const struct md_table *t, const struct md_target *x,
		       const struct md_field *row, unsigned at)
{
	unsigned n = per_field(row);
	bool joins = l->last && continues(l->last, l->last_end, row, at);

	if (l->used + n + (joins ? 0 : 1) > LIST_WORDS)
		return false;
	if (!joins) {
		l->sequence = l->used++;
		l->sequences++;
		l->fields = 0;
		l->page[l->sequence] = make_id(t, x, row, at) | (uint64_t)(n - 1) << 34;
	} else {
		l->fields++;
	}
	l->page[l->sequence] = (l->page[l->sequence] & ~BITS64(46, 38)) | ID_LAST_FIELD(l->fields);
	for (unsigned i = 0; i < n; i++, l->used++)
		if (!left_alone(x, row, at + i))
			l->page[l->used] = md_load(x, row, at + i) & row->mask[x->reader].rd;
	l->last = row;
	l->last_end = at + n;
	return true;
}

tdx_status_t md_list(const struct md_table *t, const struct md_target *x, uint64_t start,
		     uint64_t *page, uint64_t *next)
{
	struct list l = { .page = page, .used = 1 };
	struct found f;
	tdx_status_t st = OK;

	*next = ALL_ONES;
	if (md_is_null(start))
		start = md_first(t, x);
	/* Unlike single elements: reserved bits are not looked at, but the size must be right. */
	if (!find(t, x, start, &f) || f.element % per_field(f.row) || (start >> 32 & 3) != f.row->size)
		return FAIL(METADATA_FIELD_ID_INCORRECT, 0);
	for (unsigned i = (unsigned)(f.row - t->rows), e = f.element; i < t->count; i++, e = 0)
		for (; readable(x, &t->rows[i]) && e < md_elements(x->c->m, &t->rows[i]); e += per_field(&t->rows[i]))
			if (!FAILED(st) && !list_field(&l, t, x, &t->rows[i], e)) {
				*next = make_id(t, x, &t->rows[i], e);
				st = FAIL(METADATA_LIST_OVERFLOW, 0);
			}
	page[0] = (uint64_t)l.used * LIST_WORD_BYTES | (uint64_t)l.sequences << 16;
	return st;
}
