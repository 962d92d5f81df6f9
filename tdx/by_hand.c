/*
 * by_hand.c - SEAMCALLs made by hand. Contract: by_hand.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/by_hand.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tdx/abi/exit.h"
#include "tdx/abi/layout.h"
#include "tdx/abi/leaf.h"
#include "tdx/abi/leaf_operand.h"
#include "tdx/keyid.h"
#include "tdx/pairs.h"
#include "tdx/retry.h"
#include "tdx/state.h"
#include "tdx/tdh.h"

#define BLOCKS_MAX 128u
#define KEYIDS_MAX 16u
#define ORDER_2M   9u

/* Pages in one piece. */
struct block {
	hpa_t base;
	unsigned order;
	uint64_t offered[HAND_PAGES_MAX / 64]; /* pages that the module may have, a bit each */
};

static struct {
	struct block block[BLOCKS_MAX];
	unsigned blocks;
	struct {
		uint16_t id;
		hpa_t tdr; /* of the TD that got it; HPA_NONE */
	} keyid[KEYIDS_MAX];
	unsigned keyids;
	struct seam_regs last;
	bool has_last;
} hand;

/* ------------------------------------------------------------------ what is lent */

static bool ready(void) { return tdx_phase() == TDX_READY; }

int hand_pages(unsigned count, hpa_t *base)
{
	unsigned order = 0;

	if (!ready())
		return -ENODEV;
	if (hand.blocks == BLOCKS_MAX || count == 0 || count > HAND_PAGES_MAX)
		return -ENOSPC;
	while ((1u << order) < count)
		order++;
	*base = tdx_pages_get(PAGE_TDX_CONTROL, order);
	if (hpa_is_none(*base))
		return -ENOMEM;
	memset(hpa_to_ptr(*base), 0, PAGE_SIZE << order);
	hand.block[hand.blocks++] = (struct block){ .base = *base, .order = order };
	return 0;
}

int hand_keyid(uint16_t *keyid)
{
	int err;

	if (!ready())
		return -ENODEV;
	if (hand.keyids == KEYIDS_MAX)
		return -ENOSPC;
	err = keyid_alloc(keyid);
	if (err)
		return err;
	hand.keyid[hand.keyids].id = *keyid;
	hand.keyid[hand.keyids++].tdr = HPA_NONE;
	return 0;
}

/* The block that holds all of [at, at + bytes), or NULL. */
static struct block *block_of(uint64_t at, uint64_t bytes)
{
	for (unsigned i = 0; i < hand.blocks; i++) {
		struct block *b = &hand.block[i];
		uint64_t size = PAGE_SIZE << b->order;

		if (at >= b->base.v && bytes <= size && at - b->base.v <= size - bytes)
			return b;
	}
	return NULL;
}

static unsigned page_in(const struct block *b, uint64_t at)
{
	return (unsigned)((at - b->base.v) >> PAGE_SHIFT);
}

static bool is_offered(const struct block *b, unsigned page)
{
	return (b->offered[page / 64] >> page % 64 & 1) != 0;
}

/* Does the module say that the page is nobody's? */
static bool is_ours(hpa_t page)
{
	struct page_metadata md = { 0 };

	return tdx_ok(TDX_RETRY(tdh_phymem_page_rdmd(page, &md))) && md.type == PT_NDA;
}

void *hand_memory(uint64_t at, uint64_t bytes)
{
	struct block *b = block_of(at, bytes);
	hpa_t page = { align_down(at, PAGE_SIZE) };

	if (!b || at - page.v + bytes > PAGE_SIZE)
		return NULL;
	if (is_offered(b, page_in(b, at)) && !is_ours(page))
		return NULL;
	return (char *)hpa_to_ptr(page) + (at - page.v);
}

struct hand_counts hand_lent(void)
{
	struct hand_counts n = { .keyids = hand.keyids };

