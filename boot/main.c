/*
 * main.c - the loader's road from the firmware's call to the jump into the kernel.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <efi.h>
#include <efilib.h>

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table);

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
	InitializeLib(image, table);
	Print(L"tain\n");
	return EFI_SUCCESS;
}
