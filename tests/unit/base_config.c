/*
 * base_config.c - tain.cfg as a user may write it, right and wrong: what ends up in the records.
 *
 * Each test's name is the promise it checks. The text is handed over in an allocation of exactly
 * its size, so that the address sanitizer sees a read past its end.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
/* links: kernel/base/config*.c kernel/base/net_*.c kernel/base/url.c kernel/base/cfg_lex.c */
#include "kernel/base/config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/base/log.h"

static struct config cfg;

static void parse_bytes(const char *text, size_t size)
{
	char *exact = malloc(size ? size : 1);

	memcpy(exact, text, size);
	config_defaults(&cfg);
	config_parse(&cfg, exact, size);
	free(exact);
}

static void parse(const char *text) { parse_bytes(text, strlen(text)); }

static void expect_message(unsigned line, const char *part)
{
	for (unsigned i = 0; i < cfg.message_count; i++)
		if (cfg.messages[i].line == line && strstr(cfg.messages[i].text, part))
			return;
	for (unsigned i = 0; i < cfg.message_count; i++)
		printf("  has: %u: %s\n", cfg.messages[i].line, cfg.messages[i].text);
	fail_msg("no message '%s' for line %u", part, line);
}

#define MRTD_SHORT                                       \
	"4c7206f0f483c524f12c366c711e9049030a8d47c471ee5" \
	"aa9c4999a08de4057fb887fed0744d5631a212967fb231c4"
#define MRTD_TEXT MRTD_SHORT "7"

#define MANUAL                                                     \
	"[tain]\n"                                                 \
	"console = auto            # ACPI SPCR, DBG2, else com1\n" \
	"baud    = 115200\n"                                       \
	"log     = debug\n"                                        \
	"module  = soft:1.5.05\n"                                  \
	"start   = hello, plain\n"                                 \
	"script  = /tain/boot.txt  # console commands\n"           \
	"gdb     = off\n"                                          \
	"bringup = step\n"                                         \
	"tdx_memory = 4G\n"                                        \
	"\n"                                                       \
	"[td hello]                # a trust domain\n"             \
	"firmware = \\tain\\hello.fd\n"                            \
	"kernel   = \\tain\\vmlinuz\n"                             \
	"initrd   = \\tain\\initrd\n"                              \
	"cmdline  = console=ttyS0 root=\"/dev/vda 1\"\n"           \
	"memory   = 256M\n"                                        \
	"memory_low = 64M\n"                                       \
	"vcpus    = 2\n"                                           \
	"attributes = debug, sept-ve-disable\n"                    \
	"accept   = eager\n"                                       \
	"page     = 4K\n"                                          \
	"measure  = two-pass\n"                                    \
	"mrtd = " MRTD_TEXT "\n"                                   \
	"[vm plain]\r\n"                                           \
	"image    = \\tain\\plain.bin\r\n"                         \
	"load     = 1M\r\n"                                        \
	"memory   = 0x8000000\r\n"

static void every_key_of_the_manual_is_understood(void **state)
{
	(void)state;
	parse(MANUAL);
	assert_int_equal(cfg.message_count, 0);
	assert_int_equal(cfg.guest_count, 2);
	assert_int_equal(cfg.tain.baud, 115200);
	assert_int_equal(cfg.tain.log, LOG_DEBUG);
	assert_int_equal(cfg.tain.module, MODULE_SOFT);
	assert_string_equal(cfg.tain.profile, "1.5.05");
	assert_int_equal(cfg.tain.start_count, 2);
	assert_string_equal(cfg.tain.start[0], "hello");
	assert_string_equal(cfg.tain.start[1], "plain");
	assert_string_equal(cfg.tain.script.path, "\\tain\\boot.txt");
	assert_int_equal(cfg.tain.gdb, GDB_OFF);
	assert_int_equal(cfg.tain.bringup, BRINGUP_STEP);
	assert_int_equal(cfg.tain.tdx_memory, UINT64_C(4) << 30);

	const struct guest_config *h = config_guest(&cfg, "hello"),
				  *p = config_guest(&cfg, "plain");

	assert_non_null(h);
	assert_int_equal(h->kind, GUEST_TD);
	assert_string_equal(h->firmware.path, "\\tain\\hello.fd");
	assert_string_equal(h->cmdline, "console=ttyS0 root=\"/dev/vda 1\"");
	assert_int_equal(h->memory, 256 << 20);
	assert_int_equal(guest_config_ram(h).low, 64 << 20);
	assert_int_equal(guest_config_ram(h).high, 192 << 20);
	assert_int_equal(h->vcpus, 2);
	assert_int_equal(h->attributes, GUEST_ATTR_DEBUG | GUEST_ATTR_SEPT_VE_DISABLE);
	assert_int_equal(h->accept, TD_ACCEPT_EAGER);
	assert_int_equal(h->page_level, LEVEL_4K);
	assert_int_equal(h->measure, TD_MEASURE_TWO_PASS);
	assert_true(h->has_mrtd && !p->has_mrtd);
	assert_int_equal(h->mrtd[0], 0x4c);
	assert_int_equal(h->mrtd[GUEST_MRTD_BYTES - 1], 0x47);
	assert_string_equal(h->refusal, "");
	assert_non_null(p);
	assert_int_equal(p->kind, GUEST_VM);
	assert_int_equal(p->image_load, 1 << 20);
	assert_int_equal(p->memory, 128 << 20);
	assert_string_equal(p->refusal, "");
}

