/*
 * seamldr.c - the software P-SEAMLDR: INFO, SEAMINFO, INSTALL, SHUTDOWN.
 *
 * Invariants
 *   - Parameters are copied before they are checked: who runs beside cannot change them in between.
 *   - A module's pages are copied and hashed one by one: what is installed is what was hashed.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/seamldr.h"

#include <string.h>

#include "tdx/abi/rsa.h"
#include "tdx/abi/leaf.h"

#define VERSION_MAJOR 1
#define VERSION_MINOR 5
#define BUILD_NUM     1
#define BUILD_DATE    0x20261121
#define VENDOR        0x8086
#define UPDATES_MAX   16
#define ACM_LP        0 /* where the ACM ran that brought the loader */
#define PA_WIDTH      52
#define KEYID_BITS    BITS64(35, 32) /* of IA32_TME_ACTIVATE: MK_TME_KEYID_BITS */
#define MSR_TME_ACTIVATE 0x982
#define NAME_BYTES    16

/* SHA-384 of the one modulus whose signatures count (tools/module-file). */
static const uint8_t signer[SHA384_BYTES] = {
	0x9a, 0x75, 0xf8, 0x27, 0x87, 0xfb, 0xaf, 0x17, 0xa6, 0x9e, 0xe3, 0x95, 0xcc, 0x16, 0x06, 0x3b,
	0x50, 0xbb, 0xaf, 0x1e, 0xcd, 0xab, 0xd0, 0xfa, 0x80, 0xbe, 0x01, 0xf5, 0xe7, 0x89, 0x83, 0xef,
	0xba, 0x54, 0x90, 0x74, 0x6b, 0xd6, 0xf7, 0xb2, 0x20, 0x17, 0x38, 0xda, 0x90, 0x7f, 0x9c, 0xc9,
};

void soft_seamldr_init(struct soft_seamldr *l, const struct soft_machine *machine,
		       const struct soft_seamldr_ops *ops, void *ctx)
{
	memset(l, 0, sizeof(*l));
	l->machine = machine;
	l->ops = ops;
	l->ctx = ctx;
	l->updates_left = UPDATES_MAX;
}

void soft_seamldr_preloaded(struct soft_seamldr *l) { l->ready = 1; }

bool soft_seamldr_ready(const struct soft_seamldr *l)
{
	return __atomic_load_n(&l->ready, __ATOMIC_ACQUIRE);
}

static void set_ready(struct soft_seamldr *l, bool ready)
{
	__atomic_store_n(&l->ready, ready, __ATOMIC_RELEASE);
}

static void *map(const struct soft_seamldr *l, uint64_t pa)
{
	return l->machine->ops->map(l->machine->ctx, pa);
}

/* @bytes of memory that software uses with KeyID 0 or a shared one: in a CMR, outside SEAMRR. */
static bool is_shared(const struct soft_seamldr *l, unsigned lp, uint64_t pa, uint64_t align,
		      uint64_t bytes)
{
	uint64_t activate = l->machine->ops->rdmsr(l->machine->ctx, lp, MSR_TME_ACTIVATE);
	unsigned bits = (unsigned)((activate & KEYID_BITS) >> 32);
	const struct soft_range *cmr = l->machine->cmr, *seamrr = &l->machine->seamrr;

	if (!is_aligned(pa, align) || pa >> (PA_WIDTH - bits))
		return false;
	if (pa < seamrr->base + seamrr->size && seamrr->base < pa + bytes)
		return false;
	for (unsigned i = 0; i < SOFT_MAX_CMRS && cmr[i].size; i++)
		if (pa >= cmr[i].base && pa + bytes <= cmr[i].base + cmr[i].size)
			return true;
	return false;
}

/* ---- who are you ---- */

