/*
 * vmx_ctl.c - control adjustment: what somebody wants of the VMX controls against what this CPU
 * has, in numbers and in words. No instruction is executed here.
 *
 * SDM volume 3D, appendix "VMX Capability Reporting Facility": bits 31:0 of a capability MSR say
 * which controls must be 1, bits 63:32 which may be 1.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/machine/vmx.h"
#include "kernel/machine/vmx_ctl.h"

/* clang-format off */
static const struct {
	const char *name;
	const char *bit[32];
	size_t caps; /* offset in struct vmx_caps */
} control[VMX_CTL_COUNT] = {
#define X(number, symbol, text) [number] = (text),
	[VMX_CTL_PIN]   = { "pin-based", { VMX_PIN_BITS(X) }, offsetof(struct vmx_caps, pin) },
	[VMX_CTL_PROC]  = { "processor-based", { VMX_PROC_BITS(X) }, offsetof(struct vmx_caps, proc) },
	[VMX_CTL_PROC2] = { "secondary processor-based", { VMX_PROC2_BITS(X) }, offsetof(struct vmx_caps, proc2) },
	[VMX_CTL_EXIT]  = { "VM-exit", { VMX_EXIT_BITS(X) }, offsetof(struct vmx_caps, exit) },
	[VMX_CTL_ENTRY] = { "VM-entry", { VMX_ENTRY_BITS(X) }, offsetof(struct vmx_caps, entry) },
#undef X
};
/* clang-format on */

const char *vmx_control_name(enum vmx_control which)
{
	return control[which].name;
}

const char *vmx_control_bit_name(enum vmx_control which, unsigned bit)
{
	return bit < 32 ? control[which].bit[bit] : NULL;
}

/* "lacks EPT, VPID" into @out, which stays terminated when it is too small. */
static void name_bits(enum vmx_control which, const char *what, uint32_t bits, char *out, size_t size)
{
	size_t used = strlen(out);

	for (unsigned i = 0; i < 32; i++) {
		const char *name = vmx_control_bit_name(which, i);

		if (!(bits & BIT32(i)) || used >= size)
			continue;
		used += (size_t)snprintf(out + used, size - used, "%s%s%s", used ? ", " : what,
					 used ? "" : " ", name ? name : "a reserved bit");
	}
}

int vmx_adjust(const struct vmx_caps *caps, enum vmx_control which, uint32_t required,
	       uint32_t wanted, uint32_t forbidden, uint32_t *value, char *missing,
	       size_t missing_size)
{
	uint64_t cap;

	memcpy(&cap, (const char *)caps + control[which].caps, sizeof(cap));

	uint32_t must = (uint32_t)cap, may = (uint32_t)(cap >> 32);
	uint32_t lacking = required & ~may, insisted = must & forbidden;

	if (missing && missing_size)
		missing[0] = 0;
	if (lacking || insisted) {
		if (missing && missing_size) {
			name_bits(which, "lacks", lacking, missing, missing_size);
			if (!lacking)
				name_bits(which, "insists on", insisted, missing, missing_size);
		}
		return -ENOTSUP;
	}
	*value = must | required | (wanted & may);
	return 0;
}