static void an_empty_file_means_the_defaults(void **state)
{
	(void)state;
	parse("");
	assert_int_equal(cfg.message_count, 0);
	assert_int_equal(cfg.guest_count, 0);
	assert_int_equal(cfg.tain.start_count, 0);
	assert_int_equal(cfg.tain.module, MODULE_AUTO);
}

/* One row per way to spoil a guest's section: the line, and a part of what is said. */
static const struct bad_guest {
	const char *keys;
	unsigned line; /* 1 is the section's */
	const char *says;
} bad_guests[] = {
	{ "firmware = a\nmemroy = 1M\n", 3, "unknown key 'memroy'" },
	{ "firmware = a\nmemory = 12Q\n", 3, "'12Q' is not a size" },
	{ "firmware = a\nmemory = -1\n", 3, "is not a size" },
	{ "firmware = a\nmemory = \n", 3, "is not a size" },
	{ "firmware = a\nmemory = 99999999999999999999\n", 3, "does not fit in 64 bits" },
	{ "firmware = a\nmemory = 17179869184G\n", 3, "does not fit in 64 bits" },
	{ "firmware = a\nmemory = 0x3fffffffffffffffK\n", 3, "does not fit in 64 bits" },
	{ "firmware = a\nmemory = 9000G\n", 3, "is outside" },
	{ "firmware = a\nmemory = 4K\n", 3, "is outside" },
	{ "firmware = a\nmrtd = 4C7206\n", 3, "96 hexadecimal digits" },
	{ "firmware = a\nmrtd = " MRTD_TEXT "0\n", 3, "96 hexadecimal digits" },
	{ "firmware = a\nmrtd = x" MRTD_SHORT "\n", 3, "96 hexadecimal digits" },
	{ "firmware = a\nmemory_low = 4G\n", 3, "is outside" },
	{ "firmware = a\nmemory = 1000001\n", 3, "not a multiple of 4K" },
	{ "firmware = a\nmemory = 1M\nmemory = 2M\n", 4, "given twice" },
	{ "firmware = a\nvcpus = 0\n", 3, "is outside 1 to" },
	{ "firmware = a\nvcpus = 100000\n", 3, "is outside 1 to" },
	{ "firmware = a\nvcpus = two\n", 3, "is not a number" },
	{ "firmware = a\nvcpus = 1x\n", 3, "is not a number" },
	{ "firmware = a\naccept = never\n", 3, "is none of lazy, eager, added, measured" },
	{ "firmware = a\npage = 8K\n", 3, "is none of" },
	{ "firmware = a\nmeasure = twice\n", 3, "is none of" },
	{ "firmware = a\nattributes = debug, shiny\n", 3, "'shiny' is none of" },
	{ "firmware = a\nbaud = 9600\n", 3, "baud belongs in a [tain] section" },
	{ "firmware = a\nimage = b\n", 3, "image belongs in a [vm] section" },
	{ "memory = 1M\n", 1, "needs firmware or kernel" },
	{ "firmware = a\ninitrd = b\n", 1, "initrd without kernel" },
	{ "firmware = \n", 2, "no path given" },
	{ "firmware = a\nnonsense\n", 3, "expected [section] or key = value" },
	{ "firmware = \"a\n", 2, "double quote is not closed" },
};

