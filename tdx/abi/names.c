/*
 * names.c - the names in the ABI's tables, looked up by number.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/abi/exit.h"
#include "tdx/abi/layout.h"
#include "tdx/abi/leaf.h"
#include "tdx/abi/operand.h"
#include "tdx/abi/sept.h"

/* The compiler makes jump or look-up tables of these; none is on a hot path. */
#define CASE_TEXT(number, id, text) \
	case number:                \
		return text;
#define CASE_NAME(number, name) \
	case number:            \
		return #name;

const char *tdh_leaf_name(uint64_t leaf)
{
	switch (leaf) {
		TDH_LEAF_TABLE(CASE_TEXT)
	default:
		return NULL;
	}
}

const char *tdg_leaf_name(uint64_t leaf)
{
	switch (leaf) {
		TDG_LEAF_TABLE(CASE_TEXT)
	default:
		return NULL;
	}
}

const char *tdx_operand_name(uint32_t id)
{
	switch (id) {
		TDX_OPERAND_TABLE(CASE_NAME)
	default:
		return NULL;
	}
}

const char *sept_state_name(unsigned code)
{
	switch (code) {
		SEPT_STATE_TABLE(CASE_NAME)
	default:
		return NULL;
	}
}

const char *tdx_exit_name(uint32_t basic)
{
	switch (basic) {
		TDX_EXIT_TABLE(CASE_NAME)
	default:
		return NULL;
	}
}

const char *tdvmcall_name(uint64_t sub_function)
{
	switch (sub_function) {
		TDVMCALL_TABLE(CASE_NAME)
	default:
		return NULL;
	}
}

const char *pamt_type_name(unsigned type)
{
	switch (type) {
		PAMT_TYPE_TABLE(CASE_NAME)
	default:
		return NULL;
	}
}
