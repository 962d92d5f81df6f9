/*
 * status.h - the completion status of SEAMCALL and TDCALL (RAX): its type and every known code.
 *
 * Invariants
 *   - A status is its own type, never an integer: it cannot be mixed up with an errno.
 *   - Codes are compared by bits 63:32 only; bits 31:0 are detail, whose meaning the table names.
 *   - Each code stands in TDX_STATUS_TABLE once; the enum and the explanations come out of it.
 *
 * Facts: TDX module 1.5 ABI, "Completion Status Codes"; rows marked later are of newer modules.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_ABI_STATUS_H
#define TAIN_TDX_ABI_STATUS_H

#include "kernel/base/types.h"

/* RAX after a SEAMCALL: class in bits 63:32, details (often the bad operand) in 31:0. */
typedef struct {
	uint64_t raw;
} tdx_status_t;

#define TDX_STATUS_ERROR           BIT64(63)
#define TDX_STATUS_NON_RECOVERABLE BIT64(62)
#define TDX_STATUS_FATAL           BIT64(61) /* the TD is dead */
#define TDX_STATUS_HINT            BIT64(60) /* re-enter with the recoverability hint */

/* What bits 31:0 hold. */
enum tdx_detail {
	TDX_D_NONE,
	TDX_D_OPERAND, /* an operand id, tdx/abi/operand.h */
	TDX_D_EXIT,    /* a VMX exit reason */
	TDX_D_MSR,     /* an MSR number */
	TDX_D_TDMR,    /* 7:0 TDMR index */
	TDX_D_PAMT,    /* 7:0 TDMR index, 15:8 PAMT level, 23:16 other TDMR */
	TDX_D_AREA,    /* 7:0 TDMR index, 15:8 reserved area */
	TDX_D_LEVEL,   /* an S-EPT level */
	TDX_D_L2,      /* 31:16 VM, 15:0 level */
	TDX_D_SMRR,    /* 7:0 SMRR index, 15:8 CMR index */
	TDX_D_LIMIT,   /* a plain number: a limit, a package id */
	TDX_D_CPUID,   /* nothing, but RCX names the CPUID leaf and sub-leaf */
	TDX_D_VMCS,    /* a VMCS field encoding */
};

