/*
 * log_save.c - having the next boot's loader write the log to the stick. Contract: console.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>

#include "kernel/machine/console.h"
#include "kernel/machine/room.h"

int log_tail_to_variable(enum kept_state state)
{
	static const efi_char name[] = KEPT_VARIABLE_NAME;
	static const struct efi_guid guid = KEPT_VARIABLE_GUID;
	static char data[KEPT_VARIABLE_BYTES];
	uint64_t end = log_end(), pos = end > sizeof(data) - 1 ? end - (sizeof(data) - 1) : 0;
	size_t n = log_read(&pos, data + 1, sizeof(data) - 1);

	data[0] = (char)state;
	return firmware_set_variable(name, &guid, data, n + 1);
}

void log_save(bool *in_memory, bool *in_variable)
{
	*in_memory = *in_memory && log_is_kept();
	log_mark(*in_memory ? KEPT_SAVED : KEPT_LEFT);
	*in_variable = *in_variable && log_tail_to_variable(KEPT_SAVED) == 0;
}
