/*
 * td_look.c - a trust domain looked into. Contract: td_look.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/td_look.h"

#include "tdx/retry.h"
#include "tdx/td_impl.h"

struct field_call {
	struct td_vcpu *v;
	uint64_t id, value, mask;
	bool writes;
	tdx_status_t st;
};

static void vp_field_here(void *arg)
{
	struct field_call *c = arg;

	c->st = c->writes ? TDX_RETRY(tdh_vp_wr(c->v->vp, c->id, c->value, c->mask))
			  : TDX_RETRY(tdh_vp_rd(c->v->vp, c->id, &c->value));
	__atomic_store_n(&c->v->cpu, cpu_index(), __ATOMIC_RELAXED);
}

static tdx_status_t vp_field(struct field_call *c)
{
	unsigned cpu = __atomic_load_n(&c->v->cpu, __ATOMIC_RELAXED);

	cpu_call(cpu == NO_CPU ? cpu_index() : cpu, vp_field_here, c);
	return c->st;
}

tdx_status_t td_look_field(struct td *td, unsigned vcpu, uint64_t id, uint64_t *value)
{
	if (vcpu == TD_LOOK_TD)
		return TDX_RETRY(tdh_mng_rd(td->tdr, id, value));

	struct field_call c = { .v = &td->vcpus[vcpu], .id = id };
	tdx_status_t st = vp_field(&c);

	*value = c.value;
	return st;
}

tdx_status_t td_look_set_field(struct td *td, unsigned vcpu, uint64_t id, uint64_t mask,
			       uint64_t value)
{
	if (vcpu == TD_LOOK_TD)
		return TDX_RETRY(tdh_mng_wr(td->tdr, id, value, mask));

	struct field_call c = {
		.v = &td->vcpus[vcpu], .id = id, .value = value, .mask = mask, .writes = true
	};

	return vp_field(&c);
}

tdx_status_t tdx_look_sys_field(uint64_t id, uint64_t *value)
{
	uint64_t next;

	return TDX_RETRY(tdh_sys_rd(id, value, &next));
}

tdx_status_t td_look_sept(struct td *td, gpa_t gpa, int level, uint64_t *rcx, uint64_t *rdx)
{
	struct sept_fault fault;
	gpa_t at = { align_down(gpa.v, level_size(level)) };

	/* Only this takes the tree without the MMU's lock: it must not make a removal busy. */
	read_lock(&td->tree_lock);
	tdx_status_t st = TDX_RETRY(tdh_mem_sept_rd(td->tdr, at, level, &fault));

	read_unlock(&td->tree_lock);
	*rcx = fault.rcx;
	*rdx = fault.rdx;
	return st;
}

tdx_status_t tdx_look_page(hpa_t page, struct tdx_page_state *out)
{
	struct page_metadata md;
	tdx_status_t st = TDX_RETRY(tdh_phymem_page_rdmd(page, &md));

	*out = (struct tdx_page_state){ md.type, md.owner, md.size };
	return st;
}

hpa_t td_look_tdr(const struct td *td) { return td->tdr.page; }
hpa_t td_look_tdvpr(const struct td *td, unsigned vcpu) { return td->vcpus[vcpu].vp.page; }

const char *td_look_exits(const struct td *td, unsigned vcpu, bool vmcalls, unsigned nth,
			  uint64_t *count, const struct tick_stats **ticks)
{
	const struct td_vcpu *v = &td->vcpus[vcpu];
	const char *name;

	if (vmcalls) {
		name = td_vmcall_row_name(nth);
		if (name) {
			*count = v->vmcalls[nth];
			*ticks = &v->vmcall_ticks[nth];
		}
		return name;
	}
	if (nth >= TDX_EXIT_LIMIT)
		return NULL;
	name = tdx_exit_name(nth);
	*count = v->exits[nth];
	*ticks = &v->exit_ticks[nth];
	return name ? name : "?";
}

bool td_owns(const struct td *td, hpa_t page)
{
	struct page_metadata md;
	tdx_status_t st = TDX_RETRY(tdh_phymem_page_rdmd(page, &md));

	return tdx_ok(st) && (md.owner == td->tdr.page.v || page.v == td->tdr.page.v);
}