static void a_spoilt_guest_names_its_line_and_is_refused_alone(void **state)
{
	char text[1024];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad_guests); i++) {
		snprintf(text, sizeof(text),
			 "[td bad]\n%s[td good]\nfirmware = g\n[tain]\nstart = bad good\n",
			 bad_guests[i].keys);
		parse(text);
		expect_message(bad_guests[i].line, bad_guests[i].says);
		expect_message(bad_guests[i].line, "[td bad]");
		assert_int_equal(cfg.message_count, 1);
		assert_non_null(strstr(config_guest(&cfg, "bad")->refusal, bad_guests[i].says));
		assert_string_equal(config_guest(&cfg, "good")->refusal, "");
		assert_int_equal(cfg.tain.start_count, 2);
	}
}

static void a_bad_setting_of_ours_leaves_the_default(void **state)
{
	(void)state;
	parse("[tain]\nbaud = fast\nlog = chatty\nmodule = maybe\nconsole = com9\ngdb = com3\n"
	      "bringup = off\nwarp = 9\n[vm v]\nkernel = k\n");
	assert_int_equal(cfg.message_count, 7);
	for (unsigned line = 2; line <= 8; line++)
		expect_message(line, "");
	assert_int_equal(cfg.tain.baud, 115200);
	assert_int_equal(cfg.tain.log, LOG_INFO);
	assert_int_equal(cfg.tain.module, MODULE_AUTO);
	assert_int_equal(cfg.tain.console, CONSOLE_AUTO);
	assert_string_equal(config_guest(&cfg, "v")->refusal, "");
}

static void start_keeps_only_names_that_exist(void **state)
{
	(void)state;
	parse("[tain]\nstart = ghost, v, v\n[vm v]\nkernel = k\n");
	assert_int_equal(cfg.tain.start_count, 1);
	assert_string_equal(cfg.tain.start[0], "v");
	expect_message(2, "no guest is named 'ghost'");
	expect_message(2, "v is named twice");
}

static void a_name_is_given_once_and_is_printable(void **state)
{
	(void)state;
	parse("[vm v]\nkernel = k\n[td v]\nfirmware = f\nmemory = nonsense\n[vm a/b]\n[vm]\n[cat "
	      "tom]\n"
	      "[td 0123456789012345678901234567890123456789]\n");
	assert_int_equal(cfg.guest_count, 1);
	assert_int_equal(cfg.guests[0].kind, GUEST_VM);
	assert_string_equal(cfg.guests[0].refusal, "");
	assert_int_equal(cfg.message_count, 5);
	expect_message(3, "already defined in line 1");
	expect_message(6, "'a/b' is no name");
	expect_message(7, "is no name");
	expect_message(8, "is no section");
	expect_message(9, "is no name");
}

static void a_key_before_any_section_is_reported(void **state)
{
	(void)state;
	parse("start = x\n");
	assert_int_equal(cfg.message_count, 1);
	expect_message(1, "before any section");
}

static void a_broken_section_line_does_not_leak_keys_into_the_one_before(void **state)
{
	(void)state;
	parse("[vm a]\nkernel = k\nmemory = 1M\n  [vm b\nvcpus = 9\nmemory = 2M\n");
	assert_int_equal(cfg.message_count, 1);
	expect_message(4, "closing ]");
	assert_int_equal(cfg.guest_count, 1);
	assert_int_equal(cfg.guests[0].vcpus, 1);
	assert_int_equal(cfg.guests[0].memory, 1 << 20);
	assert_string_equal(cfg.guests[0].refusal, "");
}

static void what_a_vm_cannot_have_is_said(void **state)
{
	(void)state;
	parse("[vm a]\nimage = i\nkernel = k\n[vm b]\nimage = i\nload = 128M\n[vm c]\nkernel = "
	      "k\nload = 4K\n"
	      "[vm d]\nkernel = k\naccept = lazy\n[vm e]\n");
	expect_message(1, "image excludes");
	expect_message(4, "load lies beyond");
	expect_message(7, "load without image");
	expect_message(12, "accept belongs in a [td] section");
	expect_message(13, "needs firmware, image or kernel");
	assert_int_equal(cfg.message_count, 5);
}

