/*
 * tdreport.c - inside a Linux TD: a TDREPORT through the kernel's driver, printed as `info` prints it.
 *
 *     attributes X, xfam X, MRTD X, RTMR0..3 X, REPORTDATA X; one line each, hexadecimal
 *
 * A static program for an initramfs; the driver is tdx-guest.ko, the device /dev/tdx_guest.
 *
 * Facts: Linux, include/uapi/linux/tdx-guest.h; TDX module 1.5 ABI, "TDREPORT_STRUCT".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define REPORT_DATA_BYTES 64
#define HASH_BYTES        48

struct report_request {
	uint8_t data[REPORT_DATA_BYTES];
	uint8_t report[1024];
};
#define GET_REPORT _IOWR('T', 1, struct report_request)

/* Offsets in the report. */
enum { AT_TYPE = 0, AT_DATA = 0x80, AT_ATTRIBUTES = 0x200, AT_XFAM = 0x208, AT_MRTD = 0x210, AT_RTMR = 0x2d0 };

static void print_bytes(const char *name, const uint8_t *bytes, unsigned count)
{
	printf("%s ", name);
	for (unsigned i = 0; i < count; i++)
		printf("%02x", bytes[i]);
	putchar('\n');
}

static void print_word(const char *name, const uint8_t *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	printf("%s 0x%llx\n", name, (unsigned long long)word);
}

int main(int argc, char **argv)
{
	struct report_request q = { 0 };
	int fd = open("/dev/tdx_guest", O_RDWR);
	char name[8];

	if (argc > 1)
		strncpy((char *)q.data, argv[1], sizeof(q.data));
	if (fd < 0 || ioctl(fd, GET_REPORT, &q)) {
		perror("tdreport: /dev/tdx_guest");
		return 1;
	}
	close(fd);
	printf("type 0x%02x\n", q.report[AT_TYPE]);
	print_word("attributes", q.report + AT_ATTRIBUTES);
	print_word("xfam", q.report + AT_XFAM);
	print_bytes("MRTD", q.report + AT_MRTD, HASH_BYTES);
	for (unsigned i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "RTMR%u", i);
		print_bytes(name, q.report + AT_RTMR + i * HASH_BYTES, HASH_BYTES);
	}
	print_bytes("REPORTDATA", q.report + AT_DATA, REPORT_DATA_BYTES);
	return memcmp(q.data, q.report + AT_DATA, REPORT_DATA_BYTES) ? 1 : 0;
}
