/*
 * td_vmcall.c - what a TD asks of its host: one table row per sub-function of the GHCI.
 *
 * Invariants
 *   - All registers are untrusted; each is checked here, once, before anything is done.
 *   - Registers that carry no answer go back as they came: the guest takes back all in its mask.
 *   - What we do not serve is answered, not ignored: SUBFUNC_UNSUPPORTED.
 *
 * Facts: Guest-Hypervisor Communication Interface, "TDG.VP.VMCALL".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/log.h"
#include "tdx/td_impl.h"

#define MASK_R10_R11 (BIT64(10) | BIT64(11))
/* Converted in one piece, between two looks at requests: sixteen 2M pages, or a slice of 4K pages. */
#define MAP_GPA_STEP (16 * SIZE_2M)

/* A handler's answer: the status for R10, and what the run loop does next. */
struct answer {
	uint64_t status;
	enum td_next next;
};

#define ANSWER(code) ((struct answer){ TDVMCALL_##code, TD_NEXT_ENTER })

typedef struct answer (*vmcall_fn)(struct td_vcpu *v, struct seam_regs *r);

/* Has the guest ended itself by what it just did to its platform? */
static struct answer after_platform(struct td_vcpu *v)
{
	char text[80];

	if (platform_ended(v->td->platform) == PLATFORM_RUNS)
		return ANSWER(SUCCESS);
	(void)td_stopped(v, "%s", platform_end_text(v->td->platform, text, sizeof(text)));
	return (struct answer){ TDVMCALL_SUCCESS, TD_NEXT_STOPPED };
}

static struct answer call_cpuid(struct td_vcpu *v, struct seam_regs *r)
{
	uint32_t out[4];

	td_cpuid(v, (uint32_t)r->r12, (uint32_t)r->r13, out);
	fault_cpuid(v->td->platform->config.faults, (uint32_t)r->r12, out);
	r->r12 = out[0];
	r->r13 = out[1];
	r->r14 = out[2];
	r->r15 = out[3];
	return ANSWER(SUCCESS);
}

/* No vCPU runs and no timer will wake one. */
static bool all_asleep(const struct td *td)
{
	for (unsigned i = 0; i < td->vcpu_count; i++)
		if (!__atomic_load_n(&td->vcpus[i].waiting, __ATOMIC_RELAXED) ||
		    vtimer_armed(&td->vcpus[i].apic.timer))
			return false;
	return true;
}

/* R12 = 1: interrupts are blocked, so only an NMI wakes it. If that is true of all, it is over. */
static struct answer call_hlt(struct td_vcpu *v, struct seam_regs *r)
{
	struct td *td = v->td;

	if (!td_interrupt_halt(v, r->r12 & 1))
		return ANSWER(SUCCESS);
	if (__atomic_load_n(&td->blocked, __ATOMIC_SEQ_CST) == td->vcpu_count) {
		(void)td_stopped(v, "halted with interrupts blocked");
		return (struct answer){ TDVMCALL_SUCCESS, TD_NEXT_STOPPED };
	}
	if (all_asleep(td))
		td_mistake(v, TD_MISTAKE_ALL_ASLEEP,
			   "halts, as all others have, and no timer is armed: only a device can wake them");
	v->run->wake_tsc = WAKE_NEVER;
	return (struct answer){ TDVMCALL_SUCCESS, TD_NEXT_WAIT };
}

/* Accesses of its platform that no device claimed; another vCPU's may be among them. */
static uint64_t unclaimed(const struct td *td)
{
	const struct platform *p = td->platform;

	return p->ports.unclaimed_reads + p->ports.unclaimed_writes + p->mmio.unclaimed_reads +
	       p->mmio.unclaimed_writes;
}

static struct answer call_io(struct td_vcpu *v, struct seam_regs *r)
{
	uint64_t bytes = r->r12, write = r->r13, port = r->r14, before = unclaimed(v->td);

	if ((bytes != 1 && bytes != 2 && bytes != 4) || write > 1 || port > UINT16_MAX)
		return ANSWER(INVALID_OPERAND);
	if (write)
		platform_out(v->td->platform, (uint16_t)port, (unsigned)bytes, (uint32_t)r->r15);
	else
		r->r11 = platform_in(v->td->platform, (uint16_t)port, (unsigned)bytes);
	if (unlikely(unclaimed(v->td) != before))
		td_mistake(v, TD_MISTAKE_PORT_TO_NOTHING, "%s port 0x%llx, where no device is",
			   write ? "writes to" : "reads", (unsigned long long)port);
	return write ? after_platform(v) : ANSWER(SUCCESS);
}