/* X(bits 63:32, name, detail, what it means and what to do) */
/* clang-format off */
#define TDX_STATUS_TABLE(X) \
	X(0x00000000, SUCCESS, TDX_D_NONE, "done") \
	X(0x40000001, NON_RECOVERABLE_VCPU, TDX_D_EXIT, "this vCPU cannot run again, e.g. a triple fault") \
	X(0x60000002, NON_RECOVERABLE_TD, TDX_D_EXIT, "the TD is dead: the module met an exit it does not allow") \
	X(0x80000003, INTERRUPTED_RESUMABLE, TDX_D_NONE, "an interrupt came; call again, progress is kept") \
	X(0x80000004, INTERRUPTED_RESTARTABLE, TDX_D_NONE, "an interrupt came; call again from the start") \
	X(0x60000005, NON_RECOVERABLE_TD_NON_ACCESSIBLE, TDX_D_EXIT, "the TD is dead: machine check or key failure on its memory") \
	X(0xC0000006, INVALID_RESUMPTION, TDX_D_NONE, "an interrupted leaf was resumed with other operands") \
	X(0xE0000007, NON_RECOVERABLE_TD_WRONG_APIC_MODE, TDX_D_EXIT, "the TD is dead: this CPU's local APIC is disabled") \
	X(0x80000008, CROSS_TD_FAULT, TDX_D_NONE, "service TD: the target TD is busy; RDX status, R8 target TDR") \
	X(0x90000009, CROSS_TD_TRAP, TDX_D_NONE, "service TD: the target TD is busy; re-enter with the hint") \
	X(0x6000000A, NON_RECOVERABLE_TD_CORRUPTED_MD, TDX_D_EXIT, "the TD is dead: its metadata is corrupted") \
	X(0xC0000100, OPERAND_INVALID, TDX_D_OPERAND, "an operand has a bad value; the detail names it") \
	X(0xC0000101, OPERAND_ADDR_RANGE_ERROR, TDX_D_OPERAND, "the address is in no initialised TDMR: TDMR.INIT has not come so far, or no TDMR covers it") \
	X(0xC0000102, EVENT_FILTER_INVALID, TDX_D_OPERAND, "later modules: the event filter list is wrong") \
	X(0xC0000103, EVENT_FILTER_ORDER_INVALID, TDX_D_OPERAND, "later modules: the event filter list is wrong") \
	X(0x80000200, OPERAND_BUSY, TDX_D_OPERAND, "somebody holds that object: retry, kick the vCPUs if it lasts") \
	X(0x80000201, PREVIOUS_TLB_EPOCH_BUSY, TDX_D_NONE, "a vCPU of the epoch before last is still inside: kick all vCPUs, then TRACK again") \
	X(0x80000202, SYS_BUSY, TDX_D_NONE, "another CPU holds the module's global lock: retry") \
	X(0x80000203, RND_NO_ENTROPY, TDX_D_NONE, "RDRAND/RDSEED ran dry: retry") \
	X(0x80000204, OPERAND_BUSY_HOST_PRIORITY, TDX_D_OPERAND, "guest side: the host waits for that lock, retry") \
	X(0x90000205, HOST_PRIORITY_BUSY_TIMEOUT, TDX_D_EXIT, "the guest kept meeting host locks too long: re-enter") \
	X(0xC0000300, PAGE_METADATA_INCORRECT, TDX_D_OPERAND, "the page is not of the type or size that the leaf needs (PAMT): already in use, or not given to the module") \
	X(0x00000301, PAGE_ALREADY_FREE, TDX_D_OPERAND, "the page was free already") \
	X(0xC0000302, PAGE_NOT_OWNED_BY_TD, TDX_D_OPERAND, "the page belongs to another TD") \
	X(0xC0000303, PAGE_NOT_FREE, TDX_D_OPERAND, "the page is in use") \
	X(0xC0000304, HPA_RANGE_NOT_FREE, TDX_D_OPERAND, "later modules: some page in that range is in use") \
	X(0xC0000305, NO_PAMT_PAGE_PAIR, TDX_D_OPERAND, "later modules: dynamic PAMT has no page pair for this 2M range: PHYMEM.PAMT.ADD first") \
	X(0xC0000306, PAMT_PAGE_NOT_EMPTY, TDX_D_OPERAND, "later modules: pages of this 2M range are still in use") \
	X(0x80000307, INTERRUPTED_PAMT, TDX_D_NONE, "later modules: an interrupt came; call again") \
	X(0x80000308, MISSING_PAMT_PAGE_PAIR, TDX_D_OPERAND, "later modules: dynamic PAMT has no page pair for this 2M range: PHYMEM.PAMT.ADD first") \
	X(0xC0000400, TD_ASSOCIATED_PAGES_EXIST, TDX_D_OPERAND, "the TDR still has child pages: reclaim them first") \
	X(0xC0000500, SYS_INIT_NOT_PENDING, TDX_D_NONE, "SYS.INIT was done before; only loading a module again allows another") \
	X(0xC0000502, SYS_LP_INIT_NOT_DONE, TDX_D_NONE, "this logical processor has not run SYS.LP.INIT") \
	X(0xC0000503, SYS_LP_INIT_DONE, TDX_D_NONE, "this logical processor has run SYS.LP.INIT already") \
	X(0xC0000505, SYS_NOT_READY, TDX_D_NONE, "the module is not configured yet (or is too old for this leaf): finish SYS.CONFIG and KEY.CONFIG on every package") \
	X(0xC0000506, SYS_SHUTDOWN, TDX_D_NONE, "the module has been shut down") \
	X(0xC0000507, SYS_KEY_CONFIG_NOT_PENDING, TDX_D_NONE, "SYS.KEY.CONFIG out of order: before SYS.CONFIG, or all packages are done") \
	X(0xC0000508, SYS_STATE_INCORRECT, TDX_D_NONE, "the module is not in the state for this leaf") \
	X(0xC0000509, SYS_INVALID_HANDOFF, TDX_D_NONE, "update: the data left by the old module cannot be used") \
	X(0xC000050A, SYS_INCOMPATIBLE_SIGSTRUCT, TDX_D_NONE, "the loaded module and its signature structure do not fit") \
	X(0xC000050B, SYS_LP_INIT_NOT_PENDING, TDX_D_NONE, "SYS.LP.INIT out of order: SYS.INIT first") \
	X(0xC000050C, SYS_CONFIG_NOT_PENDING, TDX_D_NONE, "SYS.CONFIG out of order, or a logical processor has not run SYS.LP.INIT") \
	X(0xC000050D, INCOMPATIBLE_SEAM_CAPABILITIES, TDX_D_NONE, "the CPU's SEAM capabilities do not fit this module, or differ between CPUs: microcode") \
	X(0xC0000511, CRYPTO_SELF_TEST_FAILED, TDX_D_NONE, "later modules: the module's self test failed") \
	X(0xE0000604, TD_FATAL, TDX_D_NONE, "the TD is dead; only teardown helps") \
	X(0xC0000605, TD_NON_DEBUG, TDX_D_NONE, "only a debug TD allows this") \
	X(0xC0000606, TDCS_NOT_ALLOCATED, TDX_D_NONE, "too few MNG.ADDCX pages") \
	X(0xC0000607, LIFECYCLE_STATE_INCORRECT, TDX_D_NONE, "the TD's key life cycle is elsewhere: keys, flush, FREEID, reclaim come in this order") \
	X(0xC0000608, OP_STATE_INCORRECT, TDX_D_NONE, "not in this phase of the TD: before MNG.INIT, or before/after MR.FINALIZE") \
	X(0xC0000609, NO_VCPUS, TDX_D_NONE, "MR.FINALIZE needs an initialised vCPU") \
	X(0xC0000610, TDCX_NUM_INCORRECT, TDX_D_NONE, "too few or too many control pages (ADDCX)") \
	X(0xC0000621, X2APIC_ID_NOT_UNIQUE, TDX_D_LIMIT, "later modules: two vCPUs with this x2APIC id") \
	X(0xC0000700, VCPU_STATE_INCORRECT, TDX_D_NONE, "the vCPU is not initialised, or disabled") \
	X(0x80000701, VCPU_ASSOCIATED, TDX_D_NONE, "the vCPU belongs to another logical processor: VP.FLUSH there") \
	X(0x80000702, VCPU_NOT_ASSOCIATED, TDX_D_NONE, "VP.FLUSH: the vCPU is not associated here; nothing to do") \
	X(0xC0000704, NO_VALID_VE_INFO, TDX_D_NONE, "guest: there is no #VE to ask about") \
	X(0xC0000705, MAX_VCPUS_EXCEEDED, TDX_D_NONE, "more vCPUs than TD_PARAMS.MAX_VCPUS") \
	X(0xC0000706, TSC_ROLLBACK, TDX_D_NONE, "the time-stamp counter went back since the last exit") \
	X(0xC0000707, INTERRUPTIBILITY_BLOCKED, TDX_D_NONE, "later modules: the guest blocks interrupts now") \
	X(0xC0000730, TD_VMCS_FIELD_NOT_INITIALIZED, TDX_D_VMCS, "write that VMCS field first") \
	X(0xC0000731, TD_VMCS_FIELD_ERROR, TDX_D_VMCS, "the CPU refused a VMCS field") \
	X(0x80000800, KEY_GENERATION_FAILED, TDX_D_NONE, "PCONFIG found no entropy: retry") \
	X(0x80000810, TD_KEYS_NOT_CONFIGURED, TDX_D_NONE, "MNG.KEY.CONFIG is missing on a package, or the KeyID is being released") \
	X(0xC0000811, KEY_STATE_INCORRECT, TDX_D_NONE, "the KeyID is in another state") \
	X(0x00000815, KEY_CONFIGURED, TDX_D_NONE, "this package has the key already") \
	X(0x80000817, WBCACHE_NOT_COMPLETE, TDX_D_NONE, "a package has not finished PHYMEM.CACHE.WB") \
	X(0xC0000820, HKID_NOT_FREE, TDX_D_NONE, "the KeyID is in use or reserved") \
	X(0x00000821, NO_HKID_READY_TO_WBCACHE, TDX_D_NONE, "nothing to write back: somebody did it") \
	X(0xC0000823, WBCACHE_RESUME_ERROR, TDX_D_NONE, "CACHE.WB resumed, but none was interrupted") \
	X(0x80000824, FLUSHVP_NOT_DONE, TDX_D_NONE, "a vCPU is still associated: VP.FLUSH it") \
	X(0xC0000825, NUM_ACTIVATED_HKIDS_NOT_SUPPORTED, TDX_D_LIMIT, "more private KeyIDs than the module handles: firmware KeyID split") \
	X(0xC0000900, INCORRECT_CPUID_VALUE, TDX_D_CPUID, "a CPUID value does not fit this module: firmware setting or unsupported CPU") \
	X(0xC0000901, LIMIT_CPUID_MAXVAL_SET, TDX_D_NONE, "IA32_MISC_ENABLE bit 22 (limit CPUID) is set: clear it in the firmware") \
	X(0xC0000902, INCONSISTENT_CPUID_FIELD, TDX_D_CPUID, "this CPU's CPUID differs from the first CPU's") \
	X(0xC0000903, CPUID_MAX_SUBLEAVES_UNRECOGNIZED, TDX_D_NONE, "the CPU's topology leaves look unusual to the module") \
	X(0xC0000904, CPUID_LEAF_1F_FORMAT_UNRECOGNIZED, TDX_D_NONE, "the CPU's topology leaves look unusual to the module") \
	X(0xC0000905, INVALID_WBINVD_SCOPE, TDX_D_NONE, "the WBINVD scope does not fit the topology") \
	X(0xC0000906, INVALID_PKG_ID, TDX_D_LIMIT, "a package id above what the module handles") \
	X(0xC0000907, ENABLE_MONITOR_FSM_NOT_SET, TDX_D_NONE, "IA32_MISC_ENABLE.MONITOR_FSM is clear") \
	X(0xC0000908, CPUID_LEAF_NOT_SUPPORTED, TDX_D_LIMIT, "the CPU lacks a CPUID leaf that the module needs") \
	X(0xC0000910, SMRR_NOT_LOCKED, TDX_D_SMRR, "firmware left an SMRR unlocked") \
	X(0xC0000911, INVALID_SMRR_CONFIGURATION, TDX_D_SMRR, "firmware programmed an SMRR wrongly") \
	X(0xC0000912, SMRR_OVERLAPS_CMR, TDX_D_SMRR, "SMM memory overlaps convertible memory: firmware") \
	X(0xC0000913, SMRR_LOCK_NOT_SUPPORTED, TDX_D_NONE, "the CPU lacks SMRR support that the module needs") \
	X(0xC0000914, SMRR_NOT_SUPPORTED, TDX_D_NONE, "the CPU lacks SMRR support that the module needs") \
	X(0xC0000920, INCONSISTENT_MSR, TDX_D_MSR, "this MSR differs between CPUs, or changed since SYS.INIT") \
	X(0xC0000921, INCORRECT_MSR_VALUE, TDX_D_MSR, "this MSR does not hold what the module needs") \
	X(0xC0000930, SEAMREPORT_NOT_AVAILABLE, TDX_D_NONE, "the CPU lacks a SEAMOPS leaf: microcode") \
	X(0xC0000931, SEAMDB_GETREF_NOT_AVAILABLE, TDX_D_NONE, "the CPU lacks a SEAMOPS leaf: microcode") \
	X(0xC0000932, SEAMDB_REPORT_NOT_AVAILABLE, TDX_D_NONE, "the CPU lacks a SEAMOPS leaf: microcode") \
	X(0xC0000933, SEAMVERIFYREPORT_NOT_AVAILABLE, TDX_D_NONE, "the CPU lacks a SEAMOPS leaf: microcode") \
	X(0xC0000A00, INVALID_TDMR, TDX_D_TDMR, "base or size of the TDMR: 1 GiB alignment, width, wrap") \
	X(0xC0000A01, NON_ORDERED_TDMR, TDX_D_TDMR, "TDMRs must ascend and not overlap") \
	X(0xC0000A02, TDMR_OUTSIDE_CMRS, TDX_D_TDMR, "memory in the TDMR is neither convertible nor reserved") \
	X(0x00000A03, TDMR_ALREADY_INITIALIZED, TDX_D_NONE, "this TDMR is complete") \
	X(0xC0000A10, INVALID_PAMT, TDX_D_PAMT, "base, size or alignment of a PAMT area") \
	X(0xC0000A11, PAMT_OUTSIDE_CMRS, TDX_D_PAMT, "a PAMT area is not in convertible memory") \
	X(0xC0000A12, PAMT_OVERLAP, TDX_D_PAMT, "a PAMT area overlaps a PAMT or unreserved TDMR memory") \
	X(0xC0000A20, INVALID_RESERVED_IN_TDMR, TDX_D_AREA, "a reserved area: 4 KiB alignment, inside its TDMR") \
	X(0xC0000A21, NON_ORDERED_RESERVED_IN_TDMR, TDX_D_AREA, "reserved areas must ascend and not overlap, empty ones last") \
	X(0xC0000A22, CMR_LIST_INVALID, TDX_D_NONE, "the firmware's convertible memory list is wrong") \
	X(0xC0000B00, EPT_WALK_FAILED, TDX_D_OPERAND, "the S-EPT has no table on the way: RCX/RDX say where") \
	X(0xC0000B01, EPT_ENTRY_FREE, TDX_D_OPERAND, "the S-EPT entry is free") \
	X(0xC0000B02, EPT_ENTRY_NOT_FREE, TDX_D_OPERAND, "the S-EPT entry is in use") \
	X(0xC0000B03, EPT_ENTRY_NOT_PRESENT, TDX_D_OPERAND, "no page is mapped there") \
	X(0xC0000B04, EPT_ENTRY_NOT_LEAF, TDX_D_OPERAND, "the S-EPT entry is a table") \
	X(0xC0000B05, EPT_ENTRY_LEAF, TDX_D_OPERAND, "the S-EPT entry is a leaf") \
	X(0xC0000B06, GPA_RANGE_NOT_BLOCKED, TDX_D_OPERAND, "MEM.RANGE.BLOCK first") \
	X(0x00000B07, GPA_RANGE_ALREADY_BLOCKED, TDX_D_OPERAND, "the range was blocked already") \
	X(0xC0000B08, TLB_TRACKING_NOT_DONE, TDX_D_OPERAND, "MEM.TRACK, then kick all vCPUs, then again: old translations may be in use") \
	X(0xC0000B09, EPT_INVALID_PROMOTE_CONDITIONS, TDX_D_OPERAND, "the 512 children are not uniform and contiguous") \
	X(0x00000B0A, PAGE_ALREADY_ACCEPTED, TDX_D_LEVEL, "guest: the page was accepted before") \
	X(0xC0000B0B, PAGE_SIZE_MISMATCH, TDX_D_LEVEL, "guest: the page is mapped smaller than asked; accept at that level") \
	X(0xC0000B0C, GPA_RANGE_BLOCKED, TDX_D_OPERAND, "the range is blocked") \
	X(0xC0000B0D, EPT_ENTRY_STATE_INCORRECT, TDX_D_OPERAND, "the S-EPT entry is in a state that this leaf does not take: RDX[15:8]") \
	X(0xC0000B0E, EPT_PAGE_NOT_FREE, TDX_D_OPERAND, "the S-EPT page still has used entries") \
	X(0xC0000B0F, L2_SEPT_WALK_FAILED, TDX_D_L2, "the S-EPT of a nested VM") \
	X(0xC0000B10, L2_SEPT_ENTRY_NOT_FREE, TDX_D_L2, "the S-EPT of a nested VM") \
	X(0xC0000B11, PAGE_ATTR_INVALID, TDX_D_OPERAND, "guest: page attributes") \
	X(0xC0000B12, L2_SEPT_PAGE_NOT_PROVIDED, TDX_D_OPERAND, "a nested VM needs an S-EPT page too") \
	X(0xC0000C00, METADATA_FIELD_ID_INCORRECT, TDX_D_NONE, "this module has no such field: a field of a newer module, or a malformed id") \
	X(0xC0000C01, METADATA_FIELD_NOT_WRITABLE, TDX_D_NONE, "the field (or those bits) cannot be written now") \
	X(0xC0000C02, METADATA_FIELD_NOT_READABLE, TDX_D_NONE, "the field cannot be read: often only of a debug TD") \
	X(0xC0000C03, METADATA_FIELD_VALUE_NOT_VALID, TDX_D_NONE, "the value is not allowed for this field") \
	X(0xC0000C04, METADATA_LIST_OVERFLOW, TDX_D_NONE, "the list is longer than the buffer: go on from the id returned") \
	X(0xC0000C05, INVALID_METADATA_LIST_HEADER, TDX_D_NONE, "the metadata list is malformed") \
	X(0xC0000C06, REQUIRED_METADATA_FIELD_MISSING, TDX_D_NONE, "the metadata list is malformed") \
	X(0xC0000C07, METADATA_ELEMENT_SIZE_INCORRECT, TDX_D_NONE, "the metadata list is malformed") \
	X(0xC0000C08, METADATA_LAST_ELEMENT_INCORRECT, TDX_D_NONE, "the metadata list is malformed") \
	X(0xC0000C09, METADATA_FIELD_CURRENTLY_NOT_WRITABLE, TDX_D_NONE, "the field (or those bits) cannot be written now") \
	X(0xC0000C0A, METADATA_WR_MASK_NOT_VALID, TDX_D_NONE, "the write mask is not allowed for this field") \
	X(0x00000C0B, METADATA_FIRST_FIELD_ID_IN_CONTEXT, TDX_D_NONE, "RDX holds the first field id") \
	X(0x00000C0C, METADATA_FIELD_SKIP, TDX_D_NONE, "the field is skipped in lists") \
	X(0xC0000C0D, VIRTUAL_MSR_VALUE_NOT_VALID, TDX_D_NONE, "the value is not allowed for this field") \
	X(0xC0000C0E, METADATA_FIELD_NOT_ALLOCATED, TDX_D_NONE, "later modules: the field is not allocated") \
	X(0xC0000D00, SERVTD_ALREADY_BOUND_FOR_TYPE, TDX_D_NONE, "binding of a service TD") \
	X(0xC0000D01, SERVTD_TYPE_MISMATCH, TDX_D_NONE, "binding of a service TD") \
	X(0xC0000D02, SERVTD_ATTR_MISMATCH, TDX_D_NONE, "binding of a service TD") \
	X(0xC0000D03, SERVTD_INFO_HASH_MISMATCH, TDX_D_NONE, "binding of a service TD") \
	X(0xC0000D04, SERVTD_UUID_MISMATCH, TDX_D_NONE, "binding of a service TD") \
	X(0xC0000D05, SERVTD_NOT_BOUND, TDX_D_NONE, "binding of a service TD") \
	X(0xC0000D06, SERVTD_BOUND, TDX_D_NONE, "binding of a service TD") \
	X(0xC0000D07, TARGET_UUID_MISMATCH, TDX_D_NONE, "binding of a service TD") \
	X(0xC0000D08, TARGET_UUID_UPDATED, TDX_D_NONE, "binding of a service TD") \
	X(0xC0000E00, INVALID_MBMD, TDX_D_NONE, "migration of TDs") \
	X(0xC0000E01, INCORRECT_MBMD_MAC, TDX_D_NONE, "migration of TDs") \
	X(0xC0000E02, NOT_WRITE_BLOCKED, TDX_D_NONE, "migration of TDs") \
	X(0x00000E03, ALREADY_WRITE_BLOCKED, TDX_D_NONE, "migration of TDs") \
	X(0xC0000E04, NOT_EXPORTED, TDX_D_NONE, "migration of TDs") \
	X(0xC0000E05, MIGRATION_STREAM_STATE_INCORRECT, TDX_D_NONE, "migration of TDs") \
	X(0xC0000E06, MAX_MIGS_NUM_EXCEEDED, TDX_D_NONE, "migration of TDs") \
	X(0xC0000E07, EXPORTED_DIRTY_PAGES_REMAIN, TDX_D_NONE, "migration of TDs") \
	X(0xC0000E08, MIGRATION_DECRYPTION_KEY_NOT_SET, TDX_D_NONE, "migration of TDs") \
	X(0xC0000E09, TD_NOT_MIGRATABLE, TDX_D_NONE, "migration of TDs") \
	X(0xC0000E0A, PREVIOUS_EXPORT_CLEANUP_INCOMPLETE, TDX_D_NONE, "migration of TDs") \
	X(0xC0000E0B, NUM_MIGS_HIGHER_THAN_CREATED, TDX_D_NONE, "migration of TDs") \
	X(0xC0000E0C, IMPORT_MISMATCH, TDX_D_NONE, "migration of TDs") \
	X(0xC0000E0D, MIGRATION_EPOCH_OVERFLOW, TDX_D_NONE, "migration of TDs") \
	X(0xC0000E0E, MAX_EXPORTS_EXCEEDED, TDX_D_NONE, "migration of TDs") \
	X(0xC0000E0F, INVALID_PAGE_MAC, TDX_D_NONE, "migration of TDs") \
	X(0xC0000E10, MIGRATED_IN_CURRENT_EPOCH, TDX_D_NONE, "migration of TDs") \
	X(0xC0000E11, DISALLOWED_IMPORT_OVER_REMOVED, TDX_D_NONE, "migration of TDs") \
	X(0xC0000E12, SOME_VCPUS_NOT_MIGRATED, TDX_D_NONE, "migration of TDs") \
	X(0xC0000E13, ALL_VCPUS_IMPORTED, TDX_D_NONE, "migration of TDs") \
	X(0xC0000E14, MIN_MIGS_NOT_CREATED, TDX_D_NONE, "migration of TDs") \
	X(0xC0000E15, VCPU_ALREADY_EXPORTED, TDX_D_NONE, "migration of TDs") \
	X(0xC0000E16, INVALID_MIGRATION_DECRYPTION_KEY, TDX_D_NONE, "migration of TDs") \
	X(0xC0000F46, CONNECT_INVALID_STATE, TDX_D_NONE, "later modules: TDX Connect") \
	X(0xC0001000, INVALID_CPUSVN, TDX_D_NONE, "guest: the report does not verify") \
	X(0xC0001001, INVALID_REPORTMACSTRUCT, TDX_D_NONE, "guest: the report does not verify") \
	X(0x00001100, L2_EXIT_HOST_ROUTED_ASYNC, TDX_D_NONE, "guest: partitioned TD") \
	X(0x00001101, L2_EXIT_HOST_ROUTED_TDVMCALL, TDX_D_NONE, "guest: partitioned TD") \
	X(0x00001102, L2_EXIT_PENDING_INTERRUPT, TDX_D_NONE, "guest: partitioned TD") \
	X(0x80001103, L2_VM_ENTRY_FAILED, TDX_D_NONE, "guest: partitioned TD") \
	X(0x00001120, PENDING_INTERRUPT, TDX_D_NONE, "guest: partitioned TD") \
	X(0x00001140, TD_EXIT_BEFORE_L2_ENTRY, TDX_D_EXIT, "debug exit of a partitioned TD") \
	X(0x00001141, TD_EXIT_ON_L2_VM_EXIT, TDX_D_EXIT, "debug exit of a partitioned TD") \
	X(0x00001142, TD_EXIT_ON_L2_TO_L1, TDX_D_EXIT, "debug exit of a partitioned TD") \
	X(0xC0001160, GLA_NOT_CANONICAL, TDX_D_OPERAND, "a linear address is not canonical")
