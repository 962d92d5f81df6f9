/*
 * call.c - what every leaf does: take locks that the dispatcher gives back, reach memory, ask the
 * machine.
 *
 * Invariants
 *   - Each lock taken is in call.hold[] until released; call_release_to() releases in reverse.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/base/log.h"
#include "kernel/machine/cpu_insn.h"
#include "tdx/soft/module.h"
#include "tdx/soft/sept.h"

#include <string.h>

enum held_kind { HELD_SHARED = SHARED, HELD_EXCLUSIVE = EXCLUSIVE, HELD_ENTRY };

static void hold(struct call *c, void *lock, uint8_t kind)
{
	assert(c->held < MAX_HELD);
	c->hold[c->held++] = (struct held){ lock, kind };
}

static tdx_status_t busy(enum lock_result r, uint32_t op)
{
	return r == LOCK_BUSY_HP ? FAIL(OPERAND_BUSY_HOST_PRIORITY, op) : FAIL(OPERAND_BUSY, op);
}

tdx_status_t call_take(struct call *c, lock_t *l, enum lock_mode mode, enum lock_class cl,
		       uint32_t op)
{
	enum lock_result r = lock_try(l, mode, cl, c->guest);

	if (r != LOCK_TAKEN)
		return busy(r, op);
	hold(c, l, (uint8_t)mode);
	return OK;
}

tdx_status_t call_take_entry(struct call *c, uint64_t *entry, uint32_t op)
{
	enum lock_result r = sept_lock(entry, c->guest);

	if (r != LOCK_TAKEN)
		return busy(r, op);
	hold(c, entry, HELD_ENTRY);
	return OK;
}

void call_release_to(struct call *c, unsigned mark)
{
	while (c->held > mark) {
		struct held *h = &c->hold[--c->held];

		if (h->kind == HELD_ENTRY)
			sept_unlock(h->lock);
		else
			lock_release(h->lock, (enum lock_mode)h->kind);
	}
}

void *call_map(const struct call *c, uint64_t pa)
{
	return c->m->machine->ops->map(c->m->machine->ctx, pa & (BIT64(c->m->hkid_shift) - 1));
}

void *call_map_shared(const struct call *c, uint64_t pa)
{
	uint64_t plain = pa & (BIT64(c->m->hkid_shift) - 1);

	if (likely(!pamt_is_private(c, plain)))
		return call_map(c, plain);
	log_warn("soft module: the host uses private memory at %llx as shared",
		 (unsigned long long)plain);
	return c->m->scratch + (plain & (PAGE_SIZE - 1));
}

void call_hide(const struct call *c, uint64_t pa, unsigned level)
{
	const struct soft_machine *mc = c->m->machine;

	if (mc->ops->hide)
		mc->ops->hide(mc->ctx, pa, level);
}

void call_unhide(const struct call *c, uint64_t pa, unsigned level)
{
	const struct soft_machine *mc = c->m->machine;

	if (mc->ops->unhide)
		mc->ops->unhide(mc->ctx, pa, level);
}

void call_filling(const struct call *c)
{
	const struct soft_machine *mc = c->m->machine;

	if (mc->ops->page_write)
		mc->ops->page_write(mc->ctx, c->lp);
}

void call_page_fill(void *page, uint64_t word) { rep_stosq(page, word, PAGE_SIZE / sizeof(word)); }

void call_page_copy(void *to, const void *from) { memcpy(to, from, PAGE_SIZE); }

bool call_random(const struct call *c, uint64_t *out)
{
	return c->m->machine->ops->random(c->m->machine->ctx, out);
}

uint64_t call_rdmsr(const struct call *c, uint32_t index)
{
	return c->m->machine->ops->rdmsr(c->m->machine->ctx, c->lp, index);
}

bool call_irq_pending(const struct call *c)
{
	/* One that was made up ends no stay in a guest, so a guest is not shown it. */
	return (c->interrupted && !c->guest) ||
	       c->m->machine->ops->interrupt_pending(c->m->machine->ctx, c->lp);
}

uint64_t call_with_hkid(const struct call *c, uint64_t pa, uint16_t hkid)
{
	return pa | (uint64_t)hkid << c->m->hkid_shift;
}

/* The real module would end SEAM here: every later SEAMCALL gives VMfailInvalid. */
void call_halt(struct call *c, const char *why)
{
	const struct soft_machine *mc = c->m->machine;

	__atomic_store_n(&c->m->halted, true, __ATOMIC_RELEASE);
	log_error("soft module: halted: %s", why);
	if (mc->ops->halted)
		mc->ops->halted(mc->ctx, c->lp, why);
}
