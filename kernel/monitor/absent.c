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

WEAK int td_create(struct td **out, const struct guest_config *cfg, struct platform *platform,
		   struct vcpu_run *runs, char *why, size_t why_size)
{
	(void)out, (void)cfg, (void)platform, (void)runs;
	snprintf(why, why_size, "this image has no TDX host side");
	return -ENODEV;
}
WEAK enum vcpu_outcome td_vcpu_run(struct td *td, unsigned index)
{
	(void)td, (void)index;
	return RUN_DEAD;
}
WEAK uint64_t td_destroy(struct td *td)
{
	(void)td;
	return 0;
}
WEAK void td_stats(const struct td *td, void (*line)(void *ctx, const char *text), void *ctx)
{
	(void)td, (void)line, (void)ctx;
}