static uint64_t leaf_info(struct soft_seamldr *l, unsigned lp, const struct soft_regs *r)
{
	struct seamldr_info info = {
		.vendor = VENDOR, .build_date = BUILD_DATE, .build_num = BUILD_NUM,
		.major = VERSION_MAJOR, .minor = VERSION_MINOR,
		.acm_apic_id = l->machine->x2apic_id[ACM_LP], .updates_left = l->updates_left,
		.seam_ready = soft_seamldr_ready(l), .p_seamldr_ready = 1,
	};

	if (!is_shared(l, lp, r->rcx, SEAMLDR_INFO_ALIGN, sizeof(info)))
		return SEAMLDR_EBADPARAM;
	if (info.seam_ready) {
		info.seam_extend_valid = 1;
		info.tee_tcb_svn[0] = (uint8_t)l->seamsvn;
		info.tee_tcb_svn[1] = (uint8_t)(l->seamsvn >> 8);
		memcpy(info.mrseam, l->mrseam, sizeof(info.mrseam));
	}
	memcpy(map(l, r->rcx), &info, sizeof(info));
	return SEAMLDR_OK;
}

static uint64_t leaf_seaminfo(struct soft_seamldr *l, unsigned lp, const struct soft_regs *r)
{
	const struct seamldr_seaminfo info = {
		.lps = l->machine->lp_count,
		.packages = l->machine->package_count,
	};

	if (!is_shared(l, lp, r->rcx, SEAMLDR_SEAMINFO_ALIGN, sizeof(info)))
		return SEAMLDR_EBADPARAM;
	memcpy(map(l, r->rcx), &info, sizeof(info));
	return SEAMLDR_OK;
}

/* ---- a call of all LPs ---- */

/* It begins anew, or it is over. */
static void no_call_under_way(struct soft_seamldr *l)
{
	l->installing = l->shutting_down = false;
	l->called = 0;
	memset(l->lp_called, 0, sizeof(l->lp_called));
}

static bool is_last(const struct soft_seamldr *l) { return l->called + 1 == l->machine->lp_count; }

static void note_called(struct soft_seamldr *l, unsigned lp)
{
	l->lp_called[lp] = true;
	l->called++;
}

/* ---- INSTALL ---- */

/* In the interface's order. */
static bool params_are_good(const struct soft_seamldr *l, unsigned lp, const struct seamldr_params *p)
{
	if (p->version != 0)
		return false;
	for (size_t i = 0; i < sizeof(p->reserved); i++)
		if (p->reserved[i])
			return false;
	if (p->scenario != SEAMLDR_LOAD && p->scenario != SEAMLDR_UPDATE)
		return false;
	if (p->pages < 1 || p->pages > SEAMLDR_MODULE_PAGES)
		return false;
	for (uint64_t i = 0; i < p->pages; i++)
		if (!is_shared(l, lp, p->page[i], PAGE_SIZE, PAGE_SIZE))
			return false;
	if (!is_shared(l, lp, p->sigstruct, PAGE_SIZE, PAGE_SIZE))
		return false;
	return p->scenario == SEAMLDR_LOAD || l->was_ready;
}

static bool header_is_good(const struct seam_sigstruct *s)
{
	return s->header_type == SIGSTRUCT_HEADER_TYPE && s->header_length == SIGSTRUCT_HEADER_DWORDS &&
	       s->header_version == SIGSTRUCT_VERSION && s->module_type == 0 &&
	       s->vendor == SIGSTRUCT_VENDOR && s->size == SIGSTRUCT_DWORDS &&
	       s->key_size == SIGSTRUCT_KEY_DWORDS && s->modulus_size == SIGSTRUCT_KEY_DWORDS &&
	       s->exponent_size == 1 && s->exponent == SIGSTRUCT_EXPONENT && s->attributes == 0 &&
	       s->cpu_count >= 1 && s->cpu_count <= SIGSTRUCT_CPUS;
}

/* Signed by the one who may. */
static bool signature_is_good(const struct seam_sigstruct *s)
{
	uint8_t digest[SHA384_BYTES];
	struct sha384 hash;

	sha384_init(&hash);
	sha384_update(&hash, s->modulus, sizeof(s->modulus));
	sha384_final(&hash, digest);
	if (memcmp(digest, signer, sizeof(digest)))
		return false;
	sha384_init(&hash);
	sha384_update(&hash, s, SIGSTRUCT_HEADER_BYTES);
	sha384_update(&hash, s->seamhash, sizeof(*s) - SIGSTRUCT_BODY);
	sha384_final(&hash, digest);
	return rsa_verify(s->modulus, s->signature, digest);
}

