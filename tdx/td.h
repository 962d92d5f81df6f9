/*
 * td.h - the front door to one trust domain, for kernel/guest: build, run, stop, tear down.
 *
 *   td_create  build: keys, control pages, memory, measurement, vCPUs; prints the MRTD
 *   td_vcpu_run  one bounded stay of one vCPU, with everything its exits ask for
 *   td_destroy   orderly teardown in any state; every page comes back or is counted as leaked
 *
 * Files   td_build.c create   td_vcpu.c vCPUs, run   td_exit.c exits   td_vmcall.c TDVMCALLs
 *         td_memory.c private and shared frames      sept.c the MMU's hooks
 *         td_teardown.c destroy   td_grant.c requested and granted
 *
 * Invariants
 *   - The host sees of a TD only what the module shows; every register that came from it is
 *     untrusted.
 *   - A page that the module may own is never reused: PAGE_LEAKED, counted.
 *   - A TD's failure ends that TD only.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_TD_H
#define TAIN_TDX_TD_H

#include "kernel/base/guest_config.h"
#include "kernel/base/types.h"
#include "kernel/platform/outcome.h"
#include "kernel/platform/platform.h"
#include "tdx/abi/layout.h"

struct td;

/*
 * Build the TD that @config describes and make it runnable. @platform is its virtual PC, @runs the
 * run records of its config->vcpus vCPUs; both outlive the TD and stay the caller's.
 *
 * 0 and *@out; -EINVAL: the image or the request is no good; -ENOMEM; -EBUSY: no KeyID free;
 * -ENODEV: no TDX module is ready; -EIO: the module refused. On failure everything is undone and
 * @why holds one understandable line. Boot CPU, no lock held.
 */
int td_create(struct td **out, const struct guest_config *config, struct platform *platform,
	      struct vcpu_run *runs, char *why, size_t why_size) MUST_CHECK;

/*
 * Run vCPU @index for one stay of at most runs[index].slice_tsc. Interrupts off. Always on the CPU
 * that kernel/guest keeps it on; moving it to another costs a flush. Never blocks.
 */
enum vcpu_outcome td_vcpu_run(struct td *td, unsigned index);

/*
 * Give everything back: no vCPU of it is inside td_vcpu_run() or will be. Any state. Interrupts on
 * or off; other CPUs serve cpu_call(). Returns the number of pages leaked (0 in a sane world).
 */
uint64_t td_destroy(struct td *td);

/* Its KeyID: who it is in trace records. */
uint16_t td_keyid(const struct td *td);

/* What identifies a TD, for `info`. RTMRs are readable of a debug TD only. */
struct td_identity {
	uint64_t attributes, xfam;
	uint8_t mrtd[TDX_HASH_BYTES];
	uint8_t rtmr[4][TDX_HASH_BYTES];
	bool mrtd_valid, rtmr_valid;
	uint16_t keyid;
	unsigned gpa_width, ept_levels, shared_bit;
	uint64_t tsc_frequency_hz;
};
/* 0, or -EIO: the module would not say. Not while a vCPU of it runs on this CPU. */
int td_identity(struct td *td, struct td_identity *out) MUST_CHECK;

/* Parameters requested and granted, one line at a time. */
void td_describe(struct td *td, void (*line)(void *ctx, const char *text), void *ctx);

/*
 * One parameter: what the TD was to have, what the module allows, what it has, and why these differ.
 * Masks are bits; of "vcpus at most" and "tsc in 25 MHz" `allowed` is the largest value.
 */
struct td_grant {
	char name[24];
	uint64_t requested, allowed, granted;
	char why[160];
};
void td_grants(struct td *td, void (*row)(void *ctx, const struct td_grant *g), void *ctx);

/*
 * What was measured while it was built, and the MRTD that this gives and that the module has: one
 * line at a time; runs of pages, or with @each_record each of the module's records.
 */
void td_measured(const struct td *td, bool each_record, void (*line)(void *ctx, const char *text),
		 void *ctx);

/* Pages held of each kind, exits and TDVMCALLs by name: lines "name count". */
void td_stats(const struct td *td, void (*line)(void *ctx, const char *text), void *ctx);

/* Exits and TDVMCALLs of vCPU @index that it made itself: neither interrupts nor kicks. */
uint64_t td_own_exits(const struct td *td, unsigned index);

/* An NMI, or an interrupt that nobody sent, for vCPU @index. -EINVAL: a vector below 16. */
int td_inject_event(struct td *td, unsigned index, bool nmi, uint8_t vector) MUST_CHECK;

/* Does the module say that the page is this TD's (private memory, or one of its control pages)? */
bool td_owns(const struct td *td, hpa_t page);

/* Its page tables, for the self-check; NULL when it has none (any more). */
struct mmu;
struct mmu *td_mmu(struct td *td);

/* The frames behind its shared half. */
struct guest_memory;
struct guest_memory *td_shared_memory(struct td *td);

/*
 * Move the private 4K page at @gfn into another frame; the guest sees nothing. 0; -EINVAL: no 4K page
 * is there; -EAGAIN: busy, nothing changed; -ENOMEM; -EIO.
 */
int td_relocate(struct td *td, gfn_t gfn) MUST_CHECK;

/*
 * Make one 2M private page of the 512 4K pages around @gfn; if they are no run of frames, they move into one
 * first (mmu rule C18). 0; -EINVAL: they are not all mapped in 4K; -EOPNOTSUPP: some accepted, some not;
 * -ENOMEM: no free 2 MiB; -EAGAIN; -EIO. What has moved stays where it is then.
 */
int td_promote(struct td *td, gfn_t gfn) MUST_CHECK;

struct td_page_counts {
	uint64_t control, sept, private_pages, shared, leaked;
};
void td_page_counts(const struct td *td, struct td_page_counts *out);

/* One 8-byte word of private memory of a debug TD. 0, -EACCES not a debug TD, -EFAULT. */
int td_private_read(struct td *td, gpa_t gpa, uint64_t *value) MUST_CHECK;
int td_private_write(struct td *td, gpa_t gpa, uint64_t value) MUST_CHECK;

/* Is it a debug TD? Only of such a one what follows is answered. */
bool td_debuggable(const struct td *td);
/* The CPU that vCPU @index is associated with, or @otherwise. */
unsigned td_vcpu_cpu(const struct td *td, unsigned index, unsigned otherwise);
/* The bit of a GPA that says shared. */
uint64_t td_shared_bit(const struct td *td);

/*
 * For a debugger, of a vCPU that is held, on the CPU td_vcpu_cpu(), interrupts off. -EIO: the module would
 * not; -EINVAL: not with this value.
 */
int td_debug_read(struct td *td, unsigned index, struct vcpu_regs *out) MUST_CHECK;
int td_debug_write(struct td *td, unsigned index, enum vcpu_reg reg, uint64_t value) MUST_CHECK;
int td_debug_fpu(struct td *td, unsigned index, struct vcpu_fpu *out) MUST_CHECK;

#endif