	for (unsigned i = 0; i < hand.blocks; i++)
		n.pages += BIT64(hand.block[i].order);
	return n;
}

/* ------------------------------------------------------------------ may this be called? */

/* Leaves that Tain keeps for itself, or that end the module for everybody. */
static const struct {
	uint16_t leaf;
	bool if_no_td; /* allowed while no TD has a KeyID */
	const char *why;
} kept[] = {
	{ TDH_SYS_CONFIG, false, "it hands memory of Tain's to the module" },
	{ TDH_SYS_SHUTDOWN, true, "it ends the module, and trust domains hold KeyIDs" },
	{ TDH_SYS_UPDATE, true, "it ends the module, and trust domains hold KeyIDs" },
	{ TDH_SYS_DISABLE, true, "it ends the module, and trust domains hold KeyIDs" },
	{ TDH_PHYMEM_PAMT_ADD, false, "it hands memory of Tain's to the module" },
	{ TDH_PHYMEM_PAMT_REMOVE, false, "the module's own tables are Tain's" },
};

static const char *refuse(char *why, size_t size, const char *what, uint64_t value,
			  const char *because)
{
	snprintf(why, size, "%s 0x%llx %s", what, (unsigned long long)value, because);
	return why;
}

static uint64_t level_of(uint64_t leaf, const struct seam_regs *r)
{
	const struct tdx_leaf_operand *op;

	for (unsigned i = 0; (op = tdx_leaf_operand(leaf, i)); i++)
		if (op->kind == TDX_OPERAND_IS_LEVEL)
			return r->rcx & 7;
	return 0;
}

/* A page that the module takes with a leaf that maps pages is as large as the entry's level. */
static uint64_t taken_bytes(uint64_t leaf, const struct seam_regs *r)
{
	uint64_t level = leaf == TDH_MEM_PAGE_AUG ? level_of(leaf, r) : 0;

	return level < 3 ? PAGE_SIZE << 9 * level : PAGE_SIZE;
}

/* In RAM above the first MiB, which no module takes? */
static bool is_ram(uint64_t value)
{
	const struct tdx_host *host = &tdx_state.host;

	if (value < PAGE_SIZE * 256)
		return false;
	for (size_t i = 0; i < host->memory_count; i++)
		if (value >= host->memory[i].base &&
		    value - host->memory[i].base < host->memory[i].size &&
		    (host->memory[i].kind == BOOT_MEM_USABLE ||
		     host->memory[i].kind == BOOT_MEM_TAIN))
			return true;
	return false;
}

/* RAM that is not on loan. */
static bool is_tains(uint64_t value) { return is_ram(value) && !block_of(value, 1); }

static const char *unknown_refusal(struct seam_regs *r, char *why, size_t size)
{
	for (unsigned i = 1; i < TDX_REGISTERS; i++)
		if (is_tains(*tdx_register(r, i) & BITS64(51, 0)))
			return refuse(why, size, tdx_register_name(i), *tdx_register(r, i),
				      "may hand memory of Tain's to the module: only borrowed pages "
				      "(`page`) with a leaf whose operands are not known");
	return NULL;
}

/* The module refuses such an address itself, before it touches anything. */
static bool is_beyond(uint64_t value) { return value >> tdx_state.host.maxphyaddr != 0; }

/* KeyIDs that nobody has are for those who ask Tain for one. */
static bool keyid_is_open(uint64_t keyid)
{
	for (unsigned i = 0; i < hand.keyids; i++)
		if (hand.keyid[i].id == keyid)
			return false;
	return keyid < UINT16_MAX && keyid_is_free((uint16_t)keyid);
}