static void a_console_may_be_a_port_or_an_address(void **state)
{
	(void)state;
	parse("[tain]\nconsole = 0x2f8\n");
	assert_int_equal(cfg.tain.console, CONSOLE_PORT);
	assert_int_equal(cfg.tain.console_address, 0x2f8);
	parse("[tain]\nconsole = 0xfe034000\n");
	assert_int_equal(cfg.tain.console, CONSOLE_MMIO);
	assert_int_equal(cfg.tain.console_address, 0xfe034000);
}

static void a_module_may_be_a_path(void **state)
{
	(void)state;
	parse("[tain]\nmodule = /tain/tdx.so\n");
	assert_int_equal(cfg.message_count, 0);
	assert_int_equal(cfg.tain.module, MODULE_FILE);
	assert_string_equal(cfg.tain.module_file.path, "\\tain\\tdx.so");
}

static void messages_are_bounded_and_the_rest_counted(void **state)
{
	char text[8192] = "[tain]\n";

	(void)state;
	for (int i = 0; i < 200; i++)
		strcat(text, "x = 1\n");
	parse(text);
	assert_int_equal(cfg.message_count, CONFIG_MESSAGES_MAX);
	assert_int_equal(cfg.messages_lost, 200 - CONFIG_MESSAGES_MAX);
}

static void more_guests_than_there_is_room_for_are_refused(void **state)
{
	char text[8192] = "", *at = text;

	(void)state;
	for (int i = 0; i < CONFIG_GUESTS_MAX + 3; i++)
		at += sprintf(at, "[vm g%d]\nkernel = k\n", i);
	parse(text);
	assert_int_equal(cfg.guest_count, CONFIG_GUESTS_MAX);
	assert_int_equal(cfg.message_count, 3);
}

static void any_bytes_leave_terminated_printable_records(void **state)
{
	static const char alphabet[] = "[]=#\" \n\rtdvmtainmemoryfirmware019GKx\\/\0\x80\xff,-";
	char text[600];
	uint32_t seed = 12345;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		for (size_t i = 0; i < sizeof(text); i++) {
			seed = seed * 1664525 + 1013904223;
			text[i] = alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
		}
		memcpy(text + 10, "\n[td a]\nmemory=", 15);
		parse_bytes(text, seed % sizeof(text));
		for (unsigned i = 0; i < cfg.message_count; i++)
			for (const char *c = cfg.messages[i].text; *c; c++)
				assert_true(*c >= ' ' && *c <= '~');
	}
}

static unsigned asked;

static const char *only_hello(struct guest_file *f)
{
	asked++;
	if (strcmp(f->path, "\\tain\\hello.fd") != 0)
		return "no such file";
	f->data = "MZ";
	f->size = 2;
	return NULL;
}

static void uses_of_the_network_are_read_or_stay_off(void **state)
{
	(void)state;
	parse("[tain]\nhttp = 80\nremote = 2323 from 10.0.0.0/8\nsecret = correct horse battery\n"
	      "syslog = 10.0.2.2:5140\nfetch_limit = 64M\n");
	assert_int_equal(cfg.message_count, 0);
	assert_int_equal(cfg.tain.use.http.port, 80);
	assert_int_equal(cfg.tain.use.remote.range_count, 1);
	assert_string_equal(cfg.tain.use.secret, "correct horse battery");
	assert_int_equal(cfg.tain.use.syslog_port, 5140);
	assert_int_equal(cfg.tain.fetch_limit, 64 << 20);
	parse("[tain]\nhttp = web\nremote = 2323\nsecret = short\ngdb_net = 1 from x\nsyslog = host\n");
	expect_message(2, "http: expected a port");
	expect_message(3, "remote: wants the address ranges");
	expect_message(4, "secret: 12 to 63");
	expect_message(5, "gdb_net: a range is");
	expect_message(6, "syslog: expected ADDRESS");
	assert_int_equal(cfg.tain.use.http.port + cfg.tain.use.remote.port + cfg.tain.use.gdb.port, 0);
	assert_int_equal(cfg.tain.use.syslog_port, 0);
	assert_int_equal(cfg.tain.use.secret[0], 0);
}