static bool cpu_is_listed(const struct soft_seamldr *l, unsigned lp, const struct seam_sigstruct *s)
{
	uint32_t regs[4];

	l->machine->ops->cpuid(l->machine->ctx, lp, 1, 0, regs);
	for (uint32_t i = 0; i < s->cpu_count; i++)
		if (((s->cpu[i] ^ regs[0]) & ~SIGSTRUCT_STEPPING) == 0)
			return true;
	return false;
}

/* What the module asks for beside its own pages; SEAMRR also holds the loader. */
static bool fits(const struct soft_seamldr *l, const struct seamldr_params *p,
		 const struct seam_sigstruct *s)
{
	uint64_t each = (uint64_t)s->stack_pages + s->tls_pages + s->keyhole_pages;
	uint64_t pages = p->pages + s->global_data_pages + s->handoff_pages + each * l->machine->lp_count;

	return pages * PAGE_SIZE <= l->machine->seamrr.size / 2;
}

/* May this one take over from the module in place? */
static bool succeeds(const struct soft_seamldr *l, const struct seam_sigstruct *s)
{
	uint16_t version;

	return l->ops->handoff(l->ctx, &version) && s->seamsvn >= l->seamsvn &&
	       version <= s->module_hv && version >= s->min_update_hv;
}

/* The checks after which the module in place is still as it was. */
static uint64_t may_install(struct soft_seamldr *l, unsigned lp, const struct seamldr_params *p,
			    const struct seam_sigstruct *s)
{
	uint64_t number;

	if (!header_is_good(s))
		return SEAMLDR_EBADPARAM;
	if (!signature_is_good(s))
		return SEAMLDR_EBADSIG;
	if (!cpu_is_listed(l, lp, s))
		return SEAMLDR_EUNSUPCPU;
	if (!fits(l, p, s))
		return SEAMLDR_ENOMEM;
	if (p->scenario == SEAMLDR_UPDATE && (!succeeds(l, s) || l->updates_left == 0))
		return SEAMLDR_EBADHANDOFF;
	if (!l->machine->ops->random(l->machine->ctx, &number))
		return SEAMLDR_ENOENTROPY;
	return SEAMLDR_OK;
}

/* From here on the module in place is overwritten. */
static uint64_t put_in_place(struct soft_seamldr *l, const struct seamldr_params *p,
			     const struct seam_sigstruct *s)
{
	char name[NAME_BYTES + 1] = { 0 };
	uint8_t digest[SHA384_BYTES], magic[NAME_BYTES];
	struct sha384 hash;

	sha384_init(&hash);
	for (uint64_t i = 0; i < p->pages; i++) {
		const uint8_t *page = map(l, p->page[i]);

		if (i == 0) {
			memcpy(magic, page, sizeof(magic));
			memcpy(name, page + sizeof(magic), NAME_BYTES);
		}
		sha384_update(&hash, page, PAGE_SIZE);
	}
	sha384_final(&hash, digest);
	if (memcmp(digest, s->seamhash, sizeof(digest)))
		return SEAMLDR_EBADHASH;
	if (memcmp(magic, SOFT_MODULE_MAGIC, sizeof(magic)) || !l->ops->knows(l->ctx, name))
		return SEAMLDR_EUNSPECERR;
	l->ops->install(l->ctx, name, (enum seamldr_scenario)p->scenario);
	l->seamsvn = s->seamsvn;
	memcpy(l->mrseam, digest, sizeof(digest));
	if (p->scenario == SEAMLDR_UPDATE)
		l->updates_left--;
	return SEAMLDR_OK;
}

