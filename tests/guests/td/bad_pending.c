/*
 * bad_pending.c - a trust domain that touches a page before it accepts it. Its attributes are to
 * say sept-ve-disable: then there is no #VE, and the host must not let it run for ever.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/guests/td/tdg.h"

void td_main(uint32_t index, uint64_t boot_parameter, uint32_t width)
{
	(void)index, (void)boot_parameter, (void)width;
	td_init();
	if (!(td_info().attributes & TDG_ATTR_SEPT_VE_DISABLE))
		td_fatal("bad_pending: configure sept-ve-disable");
	print("bad_pending: now\n");
	*(volatile uint64_t *)UINT64_C(0x01000000) = 1;
	print("bad_pending: FAIL, the write came back\n");
	td_power_off();
}
