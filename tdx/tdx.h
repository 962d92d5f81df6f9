/*
 * tdx.h - the front door of tdx/: the TDX module of this machine, from "is there one" to ready.
 * Trust domains themselves: tdx/td.h.
 *
 *   seamcall.h  the instruction      tdh.h       one typed wrapper per leaf    retry.h  busy policy
 *   bringup.c   SYS.INIT .. ready    metadata.h  what the module says of itself
 *   tdmr.h      memory plan          platform_memory.c  this machine's, and its PAMTs
 *   pages.c     pages for the module keyid.h     who has which KeyID
 *   pairs.h     dynamic PAMT
 *   seamldr.h   a module loaded, or replaced under living TDs
 *   td.h        one trust domain     tdvf.h      firmware images               measure.h
 *
 * Invariants
 *   - Nothing here asks which module answers a SEAMCALL.
 *   - Counts and sizes come from the module's metadata, never from this source.
 *   - A failing step undoes what came before it where the ABI allows, says one line, and leaves
 *     the machine usable without TDX.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_TDX_H
#define TAIN_TDX_TDX_H

#include "kernel/base/boot_info.h"
#include "kernel/base/config.h"
#include "kernel/base/types.h"

/*
 * What tdx/ needs of the machine beyond kernel/machine/port.h. kernel/main.c fills it, host
 * programs supply their own.
 */
