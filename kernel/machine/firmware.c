/*
 * firmware.c - UEFI runtime services: reset, and variables.
 *
 * A call runs on tables of its own: the kernel's upper half plus everything below mapped one to one,
 * as the firmware left it. They are made at the start, so that a crash needs no memory for them.
 *
 * Invariants
 *   - Interrupts are off during a call, and XMM registers are what they were after it: a plain guest's
 *     may be in them.
 *   - One CPU calls at a time; in a crash only the one that reports.
 *
 * UEFI specification, "EFI Runtime Services Table": a 24-byte header, then function pointers.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>

#include "kernel/base/lock.h"
#include "kernel/machine/cpu_insn.h"
#include "kernel/machine/direct_map.h"
#include "kernel/machine/port.h"
#include "kernel/machine/room.h"

#define SYSTEM_TABLE_SIGNATURE UINT64_C(0x5453595320494249)
#define RUNTIME_SIGNATURE      UINT64_C(0x56524553544e5552)
#define SYSTEM_TABLE_RUNTIME   88
#define RUNTIME_GET_VARIABLE   72
#define RUNTIME_SET_VARIABLE   88
#define RUNTIME_RESET_SYSTEM   104
#define VARIABLE_ATTRIBUTES    7 /* non-volatile, boot services, runtime */

typedef void (*reset_fn)(enum efi_reset type, uint64_t status, uint64_t size, void *data)
	__attribute__((ms_abi));
typedef uint64_t (*get_variable_fn)(const efi_char *name, const struct efi_guid *guid,
				    uint32_t *attributes, uint64_t *size, void *data)
	__attribute__((ms_abi));
typedef uint64_t (*set_variable_fn)(const efi_char *name, const struct efi_guid *guid,
				    uint32_t attributes, uint64_t size, const void *data)
	__attribute__((ms_abi));

static struct {
	uint64_t cr3;
	uint64_t reset_system, get_variable, set_variable; /* physical; 0: none */
	spinlock_t lock;
} firmware;

static uint64_t read_u64(uint64_t hpa)
{
	uint64_t v = 0;

	if (copy_safe(&v, hpa_to_ptr((hpa_t){ hpa }), sizeof(v)))
		return 0;
	return v;
}

void firmware_init(const struct boot_info *bi)
{
	uint64_t table = bi->efi_system_table, services;

	if (!table || read_u64(table) != SYSTEM_TABLE_SIGNATURE)
		return;
	services = read_u64(table + SYSTEM_TABLE_RUNTIME);
	if (!services || read_u64(services) != RUNTIME_SIGNATURE)
		return;
	firmware.cr3 = efi_call_cr3();
	if (!firmware.cr3)
		return;
	firmware.reset_system = read_u64(services + RUNTIME_RESET_SYSTEM);
	firmware.get_variable = read_u64(services + RUNTIME_GET_VARIABLE);
	firmware.set_variable = read_u64(services + RUNTIME_SET_VARIABLE);
}

void firmware_reset(enum efi_reset type)
{
	if (!firmware.reset_system)
		return;
	cr3_write(firmware.cr3);
	((reset_fn)firmware.reset_system)(type, 0, 0, NULL);
	cr3_write(kernel_cr3());
}

/* A call of the variable services is prepared and ended the same way. */
struct stay {
	uint64_t flags;
};
static uint8_t kept_xmm[512] ALIGNED(16);

static int enter(struct stay *s, uint64_t service) NO_TSA
{
	if (!service)
		return -ENOSYS;
	if (!spin_trylock(&firmware.lock))
		return -EBUSY;
	s->flags = irq_save();
	fxsave64(kept_xmm);
	cr3_write(firmware.cr3);
	return 0;
}

static void leave(const struct stay *s) NO_TSA
{
	cr3_write(kernel_cr3());
	fxrstor64(kept_xmm);
	irq_restore(s->flags);
	spin_unlock(&firmware.lock);
}

/* All of @bytes, or an error as below. */
int firmware_get_variable(const efi_char *name, const struct efi_guid *guid, void *data, uint64_t bytes)
{
	uint64_t size = bytes, status;
	uint32_t attributes;
	struct stay s;
	int err = enter(&s, firmware.get_variable);

	if (err)
		return err;
	status = ((get_variable_fn)firmware.get_variable)(name, guid, &attributes, &size, data);
	leave(&s);
	return status || size != bytes ? -EIO : 0;
}

/* 0; -ENOSYS: no runtime services; -EIO: the firmware refused; -EBUSY: another CPU is in it. */
int firmware_set_variable(const efi_char *name, const struct efi_guid *guid, const void *data,
			  uint64_t bytes)
{
	uint64_t status;
	struct stay s;
	int err = enter(&s, firmware.set_variable);

	if (err)
		return err;
	status = ((set_variable_fn)firmware.set_variable)(name, guid, VARIABLE_ATTRIBUTES, bytes, data);
	leave(&s);
	return status ? -EIO : 0;
}
