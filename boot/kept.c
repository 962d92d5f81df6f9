/*
 * kept.c - the log of the boot before: found in memory or in a UEFI variable, written to
 * \tain\log.txt; and the place for the log of this one.
 *
 * Invariants
 *   - Only memory that the firmware calls free is looked at, after it was allocated for us.
 *   - A log is written once: what was written, or cannot be, is forgotten. Nothing here fails the boot.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "boot/boot.h"
#include "kernel/base/kept_log.h"

#define LOG_FOLDER L"\\tain"
#define LOG_PATH   L"\\tain\\log.txt"

/* Where firmware seldom has anything; the first one that is free is used in every boot. */
static const EFI_PHYSICAL_ADDRESS places[] = { 0x2000000, 0x4000000, 0x8000000, 0x10000000 };

static const char *const heads[] = {
	[KEPT_RUNNING] = "# Tain's log of the boot before: the machine was reset while it ran.\r\n",
	[KEPT_LEFT] = "# Tain's log of the boot before.\r\n",
	[KEPT_SAVED] = "# Tain's log of the boot before, kept by `log save`.\r\n",
	[KEPT_CRASHED] = "# Tain's log of the boot before, which ended in a crash.\r\n",
};
static const char tail_note[] = "# Only the end of it survived, in a UEFI variable.\r\n";

/* Reserve a place; prefer one where a log lies. NULL: all are in use. */
static struct kept_log *reserve(const struct boot_ctx *ctx)
{
	UINT64 pages = align_up(sizeof(struct kept_log), PAGE_SIZE) >> PAGE_SHIFT;
	struct kept_log *first = NULL;

	for (unsigned i = 0; i < ARRAY_LEN(places); i++) {
		EFI_PHYSICAL_ADDRESS at = places[i];
		struct kept_log *k = (struct kept_log *)at;

		if (EFI_ERROR(ctx->bs->AllocatePages(AllocateAddress, EfiLoaderData, pages, &at)))
			continue;
		if (kept_log_valid(k)) {
			if (first)
				ctx->bs->FreePages((EFI_PHYSICAL_ADDRESS)first, pages);
			return k;
		}
		if (first)
			ctx->bs->FreePages(at, pages);
		else
			first = k;
	}
	return first;
}

/* An empty \tain\log.txt, or NULL. */
static EFI_FILE_HANDLE new_file(EFI_FILE_HANDLE root)
{
	const UINT64 mode = EFI_FILE_MODE_READ | EFI_FILE_MODE_WRITE;
	EFI_FILE_HANDLE file;
	CHAR16 folder[] = LOG_FOLDER, path[] = LOG_PATH;

	if (!EFI_ERROR(root->Open(root, &file, path, mode, 0)))
		file->Delete(file);
	if (!EFI_ERROR(root->Open(root, &file, folder, mode | EFI_FILE_MODE_CREATE, EFI_FILE_DIRECTORY)))
		file->Close(file);
	return EFI_ERROR(root->Open(root, &file, path, mode | EFI_FILE_MODE_CREATE, 0)) ? NULL : file;
}

static bool write(EFI_FILE_HANDLE file, const void *bytes, UINTN count)
{
	UINTN done = count;
	/* The firmware's prototype has no const. */
	union {
		const void *from;
		void *to;
	} p = { .from = bytes };

	return count == 0 || (!EFI_ERROR(file->Write(file, &done, p.to)) && done == count);
}

static size_t length(const char *text)
{
	size_t n = 0;

	while (text[n])
		n++;
	return n;
}

/* What is to be written: a head, a note, and up to two pieces of text. */
struct found {
	unsigned state;
	const char *note;
	const uint8_t *piece[2];
	UINTN bytes[2];
};

static bool write_all(EFI_FILE_HANDLE file, const struct found *f)
{
	return write(file, heads[f->state], length(heads[f->state])) &&
	       write(file, f->note, length(f->note)) && write(file, f->piece[0], f->bytes[0]) &&
	       write(file, f->piece[1], f->bytes[1]);
}

static void save(const struct boot_ctx *ctx, const struct found *f)
{
	EFI_FILE_HANDLE root = boot_open_volume(ctx), file = root ? new_file(root) : NULL;
	bool good = file && write_all(file, f);

	if (file)
		file->Close(file);
	if (root)
		root->Close(root);
	ctx->bi->kept_log = good ? BOOT_LOG_WRITTEN : BOOT_LOG_LOST;
}

static bool in_memory(const struct kept_log *k, struct found *f)
{
	uint64_t begin, first;

	if (!k || !kept_log_valid(k) || k->state == KEPT_LEFT)
		return false;
	begin = kept_log_begin(k);
	first = KEPT_LOG_TEXT - begin % KEPT_LOG_TEXT;
	if (first > k->end - begin)
		first = k->end - begin;
	*f = (struct found){
		.state = k->state,
		.note = "",
		.piece = { k->text + begin % KEPT_LOG_TEXT, k->text },
		.bytes = { first, k->end - begin - first },
	};
	return true;
}

/* The variable's contents into @buffer, and away with it. */
static bool in_variable(const struct boot_ctx *ctx, uint8_t *buffer, struct found *f)
{
	EFI_RUNTIME_SERVICES *rt = ctx->st->RuntimeServices;
	EFI_GUID guid = KEPT_VARIABLE_GUID;
	CHAR16 name[] = KEPT_VARIABLE_NAME;
	UINTN size = KEPT_VARIABLE_BYTES;
	UINT32 attributes = 0;

	if (EFI_ERROR(rt->GetVariable(name, &guid, &attributes, &size, buffer)) || size < 1)
		return false;
	rt->SetVariable(name, &guid, attributes, 0, NULL);
	*f = (struct found){
		.state = buffer[0] <= KEPT_CRASHED ? buffer[0] : KEPT_RUNNING,
		.note = tail_note,
		.piece = { buffer + 1, buffer },
		.bytes = { size - 1, 0 },
	};
	return true;
}

void boot_kept_log(const struct boot_ctx *ctx)
{
	static uint8_t buffer[KEPT_VARIABLE_BYTES];
	struct kept_log *k = reserve(ctx);
	struct found memory, variable;
	bool has_variable = in_variable(ctx, buffer, &variable);

	if (in_memory(k, &memory))
		save(ctx, &memory);
	else if (has_variable)
		save(ctx, &variable);
	if (!k)
		return;
	kept_log_start(k);
	ctx->bi->kept_log_hpa = (uint64_t)k;
}
