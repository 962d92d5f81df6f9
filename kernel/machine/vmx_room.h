/*
 * vmx_room.h - what the VMX files of this room tell each other: VMX state of one CPU.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MACHINE_VMX_ROOM_H
#define TAIN_MACHINE_VMX_ROOM_H

#include "kernel/base/types.h"
#include "kernel/machine/vmx_ctl.h"

struct vmcs;

/* In CPU_SLOT_VMX of struct cpu; NULL: this CPU is not in VMX operation. */
struct vmx_cpu {
	hpa_t region;         /* VMXON region */
	struct vmcs *current; /* what VMPTRLD loaded last */
};

#endif