static struct answer call_mmio(struct td_vcpu *v, struct seam_regs *r)
{
	uint64_t bytes = r->r12, write = r->r13, gpa = r->r14, before = unclaimed(v->td);
	uint64_t bit = shared_bit(v->td);

	if ((bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8) || write > 1)
		return ANSWER(INVALID_OPERAND);
	if (gpa >= 2 * bit || !(gpa & bit) || !((gpa + bytes - 1) & bit))
		return ANSWER(INVALID_OPERAND);
	gpa &= ~bit;
	if (write)
		platform_mmio_write(v->td->platform, (gpa_t){ gpa }, (unsigned)bytes, r->r15);
	else
		r->r11 = platform_mmio_read(v->td->platform, (gpa_t){ gpa }, (unsigned)bytes);
	if (unlikely(unclaimed(v->td) != before))
		td_mistake(v, TD_MISTAKE_MMIO_TO_NOTHING, "%s 0x%llx, where no device is",
			   write ? "writes to" : "reads", (unsigned long long)gpa);
	return write ? after_platform(v) : ANSWER(SUCCESS);
}

static struct answer call_rdmsr(struct td_vcpu *v, struct seam_regs *r)
{
	uint64_t value;

	if (r->r12 > UINT32_MAX || !td_msr_read(v, (uint32_t)r->r12, &value))
		return ANSWER(INVALID_OPERAND);
	fault_answer(v->td->platform->config.faults, FAULT_MSR, r->r12, &value);
	r->r11 = value;
	return ANSWER(SUCCESS);
}

static struct answer call_wrmsr(struct td_vcpu *v, struct seam_regs *r)
{
	if (r->r12 > UINT32_MAX || !td_msr_write(v, (uint32_t)r->r12, r->r13))
		return ANSWER(INVALID_OPERAND);
	return ANSWER(SUCCESS);
}

/* Caches are the host's business; there is no device that reads memory behind them. */
static struct answer call_wbinvd(struct td_vcpu *v, struct seam_regs *r)
{
	(void)v;
	return r->r12 > 1 ? ANSWER(INVALID_OPERAND) : ANSWER(SUCCESS);
}

static struct answer call_get_info(struct td_vcpu *v, struct seam_regs *r)
{
	(void)v;
	if (r->r12 > 1)
		return ANSWER(INVALID_OPERAND);
	r->r11 = r->r12 == 1 ? BIT64(1) : 0; /* details: bit 1 SetupEventNotifyInterrupt */
	r->r12 = r->r13 = r->r14 = 0;
	return ANSWER(SUCCESS);
}

/* A piece could not be converted, with R11 saying which. */
static struct answer map_gpa_failed(struct td_vcpu *v, uint64_t at, int err)
{
	if (err == -EAGAIN) /* the module stayed busy: the guest asks again */
		return (struct answer){ TDVMCALL_RETRY, TD_NEXT_LEAVE };
	if (err == -ENOMEM) {
		log_warn("tdx: %s: MapGPA of 0x%llx: no memory to split a page", v->td->name,
			 (unsigned long long)at);
		return ANSWER(INVALID_OPERAND);
	}
	(void)td_dead(v, "MapGPA of 0x%llx could not be carried out", (unsigned long long)at);
	return (struct answer){ TDVMCALL_INVALID_OPERAND, TD_NEXT_DEAD };
}

/* What TDVMCALL<MapGPA> says of a range that is none; SUCCESS if it is one. */
static uint64_t check_map_gpa(const struct td *td, uint64_t start, uint64_t bytes)
{
	uint64_t bit = shared_bit(td), end = start + bytes;

	if (end < start || bytes == 0 || start >= 2 * bit || end - 1 >= 2 * bit ||
	    ((start ^ (end - 1)) & bit))
		return TDVMCALL_INVALID_OPERAND;
	if (!is_aligned(start | bytes, PAGE_SIZE))
		return TDVMCALL_ALIGN_ERROR;
	/* The firmware's own range has no shared side. */
	if ((start & bit) && (start & ~bit) < TDVF_TOP && (end & ~bit) > td->tdvf.bottom)
		return TDVMCALL_INVALID_OPERAND;
	return TDVMCALL_SUCCESS;
}