/* The last LP. */
static uint64_t install(struct soft_seamldr *l, unsigned lp, struct soft_regs *r)
{
	struct seamldr_params *p = &l->params;
	struct seam_sigstruct *s = &l->sig;
	uint64_t status = SEAMLDR_EBADPARAM;

	memcpy(p, map(l, r->rcx), sizeof(*p));
	if (params_are_good(l, lp, p)) {
		memcpy(s, map(l, p->sigstruct), sizeof(*s));
		status = may_install(l, lp, p, s);
	}
	if (status == SEAMLDR_ENOENTROPY)
		return status; /* this LP calls again: the others have called */
	if (status == SEAMLDR_OK) {
		status = put_in_place(l, p, s);
		l->was_ready = status == SEAMLDR_OK;
		r->rdx = status == SEAMLDR_OK ? 0 : SEAMLDR_UNRECOVERABLE;
	}
	no_call_under_way(l);
	set_ready(l, l->was_ready);
	return status;
}

static uint64_t leaf_install(struct soft_seamldr *l, unsigned lp, struct soft_regs *r)
{
	r->rdx = 0;
	if (!is_shared(l, lp, r->rcx, PAGE_SIZE, PAGE_SIZE))
		return SEAMLDR_EBADPARAM;
	if (l->shutting_down || l->lp_called[lp])
		return SEAMLDR_EBADCALL;
	if (!l->installing) {
		l->installing = true;
		l->was_ready = soft_seamldr_ready(l);
		set_ready(l, false);
	}
	if (is_last(l))
		return install(l, lp, r);
	note_called(l, lp);
	return SEAMLDR_OK;
}

/* ---- SHUTDOWN ---- */

static uint64_t leaf_shutdown(struct soft_seamldr *l, unsigned lp)
{
	if (l->installing || l->lp_called[lp] || (is_last(l) && lp != ACM_LP))
		return SEAMLDR_EBADCALL;
	l->shutting_down = true;
	set_ready(l, false);
	if (is_last(l))
		l->gone = true;
	note_called(l, lp);
	return SEAMLDR_OK;
}

/* ---- the call ---- */

static bool is_told_to_fail(struct soft_seamldr *l, unsigned lp, unsigned leaf)
{
	if (!l->fault.times || l->fault.lp != lp || l->fault.leaf != leaf)
		return false;
	l->fault.times--;
	return true;
}

/* As install() ends when it cannot. */
static uint64_t fail_as_told(struct soft_seamldr *l, struct soft_regs *r)
{
	const struct soft_seamldr_fault *f = &l->fault;

	r->rdx = f->rdx;
	if (f->leaf == SEAMLDR_INSTALL && f->status != SEAMLDR_ENOENTROPY &&
	    f->status != SEAMLDR_EINTERRUPT) {
		bool was = l->installing ? l->was_ready : soft_seamldr_ready(l);

		no_call_under_way(l);
		set_ready(l, was && f->rdx != SEAMLDR_UNRECOVERABLE);
	}
	return f->status;
}

static uint64_t dispatch(struct soft_seamldr *l, unsigned lp, struct soft_regs *r)
{
	uint64_t leaf = r->rax & ~TDX_RAX_SEAMLDR;

	if (leaf <= SEAMLDR_SEAMINFO && is_told_to_fail(l, lp, (unsigned)leaf))
		return fail_as_told(l, r);
	switch (leaf) {
	case SEAMLDR_INFO:
		return leaf_info(l, lp, r);
	case SEAMLDR_INSTALL:
		return leaf_install(l, lp, r);
	case SEAMLDR_SHUTDOWN:
		return leaf_shutdown(l, lp);
	case SEAMLDR_SEAMINFO:
		return leaf_seaminfo(l, lp, r);
	default:
		return SEAMLDR_EBADPARAM;
	}
}

bool soft_seamldr_call(struct soft_seamldr *l, unsigned lp, struct soft_regs *regs)
{
	if (lp >= l->machine->lp_count || __atomic_exchange_n(&l->inside, 1, __ATOMIC_ACQUIRE))
		return false;

	bool there = !l->gone;

	if (there)
		regs->rax = dispatch(l, lp, regs);
	__atomic_store_n(&l->inside, 0, __ATOMIC_RELEASE);
	return there;
}
