/*
 * test.h - cmocka with the few words the MMU's tests use.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TESTS_FAKE_TEST_H
#define TAIN_TESTS_FAKE_TEST_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The tree's own assert panics; cmocka's is not used by its name. */
#undef assert
#include "kernel/base/log.h"

#define CHECK(cond)                assert_true(cond)
#define CHECK_INT(value, expected) assert_int_equal((value), (expected))

#define TEST(name) static void name(void **state __attribute__((unused)))

#endif