static struct answer call_map_gpa(struct td_vcpu *v, struct seam_regs *r)
{
	struct td *td = v->td;
	uint64_t bit = shared_bit(td), start = r->r12, end = start + r->r13;
	uint64_t stop = tsc_now() + v->run->slice_tsc, status = check_map_gpa(td, start, r->r13);

	r->r11 = start;
	if (status != TDVMCALL_SUCCESS)
		return (struct answer){ status, TD_NEXT_ENTER };
	for (uint64_t at = start; at < end;) {
		uint64_t next = align_down(at, MAP_GPA_STEP) + MAP_GPA_STEP;
		int err;

		if (next > end)
			next = end;
		/* Its old mapping goes, the new one comes with the next access. */
		err = td_memory_convert(td, (gpa_t){ at & ~bit }, next - at, (start & bit) != 0);
		if (err)
			return map_gpa_failed(v, at, err);
		td_sides_set(td, (gpa_t){ at & ~bit }, next - at, (start & bit) != 0);
		at = next;
		r->r11 = at;
		if (at < end && (vcpu_requests(v->run) || tsc_now() >= stop))
			return (struct answer){ TDVMCALL_RETRY, TD_NEXT_LEAVE };
	}
	return ANSWER(SUCCESS);
}

#define FATAL_HAS_PAGE   BIT64(63) /* of R12: R13 names a shared page with more text */
#define FATAL_LINE_BYTES 128

