/*
 * memory.h - the frames behind a guest's physical memory: all of a plain guest, the shared half
 * of a TD.
 *
 * Invariants
 *   - A frame exists from the first time that somebody asks for it until guest_memory_fini():
 *     backing never changes under a mapping.
 *   - Memory comes in zeroed 2 MiB chunks where the region holds a whole aligned one and the
 *     machine has one left, else, and where the host writes only a little, page by page; all of it
 *     is PAGE_GUEST and all of it goes back.
 *   - Who wants 1 GiB pages gets the memory for them before the guest runs, as far as the machine has whole
 *     GiBs: zeroing one takes too long for a fault.
 *   - ROM regions hold their content from the start, and a guest may read and execute them only.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_PLATFORM_MEMORY_H
#define TAIN_PLATFORM_MEMORY_H

#include "kernel/base/guest_ram.h"
#include "kernel/base/lock.h"
#include "kernel/base/types.h"

#define GUEST_REGIONS_MAX 8

struct guest_chunk; /* 2 MiB of guest-physical space; memory.c */

struct guest_region {
	gfn_t base;
	uint64_t frames;
	bool rom;
	/* One chunk for each 2 MiB that the region touches, in leaves that appear when needed. */
	struct guest_chunk **leaves;
	uint64_t leaf_count;
	bool has_1g; /* some of it is in whole GiBs */
};

struct guest_memory {
	struct guest_region regions[GUEST_REGIONS_MAX]; /* ascending, not overlapping */
	unsigned region_count;
	spinlock_t lock;      /* frames appear under it */
	uint64_t pages;       /* frames held now */
	uint64_t chunks_2m;   /* of these, in whole 2 MiB chunks: how many chunks */
	uint64_t blocks_1g;   /* and in whole GiBs: how many */
};

void guest_memory_init(struct guest_memory *m);

/*
 * Add the region of @frames at @base. -EINVAL: empty, wrapping or overlapping; -ENOSPC: too many
 * regions; -ENOMEM. Before the guest runs.
 */
int guest_memory_add(struct guest_memory *m, gfn_t base, uint64_t frames, bool rom) MUST_CHECK;

/* RAM: one region, or two. Errors as above. */
int guest_memory_add_ram(struct guest_memory *m, struct guest_ram ram) MUST_CHECK;

/*
 * Back with one block each GiB that lies whole in a region, aligned on both sides, as long as there are
 * blocks; the rest is backed as usual. Before anything else is backed. Returns 0, or -ENOMEM: no memory for
 * the books.
 */
int guest_memory_back_1g(struct guest_memory *m) MUST_CHECK;

/*
 * The region that begins at @base goes, with its frames; or begins at @to from now on, contents kept.
 * -ENOENT; -EINVAL: @to overlaps or is at another place within 2 MiB (or 1 GiB, if it has such blocks). No table maps any of it, and
 * nobody else looks: not while the guest runs.
 */
void guest_memory_remove(struct guest_memory *m, gfn_t base);
int guest_memory_move(struct guest_memory *m, gfn_t base, gfn_t to) MUST_CHECK;

/* The region that holds @gfn, or NULL. */
const struct guest_region *guest_memory_find(const struct guest_memory *m, gfn_t gfn);

/*
 * The frame behind @gfn, allocated now if it was not there, and the level (at most @max_level) at
 * which the block around @gfn is contiguous and aligned on both sides. -ENOENT: no memory there;
 * -ENOMEM. Any CPU, no lock needed.
 */
int guest_memory_frame(struct guest_memory *m, gfn_t gfn, int max_level, pfn_t *pfn, int *level)
	MUST_CHECK;

/* The frame behind @gfn if there is one already. Any CPU, no lock: frames never go while it runs. */
bool guest_memory_peek(const struct guest_memory *m, gfn_t gfn, pfn_t *pfn);

/* Copy between the host and the guest; -ENOENT or -ENOMEM leave the rest uncopied. ROM included. */
int guest_memory_write(struct guest_memory *m, gpa_t to, const void *from, uint64_t bytes)
	MUST_CHECK;
int guest_memory_read(struct guest_memory *m, void *to, gpa_t from, uint64_t bytes) MUST_CHECK;

/* Give every frame back. No table maps one any more. */
void guest_memory_fini(struct guest_memory *m);

#endif
