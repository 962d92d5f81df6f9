/*
 * heap.c - small objects: newlib's malloc on pages of ours, and the locks it wants.
 *
 * Invariants
 *   - The first arena is set aside at start and not touched before it is used, so that the usual
 *     run allocates no further page and the count of free pages returns to what it was.
 *   - malloc's lock is recursive (realloc calls malloc) and held with interrupts off.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <malloc.h>
#include <reent.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/lock.h"
#include "kernel/base/log.h"
#include "kernel/machine/page_fault.h"
#include "kernel/machine/cpu_insn.h"
#include "kernel/machine/port.h"
#include "kernel/machine/room.h"

#define ARENA_ORDER 9 /* 2 MiB */

static struct {
	spinlock_t lock;
	uint32_t holder; /* 1 + CPU index; 0: nobody */
	unsigned depth;
	uint64_t flags;
	char *next, *end;
} heap;

void heap_init(void)
{
	hpa_t arena = pages_alloc_raw(PAGE_KERNEL, ARENA_ORDER);

	if (hpa_is_none(arena))
		panic("no memory for the heap");
	heap.next = hpa_to_ptr(arena);
	heap.end = heap.next + (PAGE_SIZE << ARENA_ORDER);
}

/*
 * More core for malloc, which copes with pieces that do not touch: when the arena is used up the
 * next one continues. Shrinking works within an arena. malloc's lock is held.
 */
void *_sbrk_r(struct _reent *r, ptrdiff_t bytes)
{
	if (bytes > heap.end - heap.next) {
		unsigned order = ARENA_ORDER;

		while ((PAGE_SIZE << order) < (uint64_t)bytes && order < CHUNK_ORDER)
			order++;
		hpa_t arena = pages_alloc_raw(PAGE_KERNEL, order);

		if (hpa_is_none(arena) || (PAGE_SIZE << order) < (uint64_t)bytes) {
			if (!hpa_is_none(arena))
				pages_free(arena, PAGE_KERNEL, order);
			r->_errno = ENOMEM;
			return (void *)-1;
		}
		heap.next = hpa_to_ptr(arena);
		heap.end = heap.next + (PAGE_SIZE << order);
	}
	char *was = heap.next;

	heap.next += bytes;
	return was;
}

/* Recursive, which the attributes cannot say: newlib pairs the calls. */
void __malloc_lock(struct _reent *r) NO_TSA
{
	(void)r;
	uint64_t flags = irq_save();
	uint32_t me = cpu_index() + 1;

	if (__atomic_load_n(&heap.holder, __ATOMIC_RELAXED) == me) {
		heap.depth++;
		return;
	}
	spin_lock(&heap.lock);
	__atomic_store_n(&heap.holder, me, __ATOMIC_RELAXED);
	heap.flags = flags;
}

void __malloc_unlock(struct _reent *r) NO_TSA
{
	(void)r;
	if (heap.depth) {
		heap.depth--;
		return;
	}
	uint64_t flags = heap.flags;

	__atomic_store_n(&heap.holder, 0, __ATOMIC_RELAXED);
	spin_unlock(&heap.lock);
	irq_restore(flags);
}

void *heap_alloc(size_t bytes) { return page_fault_hit() ? NULL : calloc(1, bytes); }
void heap_free(void *p) { free(p); }