static const char *operand_refusal(const struct tdx_leaf_operand *op, struct seam_regs *r,
				   uint64_t leaf, char *why, size_t size)
{
	uint64_t value = *tdx_register(r, op->reg);

	switch ((enum tdx_operand_kind)op->kind) {
	case TDX_OPERAND_IS_TAKEN:
		/* Bits of a KeyID or at an odd place: the module judges by the page below. */
		if (!block_of(align_down(value & BITS64(51, 0), PAGE_SIZE), taken_bytes(leaf, r)) &&
		    is_ram(value & BITS64(51, 0)))
			return refuse(why, size, op->name, value,
				      "is no page of yours: `page NAME` lends one");
		return NULL;
	case TDX_OPERAND_IS_WRITTEN:
		if (!is_beyond(value) && !block_of(align_down(value, PAGE_SIZE), PAGE_SIZE))
			return refuse(why, size, op->name, value,
				      "is no page of yours, and the module writes there");
		return NULL;
	case TDX_OPERAND_IS_READ:
		if (!is_beyond(value) && !is_ram(value))
			return refuse(why, size, op->name, value,
				      "is no memory, and the module reads there");
		return NULL;
	case TDX_OPERAND_IS_KEYID:
		if (keyid_is_open(value))
			return refuse(why, size, op->name, value, "is free: `keyid NAME` lends one");
		return NULL;
	case TDX_OPERAND_IS_VALUE:
	case TDX_OPERAND_IS_TDR:
	case TDX_OPERAND_IS_VP:
	case TDX_OPERAND_IS_PAGE:
	case TDX_OPERAND_IS_GPA:
	case TDX_OPERAND_IS_LEVEL:
	case TDX_OPERAND_IS_FIELD:
		return NULL;
	}
	return NULL;
}

const char *hand_refusal(struct seam_regs *r, char *why, size_t size)
{
	uint64_t leaf = r->rax & TDX_RAX_LEAF;
	const struct tdx_leaf_operand *op;
	const char *refusal = NULL;

	if (!ready())
		return "no TDX module is ready";
	if (r->rax & TDX_RAX_SEAMLDR)
		return "the P-SEAMLDR is not called by hand";
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		if (kept[i].leaf == leaf && !(kept[i].if_no_td && keyid_counts().used == 0))
			return kept[i].why;
	if (!tdx_leaf_operand(leaf, 0))
		return unknown_refusal(r, why, size);
	for (unsigned i = 0; !refusal && (op = tdx_leaf_operand(leaf, i)); i++)
		refusal = operand_refusal(op, r, leaf, why, size);
	return refusal;
}

/* ------------------------------------------------------------------ the call */

/* Borrowed pages that the call names may be the module's from now on, whatever it answers. */
static void note_offered(struct seam_regs *r, uint64_t leaf)
{
	for (unsigned i = 1; i < TDX_REGISTERS; i++) {
		uint64_t at = align_down(*tdx_register(r, i) & BITS64(51, 0), PAGE_SIZE);
		struct block *b = block_of(at, PAGE_SIZE);
		uint64_t pages = taken_bytes(leaf, r) >> PAGE_SHIFT;

		for (uint64_t p = 0; b && p < pages; p++) {
			unsigned n = page_in(b, at) + (unsigned)p;

			if (n < 1u << b->order)
				b->offered[n / 64] |= BIT64(n % 64);
		}
	}
}

static void note_created(const struct seam_regs *in)
{
	for (unsigned i = 0; i < hand.keyids; i++)
		if (hand.keyid[i].id == (in->rdx & UINT16_MAX))
			hand.keyid[i].tdr = (hpa_t){ in->rcx };
}

struct call_here {
	struct seam_regs *r;
	const struct hand_bounds *bounds;
	uint64_t ticks;
};

/* What an exit of VP.ENTER took from the host is done now: its interrupt, its NMI. */
static void settle_exit(const struct seam_regs *r)
{
	const struct tdx_host *host = &tdx_state.host;
	uint32_t basic = (uint32_t)(r->rax & TDX_EXIT_BASIC);

	if (!tdx_is((tdx_status_t){ r->rax }, TDX_SUCCESS))
		return;
	if (basic == TDX_EXIT_EXTERNAL_INTERRUPT && (r->r9 & TDX_INTR_VALID) && host->irq_deliver)
		host->irq_deliver((unsigned)(r->r9 & TDX_INTR_VECTOR));
	if (basic == TDX_EXIT_EXCEPTION_NMI && (r->r9 & TDX_INTR_TYPE) == TDX_INTR_TYPE_NMI &&
	    host->nmi_taken)
		host->nmi_taken();
}

