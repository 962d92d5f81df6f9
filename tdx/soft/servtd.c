/*
 * servtd.c - binding a service TD to a TD. What it could do through the binding (TDG.SERVTD.RD and
 * WR) this module does not offer.
 *
 * Invariants
 *   - servtd_num counts the slots that are not NOT_BOUND; there is one slot.
 *   - What a bound service TD was is measured: MR.FINALIZE hashes it into SERVTD_HASH.
 *
 * Facts: order of checks and layouts of the published module.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/guest.h"

#include <string.h>

#define TYPE_MIGRATION_TD 0
#define ATTR_INSTANCE     BIT64(0)
#define ATTR_IGNORED      BITS64(42, 32) /* parts of TDINFO that the binding does not fix */
#define BINDS_IN_STATES   (1u << OPS_UNINITIALIZED | 1u << OPS_INITIALIZED)
/* Op-states of a service TD that can be bound. */
#define SERVES_IN_STATES (1u << 2 | 1u << 3 | 1u << 4 | 1u << 5 | 1u << 8 | 1u << 9)

/* R8 slot, R9 type, R10 attributes. */
static tdx_status_t check_operands(const struct call *c)
{
	if (c->in.r8 != 0)
		return FAIL(OPERAND_INVALID, OP_R8);
	if (c->in.r9 != TYPE_MIGRATION_TD)
		return FAIL(OPERAND_INVALID, OP_R9);
	if (c->in.r10 & ~(ATTR_INSTANCE | ATTR_IGNORED))
		return FAIL(OPERAND_INVALID, OP_R10);
	return OK;
}

static void fill(struct tdcs *t, const struct call *c, const void *hash)
{
	struct servtd_binding *b = &t->servtd;

	if (b->state == SERVTD_NOT_BOUND)
		t->servtd_num++;
	b->type = (uint16_t)c->in.r9;
	b->attributes = c->in.r10;
	memcpy(b->info_hash, hash, sizeof(b->info_hash));
}

tdx_status_t leaf_servtd_prebind(struct call *c)
{
	struct td td;

	TRY(get_tdr(c, c->in.rcx, OP_RCX, SHARED, &td));
	TRY(check_state(c, c->leaf, &td, true));
	TRY(check_shared(c, c->in.rdx, 64, 64, OP_RDX));
	TRY(check_operands(c));
	TRY(call_take(c, &td.tdcs->servtd_lock, EXCLUSIVE, HOST_PRIORITY, OP_SERVTD_BINDINGS));
	if (td.tdcs->servtd.state == SERVTD_IS_BOUND)
		return FAIL(SERVTD_BOUND, 0);
	fill(td.tdcs, c, call_map_shared(c, c->in.rdx));
	td.tdcs->servtd.state = SERVTD_PRE_BOUND;
	return OK;
}

/* The service TD in RDX: it must be built, and in a state to serve. */
static tdx_status_t get_service_td(struct call *c, struct td *td)
{
	TRY(get_tdr(c, c->in.rdx, OP_RDX, SHARED, td));
	TRY(check_built(c, td));
	TRY(call_take(c, &td->tdcs->op_lock, SHARED, HOST_PRIORITY, OP_OP_STATE));
	if (!(SERVES_IN_STATES >> td->tdcs->op_state & 1))
		return FAIL(OP_STATE_INCORRECT, 0);
	return OK;
}

/* A slot that has been bound before, or prepared: it takes only what it was meant for. */
static tdx_status_t check_same(const struct call *c, const struct servtd_binding *b,
			       const uint64_t uuid[4], const uint8_t hash[48])
{
	bool instance = b->state == SERVTD_IS_BOUND && (b->attributes & ATTR_INSTANCE);

	if (b->type != c->in.r9)
		return FAIL(SERVTD_TYPE_MISMATCH, 0);
	if (b->attributes != c->in.r10)
		return FAIL(SERVTD_ATTR_MISMATCH, 0);
	if (instance)
		return memcmp(b->uuid, uuid, sizeof(b->uuid)) ? FAIL(SERVTD_UUID_MISMATCH, 0) : OK;
	return memcmp(b->info_hash, hash, sizeof(b->info_hash)) ? FAIL(SERVTD_INFO_HASH_MISMATCH, 0)
								: OK;
}

static void say_who(struct call *c, const struct td *td)
{
	/* The handle: the slot and the TD's page, added to what the service TD is. */
	c->r->rcx = td->pa + td->tdcs->servtd.uuid[0];
	c->r->r10 = td->tdr->uuid[0];
	c->r->r11 = td->tdr->uuid[1];
	c->r->r12 = td->tdr->uuid[2];
	c->r->r13 = td->tdr->uuid[3];
}

tdx_status_t leaf_servtd_bind(struct call *c)
{
	struct td td, service;
	uint8_t hash[48];

	c->r->rcx = c->r->r10 = c->r->r11 = c->r->r12 = c->r->r13 = 0;
	if (c->in.rdx == c->in.rcx)
		return FAIL(OPERAND_INVALID, OP_RDX);
	TRY(get_tdr(c, c->in.rcx, OP_RCX, SHARED, &td));
	TRY(check_state(c, c->leaf, &td, true));
	TRY(get_service_td(c, &service));
	TRY(check_operands(c));

	struct servtd_binding *b = &td.tdcs->servtd;

	TRY(call_take(c, &td.tdcs->servtd_lock, EXCLUSIVE, HOST_PRIORITY, OP_SERVTD_BINDINGS));
	/* A host that meets this lock is told plainly that it is busy. */
	if (FAILED(call_take(c, &service.tdcs->rtmr_lock, SHARED, HOST_PRIORITY, OP_RTMR)))
		return FAIL(OPERAND_BUSY, OP_RTMR);
	report_info_hash(service.tdcs, (uint32_t)((c->in.r10 & ATTR_IGNORED) >> 32), hash);
	if (b->state == SERVTD_NOT_BOUND) {
		if (!(BINDS_IN_STATES >> td.tdcs->op_state & 1))
			return FAIL(OP_STATE_INCORRECT, 0);
		fill(td.tdcs, c, hash);
	} else {
		TRY(check_same(c, b, service.tdr->uuid, hash));
		memcpy(b->info_hash, hash, sizeof(hash));
	}
	memcpy(b->uuid, service.tdr->uuid, sizeof(b->uuid));
	b->state = SERVTD_IS_BOUND;
	say_who(c, &td);
	return OK;
}

/* SERVTD_HASH: of the one slot, or zero. */
void servtd_measure(struct tdcs *t)
{
	const struct servtd_binding *b = &t->servtd;
	struct sha384 s;

	memset(t->servtd_hash, 0, sizeof(t->servtd_hash));
	if (b->state == SERVTD_NOT_BOUND)
		return;
	sha384_init(&s);
	sha384_update(&s, b->info_hash, sizeof(b->info_hash));
	sha384_update(&s, &b->type, sizeof(b->type));
	sha384_update(&s, &b->attributes, sizeof(b->attributes));
	sha384_final(&s, t->servtd_hash);
}
