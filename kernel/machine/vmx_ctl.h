/*
 * vmx_ctl.h - the bits of the VM-execution, exit and entry controls: one table per field, from
 * which the constants and the names are made.
 *
 * SDM volume 3C, chapter "Virtual Machine Control Structures", tables "Definitions of ... Controls".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MACHINE_VMX_CTL_H
#define TAIN_MACHINE_VMX_CTL_H

#include "kernel/base/types.h"

/* clang-format off */
#define VMX_PIN_BITS(X) \
	X(0, PIN_EXTERNAL_INTERRUPT, "external-interrupt exiting") \
	X(3, PIN_NMI, "NMI exiting") \
	X(5, PIN_VIRTUAL_NMI, "virtual NMIs") \
	X(6, PIN_PREEMPTION_TIMER, "VMX-preemption timer") \
	X(7, PIN_POSTED_INTERRUPTS, "process posted interrupts")

#define VMX_PROC_BITS(X) \
	X(2, PROC_INTERRUPT_WINDOW, "interrupt-window exiting") \
	X(3, PROC_TSC_OFFSETTING, "TSC offsetting") \
	X(7, PROC_HLT, "HLT exiting") \
	X(9, PROC_INVLPG, "INVLPG exiting") \
	X(10, PROC_MWAIT, "MWAIT exiting") \
	X(11, PROC_RDPMC, "RDPMC exiting") \
	X(12, PROC_RDTSC, "RDTSC exiting") \
	X(15, PROC_CR3_LOAD, "CR3-load exiting") \
	X(16, PROC_CR3_STORE, "CR3-store exiting") \
	X(17, PROC_TERTIARY, "tertiary controls") \
	X(19, PROC_CR8_LOAD, "CR8-load exiting") \
	X(20, PROC_CR8_STORE, "CR8-store exiting") \
	X(21, PROC_TPR_SHADOW, "TPR shadow") \
	X(22, PROC_NMI_WINDOW, "NMI-window exiting") \
	X(23, PROC_MOV_DR, "MOV-DR exiting") \
	X(24, PROC_IO, "unconditional I/O exiting") \
	X(25, PROC_IO_BITMAPS, "I/O bitmaps") \
	X(27, PROC_MTF, "monitor trap flag") \
	X(28, PROC_MSR_BITMAPS, "MSR bitmaps") \
	X(29, PROC_MONITOR, "MONITOR exiting") \
	X(30, PROC_PAUSE, "PAUSE exiting") \
	X(31, PROC_SECONDARY, "secondary controls")

#define VMX_PROC2_BITS(X) \
	X(0, PROC2_APIC_ACCESS, "virtualize APIC accesses") \
	X(1, PROC2_EPT, "EPT") \
	X(2, PROC2_DESCRIPTOR_TABLE, "descriptor-table exiting") \
	X(3, PROC2_RDTSCP, "RDTSCP") \
	X(4, PROC2_X2APIC, "virtualize x2APIC mode") \
	X(5, PROC2_VPID, "VPID") \
	X(6, PROC2_WBINVD, "WBINVD exiting") \
	X(7, PROC2_UNRESTRICTED, "unrestricted guest") \
	X(8, PROC2_APIC_REGISTER, "APIC-register virtualization") \
	X(9, PROC2_VID, "virtual-interrupt delivery") \
	X(10, PROC2_PAUSE_LOOP, "PAUSE-loop exiting") \
	X(11, PROC2_RDRAND, "RDRAND exiting") \
	X(12, PROC2_INVPCID, "INVPCID") \
	X(13, PROC2_VMFUNC, "VM functions") \
	X(14, PROC2_VMCS_SHADOW, "VMCS shadowing") \
	X(15, PROC2_ENCLS, "ENCLS exiting") \
	X(16, PROC2_RDSEED, "RDSEED exiting") \
	X(17, PROC2_PML, "PML") \
	X(18, PROC2_EPT_VE, "EPT-violation #VE") \
	X(19, PROC2_CONCEAL_PT, "conceal VMX from PT") \
	X(20, PROC2_XSAVES, "XSAVES/XRSTORS") \
	X(22, PROC2_MBE, "mode-based execute control") \
	X(23, PROC2_SUBPAGE_WRITE, "sub-page write permissions") \
	X(24, PROC2_PT_GPA, "Intel PT uses guest physical addresses") \
	X(25, PROC2_TSC_SCALING, "TSC scaling") \
	X(26, PROC2_USER_WAIT, "user wait and pause") \
	X(28, PROC2_ENCLV, "ENCLV exiting") \
	X(30, PROC2_BUS_LOCK, "bus-lock detection") \
	X(31, PROC2_NOTIFY, "notification exiting")

#define VMX_EXIT_BITS(X) \
	X(2, EXIT_SAVE_DEBUG, "save debug controls") \
	X(9, EXIT_HOST_64BIT, "host address-space size") \
	X(12, EXIT_LOAD_PERF, "load IA32_PERF_GLOBAL_CTRL") \
	X(15, EXIT_ACK_INTERRUPT, "acknowledge interrupt on exit") \
	X(18, EXIT_SAVE_PAT, "save IA32_PAT") \
	X(19, EXIT_LOAD_PAT, "load IA32_PAT") \
	X(20, EXIT_SAVE_EFER, "save IA32_EFER") \
	X(21, EXIT_LOAD_EFER, "load IA32_EFER") \
	X(22, EXIT_SAVE_TIMER, "save VMX-preemption timer value") \
	X(23, EXIT_CLEAR_BNDCFGS, "clear IA32_BNDCFGS") \
	X(24, EXIT_CONCEAL_PT, "conceal VMX from PT") \
	X(25, EXIT_CLEAR_RTIT, "clear IA32_RTIT_CTL") \
	X(28, EXIT_LOAD_CET, "load CET state") \
	X(29, EXIT_LOAD_PKRS, "load PKRS")

#define VMX_ENTRY_BITS(X) \
	X(2, ENTRY_LOAD_DEBUG, "load debug controls") \
	X(9, ENTRY_IA32E_GUEST, "IA-32e mode guest") \
	X(10, ENTRY_SMM, "entry to SMM") \
	X(11, ENTRY_DEACTIVATE_DUAL, "deactivate dual-monitor treatment") \
	X(13, ENTRY_LOAD_PERF, "load IA32_PERF_GLOBAL_CTRL") \
	X(14, ENTRY_LOAD_PAT, "load IA32_PAT") \
	X(15, ENTRY_LOAD_EFER, "load IA32_EFER") \
	X(16, ENTRY_LOAD_BNDCFGS, "load IA32_BNDCFGS") \
	X(17, ENTRY_CONCEAL_PT, "conceal VMX from PT") \
	X(18, ENTRY_LOAD_RTIT, "load IA32_RTIT_CTL") \
	X(20, ENTRY_LOAD_CET, "load CET state") \
	X(22, ENTRY_LOAD_PKRS, "load PKRS")

#define X(bit, name, text) name = BIT32(bit),
enum { VMX_PIN_BITS(X) };
enum { VMX_PROC_BITS(X) };
enum { VMX_PROC2_BITS(X) };
enum { VMX_EXIT_BITS(X) };
enum { VMX_ENTRY_BITS(X) };
#undef X
/* clang-format on */

#endif
