/*
 * main.c - the start order above the rooms.
 *
 *     machine -> configuration -> other CPUs -> VMX on each -> TDX module, found or put in its
 *     place -> guests known -> monitor -> run loop
 *
 * Invariants
 *   - A step that fails says one line and leaves out what needs it; the console comes up always.
 *   - This file alone knows that there is a software TDX module: it starts it, and answers by it
 *     for MSRs that only TDX machines have. Everything else executes SEAMCALL and looks no further.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>

#include "drivers/net/net.h"
#include "drivers/net/net_mem.h"
#include "drivers/net/vtd.h"
#include "kernel/base/boot_info.h"
#include "kernel/base/config.h"
#include "kernel/base/log.h"
#include "kernel/base/version.h"
#include "kernel/guest/guest.h"
#include "kernel/guest/sched.h"
#include "kernel/machine/apic.h"
#include "kernel/machine/console.h"
#include "kernel/machine/cpu.h"
#include "kernel/machine/crash.h"
#include "kernel/machine/machine.h"
#include "kernel/machine/port.h"
#include "kernel/machine/time.h"
#include "kernel/machine/trap.h"
#include "kernel/machine/vmx.h"
#include "kernel/machine/watchdog.h"
#include "kernel/monitor/module_files.h"
#include "kernel/monitor/monitor.h"
#include "kernel/monitor/step.h"
#include "kernel/net/use.h"
#include "tdx/soft/vmx/start.h"
#include "tdx/tdx.h"

NORETURN void kernel_main(const struct boot_info *bi);

static struct config config;

_Static_assert(GUESTS_MAX == CONFIG_GUESTS_MAX, "each record becomes a guest");

/* ---- tain.cfg and the files that it names, as the loader brought them ---- */

static void read_config(void)
{
	size_t count;
	const struct boot_file *files = boot_files(&count);

	config_defaults(&config);
	if (count && files[0].status == BOOT_FILE_OK) {
		config_parse(&config, hpa_to_ptr((hpa_t){ files[0].hpa }), files[0].size);
		config_attach_files(&config, boot_file_attach);
	} else if (!boot_info()->loader_note[0]) { /* else the loader has said why */
		log_info("no tain.cfg (%s): console only",
			 count ? boot_file_status_text(&files[0]) : "none was looked for");
	}
	log_threshold = (enum log_level)config.tain.log;
}

/* Only what differs from where the console is already. */
static void place_console(const struct tain_config *t)
{
	char where[24];
	int err;

	if (t->console == CONSOLE_AUTO && t->baud == 115200)
		return;
	if (t->console == CONSOLE_PORT || t->console == CONSOLE_MMIO)
		snprintf(where, sizeof(where), "%#llx", (unsigned long long)t->console_address);
	else
		snprintf(where, sizeof(where), "%s",
			 t->console == CONSOLE_COM1   ? "com1"
			 : t->console == CONSOLE_COM2 ? "com2"
						      : "auto");
	err = console_select(where, t->baud);
	if (err)
		log_warn("console = %s: no UART there (%d): it stays where it is", where, err);
}

/* ---- CPUs ---- */

static void vmx_on(void *arg)
{
	(void)arg;
	if (vmx_cpu_on() != 0)
		return; /* the boot CPU says why, once: vmx_reason() */
}

NORETURN static void ap_main(void) { sched_run(); }

static void start_vmx(void)
{
	for (unsigned i = 0; i < cpu_count(); i++)
		if (cpu_get(i)->online)
			cpu_call(i, vmx_on, NULL);
	if (vmx_available())
		log_info("vmx: on, on %u CPUs", cpu_online_count());
	else
		log_warn("vmx: %s: no guest can run", vmx_reason());
}

/* ---- the network ---- */

#define CPUID_1_ECX_RDRAND BIT32(30)

/* lwIP's random numbers start from the CPU's, where it has them. */
static void seed_net(void)
{
	uint64_t word;

	if ((cpuid(1, 0).ecx & CPUID_1_ECX_RDRAND) && rdrand64(&word))
		net_seed(word);
}

/* What the pages show of the monitor's. */
static const struct net_above net_above = { monitor_machine_stats, monitor_tdx_text };

static void start_net(void)
{
	if (config.tain.net.mode == NET_OFF)
		return;
	seed_net();
	if (vtd_off(machine_acpi()) != 0) {
		log_error("net: no interface reaches memory: the network stays off; turn VT-d off in the firmware");
		return;
	}
	if (net_start(&config.tain.net) != 0)
		return; /* it has said why */
	sched_set_net_hook(net_poll, net_next);
	net_use_start(&config, &net_above);
}

/* ---- the TDX module ---- */

