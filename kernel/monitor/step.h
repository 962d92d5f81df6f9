/*
 * step.h - bringup = step: the person at the console decides before each phase of the bring-up.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MONITOR_STEP_H
#define TAIN_MONITOR_STEP_H

#include "kernel/base/types.h"

/*
 * Ask whether @step, which @changes something, may be taken: y, n, or a for all that follow. No answer
 * in half a minute, as with a script or without a terminal, is a no: nothing is changed unasked. Boot CPU.
 */
bool monitor_ask_step(const char *step, const char *changes);

#endif