static void call_here(void *arg)
{
	struct call_here *call = arg;
	uint64_t start = tsc_now();

	(void)TDX_CALL(seamcall(call->r->rax, call->r));
	call->ticks = tsc_now() - start;
}

static void enter_here(void *arg)
{
	struct call_here *call = arg;
	uint64_t flags = call->bounds->begin();

	if (tdx_state.host.xmm_clear)
		tdx_state.host.xmm_clear();
	call_here(call);
	settle_exit(call->r);
	call->bounds->end(flags);
}

tdx_status_t hand_call(struct seam_regs *r, unsigned cpu, const struct hand_bounds *bounds,
		       uint64_t *ticks)
{
	uint64_t leaf = r->rax & TDX_RAX_LEAF;
	const struct seam_regs in = *r;
	struct call_here call = { .r = r, .bounds = bounds };
	tdx_status_t st;

	note_offered(r, leaf);
	cpu_call(cpu, leaf == TDH_VP_ENTER ? enter_here : call_here, &call);
	st = (tdx_status_t){ r->rax };
	if (leaf == TDH_MNG_CREATE && tdx_ok(st))
		note_created(&in);
	hand.last = *r;
	hand.has_last = true;
	*ticks = call.ticks;
	return st;
}

bool hand_last(struct seam_regs *r)
{
	*r = hand.last;
	return hand.has_last;
}

/* ------------------------------------------------------------------ the way back */

/* Call @fn for each page that the module may have, with what it says of it. */
static void each_offered(void (*fn)(hpa_t page, const struct page_metadata *md, void *arg),
			 void *arg)
{
	for (unsigned i = 0; i < hand.blocks; i++) {
		const struct block *b = &hand.block[i];

		for (unsigned p = 0; p < 1u << b->order; p++) {
			hpa_t page = hpa_add(b->base, p * PAGE_SIZE);
			struct page_metadata md = { 0 };

			if (is_offered(b, p) &&
			    tdx_ok(TDX_RETRY(tdh_phymem_page_rdmd(page, &md))) && md.type != PT_NDA)
				fn(page, &md, arg);
		}
	}
}

static void flush_here(void *arg)
{
	tdvpr_t *vp = arg;

	(void)TDX_RETRY(tdh_vp_flush(*vp)); /* VPFLUSHDONE is the judge */
}

/* Wherever it is associated: only the CPU itself can end that. */
static void flush_vp(hpa_t page, const struct page_metadata *md, void *arg)
{
	tdvpr_t vp = { page };

	(void)arg;
	if (md->type == PT_TDVPR)
		cpu_call_all(flush_here, &vp);
}

#define CACHE_WB_RESUMES_MAX 1000000u

static void write_back_here(void *arg)
{
	tdx_status_t st = TDX_RETRY(tdh_phymem_cache_wb(false));

	(void)arg;
	for (unsigned i = 0; tdx_is(st, TDX_INTERRUPTED_RESUMABLE) && i < CACHE_WB_RESUMES_MAX;
	     i++) {
		if (tdx_irq_window)
			tdx_irq_window();
		st = TDX_RETRY(tdh_phymem_cache_wb(true));
	}
}

/* What fails here shows when its pages are asked for. */
static void release_td(hpa_t page, const struct page_metadata *md, void *arg)
{
	tdr_t tdr = { page };

	(void)arg;
	if (md->type != PT_TDR)
		return;
	spin_lock(&tdx_state.key_lock);
	(void)TDX_RETRY(tdh_mng_vpflushdone(tdr));
	tdx_on_all_packages(write_back_here, NULL);
	(void)TDX_RETRY(tdh_mng_key_freeid(tdr));
	spin_unlock(&tdx_state.key_lock);
}

