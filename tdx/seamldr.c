/*
 * seamldr.c - calls of the P-SEAMLDR, and what comes before and after them.
 *
 * Facts: ABI reference sections 10.4, 10.5.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/seamldr.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/log.h"
#include "tdx/abi/explain.h"
#include "tdx/abi/leaf.h"
#include "tdx/by_hand.h"
#include "tdx/in_step.h"
#include "tdx/retry.h"
#include "tdx/state.h"
#include "tdx/tdh.h"

#define ATTEMPTS_MAX          1000u
#define FEATURE_TD_PRESERVING BIT64(1) /* of TDX_FEATURES0 */

static int fail(int err, char why[SEAMLDR_WHY], const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static int fail(int err, char why[SEAMLDR_WHY], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, SEAMLDR_WHY, format, args);
	va_end(args);
	return err;
}

void seamldr_attach(const struct tdx_host *host)
{
	if (!tdx_state.plan)
		tdx_state.host = *host;
}

/* ---- one call ---- */

/* Is it worth another try on this CPU? */
static bool again(tdx_status_t st)
{
	if (st.raw == SEAMLDR_EINTERRUPT && tdx_state.host.irq_open)
		tdx_state.host.irq_open();
	cpu_relax();
	return st.raw == SEAMLDR_EINTERRUPT || st.raw == SEAMLDR_ENOENTROPY;
}

static tdx_status_t call_loader(enum seamldr_leaf leaf, uint64_t rcx, uint64_t *rdx)
{
	tdx_status_t st;

	for (unsigned i = 0; i < ATTEMPTS_MAX; i++) {
		struct seam_regs r = { .rcx = rcx };

		st = seamcall(TDX_RAX_SEAMLDR | leaf, &r);
		*rdx = r.rdx;
		if (tdx_state.host.vmcs_reload)
			tdx_state.host.vmcs_reload();
		if (!again(st))
			break;
	}
	return st;
}

/* A leaf that fills part of a page. */
static tdx_status_t ask(enum seamldr_leaf leaf, void *out, size_t bytes)
{
	hpa_t page = page_alloc(PAGE_KERNEL);
	tdx_status_t st = { TDX_SW_UD };
	uint64_t rdx;

	if (hpa_is_none(page))
		return st;
	st = call_loader(leaf, page.v, &rdx);
	memcpy(out, hpa_to_ptr(page), bytes);
	page_free(page, PAGE_KERNEL);
	return st;
}

tdx_status_t seamldr_ask(struct seamldr_info *info) { return ask(SEAMLDR_INFO, info, sizeof(*info)); }

tdx_status_t seamldr_ask_machine(struct seamldr_seaminfo *info)
{
	return ask(SEAMLDR_SEAMINFO, info, sizeof(*info));
}

/* ---- before anything is touched ---- */

int seamldr_check_file(struct module_file *m, const void *data, size_t size, const void *sig,
		       size_t sig_size, char why[SEAMLDR_WHY])
{
	uint32_t cpu[4];
	int err = module_file_parse(m, data, size, sig, sig_size, why);

	if (err)
		return err;
	tdx_state.host.cpuid(1, 0, cpu);
	return module_file_check(m, cpu[0], why);
}

/* The loader is there, and so are all CPUs: it counts their calls. */
static int loader_can(struct seamldr_info *info, char why[SEAMLDR_WHY])
{
	tdx_status_t st = seamldr_ask(info);

	if (tdx_is_unreachable(st))
		return fail(-ENODEV, why, "no P-SEAMLDR answers on this machine");
	if (!tdx_ok(st))
		return fail(-EIO, why, "SEAMLDR.INFO: %s", tdx_seamldr_text(st.raw));
	if (!info->p_seamldr_ready)
		return fail(-EIO, why, "the P-SEAMLDR says that it is not ready");
	for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
		if (!cpu_is_online(cpu))
			return fail(-EIO, why, "CPU %u did not start; the P-SEAMLDR wants all", cpu);
	return 0;
}

/* ---- INSTALL ---- */

struct install {
	hpa_t params;
	uint64_t rdx;
	uint64_t version; /* of the handoff data */
};

/* A CPU that has called before an attempt that failed is told so: its call counts. */
static tdx_status_t install_here(void *ctx)
{
	struct install *in = ctx;
	tdx_status_t st = call_loader(SEAMLDR_INSTALL, in->params.v, &in->rdx);

	if (st.raw == SEAMLDR_EBADCALL && tdx_state.install_open)
		st.raw = SEAMLDR_OK;
	return st;
}

