/*
 * vmx_exit.c - VM exits and VM-instruction errors in words.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/machine/vmx_exit.h"

/* clang-format off */
static const char *const exit_name[EXIT_REASON_COUNT] = {
#define X(number, name, text) [number] = (text),
	VMX_EXIT_REASONS(X)
#undef X
};

static const char *const error_text[] = {
	[1]  = "VMCALL executed in VMX root operation",
	[2]  = "VMCLEAR with an invalid physical address",
	[3]  = "VMCLEAR with the VMXON pointer",
	[4]  = "VMLAUNCH with a VMCS that is not clear",
	[5]  = "VMRESUME with a VMCS that was not launched",
	[6]  = "VMRESUME after VMXOFF",
	[7]  = "VM entry with invalid control fields",
	[8]  = "VM entry with invalid host-state fields",
	[9]  = "VMPTRLD with an invalid physical address",
	[10] = "VMPTRLD with the VMXON pointer",
	[11] = "VMPTRLD with a wrong VMCS revision identifier",
	[12] = "VMREAD or VMWRITE of a field that this CPU does not have",
	[13] = "VMWRITE to a read-only field",
	[15] = "VMXON executed in VMX root operation",
	[16] = "VM entry with an invalid executive-VMCS pointer",
	[17] = "VM entry with an executive VMCS that was not launched",
	[18] = "VM entry with an executive-VMCS pointer that is not the VMXON pointer",
	[19] = "VMCALL with a VMCS that is not clear",
	[20] = "VMCALL with invalid VM-exit control fields",
	[22] = "VMCALL with an incorrect MSEG revision identifier",
	[23] = "VMXOFF under dual-monitor treatment of SMIs and SMM",
	[24] = "VMCALL with invalid SMM-monitor features",
	[25] = "VM entry with invalid VM-execution control fields in the executive VMCS",
	[26] = "VM entry with events blocked by MOV SS",
	[28] = "invalid operand to INVEPT or INVVPID",
};
/* clang-format on */

const char *vmx_exit_name(uint32_t basic_reason)
{
	const char *name = basic_reason < EXIT_REASON_COUNT ? exit_name[basic_reason] : NULL;

	return name ? name : "reserved";
}

const char *vmx_error_text(uint32_t error)
{
	const char *text = error < ARRAY_LEN(error_text) ? error_text[error] : NULL;

	return text ? text : "unknown VM-instruction error";
}
