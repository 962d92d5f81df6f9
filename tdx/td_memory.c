/*
 * td_memory.c - where a TD's frames come from: private ones page by page from the module's memory,
 * shared ones from struct guest_memory.
 *
 * Invariants
 *   - A private frame belongs to the mirror entry that maps it, from resolve() to release().
 *   - td->private_pages counts them.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>

#include "kernel/base/log.h"
#include "tdx/reclaim.h"
#include "tdx/td_impl.h"

#define PRIVATE_ORDER_2M 9

static int resolve_private(struct td *td, gfn_t gfn, pfn_t *pfn, int *level)
{
	hpa_t base = HPA_NONE;

	if (page_count_for_tdx() < GUEST_RESERVE_PAGES)
		return -ENOMEM; /* our caller extends first */
	if (*level >= LEVEL_2M) {
		*level = LEVEL_2M;
		base = tdx_pages_alloc(PAGE_TDX_PRIVATE, PRIVATE_ORDER_2M);
		/* Not in small pieces what is there in large ones: our caller extends first. */
		if (hpa_is_none(base) && tdx_pages_more())
			return -ENOMEM;
	}
	if (hpa_is_none(base)) {
		*level = LEVEL_4K;
		base = tdx_pages_alloc(PAGE_TDX_PRIVATE, 0);
	}
	if (hpa_is_none(base))
		return -ENOMEM;
	__atomic_fetch_add(&td->private_pages, level_frames(*level), __ATOMIC_RELAXED);
	*pfn = pfn_add(hpa_to_pfn(base), gfn.v & (level_frames(*level) - 1));
	return 0;
}

static int resolve(struct memslot *slot, enum mmu_root root, gfn_t gfn, pfn_t *pfn, int *level)
{
	struct td *td = slot->owner;

	if (root == MMU_MIRROR)
		return resolve_private(td, gfn, pfn, level);
	/* The firmware's range has no shared side: -ENOENT there is no memory to give. */
	return guest_memory_frame(&td->shared, gfn, *level, pfn, level) ? -ENOMEM : 0;
}

static void release(struct memslot *slot, gfn_t gfn, pfn_t pfn, int level)
{
	struct td *td = slot->owner;

	(void)gfn;
	if (td->mmu.phase == MMU_RELEASED)
		return; /* it is in the batch of pages to be reclaimed */
	tdx_pages_free(pfn_to_hpa(pfn), PAGE_TDX_PRIVATE, 9u * (unsigned)(level - 1));
	__atomic_fetch_sub(&td->private_pages, level_frames(level), __ATOMIC_RELAXED);
}

static const struct memslot_ops slot_ops = { .resolve = resolve, .release = release };

static int add_slot(struct td *td, uint64_t gpa, uint64_t bytes)
{
	struct memslot *slot = &td->slots[td->slot_count];
	int err;

	if (!bytes)
		return 0;
	*slot = (struct memslot){
		.base = gpa_to_gfn((gpa_t){ gpa }),
		.frames = bytes >> PAGE_SHIFT,
		.ops = &slot_ops,
		.owner = td,
	};
	err = mmu_slot_add(&td->mmu, slot);
	if (!err)
		td->slot_count++;
	return err ? td_fail(td, err, "memory at 0x%llx: no slot", (unsigned long long)gpa) : 0;
}

/*
 * Devices reach the shared half and nothing else. Where the guest has not shared a page they reach a
 * page that it does not see: its mistake, and nobody's secret.
 */
static int dma_from(void *ctx, uint64_t gpa, void *to, uint64_t bytes)
{
	struct td *td = ctx;

	return guest_memory_read(&td->shared, to, (gpa_t){ gpa }, bytes);
}

static int dma_to(void *ctx, uint64_t gpa, const void *from, uint64_t bytes)
{
	struct td *td = ctx;
	const char *source = from;

	while (bytes) {
		uint64_t rest = PAGE_SIZE - gpa % PAGE_SIZE, part = bytes < rest ? bytes : rest;
		int err = guest_memory_write(&td->shared, (gpa_t){ gpa }, source, part);

		if (err)
			return err;
		/* After the write: a copy of the page that came too early is made again. */
		mmu_log_host_write(&td->mmu, (gpa_t){ gpa });
		gpa += part;
		source += part;
		bytes -= part;
	}
	return 0;
}

int td_memory_init(struct td *td)
{
	const struct guest_config *config = td->config;
	const struct mmu_config mc = {
		.ops = &td_mmu_ops,
		.name = td->name,
		.levels = 4,
		.shared_bit = td->gpa_width - 1,
		.has_mirror = true,
		.max_level = LEVEL_2M,
		.mirror_max_level =
			config->page_level > LEVEL_2M ? LEVEL_2M : (uint8_t)config->page_level,
		.memtype = SPTE_MEMTYPE_WB,
		.ad = MMU_AD_NONE,
		.mmio = MMU_MMIO_VE,
	};
	const struct guest_ram ram = guest_config_ram(config);
	int err = mmu_init(&td->mmu, &mc);

	if (err)
		return td_fail(td, err, "no memory for page tables");
	td->mmu_alive = true;
	if (config->page_level > LEVEL_2M)
		log_info("tdx: %s: page = 1G: private memory in pages of 2M, the largest that are added",
			 td->name);
	guest_memory_init(&td->shared);
	td->shared_alive = true;
	platform_set_dma(td->platform, &(struct dma){ dma_from, dma_to, td });
	err = guest_memory_add_ram(&td->shared, ram);
	if (err)
		return td_fail(td, err, "no memory for the shared half");
	err = add_slot(td, 0, ram.low);
	if (!err)
		err = add_slot(td, TDVF_TOP, ram.high);
	return err ? err : add_slot(td, td->tdvf.bottom, TDVF_TOP - td->tdvf.bottom);
}

