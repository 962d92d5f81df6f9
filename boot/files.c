/*
 * files.c - \tain\tain.cfg and the files that it names, from the volume the loader came from.
 *
 * Invariants
 *   - Entry 0 of the file table is tain.cfg, whatever became of it.
 *   - A file that cannot be had is an entry with a status; the boot goes on.
 *   - The table is sized by counting first, so no configuration overflows it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "boot/boot.h"
#include "kernel/base/cfg_lex.h"

#define CONFIG_PATH "\\tain\\tain.cfg"
#define CONFIG_MAX  (UINT64_C(1) << 20)
#define CHUNK       (UINT64_C(1) << 20) /* some firmware fails on very large reads */
#define SIGNATURE   ".sigstruct"

struct file_list {
	const struct boot_ctx *ctx;
	EFI_FILE_HANDLE root;
	struct boot_file *files;
	uint64_t count, capacity;
};

static bool wide_path(const char *path, CHAR16 *out, size_t max)
{
	size_t i;

	for (i = 0; path[i] && i + 1 < max; i++) {
		if ((unsigned char)path[i] >= 0x80)
			return false;
		out[i] = (CHAR16)path[i];
	}
	out[i] = 0;
	return !path[i];
}

static EFI_STATUS file_size(EFI_FILE_HANDLE file, UINT64 *size)
{
	EFI_GUID id = EFI_FILE_INFO_ID;
	union {
		EFI_FILE_INFO info;
		UINT8 room[sizeof(EFI_FILE_INFO) + 512 * sizeof(CHAR16)];
	} u;
	UINTN room = sizeof(u);
	EFI_STATUS status = file->GetInfo(file, &id, &room, &u);

	if (EFI_ERROR(status))
		return status;
	*size = u.info.FileSize;
	return u.info.Attribute & EFI_FILE_DIRECTORY ? EFI_UNSUPPORTED : EFI_SUCCESS;
}

static enum boot_file_status read_whole(const struct boot_ctx *ctx, EFI_FILE_HANDLE file,
					struct boot_file *out)
{
	UINT64 size, done = 0, room;
	EFI_PHYSICAL_ADDRESS at;

	if (EFI_ERROR(file_size(file, &size)))
		return BOOT_FILE_UNREADABLE;
	room = size ? align_up(size, PAGE_SIZE) : PAGE_SIZE;
	at = room < size ? 0 : boot_alloc_aligned(ctx, room, PAGE_SIZE);
	if (!at)
		return BOOT_FILE_NO_MEMORY;
	while (done < size) {
		UINTN part = size - done < CHUNK ? size - done : CHUNK;

		if (EFI_ERROR(file->Read(file, &part, (void *)(at + done))) || !part) {
			ctx->bs->FreePages(at, room >> PAGE_SHIFT);
			return BOOT_FILE_UNREADABLE;
		}
		done += part;
	}
	/* No bytes of the firmware's behind the end. */
	ctx->bs->SetMem((void *)(at + size), room - size, 0);
	out->hpa = at;
	out->size = size;
	return BOOT_FILE_OK;
}

static enum boot_file_status read_file(const struct file_list *list, struct boot_file *out)
{
	CHAR16 path[sizeof(out->path)];
	EFI_FILE_HANDLE file;
	enum boot_file_status status;

	if (!list->root || !wide_path(out->path, path, ARRAY_LEN(path)) ||
	    EFI_ERROR(list->root->Open(list->root, &file, path, EFI_FILE_MODE_READ, 0)))
		return BOOT_FILE_MISSING;
	status = read_whole(list->ctx, file, out);
	file->Close(file);
	return status;
}

static bool same_path(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

/* Read @path unless it is there already. The table was sized for it. */
static void add_file(struct file_list *list, const char *path)
{
	struct boot_file *f;

	for (uint64_t i = 0; i < list->count; i++)
		if (same_path(list->files[i].path, path))
			return;
	if (list->count == list->capacity)
		return;
	f = &list->files[list->count++];
	for (size_t i = 0; path[i]; i++)
		f->path[i] = path[i];
	f->status = read_file(list, f);
}

static void add_named(struct file_list *list, const struct cfg_item *item)
{
	char path[sizeof(list->files->path)], *end = path;

	/* Longer ones are refused by the kernel, with their line. */
	if (!cfg_span_copy_path(item->value, path, sizeof(path)))
		return;
	add_file(list, path);
	if (!cfg_span_is(item->key, "module") && !cfg_span_is(item->key, "update"))
		return;
	while (*end)
		end++;
	if ((size_t)(end - path) + sizeof(SIGNATURE) > sizeof(path))
		return;
	__builtin_memcpy(end, SIGNATURE, sizeof(SIGNATURE));
	add_file(list, path);
}

/* Count, or with @list read, the files that @text names. */
static uint64_t walk_config(const struct boot_file *text, struct file_list *list)
{
	struct cfg_span section = { "", 0 };
	struct cfg_item item;
	struct cfg_lex lex;
	uint64_t named = 0;

	cfg_lex_init(&lex, (const char *)text->hpa, text->size);
	while (cfg_lex_next(&lex, &item)) {
		if (item.kind == CFG_SECTION)
			section = item.key;
		if (item.kind != CFG_PAIR || !cfg_names_file(section, item.key, item.value))
			continue;
		named++;
		if (list)
			add_named(list, &item);
	}
	return named;
}

EFI_FILE_HANDLE boot_open_volume(const struct boot_ctx *ctx)
{
	EFI_GUID loaded_id = LOADED_IMAGE_PROTOCOL, fs_id = SIMPLE_FILE_SYSTEM_PROTOCOL;
	EFI_FILE_IO_INTERFACE *fs;
	EFI_LOADED_IMAGE *loaded;
	EFI_FILE_HANDLE root = NULL;

	if (EFI_ERROR(ctx->bs->HandleProtocol(ctx->image, &loaded_id, (void **)&loaded)) ||
	    EFI_ERROR(ctx->bs->HandleProtocol(loaded->DeviceHandle, &fs_id, (void **)&fs)) ||
	    EFI_ERROR(fs->OpenVolume(fs, &root)))
		return NULL;
	return root;
}

EFI_STATUS boot_files_read(const struct boot_ctx *ctx)
{
	struct boot_file config = { .path = CONFIG_PATH };
	struct file_list list = { .ctx = ctx, .root = boot_open_volume(ctx), .capacity = 1 };

	if (!list.root)
		boot_note(ctx->bi, "the start volume cannot be read: no configuration", "");
	config.status = read_file(&list, &config);
	if (config.status == BOOT_FILE_OK && config.size > CONFIG_MAX) {
		config.status = BOOT_FILE_UNREADABLE;
		boot_note(ctx->bi, CONFIG_PATH, " is larger than 1 MiB and was not read");
	}
	if (config.status != BOOT_FILE_OK)
		boot_note(ctx->bi, CONFIG_PATH,
			  config.status == BOOT_FILE_MISSING ? ": no such file"
							     : ": cannot be read");
	else
		list.capacity += 2 * walk_config(&config, NULL);
	list.files = (struct boot_file *)boot_alloc(ctx, list.capacity * sizeof(config));
	if (!list.files)
		return EFI_OUT_OF_RESOURCES;
	list.files[list.count++] = config;
	if (config.status == BOOT_FILE_OK)
		walk_config(&config, &list);
	if (list.root)
		list.root->Close(list.root);
	ctx->bi->files_hpa = (uint64_t)list.files;
	ctx->bi->file_count = list.count;
	return EFI_SUCCESS;
}
