/*
 * td_interrupt.c - the posted-interrupt descriptor of each vCPU, and how a halted one wakes.
 *
 * Invariants
 *   - The descriptor is alone in a page of its own (some CPUs want it so) from VP.INIT to the end of
 *     the TD; the host only sets bits of PIR and ON, the CPU or the module only clears them.
 *   - A halted vCPU says so in `waiting`, then looks for a reason to go on; whoever makes a reason
 *     publishes it, then looks at `waiting`. So one of the two sees the other.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/td_interrupt.h"

#include <errno.h>

#include "kernel/platform/platform.h"
#include "tdx/retry.h"
#include "tdx/td_impl.h"

struct posted_descriptor {
	uint64_t pir[4];
	uint32_t control;     /* PID_ON, SN; bits 23:16 notification vector */
	uint32_t destination; /* x2APIC id of the notification */
	uint32_t reserved[6];
};
_Static_assert(sizeof(struct posted_descriptor) == 64, "SDM: the descriptor has 64 bytes");

#define PID_ON           BIT32(0)
#define PIN_POSTED       BIT64(7) /* process posted interrupts */
#define DETAILS_VMXIP    BIT64(0) /* RVI is above PPR: an interrupt waits in the virtual APIC */
#define PIN_WRITE_MASK   PIN_POSTED
#define ALL_BITS         (~UINT64_C(0))
#define VECTOR_WRITE     UINT64_C(0xffff)
#define DESCRIPTOR_WRITE BITS64(63, 6)

struct td_vcpu *td_vcpu_at(struct td *td, unsigned index)
{
	return index < td->vcpu_count ? &td->vcpus[index] : NULL;
}

/* ---- the descriptor ---- */

static int tell_module(struct td_vcpu *v)
{
	const struct {
		uint64_t field, value, mask;
		const char *what;
	} writes[] = {
		{ MD_VP_VMCS_NOTIFY_VECTOR, tdx_state.host.notify_vector, VECTOR_WRITE,
		  "TDH.VP.WR of the notification vector" },
		{ MD_VP_VMCS_PID_ADDRESS, v->descriptor_page.v, DESCRIPTOR_WRITE,
		  "TDH.VP.WR of the posted-interrupt descriptor" },
		{ MD_VP_VMCS_PIN_CONTROLS, PIN_POSTED, PIN_WRITE_MASK,
		  "TDH.VP.WR of the pin-based controls" },
	};

	for (size_t i = 0; i < ARRAY_LEN(writes); i++) {
		tdx_status_t st = TDX_RETRY(tdh_vp_wr(v->vp, writes[i].field, writes[i].value,
						      writes[i].mask));

		if (!tdx_ok(st))
			return td_refused(v->td, writes[i].what, st);
	}
	return 0;
}

int td_interrupt_init(struct td_vcpu *v)
{
	v->descriptor_page = page_alloc(PAGE_GUEST);
	if (hpa_is_none(v->descriptor_page))
		return td_fail(v->td, -ENOMEM, "vCPU %u: no memory for its posted interrupts",
			       v->index);
	v->descriptor = hpa_to_ptr(v->descriptor_page);
	v->descriptor->control = (uint32_t)tdx_state.host.notify_vector << 16;
	return tell_module(v);
}

void td_interrupt_fini(struct td_vcpu *v)
{
	if (v->descriptor)
		page_free(v->descriptor_page, PAGE_GUEST);
	v->descriptor = NULL;
}

/* ---- posting ---- */

/* A reason to run was published: make the vCPU see it. */
static void tell_vcpu(struct td_vcpu *v)
{
	if (__atomic_load_n(&v->inside, __ATOMIC_SEQ_CST) & 1) {
		if (tdx_state.host.notify)
			tdx_state.host.notify(__atomic_load_n(&v->cpu, __ATOMIC_RELAXED));
	} else if (__atomic_load_n(&v->waiting, __ATOMIC_SEQ_CST)) {
		vcpu_wake(v->run);
	}
}

bool td_vcpu_post(struct td_vcpu *v, uint8_t vector)
{
	struct posted_descriptor *d = v->descriptor;

	if (vector < TD_VECTOR_MIN || !d)
		return false;
	__atomic_fetch_or(&d->pir[vector / 64], BIT64(vector % 64), __ATOMIC_SEQ_CST);
	if (!(__atomic_fetch_or(&d->control, PID_ON, __ATOMIC_SEQ_CST) & PID_ON))
		tell_vcpu(v);
	__atomic_fetch_add(&v->posted, 1, __ATOMIC_RELAXED);
	return true;
}