#define MSR_KEYID_PARTITIONING 0x87
#define MSR_MTRRCAP            0xfe
#define MTRRCAP_SEAMRR         BIT64(15)
#define CPUID_ADDRESS_SIZES    0x80000008
#define CPUID_MOVDIR64B        BIT32(28) /* leaf 7, ECX */
#define MODEL_SAPPHIRE_RAPIDS  0x8f
#define MODEL_EMERALD_RAPIDS   0xcf

/* Raw facts of the CPU: it has SEAM, and firmware gave private KeyIDs. */
static bool cpu_has_tdx(void)
{
	uint64_t cap, keyids;

	return msr_read_safe(MSR_MTRRCAP, &cap) == 0 && (cap & MTRRCAP_SEAMRR) &&
	       msr_read_safe(MSR_KEYID_PARTITIONING, &keyids) == 0 && keyids >> 32;
}

/* Physical package by the x2APIC id's upper bits (CPUID leaf 0Bh, core level). */
static unsigned cpu_package(unsigned cpu)
{
	unsigned shift = cpuid(0, 0).eax >= 0xb ? cpuid(0xb, 1).eax & 0x1f : 8;

	return cpu_get(cpu)->apic_id >> shift;
}

static void flush_lines(hpa_t page, unsigned order)
{
	const char *at = hpa_to_ptr(page);

	for (uint64_t i = 0; i < PAGE_SIZE << order; i += 64)
		clflush(at + i);
}

/* The kernel uses none of them: a plain guest's may be there. */
static void xmm_clear(void)
{
	static const struct {
		uint64_t word[64];
	} initial ALIGNED(64) = { { [0] = 0x37f, [3] = 0x1f80 } }; /* FCW, MXCSR as FXSAVE has them */

	fxrstor64(&initial);
}

/* INVEPT of all contexts: a TD's translations of its shared half may be tagged with any root. */
static void flush_ept(void)
{
	static const struct inv_descriptor all;

	(void)invept(2, &all);
}

/* An exit by NMI blocks further ones until an IRET. */
static void nmi_taken(void)
{
	vmx_nmi_unblock();
	this_cpu()->wake = 0;
}

/* Notifications of posted interrupts. In root mode they mean nothing: the next entry looks. */
static void on_notification(unsigned vector) { (void)vector; }
static void notify_cpu(unsigned cpu) { apic_send_ipi(cpu_apic_id(cpu), VEC_POSTED); }
static void notify_self(void) { apic_send_ipi(apic_id(), VEC_POSTED); }

/* Parts that poison a line when a part of it is written after it was private (TDX ABI, errata). */
static bool cpu_wants_clearing(void)
{
	uint32_t model = (cpuid(1, 0).eax >> 4 & 0xf) | (cpuid(1, 0).eax >> 12 & 0xf0);

	return (model == MODEL_SAPPHIRE_RAPIDS || model == MODEL_EMERALD_RAPIDS) &&
	       (cpuid(7, 0).ecx & CPUID_MOVDIR64B);
}

static void clear_lines(hpa_t page, unsigned order)
{
	static const uint64_t zeros[8] ALIGNED(64);
	char *at = hpa_to_ptr(page);

	for (uint64_t i = 0; i < PAGE_SIZE << order; i += sizeof(zeros))
		movdir64b(at + i, zeros);
	mfence();
}

static void say_line(const char *line) { console_printf("%s\n", line); }

static void cpuid_words(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	struct cpuid_regs r = cpuid(leaf, subleaf);

	out[0] = r.eax;
	out[1] = r.ebx;
	out[2] = r.ecx;
	out[3] = r.edx;
}

static struct tdx_host tdx_host = {
	.msr_read = msr_read_safe,
	.package_of = cpu_package,
	.apic_id = cpu_apic_id,
	.vmcs_reload = vmcs_reload,
	.irq_open = irq_open_once,
	.kick = cpu_kick,
	.irq_window = irq_window,
	.irq_deliver = irq_deliver,
	.nmi_taken = nmi_taken,
	.notify_vector = VEC_POSTED,
	.notify = notify_cpu,
	.notify_self = notify_self,
	.flush_ept = flush_ept,
	.xmm_clear = xmm_clear,
	.say = say_line,
	.cpuid = cpuid_words,
	.cache_flush = flush_lines,
	.wbinvd = wbinvd,
	.restrict_pages = page_restrict_tdx,
};