static const char *find_nothing(struct guest_file *file)
{
	(void)file;
	return "no such file";
}

#define SHA_TEXT "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"

static void a_file_may_be_a_url_that_nobody_looks_for_on_the_volume(void **state)
{
	(void)state;
	parse("[vm a]\nkernel = http://10.0.2.2:8000/dir/vmlinuz sha256=" SHA_TEXT "\n"
	      "[vm b]\nkernel = tftp://10.0.2.2/vmlinuz\n"
	      "[vm c]\nkernel = http://10.0.2.2/x sha256=12\n[vm d]\nkernel = ftp://a/x\n");
	config_attach_files(&cfg, find_nothing);
	assert_string_equal(cfg.guests[0].kernel.path, "http://10.0.2.2:8000/dir/vmlinuz");
	assert_true(cfg.guests[0].kernel.remote && cfg.guests[0].kernel.has_sha256);
	assert_int_equal(cfg.guests[0].kernel.sha256[31], 0xff);
	assert_string_equal(cfg.guests[0].refusal, "");
	assert_true(cfg.guests[1].kernel.remote && !cfg.guests[1].kernel.has_sha256);
	assert_string_equal(cfg.guests[1].refusal, "");
	expect_message(6, "64 hexadecimal digits");
	expect_message(8, "expected http:// or tftp://");
}

static void a_missing_file_refuses_its_guest_and_names_the_line(void **state)
{
	(void)state;
	asked = 0;
	parse("[tain]\nscript = \\tain\\gone.txt\n[td a]\nfirmware = /tain/hello.fd\n"
	      "[vm b]\nmemory = 1M\nkernel = \\nowhere\n");
	config_attach_files(&cfg, only_hello);
	assert_int_equal(asked, 3);
	assert_string_equal(config_guest(&cfg, "a")->refusal, "");
	assert_int_equal(config_guest(&cfg, "a")->firmware.size, 2);
	assert_string_equal(config_guest(&cfg, "b")->refusal,
			    "tain.cfg:7: kernel: \\nowhere: no such file");
	expect_message(7, "[vm b] kernel: \\nowhere: no such file");
	expect_message(2, "script: \\tain\\gone.txt: no such file");
}

static void sizes_are_read_whole_or_not_at_all(void **state)
{
	static const struct {
		const char *text;
		int err;
		uint64_t bytes;
	} rows[] = {
		{ "0", 0, 0 },
		{ "1", 0, 1 },
		{ "64k", 0, 65536 },
		{ "1G", 0, 1 << 30 },
		{ "2t", 0, 1ULL << 41 },
		{ "0xffffffffffffffff", 0, ~0ULL },
		{ "16777216T", -ERANGE, 0 },
		{ "0x10000000000000000", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "0x", -EINVAL, 0 },
		{ "1MB", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "K", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t v = 0;

		assert_int_equal(config_size(rows[i].text, &v), rows[i].err);
		assert_true(v == rows[i].bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_of_the_manual_is_understood),
		cmocka_unit_test(an_empty_file_means_the_defaults),
		cmocka_unit_test(a_spoilt_guest_names_its_line_and_is_refused_alone),
		cmocka_unit_test(a_bad_setting_of_ours_leaves_the_default),
		cmocka_unit_test(start_keeps_only_names_that_exist),
		cmocka_unit_test(a_name_is_given_once_and_is_printable),
		cmocka_unit_test(a_key_before_any_section_is_reported),
		cmocka_unit_test(a_broken_section_line_does_not_leak_keys_into_the_one_before),
		cmocka_unit_test(what_a_vm_cannot_have_is_said),
		cmocka_unit_test(a_console_may_be_a_port_or_an_address),
		cmocka_unit_test(a_module_may_be_a_path),
		cmocka_unit_test(messages_are_bounded_and_the_rest_counted),
		cmocka_unit_test(more_guests_than_there_is_room_for_are_refused),
		cmocka_unit_test(any_bytes_leave_terminated_printable_records),
		cmocka_unit_test(uses_of_the_network_are_read_or_stay_off),
		cmocka_unit_test(a_file_may_be_a_url_that_nobody_looks_for_on_the_volume),
		cmocka_unit_test(a_missing_file_refuses_its_guest_and_names_the_line),
		cmocka_unit_test(sizes_are_read_whole_or_not_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