void td_vcpu_post_nmi(struct td_vcpu *v)
{
	__atomic_store_n(&v->nmi_asked, true, __ATOMIC_SEQ_CST);
	vcpu_request(v->run, VCPU_REQ_EVENT);
	if (__atomic_load_n(&v->inside, __ATOMIC_SEQ_CST) & 1)
		tdx_state.host.kick(__atomic_load_n(&v->cpu, __ATOMIC_RELAXED));
	else if (__atomic_load_n(&v->waiting, __ATOMIC_SEQ_CST))
		vcpu_wake(v->run);
}

/* ---- from the virtual PC's devices ---- */

/* What a TD's vCPU can be sent: INIT, start-up, SMI and the 8259s' interrupts are not among it. */
static void deliver(void *ctx, const struct intr_message *m)
{
	struct td *td = ctx;

	for (unsigned i = 0; i < td->vcpu_count; i++) {
		if (!intr_hits_x2apic(m, i))
			continue;
		if (m->mode == INTR_NMI)
			td_vcpu_post_nmi(&td->vcpus[i]);
		else if (m->mode == INTR_FIXED || m->mode == INTR_LOWEST)
			(void)td_vcpu_post(&td->vcpus[i], m->vector);
		if (m->mode == INTR_LOWEST)
			return;
	}
}

int td_interrupt_connect(struct td *td)
{
	const struct intr_sink sink = { .deliver = deliver, .ctx = td, .edge_only = true };

	platform_set_sink(td->platform, &sink);
	return 0;
}

void td_interrupt_disconnect(struct td *td) { platform_set_sink(td->platform, NULL); }

/* ---- the vCPU's own side ---- */

bool td_interrupt_posted(const struct td_vcpu *v)
{
	return v->descriptor &&
	       (__atomic_load_n(&v->descriptor->control, __ATOMIC_SEQ_CST) & PID_ON);
}

void td_interrupt_before_entry(struct td_vcpu *v)
{
	/* The CPU looks at the descriptor when the notification arrives: so one must be on its way. */
	if (tdx_state.host.notify_self && td_interrupt_posted(v))
		tdx_state.host.notify_self();
}

bool td_interrupt_nmi_deliver(struct td_vcpu *v)
{
	if (likely(!__atomic_load_n(&v->nmi_asked, __ATOMIC_RELAXED)) ||
	    !__atomic_exchange_n(&v->nmi_asked, false, __ATOMIC_SEQ_CST))
		return true;
	return tdx_ok(TDX_RETRY(tdh_vp_wr(v->vp, MD_VP_PEND_NMI, 1, ALL_BITS)));
}

/* The module's word about an interrupt that it took from the descriptor before the guest halted. */
static bool waits_in_apic(struct td_vcpu *v)
{
	uint64_t details = 0;

	return tdx_ok(TDX_RETRY(tdh_vp_rd(v->vp, MD_VP_VCPU_STATE_DETAILS, &details))) &&
	       (details & DETAILS_VMXIP);
}

bool td_interrupt_halt(struct td_vcpu *v, bool blocked)
{
	if (!blocked && waits_in_apic(v))
		return false;
	v->blocked = blocked;
	if (blocked)
		__atomic_add_fetch(&v->td->blocked, 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&v->waiting, true, __ATOMIC_SEQ_CST);
	return !td_interrupt_wakes(v);
}

bool td_interrupt_wakes(struct td_vcpu *v)
{
	if (!__atomic_load_n(&v->nmi_asked, __ATOMIC_SEQ_CST) &&
	    (v->blocked || !td_interrupt_posted(v)))
		return false;
	if (v->blocked)
		__atomic_sub_fetch(&v->td->blocked, 1, __ATOMIC_SEQ_CST);
	v->blocked = false;
	__atomic_store_n(&v->waiting, false, __ATOMIC_SEQ_CST);
	return true;
}

int td_inject_event(struct td *td, unsigned index, bool nmi, uint8_t vector)
{
	struct td_vcpu *v = td_vcpu_at(td, index);

	if (!v || (!nmi && vector < TD_VECTOR_MIN))
		return -EINVAL;
	if (nmi)
		td_vcpu_post_nmi(v);
	else
		(void)td_vcpu_post(v, vector);
	return 0;
}
