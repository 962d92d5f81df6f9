/*
 * base_net_config.c - the value of `net =`, right and wrong.
 *
 * links: kernel/base/net_config.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "kernel/base/net_config.h"

static struct net_config cfg;

static void off_and_dhcp_are_words(void **state)
{
	(void)state;
	assert_null(net_config_read("off", &cfg));
	assert_int_equal(cfg.mode, NET_OFF);
	assert_null(net_config_read("dhcp", &cfg));
	assert_int_equal(cfg.mode, NET_DHCP);
}

static void a_fixed_address_has_a_length_and_may_have_gateway_and_dns(void **state)
{
	static const uint8_t address[4] = { 192, 0, 2, 7 }, gateway[4] = { 192, 0, 2, 1 },
			     dns[4] = { 198, 51, 100, 53 }, none[4];

	(void)state;
	assert_null(net_config_read("192.0.2.7/24", &cfg));
	assert_int_equal(cfg.mode, NET_FIXED);
	assert_memory_equal(cfg.address, address, 4);
	assert_int_equal(cfg.prefix, 24);
	assert_memory_equal(cfg.gateway, none, 4);
	assert_null(net_config_read("192.0.2.7/31 192.0.2.1", &cfg));
	assert_int_equal(cfg.prefix, 31);
	assert_memory_equal(cfg.gateway, gateway, 4);
	assert_memory_equal(cfg.dns, none, 4);
	assert_null(net_config_read("192.0.2.7/0, 192.0.2.1,\t198.51.100.53 ", &cfg));
	assert_int_equal(cfg.prefix, 0);
	assert_memory_equal(cfg.gateway, gateway, 4);
	assert_memory_equal(cfg.dns, dns, 4);
}

static void what_is_wrong_is_said(void **state)
{
	static const char *const wrong[] = {
		"",		  "on",			  "DHCP",
		"dhcp ",	  "192.0.2.7",		  "192.0.2.7/",
		"192.0.2.7/33",	  "192.0.2.7/24x",	  "192.0.2/24",
		"192.0.2.256/24", "192.0.2.7/99999999999", "1.2.3.4/8 1.2.3",
		"1.2.3.4/8 x",	  "1.2.3.4/8 1.2.3.4 y",  "1.2.3.4/8 1.2.3.4 1.2.3.4 z",
		"1.2.3.4.5/8",	  "-1.2.3.4/8",		  "1..3.4/8",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		if (!net_config_read(wrong[i], &cfg))
			fail_msg("'%s' was taken", wrong[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(off_and_dhcp_are_words),
		cmocka_unit_test(a_fixed_address_has_a_length_and_may_have_gateway_and_dns),
		cmocka_unit_test(what_is_wrong_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
