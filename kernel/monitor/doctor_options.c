/*
 * doctor_options.c - what the set-up menus of the big vendors call the switches that TDX needs.
 *
 * Invariants
 *   - Only spellings from public documents stand here; where none is known for a vendor, the words
 *     of Intel's reference firmware are given and said to be those.
 *
 * Sources
 *   Intel, AMI   Intel TDX Enabling Guide, "Hardware Setup" (Quanta S6Q, Beechnut City); the README of
 *                github.com/canonical/tdx, "Enable Intel TDX in the Host's BIOS"
 *   Dell         public set-up notes for PowerEdge R660 and R760 (System BIOS menus and the racadm
 *                names BIOS.SysSecurity.*, BIOS.ProcSettings.*)
 *   HPE          HPE UEFI System Utilities guide, "Enabling or disabling Trust Domain Extension (TDX)"
 *                and its list of prerequisites
 *   Lenovo       attribute names of ThinkSystem servers (XCC: Processors_*)
 *   Supermicro   github.com/canonical/tdx issue 144 (X13SEDW-F) and Redfish attribute names
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <string.h>

#include "kernel/monitor/doctor_room.h"

enum vendor { VENDOR_INTEL, VENDOR_DELL, VENDOR_HPE, VENDOR_LENOVO, VENDOR_SUPERMICRO, VENDORS };

/* As SMBIOS type 1 begins. */
static const struct {
	const char *begins;
	enum vendor vendor;
} makers[] = {
	{ "Dell", VENDOR_DELL },     { "HPE", VENDOR_HPE },
	{ "Hewlett", VENDOR_HPE },   { "HP", VENDOR_HPE },
	{ "Lenovo", VENDOR_LENOVO }, { "LENOVO", VENDOR_LENOVO },
	{ "Supermicro", VENDOR_SUPERMICRO }, { "Super Micro", VENDOR_SUPERMICRO },
};

/* What to set, for each vendor. NULL: Intel's words are all we know. */
/* clang-format off */
static const char *const options[DOCTOR_OPTIONS][VENDORS] = {
	[OPTION_VMX] = {
		"Socket Configuration > Processor Configuration: \"VMX\" Enabled",
		"System BIOS > Processor Settings: \"Virtualization Technology\" Enabled",
		"RBSU > Virtualization Options: \"Intel(R) Virtualization Technology (Intel VT)\" Enabled",
		"Processors: \"Intel Virtualization Technology\" Enabled",
		"Advanced > CPU Configuration: \"Intel Virtualization Technology\" Enable" },
	[OPTION_TME] = {
		"Socket Configuration > Processor Configuration > TME, TME-MT, TDX: \"Memory Encryption (TME)\" Enabled",
		"System BIOS > System Security: \"Memory Encryption\" Multiple Keys (MemoryEncryption=MultipleKeys)",
		"RBSU > Server Security > Intel Security Options: \"Total Memory Encryption (TME)\" Enabled",
		NULL,
		"\"Memory Encryption (TME)\" Enabled" },
	[OPTION_TME_MT] = {
		"TME, TME-MT, TDX: \"Total Memory Encryption Multi-Tenant (TME-MT)\" Enabled",
		"System BIOS > System Security: \"Memory Encryption\" Multiple Keys (not Single Key)",
		"RBSU > Server Security > Intel Security Options: \"Total Memory Encryption Multi-Key (TME-MK)\" Enabled",
		"Processors: \"Multikey Total Memory Encryption\" Enabled",
		"\"Total Memory Encryption Multi-Tenant (TME-MT)\" Enabled" },
	[OPTION_TDX] = {
		"TME, TME-MT, TDX: \"Trust Domain Extension (TDX)\" Enabled",
		"System BIOS > System Security: \"Intel Trusted Domain Extension (TDX)\" Enabled (EnableTdx)",
		"RBSU > Server Security > Intel Security Options: \"Trust Domain Extension (TDX)\" Enabled",
		"Processors: \"Trust Domain Extension (TDX)\" Enabled",
		"\"Trust Domain Extension (TDX)\" Enabled" },
	[OPTION_SEAMLDR] = {
		"TME, TME-MT, TDX: \"TDX Secure Arbitration Mode Loader (SEAM Loader)\" Enabled",
		"System BIOS > System Security: \"TDX Secure Arbitration Mode Loader (SEAM)\" Enabled (EnableTdxSeamldr)",
		NULL,
		"Processors: \"TDX Secure Arbitration Mode Loader (SEAM Loader)\" Enabled",
		"\"TDX Secure Arbitration Mode Loader (SEAM Loader)\" Enabled" },
	[OPTION_KEY_SPLIT] = {
		"TME, TME-MT, TDX: \"TME-MT/TDX key split\" to a value that is not zero",
		"System BIOS > System Security: \"TME-MT/TDX Key Split\" 1 or more (KeySplit)",
		NULL,
		"Processors: \"TME-MT/TDX key split\" 1 or more",
		"\"TME-MT/TDX Key Split\" 1 or more" },
	[OPTION_SGX] = {
		"Socket Configuration > Processor Configuration > Software Guard Extension (SGX): \"SW Guard Extensions (SGX)\" Enabled",
		"System BIOS > System Security: \"Intel SGX\" On (IntelSgx)",
		"RBSU > Server Security > Intel Security Options: \"Intel(R) Software Guard Extensions (SGX)\" Enabled",
		"Processors: \"SW Guard Extensions\" Enabled",
		"\"SW Guard Extensions (SGX)\" Enabled" },
	[OPTION_ADDRESS_LIMIT] = {
		"Uncore Configuration > Uncore General Configuration: \"Limit CPU PA to 46 bits\" Disabled",
		"System BIOS > Processor Settings: \"CPU Physical Address Limit\" Disabled (CpuPaLimit)",
		"RBSU: \"Processor Physical Addressing\" Default",
		"Processors: \"Limit CPU PA to 46 bits\" Disabled",
		"\"Limit CPU PA to 46 Bits\" Disable" },
	[OPTION_X2APIC] = {
		"\"X2APIC\" Enabled, where it is offered",
		"System BIOS > Processor Settings: \"x2APIC Mode\" Enabled (ProcX2Apic)",
		NULL,
		"Processors: \"APIC Mode\" x2APIC",
		NULL },
	[OPTION_INTERLEAVE] = {
		"memory interleaving between sockets (NUMA off): Disabled",
		"System BIOS > Memory Settings: \"Node Interleaving\" Disabled (NodeInterleave)",
		NULL,
		NULL,
		NULL },
	[OPTION_UPDATE] = {
		"newer firmware, which brings newer microcode and TDX modules",
		NULL, NULL, NULL, NULL },
};
/* clang-format on */

static enum vendor vendor_of(const struct doctor_machine *m)
{
	for (size_t i = 0; m->smbios.found && i < ARRAY_LEN(makers); i++)
		if (strncmp(m->smbios.manufacturer, makers[i].begins, strlen(makers[i].begins)) == 0)
			return makers[i].vendor;
	return VENDOR_INTEL;
}

const char *doctor_option_text(const struct doctor_machine *m, enum doctor_option option, char *buf,
			       size_t size)
{
	enum vendor v = vendor_of(m);
	const char *words = options[option][v], *plain = options[option][VENDOR_INTEL];

	if (words || option == OPTION_NONE || option == OPTION_UPDATE)
		snprintf(buf, size, "%s", words ? words : plain ? plain : "");
	else
		snprintf(buf, size, "as Intel's firmware calls it: %s", plain);
	return buf;
}
