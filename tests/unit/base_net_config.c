/*
 * base_net_config.c - the values of `net =` and of the keys beside it, right and wrong.
 *
 * links: kernel/base/net_config.c kernel/base/net_addr.c kernel/base/cfg_lex.c
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

static void without_ipv4_there_is_ipv6(void **state)
{
	(void)state;
	assert_null(net_config_read("ipv6", &cfg));
	assert_int_equal(cfg.mode, NET_ONLY_IPV6);
}

static void an_address_of_ipv6_may_have_a_gateway(void **state)
{
	struct net_extra e = { 0 };
	char text[NET_ADDR_TEXT];

	(void)state;
	assert_null(net_extra_read("net6", "fd00::7/64", &e));
	assert_string_equal(net_addr_text(&e.address6, text, sizeof(text)), "fd00::7");
	assert_int_equal(e.gateway6.family, NET_NONE);
	assert_null(net_extra_read("net6", "fd00::8/64, fe80::1", &e));
	assert_string_equal(net_addr_text(&e.address6, text, sizeof(text)), "fd00::8");
	assert_string_equal(net_addr_text(&e.gateway6, text, sizeof(text)), "fe80::1");
}

static void several_servers_for_names_are_kept_in_order(void **state)
{
	struct net_extra e = { 0 };
	char text[NET_ADDR_TEXT];

	(void)state;
	assert_null(net_extra_read("dns", "10.0.0.53, fd00::53 192.0.2.1", &e));
	assert_int_equal(e.dns_count, 3);
	assert_string_equal(net_addr_text(&e.dns[1], text, sizeof(text)), "fd00::53");
	assert_string_equal(net_addr_text(&e.dns[2], text, sizeof(text)), "192.0.2.1");
}

static void a_wrong_one_of_these_changes_nothing(void **state)
{
	static const struct {
		const char *key, *value;
	} wrong[] = {
		{ "net6", "" },			      { "net6", "fd00::7" },
		{ "net6", "fd00::7/48" },	      { "net6", "10.0.0.1/24" },
		{ "net6", "fd00::7/64 10.0.0.1" },    { "net6", "fd00::7/64 fd00::1 fd00::2" },
		{ "net6", "fd00::7/64 x" },	      { "net6", "auto" },
		{ "net6", "::ffff:10.0.0.1/120" },    { "dns", "" },
		{ "dns", "10.0.0.53, name" },	      { "dns", "1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4 1.1.1.5" },
		{ "nic", "" },			      { "nic", "net0 net1" },
		{ "nic", "a-name-that-is-much-too-long-for-it" },
		{ "net6", "fd00:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0007/64" },
	};
	struct net_extra e = { 0 }, was;

	(void)state;
	assert_null(net_extra_read("nic", "52:54:00:12:34:56", &e));
	assert_null(net_extra_read("net6", "fd00::7/64", &e));
	was = e;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		if (!net_extra_read(wrong[i].key, wrong[i].value, &e))
			fail_msg("%s = '%s' was taken", wrong[i].key, wrong[i].value);
		assert_memory_equal(&e, &was, sizeof(e));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(off_and_dhcp_are_words),
		cmocka_unit_test(a_fixed_address_has_a_length_and_may_have_gateway_and_dns),
		cmocka_unit_test(what_is_wrong_is_said),
		cmocka_unit_test(without_ipv4_there_is_ipv6),
		cmocka_unit_test(an_address_of_ipv6_may_have_a_gateway),
		cmocka_unit_test(several_servers_for_names_are_kept_in_order),
		cmocka_unit_test(a_wrong_one_of_these_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
