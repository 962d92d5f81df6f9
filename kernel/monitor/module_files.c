/*
 * module_files.c - where the bytes of a TDX module and of its signature come from. Contract: module_files.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/monitor/module_files.h"

#include <stdio.h>
#include <string.h>

#include "kernel/base/config.h"
#include "kernel/machine/machine.h"
#include "kernel/machine/port.h"
#include "kernel/monitor/monitor.h"

#define SIGNATURE       ".sigstruct"
#define SIGNATURE_BYTES PAGE_SIZE

/* Signatures that came from the network: those of `module`, of `update`, and of what a command names. */
static struct guest_file signatures[3];

/* That of the module at @url; else a free place; NULL: none is left. */
static struct guest_file *signature_of(const char *url)
{
	char path[sizeof(signatures[0].path) + sizeof(SIGNATURE)];
	struct guest_file *room = NULL;

	snprintf(path, sizeof(path), "%s" SIGNATURE, url);
	for (size_t i = 0; i < ARRAY_LEN(signatures); i++) {
		if (strcmp(signatures[i].path, path) == 0)
			return &signatures[i];
		if (!signatures[i].data)
			room = &signatures[i];
	}
	return room;
}

static void brought_signature(const char *module_path, const void **data, size_t *size)
{
	char path[sizeof(signatures[0].path) + sizeof(SIGNATURE)];
	const struct boot_file *sig;

	snprintf(path, sizeof(path), "%s" SIGNATURE, module_path);
	sig = boot_file_find(path);
	if (!sig || sig->status != BOOT_FILE_OK)
		return;
	*data = hpa_to_ptr((hpa_t){ sig->hpa });
	*size = sig->size;
}

int module_file_find(const struct guest_file *file, struct module_file *m, char why[SEAMLDR_WHY])
{
	const struct guest_file *fetched = file->remote ? signature_of(file->path) : NULL;
	const void *data = fetched ? fetched->data : NULL;
	size_t size = fetched ? fetched->size : 0;

	if (!file->data) {
		snprintf(why, SEAMLDR_WHY, "%.120s is not there", file->path);
		return -1;
	}
	if (!file->remote)
		brought_signature(file->path, &data, &size);
	return seamldr_check_file(m, file->data, file->size, data, size, why);
}

static int fetch_signature(const struct guest_file *file, uint64_t timeout_us, char why[FETCHED_WHY])
{
	struct guest_file *sig = signature_of(file->path);

	if (!sig || strlen(file->path) + sizeof(SIGNATURE) > sizeof(sig->path)) {
		snprintf(why, FETCHED_WHY, "no room for its signature");
		return -1;
	}
	if (sig->data)
		return 0;
	*sig = (struct guest_file){ .remote = true };
	memcpy(sig->path, file->path, strlen(file->path));
	memcpy(sig->path + strlen(file->path), SIGNATURE, sizeof(SIGNATURE));
	return fetched_get(sig, SIGNATURE_BYTES, timeout_us, why);
}

int module_file_fetch(struct guest_file *file, uint64_t timeout_us, char why[FETCHED_WHY])
{
	char text[FETCHED_WHY - 24];

	if (!file->data && fetched_get(file, monitor_config()->tain.fetch_limit, timeout_us, why) != 0)
		return -1;
	if (module_file_is_blob(file->data, file->size) || fetch_signature(file, timeout_us, why) == 0)
		return 0;
	snprintf(text, sizeof(text), "%s", why);
	snprintf(why, FETCHED_WHY, SIGNATURE " beside it: %s", text);
	return -1;
}

void module_file_drop(struct guest_file *file)
{
	struct guest_file *sig = signature_of(file->path);

	if (sig)
		fetched_drop(sig);
	if (sig)
		sig->path[0] = 0;
	fetched_drop(file);
}