static hpa_t make_params(const struct module_file *m, enum seamldr_scenario scenario)
{
	hpa_t page = page_alloc(PAGE_KERNEL);
	struct seamldr_params *p;

	if (hpa_is_none(page))
		return page;
	p = hpa_to_ptr(page);
	p->scenario = scenario;
	p->sigstruct = ptr_to_hpa(m->sig).v;
	p->pages = m->page_count;
	for (unsigned i = 0; i < m->page_count; i++)
		p->page[i] = ptr_to_hpa(m->pages + (size_t)i * PAGE_SIZE).v;
	return page;
}

/* One line about a phase that failed; the P-SEAMLDR's statuses are not the module's. */
static int refused(const struct in_step_end *end, const struct install *in, char why[SEAMLDR_WHY])
{
	char text[120];
	bool loader = strncmp(end->failed->name, "SEAMLDR", 7) == 0 && !tdx_is_unreachable(end->st);

	if (loader)
		snprintf(text, sizeof(text), "%s", tdx_seamldr_text(end->st.raw));
	else
		tdx_status_text(end->st, text, sizeof(text));
	return fail(-EIO, why, "%s on CPU %u: %s%s", end->failed->name, end->cpu, text,
		    in->rdx == SEAMLDR_UNRECOVERABLE ? "; the module before it is gone" : "");
}

static void install_ended(const struct in_step_end *end)
{
	tdx_state.install_open = end->failed && end->failed->call == install_here;
}

int seamldr_load(const struct module_file *m, char why[SEAMLDR_WHY])
{
	static const struct in_step_phase phases[] = {
		{ "SEAMLDR.INSTALL", STEP_EACH_CPU, install_here },
		{ NULL, STEP_ONE_CPU, NULL },
	};
	struct tdx_state *s = &tdx_state;
	struct install in = { .rdx = 0 };
	struct in_step_end end;
	struct seamldr_info info;
	int err;

	if (s->phase == TDX_READY || s->living || s->building)
		return fail(-EBUSY, why, "a module is in use");
	err = loader_can(&info, why);
	if (err)
		return err;
	in.params = make_params(m, SEAMLDR_LOAD);
	if (hpa_is_none(in.params))
		return fail(-ENOMEM, why, "no memory");
	tdx_in_step(phases, cpu_count() - 1, &in, &end);
	page_free(in.params, PAGE_KERNEL);
	install_ended(&end);
	if (end.failed)
		return refused(&end, &in, why);
	tdx_forget_module();
	return 0;
}

/* ---- an update that keeps TDs alive ---- */

static tdx_status_t shut_down_here(void *ctx)
{
	const struct install *in = ctx;

	if (tdx_state.shut_down)
		return (tdx_status_t){ 0 };

	tdx_status_t st = TDX_RETRY(tdh_sys_shutdown(in->version));

	tdx_state.shut_down = tdx_ok(st);
	tdx_state.handoff = in->version;
	return st;
}

static tdx_status_t init_here(void *ctx)
{
	struct seam_regs r;

	(void)ctx;
	return TDX_RETRY(tdh_sys_init(&r));
}

static tdx_status_t lp_init_here(void *ctx)
{
	struct seam_regs r;

	(void)ctx;
	return TDX_RETRY(tdh_sys_lp_init(&r));
}

static tdx_status_t update_here(void *ctx)
{
	(void)ctx;
	return TDX_RETRY(tdh_sys_update());
}

/* What the module in place writes, and whether @m reads it. */
static int handoff_fits(const struct module_file *m, const struct seamldr_info *info, uint64_t *version,
			char why[SEAMLDR_WHY])
{
	uint64_t next;
	unsigned svn = info->tee_tcb_svn[0] | (unsigned)info->tee_tcb_svn[1] << 8;
	tdx_status_t st = { 0 };

	*version = tdx_state.handoff;
	if (!tdx_state.shut_down) /* then it says nothing any more */
		st = TDX_RETRY(tdh_sys_rd(MD_SYS_MODULE_HV, version, &next));
	if (!tdx_ok(st))
		return fail(-EINVAL, why, "the module does not say which handoff version it writes");
	if (*version > m->sig->module_hv || *version < m->sig->min_update_hv)
		return fail(-EINVAL, why, "handoff version %llu: the new module reads %u to %u",
			    (unsigned long long)*version, m->sig->min_update_hv, m->sig->module_hv);
	if (m->sig->seamsvn < svn)
		return fail(-EINVAL, why, "SVN %u is lower than the %u of the module in place",
			    m->sig->seamsvn, svn);
	return 0;
}

