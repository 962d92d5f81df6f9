/*
 * statuses.h - which statuses a module has been made to return: the measure of what tests provoke.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TESTS_HOST_STATUSES_H
#define TAIN_TESTS_HOST_STATUSES_H

#include "kernel/base/types.h"

/* RAX after a SEAMCALL or TDCALL that the module carried out. Any thread. */
void statuses_note(uint64_t rax);

/* How many different ones so far; *@all: how many the table has for the module in use. */
unsigned statuses_count(unsigned *all);

#endif
