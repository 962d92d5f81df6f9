/*
 * chain.c - which program the firmware starts after the next reset.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/machine/chain.h"

#include <string.h>

#include "kernel/base/boot_info.h"
#include "kernel/machine/machine.h"
#include "kernel/machine/room.h"

#define OPTION_ACTIVE     1u
#define OPTION_NUMBER     0x5441 /* "TA": no boot manager counts so far */
#define PATH_MAX_CHARS    240u
#define NODE_MEDIA        4
#define NODE_FILE_PATH    4
#define NODE_END          0x7f
#define NODE_END_ENTIRE   0xff
#define BOOT_TO_FIRMWARE  UINT64_C(1) /* EFI_OS_INDICATIONS_BOOT_TO_FW_UI */

static const struct efi_guid global = {
	0x8be4df61, 0x93ca, 0x11d2, { 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c }
};
static const efi_char option_name[] = u"Boot5441", next_name[] = u"BootNext",
		      wishes_name[] = u"OsIndications", supported_name[] = u"OsIndicationsSupported";
static const efi_char description[] = u"Chained from Tain";

struct node {
	uint8_t type, subtype;
	uint16_t bytes;
} PACKED;

/* EFI_LOAD_OPTION: attributes, length of the device path, description, device path. */
struct option {
	uint32_t attributes;
	uint16_t path_bytes;
	uint8_t rest[sizeof(description) + BOOT_DEVICE_PATH_MAX + 2 * sizeof(struct node) +
		     (PATH_MAX_CHARS + 1) * sizeof(efi_char)];
} PACKED;

static size_t add(struct option *o, size_t at, const void *bytes, size_t count)
{
	memcpy(o->rest + at, bytes, count);
	return at + count;
}

/* Bytes of *@o. */
static size_t make_option(struct option *o, const struct boot_info *bi, const char *path)
{
	const struct node end = { NODE_END, NODE_END_ENTIRE, sizeof(end) };
	size_t chars = strlen(path) + 1, at, from;
	struct node file = { NODE_MEDIA, NODE_FILE_PATH,
			     (uint16_t)(sizeof(file) + chars * sizeof(efi_char)) };

	o->attributes = OPTION_ACTIVE;
	from = at = add(o, 0, description, sizeof(description));
	at = add(o, at, bi->device_path, bi->device_path_bytes);
	at = add(o, at, &file, sizeof(file));
	for (size_t i = 0; i < chars; i++) {
		efi_char c = (efi_char)(unsigned char)path[i];

		at = add(o, at, &c, sizeof(c));
	}
	at = add(o, at, &end, sizeof(end));
	o->path_bytes = (uint16_t)(at - from);
	return offsetof(struct option, rest) + at;
}

const char *chain_to_file(const char *path)
{
	static struct option option;
	const uint16_t number = OPTION_NUMBER;
	const struct boot_info *bi = boot_info();
	size_t bytes;

	if (!bi->device_path_bytes)
		return "firmware did not say which volume this is";
	if (path[0] != '\\' || strlen(path) > PATH_MAX_CHARS)
		return "a path begins with \\ and has 240 characters at most";
	bytes = make_option(&option, bi, path);
	if (firmware_set_variable(option_name, &global, &option, bytes) ||
	    firmware_set_variable(next_name, &global, &number, sizeof(number)))
		return "the firmware takes no boot option now";
	return NULL;
}

const char *chain_to_firmware(void)
{
	const uint64_t wish = BOOT_TO_FIRMWARE;
	uint64_t supported = 0;

	if (firmware_get_variable(supported_name, &global, &supported, sizeof(supported)) ||
	    !(supported & BOOT_TO_FIRMWARE))
		return "this firmware's menu cannot be asked for (OsIndicationsSupported)";
	return firmware_set_variable(wishes_name, &global, &wish, sizeof(wish))
		       ? "the firmware takes no wishes now"
		       : NULL;
}