struct tdx_host {
	/* What to call whoever answers SEAMCALL, for people only. NULL: "TDX module". */
	const char *module_label;
	/* RDMSR, guarded: -EIO instead of #GP. Also answers for MSRs that the module in use stands
	 * for. */
	int (*msr_read)(uint32_t msr, uint64_t *value);
	/* Physical package of CPU @cpu, 0 to 511. */
	unsigned (*package_of)(unsigned cpu);
	/* Make CPU @cpu leave a guest soon (NMI). */
	void (*kick)(unsigned cpu);
	/* Open interrupts for a moment on the calling CPU. May be NULL. */
	void (*irq_window)(void);
	/* Run the handler of an interrupt that the module has acknowledged. May be NULL. */
	void (*irq_deliver)(unsigned vector);
	/* An NMI ended a stay: the kick is taken and NMIs are open again. May be NULL. */
	void (*nmi_taken)(void);
	/* The vector that tells a CPU to look at a posted-interrupt descriptor, 32 to 255. */
	uint8_t notify_vector;
	/* Send it to CPU @cpu. NULL: nobody is told, what was posted is seen at the next entry. */
	void (*notify)(unsigned cpu);
	/* Let it be pending here at the next entry: NULL where the module looks by itself. */
	void (*notify_self)(void);
	/* No stale translation of a shared EPT on the calling CPU any more (INVEPT). May be NULL. */
	void (*flush_ept)(void);
	/*
	 * XMM registers of the calling CPU to zero: a guest that takes some back shall not get what
	 * another left there. May be NULL.
	 */
	void (*xmm_clear)(void);
	/* Write back and invalidate the KeyID-0 cache lines of 2^order pages at @page. May be NULL. */
	void (*cache_flush)(hpa_t page, unsigned order);
	/* The local APIC's id of CPU @cpu. May be NULL. */
	uint32_t (*apic_id)(unsigned cpu);
	/* A call of the P-SEAMLDR may have made the CPU forget its current VMCS: load it. May be NULL. */
	void (*vmcs_reload)(void);
	/* Let pending interrupts through on the calling CPU, and do nothing else. May be NULL. */
	void (*irq_open)(void);
	/*
	 * Zeros over 2^order pages that were private, by whole lines: on CPUs where a partial write to such
	 * a line poisons it. NULL elsewhere.
	 */
	void (*page_clear)(hpa_t page, unsigned order);
	/* WBINVD on the calling CPU. May be NULL. */
	void (*wbinvd)(void);
	/*
	 * Pages of owners PAGE_TDX_* come from these ranges from now on: 0 or -ENOMEM. Called again
	 * with more as more memory becomes usable. NULL: all memory is made usable at start.
	 */
	int (*restrict_pages)(const struct boot_mem *ranges, size_t count);
	/* How to tell the module to fail. NULL: it cannot be told. */
	const struct tdx_inject_ops *inject;
	/*
	 * Asked before each step of the bring-up that changes something, with what that is; false
	 * stops there. NULL: every step is taken.
	 */
	bool (*may_go_on)(const char *step, const char *changes);
	/* One whole line for the console, without newline: lines that programs wait for. */
	void (*say)(const char *line);
	/* CPUID as the CPU answers it. */
	void (*cpuid)(uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
	/* MAXPHYADDR as the module sees it: decides the width of guest addresses. */
	unsigned maxphyaddr;
	/* RAM that may go to TDs: BOOT_MEM_USABLE and BOOT_MEM_TAIN entries count, others are
	 * holes. */
	const struct boot_mem *memory;
	size_t memory_count;
	/* Bytes of it to give, rounded up to whole GiB blocks; 0: all. */
	uint64_t memory_wanted;
	/* Metadata of 4K pages: dynamic where the module and its KeyIDs allow it, unless told otherwise. */
	enum tdx_pamt_choice pamt;
};

/* What the page metadata (PAMT) of the module takes, in bytes; all zero without a plan. */
struct tdx_pamt_cost {
	bool dynamic;
	uint64_t fixed;        /* given at SYS.CONFIG */
	uint64_t if_static;    /* what that would be with static PAMT */
	uint64_t pairs, idle;  /* page pairs now, and those of them that describe nothing in use */
	uint64_t pair_bytes;   /* their pages */
	uint64_t table_bytes;  /* what Tain keeps to count their users */
};
void tdx_pamt_cost(struct tdx_pamt_cost *out);

enum tdx_phase {
	TDX_ABSENT, /* no module answered */
	TDX_FAILED, /* one answered, a step failed: tdx_reason() */
	TDX_READY,
	TDX_SHUT_DOWN,
};

/*
 * Bring the module up: SYS.INIT to the first usable memory. Boot CPU, all CPUs in VMX root and
 * serving cpu_call(). 0; -ENODEV no module; -EIO a step failed. @host is kept.
 */
int tdx_init(const struct tdx_host *host) MUST_CHECK;

/*
 * Try again after a failure, on the same module: what it has done it is not asked again. 0; -EALREADY:
 * it is ready; -ENODEV: no module, or tdx_init() was not called; -EIO. As tdx_init() otherwise.
 */
int tdx_retry(void) MUST_CHECK;

/*
 * Leave the machine as it should be, from whatever state. TDs that are left keep what they have; the
 * others are gone. leave.c.
 */
void tdx_fini(void);

enum tdx_phase tdx_phase(void);

/* How to tell the module in use to fail; NULL: it cannot be told. */
const struct tdx_inject_ops *tdx_injector(void);

/* Why not ready, one line; empty if ready. */
const char *tdx_reason(void);

/* "TDX module 1.5.01, build 20231011, vendor 8086": for `version`, doctor. */
const char *tdx_module_text(char *buf, size_t size);

/* What doctor and `info` print: one line at a time through @line. */
void tdx_describe(void (*line)(void *ctx, const char *text), void *ctx);

/* TSC ticks of all CPUs in SEAMCALLs, the guests that VP.ENTER ran included. Once it is ready. */
uint64_t tdx_call_ticks(void);

/* Counters of leaves that were called: lines "name count". */
void tdx_stats(void (*line)(void *ctx, const char *text), void *ctx);

/* The same of one leaf. False: no leaf has so large a number. The name is NULL if it has none. */
struct tdx_leaf_counts {
	const char *name;
	uint64_t calls, busy, errors, ticks_min, ticks_median, ticks_max;
};
bool tdx_leaf_counts(unsigned leaf, struct tdx_leaf_counts *out);

#endif