/* Nothing that takes several calls may be half done. */
static int is_quiet(char why[SEAMLDR_WHY])
{
	struct tdx_state *s = &tdx_state;

	if (s->phase != TDX_READY && !s->shut_down)
		return fail(-ENODEV, why, "no TDX module is in use%s%s", s->reason[0] ? ": " : "", s->reason);
	if (!(s->md.features0 & FEATURE_TD_PRESERVING))
		return fail(-ENODEV, why, "this module cannot be replaced while TDs live (TDX_FEATURES0 bit 1)");
	if (s->building)
		return fail(-EBUSY, why, "a TD is being built");
	if (hand_lent().keyids)
		return fail(-EBUSY, why, "a TD is being built by hand: `tdh cleanup` ends that");
	return 0;
}

/* TDMR.INIT may not be left half done. */
static int initialise_all_memory(char why[SEAMLDR_WHY])
{
	int err = 0;

	while (!err && tdx_pages_more())
		err = tdx_pages_extend();
	return tdx_pages_more() ? fail(-EBUSY, why, "not all memory could be initialised (%d)", err) : 0;
}

static void lose(const char *why)
{
	struct tdx_state *s = &tdx_state;

	s->phase = TDX_FAILED;
	snprintf(s->reason, sizeof(s->reason), "%.159s", why);
	log_error("tdx: the update failed: %s: all TDs are lost", why);
}

/* The new module may count otherwise; TDs that live keep what they have. */
static void learn_again(void)
{
	struct tdx_metadata *md = heap_alloc(sizeof(*md));
	char text[TDX_METADATA_WHY] = "out of memory";

	if (md && tdx_metadata_read(md, text) == 0)
		tdx_state.md = *md;
	else
		log_warn("tdx: metadata of the new module: %s: what the old one said is kept", text);
	heap_free(md);
}

int seamldr_update(const struct module_file *m, char why[SEAMLDR_WHY])
{
	static const struct in_step_phase phases[] = {
		{ "TDH.SYS.SHUTDOWN", STEP_ONE_CPU, shut_down_here },
		{ "SEAMLDR.INSTALL", STEP_EACH_CPU, install_here },
		{ "TDH.SYS.INIT", STEP_ONE_CPU, init_here },
		{ "TDH.SYS.LP.INIT", STEP_EACH_CPU, lp_init_here },
		{ "TDH.SYS.UPDATE", STEP_ONE_CPU, update_here },
		{ NULL, STEP_ONE_CPU, NULL },
	};
	struct tdx_state *s = &tdx_state;
	struct install in = { .rdx = 0 };
	struct seamldr_info info;
	struct in_step_end end;
	int err = is_quiet(why);

	err = err ? err : loader_can(&info, why);
	err = err ? err : handoff_fits(m, &info, &in.version, why);
	err = err ? err : initialise_all_memory(why);
	if (err)
		return err;
	in.params = make_params(m, SEAMLDR_UPDATE);
	if (hpa_is_none(in.params))
		return fail(-ENOMEM, why, "no memory");
	tdx_in_step(phases, cpu_count() - 1, &in, &end);
	page_free(in.params, PAGE_KERNEL);
	install_ended(&end);
	if (end.failed) {
		err = refused(&end, &in, why);
		if (s->shut_down)
			lose(why);
		return err;
	}
	s->shut_down = false;
	s->phase = TDX_READY;
	s->reason[0] = 0;
	learn_again();
	return 0;
}

/* ---- SHUTDOWN ---- */

static tdx_status_t loader_down_here(void *ctx)
{
	uint64_t rdx;

	(void)ctx;
	return call_loader(SEAMLDR_SHUTDOWN, 0, &rdx);
}

static unsigned cpu_with_id(uint32_t apic_id)
{
	for (unsigned cpu = 0; cpu < cpu_count() && tdx_state.host.apic_id; cpu++)
		if (tdx_state.host.apic_id(cpu) == apic_id)
			return cpu;
	return cpu_count() - 1;
}

int seamldr_shut_down(char why[SEAMLDR_WHY])
{
	static const struct in_step_phase phases[] = {
		{ "SEAMLDR.SHUTDOWN", STEP_EACH_CPU, loader_down_here },
		{ NULL, STEP_ONE_CPU, NULL },
	};
	const struct install nothing = { .rdx = 0 };
	struct seamldr_info info;
	struct in_step_end end;
	int err;

	if (tdx_state.phase == TDX_READY || tdx_state.living || tdx_state.building)
		return fail(-EBUSY, why, "a module is in use");
	err = loader_can(&info, why);
	if (err)
		return err;
	tdx_in_step(phases, cpu_with_id(info.acm_apic_id), NULL, &end);
	return end.failed ? refused(&end, &nothing, why) : 0;
}
