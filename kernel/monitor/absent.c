/*
 * absent.c - answers for rooms that are not linked into this image: there is no guest, and no TDX.
 *
 * Every function here is weak: the room's own takes its place as soon as it is there.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <stdio.h>

#include "kernel/guest/guest.h"
#include "kernel/machine/console.h"
#include "kernel/machine/cpu.h"
#include "tdx/td.h"
#include "tdx/tdx.h"

#define WEAK __attribute__((weak))

static void (*hook)(void);

WEAK int sched_init(void) { return 0; }
WEAK void sched_set_poll_hook(void (*fn)(void)) { hook = fn; }
WEAK void sched_poll(void)
{
	irq_window();
	console_poll();
}
WEAK NORETURN void sched_run(void)
{
	for (;;) {
		sched_poll();
		if (cpu_index() == 0 && hook)
			hook();
		cpu_idle();
	}
}
WEAK void sched_stats(unsigned cpu, struct sched_stats *out)
{
	*out = (struct sched_stats){ .idle_ticks = cpu_get(cpu)->idle_ticks };
}

WEAK int guests_init(const struct guest_config *configs, unsigned count)
{
	(void)configs;
	return count ? -ENOSYS : 0;
}
WEAK unsigned guest_count(void) { return 0; }
WEAK struct guest *guest_at(unsigned index)
{
	(void)index;
	return NULL;
}
WEAK struct guest *guest_find(const char *name)
{
	(void)name;
	return NULL;
}
WEAK const char *guest_state_name(enum guest_state state)
{
	(void)state;
	return "absent";
}
WEAK int guest_start(struct guest *g, char *why, size_t why_size)
{
	(void)g;
	snprintf(why, why_size, "this image runs no guests");
	return -EIO;
}
WEAK int guest_stop(struct guest *g, const char *reason)
{
	(void)g;
	(void)reason;
	return -ESRCH;
}
WEAK bool guest_ended(const struct guest *g)
{
	(void)g;
	return true;
}
WEAK unsigned guests_stop_all(uint64_t timeout_us)
{
	(void)timeout_us;
	return 0;
}
WEAK bool guest_type(struct guest *g, uint8_t byte)
{
	(void)g;
	(void)byte;
	return false;
}
WEAK void guest_stats(const struct guest *g, void (*line)(void *ctx, const char *text), void *ctx)
{
	(void)g;
	(void)line;
	(void)ctx;
}
WEAK void output_attach(struct output *o, bool attached)
{
	(void)o;
	(void)attached;
}
WEAK bool output_contains(struct output *o, uint64_t since, const char *text)
{
	(void)o;
	(void)since;
	(void)text;
	return false;
}

WEAK int tdx_init(const struct tdx_host *host)
{
	(void)host;
	return -ENODEV;
}
WEAK void tdx_fini(void) {}
WEAK enum tdx_phase tdx_phase(void) { return TDX_ABSENT; }
WEAK const char *tdx_reason(void) { return "this image has no TDX host side"; }
WEAK const char *tdx_module_text(char *buf, size_t size)
{
	snprintf(buf, size, "none");
	return buf;
}
WEAK void tdx_describe(void (*line)(void *ctx, const char *text), void *ctx)
{
	(void)line;
	(void)ctx;
}
WEAK void tdx_stats(void (*line)(void *ctx, const char *text), void *ctx)
{
	(void)line;
	(void)ctx;
}
WEAK int td_identity(struct td *td, struct td_identity *out)
{
	(void)td;
	(void)out;
	return -EIO;
}
WEAK void td_describe(struct td *td, void (*line)(void *ctx, const char *text), void *ctx)
{
	(void)td;
	(void)line;
	(void)ctx;
}

/* tdx/soft/vmx/start.h, which this room does not see. */
int soft_vmx_start(void);
int soft_vmx_msr_read(uint32_t msr, uint64_t *value);
unsigned soft_vmx_package_of(unsigned cpu);

WEAK int soft_vmx_start(void) { return -ENODEV; }
WEAK int soft_vmx_msr_read(uint32_t msr, uint64_t *value)
{
	(void)msr;
	(void)value;
	return -EIO;
}
WEAK unsigned soft_vmx_package_of(unsigned cpu)
{
	(void)cpu;
	return 0;
}
