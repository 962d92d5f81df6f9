/*
 * start.h - how kernel/main.c puts the software TDX module in place of a missing one. Nobody else
 * includes this: afterwards a SEAMCALL works as on a machine that has a module.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_SOFT_VMX_START_H
#define TAIN_SOFT_VMX_START_H

#include "kernel/base/types.h"
#include "tdx/abi/inject.h"

/*
 * Install the module of that @version (tdx/soft/profile.h; NULL: the first): SEAMCALL's #UD is answered from now on, on all CPUs. Boot CPU, after all
 * CPUs are in VMX operation. 0; -ENODEV: no VMX; -ENOTSUP: this CPU lacks something that a TD
 * needs; -EINVAL: no such version; -ENOMEM. The reason was logged.
 */
int soft_vmx_start(const char *version) MUST_CHECK;

/* The same without a module: only a P-SEAMLDR answers, until it has loaded one. */
int soft_vmx_start_loader(void) MUST_CHECK;

/*
 * What the module's machine says where this machine has nothing to say: MSRs that only TDX machines
 * have (KeyID partitioning, SEAMRR, TME); any other is read from the CPU. 0 or -EIO: no such MSR.
 */
int soft_vmx_msr_read(uint32_t msr, uint64_t *value) MUST_CHECK;

/* How to tell the module to fail. */
extern const struct tdx_inject_ops soft_vmx_inject;

/* The package of @cpu as the module counts them. */
unsigned soft_vmx_package_of(unsigned cpu);

#endif