int td_memory_add(struct td *td, gpa_t gpa, hpa_t source)
{
	hpa_t page = tdx_pages_get(PAGE_TDX_PRIVATE, 0);
	int err;

	if (hpa_is_none(page))
		return td_fail(td, -ENOMEM, "no memory for page 0x%llx", (unsigned long long)gpa.v);
	td->add_source = source;
	__atomic_fetch_add(&td->private_pages, 1, __ATOMIC_RELAXED);
	do
		err = mmu_map_private(&td->mmu, gpa_to_gfn(gpa), hpa_to_pfn(page));
	while (err == -ENOMEM && tdx_pages_extend() == 0);
	if (!err)
		return 0;
	tdx_pages_free(page, PAGE_TDX_PRIVATE, 0);
	__atomic_fetch_sub(&td->private_pages, 1, __ATOMIC_RELAXED);
	return td_fail(td, err, "page 0x%llx could not be added (%d)", (unsigned long long)gpa.v,
		       -err);
}

int td_memory_fault(struct td *td, struct mmu_fault *fault)
{
	int err;

	tdx_pages_provide();
	do
		err = mmu_handle_fault(&td->mmu, fault);
	while (err == -ENOMEM && tdx_pages_extend() == 0);
	return err;
}

/* Rounds in which the module lets nothing through, before the guest is told to ask again. */
#define FRUITLESS_MAX 8

int td_memory_convert(struct td *td, gpa_t gpa, uint64_t bytes, bool to_shared)
{
	enum mmu_root root = to_shared ? MMU_MIRROR : MMU_DIRECT;
	uint64_t calls = seamcall_count_here();
	struct td_work *w = &td->work[TD_CONVERT];
	unsigned fruitless = 0;
	int err;

	tdx_pages_provide();
	do
		err = mmu_zap_range(&td->mmu, root, gpa_to_gfn(gpa), bytes >> PAGE_SHIFT);
	while ((err == -EAGAIN && ++fruitless < FRUITLESS_MAX) ||
	       (err == -ENOMEM && tdx_pages_extend() == 0));
	__atomic_fetch_add(&w->calls, seamcall_count_here() - calls, __ATOMIC_RELAXED);
	if (!err)
		__atomic_fetch_add(&w->pages, bytes >> PAGE_SHIFT, __ATOMIC_RELAXED);
	return err;
}

int td_relocate(struct td *td, gfn_t gfn)
{
	hpa_t page = tdx_pages_alloc(PAGE_TDX_PRIVATE, 0);

	if (hpa_is_none(page))
		return -ENOMEM;
	/* Counted before it is the mirror's: release() takes the old one off. */
	__atomic_fetch_add(&td->private_pages, 1, __ATOMIC_RELAXED);

	int err = mmu_move_private(&td->mmu, gfn, hpa_to_pfn(page));

	if (!err)
		return 0;
	tdx_pages_free(page, PAGE_TDX_PRIVATE, 0);
	__atomic_fetch_sub(&td->private_pages, 1, __ATOMIC_RELAXED);
	return err;
}

#define FRAMES_2M (UINT64_C(1) << PRIVATE_ORDER_2M)

/* The pages around @gfn move into one block, each to its place; what is left of the block is freed. */
static int gather(struct td *td, gfn_t gfn)
{
	hpa_t block = tdx_pages_alloc(PAGE_TDX_PRIVATE, PRIVATE_ORDER_2M);
	unsigned moved;
	int err;

	if (hpa_is_none(block))
		return -ENOMEM;
	err = tdx_pages_use_small(block);
	if (err) {
		tdx_pages_free(block, PAGE_TDX_PRIVATE, PRIVATE_ORDER_2M);
		return err;
	}
	__atomic_fetch_add(&td->private_pages, FRAMES_2M, __ATOMIC_RELAXED);

	err = mmu_gather_private(&td->mmu, gfn, hpa_to_pfn(block), &moved);

	for (uint64_t i = moved; i < FRAMES_2M; i++)
		tdx_pages_free(hpa_add(block, i << PAGE_SHIFT), PAGE_TDX_PRIVATE, 0);
	__atomic_fetch_sub(&td->private_pages, FRAMES_2M - moved, __ATOMIC_RELAXED);
	return err;
}

int td_promote(struct td *td, gfn_t gfn)
{
	int err = mmu_join_private(&td->mmu, gfn, LEVEL_2M);

	if (err != -EINVAL)
		return err;
	err = gather(td, gfn);
	return err ? err : mmu_join_private(&td->mmu, gfn, LEVEL_2M);
}

void td_memory_fini(struct td *td)
{
	/* First: what devices write is noted in the MMU's log. */
	if (td->shared_alive)
		platform_set_dma(td->platform, NULL);
	if (td->mmu_alive) {
		mmu_set_phase(&td->mmu, MMU_RELEASED);
		if (mmu_zap_all(&td->mmu, MMU_MIRROR))
			log_error("tdx: %s: not all private memory could be unmapped", td->name);
		/* Tables are counted as they are leaked, in free_external_spt(). */
		(void)mmu_fini(&td->mmu);
		reclaim_flush(td);
		td->mmu_alive = false;
	}
	if (td->shared_alive)
		guest_memory_fini(&td->shared);
	td->shared_alive = false;
}
