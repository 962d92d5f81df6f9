/*
 * base_net_addr.c - addresses and ranges: every spelling of one is the same one, and none that is no
 * address is taken for one.
 *
 * links: kernel/base/net_addr.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/fake/test.h"

#include "kernel/base/net_addr.h"

static const char *again(const char *text)
{
	static char buf[NET_ADDR_TEXT];
	struct net_addr a;

	return net_addr_parse(text, &a) ? "refused" : net_addr_text(&a, buf, sizeof(buf));
}

TEST(addresses_are_read_and_printed_in_one_spelling)
{
	static const char *const pairs[][2] = {
		{ "10.0.2.2", "10.0.2.2" }, { "0.0.0.0", "0.0.0.0" },
		{ "255.255.255.255", "255.255.255.255" }, { "::", "::" }, { "::1", "::1" },
		{ "fe80::", "fe80::" }, { "FE80::0001", "fe80::1" },
		{ "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },
		{ "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8" }, { "1::8", "1::8" },
		{ "1:0:3:4:5:6:7:8", "1:0:3:4:5:6:7:8" }, { "::ffff:10.1.2.3", "10.1.2.3" },
		{ "64:ff9b::192.0.2.33", "64:ff9b::c000:221" }, { "1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0" },
		{ "::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8" },
	};

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
		assert_string_equal(again(pairs[i][0]), pairs[i][1]);
}

TEST(what_is_no_address_is_refused)
{
	static const char *const bad[] = {
		"", "10", "10.0.2", "10.0.2.2.", "10.0.2.256", "10.0.2.02", "10.0.2.2/8", ".1.2.3",
		"1.2.3.4x", "0x10.0.0.1", ":", ":::", "1:", ":1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9",
		"1::2::3", "12345::", "g::", "::1.2.3", "1:2:3:4:5:6:7:1.2.3.4", "1::2:", "::%eth0",
		"1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_string_equal(again(bad[i]), "refused");
}

static bool has(const char *range, const char *addr)
{
	struct net_range r;
	struct net_addr a;

	CHECK_INT(net_range_parse(range, &r), 0);
	CHECK_INT(net_addr_parse(addr, &a), 0);
	return net_range_has(&r, &a);
}

TEST(a_range_holds_what_shares_its_first_bits)
{
	CHECK(has("10.0.0.0/8", "10.255.0.1"));
	CHECK(!has("10.0.0.0/8", "11.0.0.1"));
	CHECK(has("10.1.2.3", "10.1.2.3"));
	CHECK(!has("10.1.2.3", "10.1.2.2"));
	CHECK(has("192.168.128.0/17", "192.168.200.1"));
	CHECK(!has("192.168.128.0/17", "192.168.127.1"));
	CHECK(has("0.0.0.0/0", "1.2.3.4"));
	CHECK(!has("0.0.0.0/0", "::1"));
	CHECK(!has("::/0", "1.2.3.4"));
	CHECK(has("fd00::/8", "fd12::1"));
	CHECK(!has("fd00::/9", "fd80::1"));
	CHECK(has("::1/128", "::1"));
}

/* A peer that comes as ::ffff:a.b.c.d is the peer a.b.c.d. */
TEST(a_mapped_address_is_judged_as_the_address_it_is)
{
	struct net_range r;
	struct net_addr a = { .family = NET_IPV6, .bytes = { [10] = 0xff, 0xff, 10, 0, 0, 1 } };

	CHECK_INT(net_range_parse("10.0.0.0/8", &r), 0);
	CHECK(net_range_has(&r, &a));
	CHECK_INT(net_range_parse("::/0", &r), 0);
	CHECK(!net_range_has(&r, &a));
	CHECK_INT(net_range_parse("::ffff:10.0.0.0/104", &r), 0);
	CHECK(net_range_has(&r, &a));
	CHECK_INT(r.bits, 8);
	CHECK_INT(net_range_parse("::ffff:10.0.0.0/95", &r), -EINVAL);
}

TEST(what_is_no_range_is_refused_and_changes_nothing)
{
	static const char *const bad[] = { "", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/8 ",
					   "10.0.0.0/-1", "10.0.0/8", "10.0.0.0/08", "/8" };
	struct net_range r = { .bits = 77 };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_INT(net_range_parse(bad[i], &r), -EINVAL);
	CHECK_INT(r.bits, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_read_and_printed_in_one_spelling),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(a_range_holds_what_shares_its_first_bits),
		cmocka_unit_test(a_mapped_address_is_judged_as_the_address_it_is),
		cmocka_unit_test(what_is_no_range_is_refused_and_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