static void reclaim_one(hpa_t page, uint64_t *count)
{
	struct page_metadata md = { 0 };

	if (tdx_ok(TDX_RETRY(tdh_phymem_page_reclaim(page, &md))))
		++*count;
}

/* @size of the metadata: 0 is 4K, 1 is 2M; a large page counts once, at its start. */
static void reclaim_part(hpa_t page, const struct page_metadata *md, void *arg)
{
	if (md->type != PT_TDR && is_aligned(page.v, PAGE_SIZE << 9 * (md->size & 3)))
		reclaim_one(page, arg);
}

static void reclaim_root(hpa_t page, const struct page_metadata *md, void *arg)
{
	if (md->type != PT_TDR)
		return;
	reclaim_one(page, arg);
	(void)TDX_RETRY(tdh_phymem_page_wbinvd(keyed_hpa(page, keyid_global())));
}

/* In one piece if it can be: a block of 2M was lent without what its 4K pages would need. */
static void give_back_block(const struct block *b, struct hand_counts *n)
{
	unsigned pages = 1u << b->order, ours = 0;
	bool is[HAND_PAGES_MAX];

	for (unsigned p = 0; p < pages; p++) {
		is[p] = !is_offered(b, p) || is_ours(hpa_add(b->base, p * PAGE_SIZE));
		ours += is[p];
	}
	n->freed += ours;
	n->leaked += pages - ours;
	if (ours == pages) {
		tdx_pages_free(b->base, PAGE_TDX_CONTROL, b->order);
		return;
	}
	for (unsigned p = 0; p < pages; p++) {
		hpa_t page = hpa_add(b->base, p * PAGE_SIZE);

		if (!is[p])
			tdx_pages_leak(page, PAGE_TDX_CONTROL, 0);
		else if (b->order < ORDER_2M)
			tdx_pages_free(page, PAGE_TDX_CONTROL, 0);
		else
			pages_free(page, PAGE_TDX_CONTROL, 0);
	}
}

/* A page of 2M that was split by hand: what describes its pieces comes back before it does. */
static void take_pairs_back(void)
{
	struct page_pair pair;

	for (unsigned i = 0; i < hand.blocks && tdx_state.dynamic_pamt; i++)
		if (hand.block[i].order >= ORDER_2M) /* NO_PAMT_PAGE_PAIR, as a rule */
			(void)TDX_RETRY(tdh_phymem_pamt_remove(hand.block[i].base, &pair.page[0],
							       &pair.page[1]));
}

static void give_back_blocks(struct hand_counts *n)
{
	for (unsigned i = 0; i < hand.blocks; i++) {
		struct block *b = &hand.block[i];

		give_back_block(b, n);
	}
	hand.blocks = 0;
}

static bool keyid_is_back(hpa_t tdr)
{
	return hpa_is_none(tdr) || is_ours(tdr);
}

static void give_back_keyids(struct hand_counts *n)
{
	for (unsigned i = 0; i < hand.keyids; i++) {
		if (keyid_is_back(hand.keyid[i].tdr)) {
			keyid_free(hand.keyid[i].id);
		} else {
			keyid_leak(hand.keyid[i].id);
			n->keyids_leaked++;
		}
	}
	hand.keyids = 0;
}

struct hand_counts hand_cleanup(void)
{
	struct hand_counts n = hand_lent();

	each_offered(flush_vp, NULL);
	each_offered(release_td, NULL);
	each_offered(reclaim_part, &n.reclaimed);
	each_offered(reclaim_root, &n.reclaimed);
	take_pairs_back();
	give_back_keyids(&n); /* while the pages are still known */
	give_back_blocks(&n);
	return n;
}