/* clang-format on */

enum tdx_code {
#define X(hi, name, detail, hint) TDX_##name = hi,
	TDX_STATUS_TABLE(X)
#undef X
	/* Class FF is never used by a module: free for what our own stub has to say. */
	TDX_SW_SEAMCALL_FAULT = 0x8000FF00, /* 31:0 trap number, or: */
};

/* VMfailInvalid: no module, or it has shut itself down. */
#define TDX_SW_VMFAILINVALID UINT64_C(0x8000FF00FFFF0000)
/* SEAMCALL raised #UD: nobody here executes it. */
#define TDX_SW_UD UINT64_C(0x8000FF0000000006)
/* SEAMCALL raised #GP: SEAM is not usable for the caller. */
#define TDX_SW_GP UINT64_C(0x8000FF000000000D)

static inline enum tdx_code tdx_code(tdx_status_t st) { return (enum tdx_code)(st.raw >> 32); }
static inline uint32_t tdx_detail(tdx_status_t st) { return (uint32_t)st.raw; }
static inline bool tdx_is(tdx_status_t st, enum tdx_code code) { return tdx_code(st) == code; }

static inline tdx_status_t tdx_status(enum tdx_code code, uint32_t detail)
{
	return (tdx_status_t){ (uint64_t)(uint32_t)code << 32 | detail };
}

/* Bit 63 clear: done, or informational (which may still mean "not by this call"). */
static inline bool tdx_ok(tdx_status_t st) { return (st.raw & TDX_STATUS_ERROR) == 0; }

/* The stub could not reach a module at all. */
static inline bool tdx_is_unreachable(tdx_status_t st)
{
	return tdx_code(st) == TDX_SW_SEAMCALL_FAULT;
}

#endif
