/*
 * softmod.h - a desk with a TDX module on it: the software module's logic on the desk machine
 * (tests/host/machine.h), reached by the same seamcall_raw() that the image has, with a guest
 * backend that a test scripts.
 *
 * Invariants
 *   - The host side under test is the image's, unchanged: only who executes SEAMCALL differs.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TESTS_HOST_TDX_SOFTMOD_H
#define TAIN_TESTS_HOST_TDX_SOFTMOD_H

#include "kernel/base/types.h"
#include "tdx/soft/profile.h"
#include "tdx/soft/seamldr.h"
#include "tdx/soft/soft.h"
#include "tdx/tdx.h"

/* A machine of @bytes RAM and @cpus CPUs, two in a package, with a freshly loaded module. */
void softmod_start(uint64_t bytes, unsigned cpus, unsigned maxphyaddr);

/* What tdx_init() wants. */
const struct tdx_host *softmod_host(void);

/*
 * The guest: called at each entry of a vCPU; fills in why it came out. Its registers are v->gpr.
 * Without one a guest triple-faults at once.
 */
extern void (*softmod_guest)(struct soft_vcpu *v, struct soft_exit *x);

/* Guest fields that the module wrote (VMCS encodings); 0 if never. */
uint64_t softmod_field(struct soft_vcpu *v, uint32_t field);

/* Called before each SEAMCALL: true: do not make it, r->rax is set (a status of the test's choice).
 */
extern bool (*softmod_intercept)(struct soft_regs *r);

/* Called when the module reaches for the page of @hpa, with whatever locks it holds by then. */
extern void (*softmod_mapped)(uint64_t hpa);

/* An interrupt is pending on all CPUs: interruptible leaves say so. */
extern bool softmod_interrupt;

/* Private KeyIDs that the machine has, the module's own among them: 32, or what a test says. */
extern unsigned softmod_keyids;

/* KeyID bits of an address, from bit 51 down: what the machine has, or (not 0) what a test says. */
extern unsigned softmod_keyid_bits;

/* The version of the module that softmod_start() loads: the first there is, or a test's choice. */
extern const struct soft_profile *softmod_profile;

/*
 * A test's main() once with each version of the module: sum of the failures. TAIN_PROFILE in the
 * environment names the only one to use.
 */
#define softmod_run_versions(tests)                                                             \
	({                                                                                      \
		int softmod_failures = 0;                                                       \
		while (softmod_next_version())                                                  \
			softmod_failures +=                                                     \
				cmocka_run_group_tests_name(softmod_profile->name, tests, NULL, NULL); \
		softmod_failures;                                                               \
	})
bool softmod_next_version(void);

/* The P-SEAMLDR that loaded it: what it does may be looked at, and it may be told to fail. */
extern struct soft_seamldr softmod_loader;

/* No module is loaded: only the P-SEAMLDR answers. */
void softmod_empty(void);

/* Before tdx_init(): memory is initialised when it is wanted, as in the image. */
void softmod_lazy(void);

/* No module answers (VMfailInvalid) from now on. */
void softmod_unload(void);

/* The last line said to the console, and how many. */
const char *softmod_said(void);

#endif