/* Who answers SEAMCALLs is the software one. */
static void soft_in_place(void)
{
	tdx_host.module_label = "SOFTWARE TDX module (no confidentiality)";
	tdx_host.msr_read = soft_vmx_msr_read;
	tdx_host.package_of = soft_vmx_package_of;
	tdx_host.inject = &soft_vmx_inject;
	tdx_host.notify_self = NULL; /* it looks at each entry */
	tdx_host.cache_flush = NULL; /* nothing is encrypted */
	tdx_host.wbinvd = NULL;
	tdx_host.page_clear = NULL;
}

/* By the P-SEAMLDR, from the file that tain.cfg names. */
static bool load_module(const struct tain_config *t)
{
	struct module_file m;
	char why[SEAMLDR_WHY], text[120];

	seamldr_attach(&tdx_host);
	if (module_file_find(&t->module_file, &m, why) || seamldr_load(&m, why)) {
		log_error("tdx: module = %s: %s", t->module_file.path, why);
		return false;
	}
	log_info("tdx: loaded %s: %s", t->module_file.path, module_file_text(&m, text, sizeof(text)));
	return true;
}

/* True: something will answer a SEAMCALL. */
static bool provide_module(const struct tain_config *t)
{
	bool hardware = cpu_has_tdx();

	switch (t->module) {
	case MODULE_NONE:
		log_info("tdx: none, by module = none");
		return false;
	case MODULE_FILE:
		if (hardware)
			return load_module(t);
		return soft_vmx_start_loader() == 0 && (soft_in_place(), load_module(t));
	case MODULE_HARDWARE:
		if (!hardware)
			log_error(
				"tdx: module = hardware, but this machine has none: see `doctor`");
		return hardware;
	case MODULE_SOFT:
		if (hardware) {
			log_error("tdx: module = soft: this CPU executes SEAMCALL itself");
			return false;
		}
		break;
	case MODULE_AUTO:
	default:
		if (hardware)
			return true;
	}
	if (soft_vmx_start(t->profile) != 0)
		return false;
	soft_in_place();
	return true;
}

/* A CPU stops for good: INIT is blocked in VMX operation, and the next system shares no cache line. */
static void leave_here(void)
{
	if (tdx_host.wbinvd && tdx_phase() != TDX_ABSENT)
		wbinvd();
	vmx_cpu_abandon();
}

/* Called when the first trust domain is wanted, at the latest before the console is ready. */
static void start_tdx(void)
{
	const struct tain_config *t = &config.tain;

	if (t->bringup == BRINGUP_PROBE) {
		log_info("tdx: not brought up, by bringup = probe: `doctor` looks, `report` tells others");
		return;
	}
	if (!vmx_available())
		return;
	if (t->bringup == BRINGUP_STEP)
		tdx_host.may_go_on = monitor_ask_step;
	tdx_host.maxphyaddr = cpuid(CPUID_ADDRESS_SIZES, 0).eax & 0xff;
	tdx_host.memory = boot_mem_map(&tdx_host.memory_count);
	tdx_host.page_clear = cpu_wants_clearing() ? clear_lines : NULL;
	irq_register(VEC_POSTED, on_notification);
	tdx_host.memory_wanted = t->tdx_memory;
	tdx_host.pamt = t->pamt;
	if (!provide_module(t))
		return;
	if (tdx_init(&tdx_host) != 0)
		return; /* it has said which step failed; trust domains are refused one by one */
}

void kernel_main(const struct boot_info *bi)
{
	machine_init(bi);
	log_info("Tain %s", TAIN_VERSION);
	if (boot_info()->kept_log == BOOT_LOG_WRITTEN)
		log_warn("the log of the boot before is in \\tain\\log.txt");
	else if (boot_info()->kept_log == BOOT_LOG_LOST)
		log_warn("the log of the boot before could not be written to \\tain\\log.txt");
	if (boot_info()->loader_note[0])
		log_warn("loader: %s", boot_info()->loader_note);
	read_config();
	place_console(&config.tain);
	console_settled();
	if (sched_init() != 0)
		panic("no memory for the run queues");
	machine_start_cpus(ap_main);
	start_vmx();
	if (guests_init(config.guests, config.guest_count) != 0)
		log_error("no memory for the guests: none can start");
	guests_set_td_gate(start_tdx);
	log_info("cpus: %u of %u online; %llu ticks since kernel entry, %llu of them waiting",
		 cpu_online_count(), cpu_count(), (unsigned long long)ticks_since_entry(),
		 (unsigned long long)wait_ticks());
	watchdog_start(config.tain.watchdog, guests_watch);
	console_draw();
	start_net();
	crash_add_report(monitor_crash_report);
	crash_set_reboot(config.tain.crash == CRASH_REBOOT);
	crash_set_leave(leave_here);
	monitor_init(&config);
	sched_set_poll_hook(monitor_poll);
	sched_run();
}
