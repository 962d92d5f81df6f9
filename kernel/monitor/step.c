/*
 * step.c - the question of step.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/monitor/step.h"

#include "kernel/machine/console.h"
#include "kernel/machine/cpu.h"
#include "kernel/machine/time.h"
#include "kernel/monitor/monitor.h"

#define ANSWER_US UINT64_C(30000000)

#define KEY_INTERRUPT 0x03 /* ^C */

/* y, n or a; 0: nobody answered. */
static int answer(void)
{
	uint64_t start = time_us();

	while (time_us() - start < ANSWER_US) {
		int key = monitor_take_key();

		switch (key < 0 ? key : key | 0x20) {
		case 'y':
		case 'n':
		case 'a':
			return key | 0x20;
		default:
			break;
		}
		if (key == KEY_INTERRUPT)
			return 'n';
		console_poll();
		irq_window();
	}
	return 0;
}

bool monitor_ask_step(const char *step, const char *changes)
{
	static bool all;
	int key;

	if (all)
		return true;
	console_printf("tdx: next is %s: %s. Go on? y, n, a (all that follow): ", step, changes);
	key = answer();
	console_printf("%s\n", key == 'y' ? "y" : key == 'a' ? "a" : key == 'n' ? "n" : "no answer");
	all = key == 'a';
	return key == 'y' || key == 'a';
}
