/*
 * vcpu_vmcs.h - the registers of a debugger that are VMCS fields as they are: of plain guests and of
 * trust domains alike.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_PLATFORM_VCPU_VMCS_H
#define TAIN_PLATFORM_VCPU_VMCS_H

#include "kernel/machine/vmcs_fields.h"
#include "kernel/platform/vcpu_debug.h"

struct vcpu_vmcs_field {
	enum vcpu_reg reg;
	enum vmcs_field field;
};

/* Rows for a table of these; CR0, CR4 and DR7 are not among them: a plain guest's are virtual. */
/* clang-format off */
#define VCPU_VMCS_FIELDS \
	{ VCPU_RSP, VMCS_GUEST_RSP }, \
	{ VCPU_RIP, VMCS_GUEST_RIP }, \
	{ VCPU_RFLAGS, VMCS_GUEST_RFLAGS }, \
	{ VCPU_ES, VMCS_GUEST_ES_SELECTOR }, \
	{ VCPU_CS, VMCS_GUEST_CS_SELECTOR }, \
	{ VCPU_SS, VMCS_GUEST_SS_SELECTOR }, \
	{ VCPU_DS, VMCS_GUEST_DS_SELECTOR }, \
	{ VCPU_FS, VMCS_GUEST_FS_SELECTOR }, \
	{ VCPU_GS, VMCS_GUEST_GS_SELECTOR }, \
	{ VCPU_LDTR, VMCS_GUEST_LDTR_SELECTOR }, \
	{ VCPU_TR, VMCS_GUEST_TR_SELECTOR }, \
	{ VCPU_ES_BASE, VMCS_GUEST_ES_BASE }, \
	{ VCPU_CS_BASE, VMCS_GUEST_CS_BASE }, \
	{ VCPU_SS_BASE, VMCS_GUEST_SS_BASE }, \
	{ VCPU_DS_BASE, VMCS_GUEST_DS_BASE }, \
	{ VCPU_FS_BASE, VMCS_GUEST_FS_BASE }, \
	{ VCPU_GS_BASE, VMCS_GUEST_GS_BASE }, \
	{ VCPU_LDTR_BASE, VMCS_GUEST_LDTR_BASE }, \
	{ VCPU_TR_BASE, VMCS_GUEST_TR_BASE }, \
	{ VCPU_CS_ACCESS, VMCS_GUEST_CS_ACCESS }, \
	{ VCPU_SS_ACCESS, VMCS_GUEST_SS_ACCESS }, \
	{ VCPU_GDTR_BASE, VMCS_GUEST_GDTR_BASE }, \
	{ VCPU_GDTR_LIMIT, VMCS_GUEST_GDTR_LIMIT }, \
	{ VCPU_IDTR_BASE, VMCS_GUEST_IDTR_BASE }, \
	{ VCPU_IDTR_LIMIT, VMCS_GUEST_IDTR_LIMIT }, \
	{ VCPU_CR3, VMCS_GUEST_CR3 }, \
	{ VCPU_EFER, VMCS_GUEST_IA32_EFER },
/* clang-format on */

#endif