/* @bytes of @text as a string of at most that length; anything but printable ASCII is shown as a dot. */
static void make_printable(char *text, unsigned bytes)
{
	text[bytes] = 0;
	for (char *c = text; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '.';
}

/* What the guest wrote for us in a page of its own, to its first zero; the guest is at its end. */
static void show_fatal_page(struct td_vcpu *v, uint64_t gpa)
{
	struct td *td = v->td;
	char line[FATAL_LINE_BYTES + 1];

	if (!is_aligned(gpa, PAGE_SIZE) || gpa >= 2 * shared_bit(td) || !(gpa & shared_bit(td))) {
		log_warn("tdx: %s: more text at 0x%llx: not the address of a shared page", td->name,
			 (unsigned long long)gpa);
		return;
	}
	gpa &= ~shared_bit(td);
	for (unsigned at = 0; at < PAGE_SIZE; at += FATAL_LINE_BYTES) {
		if (guest_memory_read(&td->shared, line, (gpa_t){ gpa + at }, FATAL_LINE_BYTES)) {
			log_warn("tdx: %s: more text at 0x%llx: no memory there", td->name,
				 (unsigned long long)gpa);
			return;
		}
		make_printable(line, FATAL_LINE_BYTES);
		if (line[0])
			log_error("tdx: %s: vCPU %u adds: %s", td->name, v->index, line);
		if (strlen(line) < FATAL_LINE_BYTES)
			return;
	}
}

/* Eight registers carry up to 64 characters. */
static struct answer call_fatal_error(struct td_vcpu *v, struct seam_regs *r)
{
	const uint64_t words[8] = { r->r14, r->r15, r->rbx, r->rdi, r->rsi, r->r8, r->r9, r->rdx };
	char text[sizeof(words) + 1];

	memcpy(text, words, sizeof(words));
	make_printable(text, sizeof(words));
	if (r->r12 & FATAL_HAS_PAGE)
		show_fatal_page(v, r->r13);
	(void)td_dead(v, "reported fatal error 0x%x: %s", (unsigned)r->r12, text);
	return (struct answer){ TDVMCALL_SUCCESS, TD_NEXT_DEAD };
}

static struct answer call_event_notify(struct td_vcpu *v, struct seam_regs *r)
{
	if (r->r12 < 32 || r->r12 > 255)
		return ANSWER(INVALID_OPERAND);
	v->notify_vector = (uint8_t)r->r12;
	return ANSWER(SUCCESS);
}

/* clang-format off */
static const struct vmcall_row {
	uint64_t number;
	vmcall_fn handle; /* NULL: known, not served */
	const char *name;
} vmcall_rows[] = {
	{ TDVMCALL_IO,                 call_io,           "Instruction.IO" },
	{ TDVMCALL_HLT,                call_hlt,          "Instruction.HLT" },
	{ TDVMCALL_CPUID,              call_cpuid,        "Instruction.CPUID" },
	{ TDVMCALL_RDMSR,              call_rdmsr,        "Instruction.RDMSR" },
	{ TDVMCALL_WRMSR,              call_wrmsr,        "Instruction.WRMSR" },
	{ TDVMCALL_MMIO,               call_mmio,         "RequestMMIO" },
	{ TDVMCALL_WBINVD,             call_wbinvd,       "Instruction.WBINVD" },
	{ TDVMCALL_PCONFIG,            NULL,              "Instruction.PCONFIG" },
	{ TDVMCALL_GET_INFO,           call_get_info,     "GetTdVmCallInfo" },
	{ TDVMCALL_MAP_GPA,            call_map_gpa,      "MapGPA" },
	/* No attestation here: GetTdVmCallInfo does not offer it, and a guest's driver fails at once. */
	{ TDVMCALL_GET_QUOTE,          NULL,              "GetQuote" },
	{ TDVMCALL_REPORT_FATAL_ERROR, call_fatal_error,  "ReportFatalError" },
	{ TDVMCALL_SETUP_EVENT_NOTIFY, call_event_notify, "SetupEventNotifyInterrupt" },
	{ TDVMCALL_SERVICE,            NULL,              "Service" },
	{ TDVMCALL_MIGTD,              NULL,              "MigTD" },
};
/* clang-format on */
_Static_assert(ARRAY_LEN(vmcall_rows) < TD_VMCALL_ROWS, "the last counter is for unknown ones");

const char *td_vmcall_row_name(unsigned row)
{
	if (row < ARRAY_LEN(vmcall_rows))
		return vmcall_rows[row].name;
	return row == ARRAY_LEN(vmcall_rows) ? "unknown" : NULL;
}

/* The row of the table; the one behind the last is for unknown ones. */
static unsigned row_of(uint64_t function)
{
	unsigned i = 0;

	while (i < ARRAY_LEN(vmcall_rows) && vmcall_rows[i].number != function)
		i++;
	return i;
}

static struct answer dispatch(struct td_vcpu *v, struct seam_regs *r)
{
	unsigned row = row_of(r->r11);
	uint64_t start = tsc_now();
	struct answer a = ANSWER(SUBFUNC_UNSUPPORTED);

	v->vmcalls[row]++;
	if (row < ARRAY_LEN(vmcall_rows) && vmcall_rows[row].handle)
		a = vmcall_rows[row].handle(v, r);
	tick_stats_add(&v->vmcall_ticks[row], tsc_now() - start);
	return a;
}

static void trace_vmcall(const struct td_vcpu *v, const struct seam_regs *in, uint64_t start)
{
	uint64_t end = tsc_now();

	if (!trace_on(TRACE_TDVMCALL))
		return;
	trace_add(&(struct trace_record){
		.tsc = end,
		.ticks = (uint32_t)(end - start),
		.cpu = cpu_index(),
		.kind = TRACE_TDVMCALL,
		.vcpu = (uint8_t)v->index,
		.guest = v->td->keyid,
		.leaf = (uint32_t)in->r11,
		.status = v->regs.r10,
		.a = { in->r12, in->r13, in->r14, in->r15, v->regs.r11 },
	});
}

enum td_next td_vmcall(struct td_vcpu *v)
{
	struct seam_regs *r = &v->regs;
	const struct seam_regs in = *r;
	uint64_t start = tsc_now();
	struct answer a;

	if ((in.rcx & MASK_R10_R11) != MASK_R10_R11 && !v->warned_mask) {
		v->warned_mask = true;
		log_warn("tdx: %s: TDVMCALL mask 0x%llx hides R10 or R11: no answer can reach it",
			 v->td->name, (unsigned long long)(in.rcx & TDVMCALL_MASK_GPRS));
	}
	v->xmm_selected = (in.rcx & TDVMCALL_MASK_XMMS) != 0;
	/* R10 other than 0 is a vendor's space, and we are none of them. */
	a = in.r10 ? ANSWER(INVALID_OPERAND) : dispatch(v, r);
	r->r10 = a.status;
	trace_vmcall(v, &in, start);
	return a.next;
}
