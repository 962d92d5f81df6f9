/*
 * report.c - how the loader tells what went wrong: on the firmware's screen and on COM1.
 *
 * COM1 is written directly, too: the firmware's console need not include it, and after boot
 * services are left there is nothing else. Every wait for the UART is bounded.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "boot/boot.h"

#define COM1        0x3f8
#define UART_DATA   0 /* and divisor low with DLAB */
#define UART_IER    1 /* and divisor high with DLAB */
#define UART_LCR    3
#define UART_LSR    5
#define UART_SCR    7
#define LCR_8N1     0x03
#define LCR_DLAB    0x80
#define LSR_THRE    0x20
#define THRE_ROUNDS 100000
#define DIVISOR     1 /* 115200 */

static bool com1_start(void)
{
	boot_port_write(COM1 + UART_SCR, 0x5a);
	if (boot_port_read(COM1 + UART_SCR) != 0x5a)
		return false;
	boot_port_write(COM1 + UART_IER, 0);
	boot_port_write(COM1 + UART_LCR, LCR_8N1 | LCR_DLAB);
	boot_port_write(COM1 + UART_DATA, DIVISOR);
	boot_port_write(COM1 + UART_IER, 0);
	boot_port_write(COM1 + UART_LCR, LCR_8N1);
	return true;
}

static void com1_put(char c)
{
	for (unsigned i = 0; i < THRE_ROUNDS; i++)
		if (boot_port_read(COM1 + UART_LSR) & LSR_THRE)
			break;
	boot_port_write(COM1 + UART_DATA, (uint8_t)c);
}

static size_t append(char *to, size_t at, size_t max, const char *text)
{
	while (*text && at + 1 < max)
		to[at++] = *text++;
	to[at] = '\0';
	return at;
}

static size_t append_hex(char *to, size_t at, size_t max, uint64_t v)
{
	char digits[17];
	int i = 16;

	digits[16] = '\0';
	do {
		digits[--i] = "0123456789abcdef"[v & 15];
		v >>= 4;
	} while (v && i);
	return append(to, at, max, digits + i);
}

EFI_STATUS boot_fail(const struct boot_ctx *ctx, const char *what, EFI_STATUS status)
{
	char line[160];
	CHAR16 wide[160];
	size_t n = append(line, 0, sizeof(line), "\r\ntain: loader failed: ");

	n = append(line, n, sizeof(line), what);
	n = append(line, n, sizeof(line), ": status ");
	n = append_hex(line, n, sizeof(line), status);
	n = append(line, n, sizeof(line), "\r\n");
	if (com1_start())
		for (size_t i = 0; i < n; i++)
			com1_put(line[i]);
	if (!ctx->bs)
		return status;
	for (size_t i = 0; i <= n; i++)
		wide[i] = (CHAR16)(unsigned char)line[i];
	ctx->st->ConOut->OutputString(ctx->st->ConOut, wide);
	return status;
}

void boot_note(struct boot_info *bi, const char *text, const char *detail)
{
	size_t n;

	if (bi->loader_note[0])
		return;
	n = append(bi->loader_note, 0, sizeof(bi->loader_note), text);
	append(bi->loader_note, n, sizeof(bi->loader_note), detail);
}
