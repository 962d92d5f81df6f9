/*
 * guest_report.c - RTMRs and TDREPORT.
 *
 * Invariants
 *   - The report says what it is worth: MRSEAM is a plain sentence, and the MAC comes from a random
 *     key that nothing outside this module knows. No quoting enclave accepts it.
 *   - TEE_INFO_HASH and TDINFO are those of the real module.
 *
 * Facts: guest ABI reference sections 1.4 and 8.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/guest.h"

#include <string.h>

struct tdinfo {
	uint64_t attributes, xfam;
	uint8_t mrtd[48], mrconfigid[48], mrowner[48], mrownerconfig[48];
	uint8_t rtmr[4][48];
	uint8_t servtd_hash[48];
	uint8_t reserved[64];
};

struct tee_tcb_info {
	uint64_t valid;
	uint8_t tee_tcb_svn[16];
	uint8_t mrseam[48], mrsigner[48];
	uint64_t attributes;
	uint8_t reserved[128];
};

struct reportmac {
	uint8_t type[4];
	uint8_t reserved0[12];
	uint8_t cpusvn[16];
	uint8_t tee_tcb_info_hash[48], tee_info_hash[48];
	uint8_t reportdata[64];
	uint8_t reserved1[32];
	uint8_t mac[32];
};

struct tdreport {
	struct reportmac mac;
	struct tee_tcb_info tcb;
	struct tdinfo info;
};
_Static_assert(sizeof(struct tdreport) == 1024, "TDREPORT is 1024 bytes");
_Static_assert(offsetof(struct tdreport, info) == 0x200, "TDINFO at 0x200");

#define REPORT_TYPE_TDX 0x81
#define TCB_VALID       UINT64_C(0x301ff)

static const char fake_mrseam[48] = "SOFTWARE TDX MODULE, NO CONFIDENTIALITY, FAKE";

static void sha(const void *p, size_t n, uint8_t out[48])
{
	struct sha384 s;

	sha384_init(&s);
	sha384_update(&s, p, n);
	sha384_final(&s, out);
}

static void make_mac(const struct soft_module *m, const struct reportmac *r, uint8_t out[32])
{
	struct sha384 s;
	uint8_t digest[48];

	sha384_init(&s);
	sha384_update(&s, m->report_key, sizeof(m->report_key));
	sha384_update(&s, r, offsetof(struct reportmac, mac));
	sha384_final(&s, digest);
	memcpy(out, digest, 32);
}

static void fill_info(struct tdinfo *i, const struct tdcs *t)
{
	i->attributes = t->attributes;
	i->xfam = t->xfam;
	memcpy(i->mrtd, t->mrtd, 48);
	memcpy(i->mrconfigid, t->mrconfigid, 48);
	memcpy(i->mrowner, t->mrowner, 48);
	memcpy(i->mrownerconfig, t->mrownerconfig, 48);
	memcpy(i->rtmr, t->rtmr, sizeof(t->rtmr));
	memcpy(i->servtd_hash, t->servtd_hash, 48);
}

/* Bits of @ignore: ATTRIBUTES, XFAM, MRTD, MRCONFIGID, MROWNER, MROWNERCONFIG, 4 RTMRs,
 * SERVTD_HASH. */
void report_info_hash(const struct tdcs *t, uint32_t ignore, uint8_t out[48])
{
	struct tdinfo i = { 0 };
	const struct {
		void *at;
		size_t size;
	} parts[] = {
		{ &i.attributes, 8 }, { &i.xfam, 8 },        { i.mrtd, 48 },
		{ i.mrconfigid, 48 }, { i.mrowner, 48 },     { i.mrownerconfig, 48 },
		{ i.rtmr[0], 48 },    { i.rtmr[1], 48 },     { i.rtmr[2], 48 },
		{ i.rtmr[3], 48 },    { i.servtd_hash, 48 },
	};

	fill_info(&i, t);
	for (unsigned n = 0; n < ARRAY_LEN(parts); n++)
		if (ignore >> n & 1)
			memset(parts[n].at, 0, parts[n].size);
	sha(&i, sizeof(i), out);
}

static void fill_report(const struct soft_module *m, const struct tdcs *t, const uint8_t data[64],
			struct tdreport *r)
{
	memset(r, 0, sizeof(*r));
	r->mac.type[0] = REPORT_TYPE_TDX;
	fill_info(&r->info, t);
	r->tcb.valid = TCB_VALID;
	r->tcb.tee_tcb_svn[1] = 1;
	memcpy(r->tcb.mrseam, fake_mrseam, sizeof(fake_mrseam));
	/* The CPU hashes TEE_TCB_INFO without its reserved tail beyond 239 bytes. */
	sha(&r->tcb, 239, r->mac.tee_tcb_info_hash);
	sha(&r->info, sizeof(r->info), r->mac.tee_info_hash);
	memcpy(r->mac.reportdata, data, 64);
	make_mac(m, &r->mac, r->mac.mac);
}

tdx_status_t tdg_mr_report(struct guest *g, enum tdcall_out *out)
{
	const struct soft_regs *gpr = &g->vp->v.gpr;
	struct tdreport report;
	void *data, *where;

	if (!is_aligned(gpr->rcx, 1024))
		return FAIL(OPERAND_INVALID, OP_RCX);
	if (!is_aligned(gpr->rdx, 64))
		return FAIL(OPERAND_INVALID, OP_RDX);
	TRY(guest_gpa(g, gpr->rdx, false, ACCESS_READ, OP_RDX, &data, out));
	if (*out != OUT_STATUS)
		return OK;
	if (gpr->r8)
		return FAIL(OPERAND_INVALID, OP_R8);
	TRY(call_take(g->c, &g->td.tdcs->rtmr_lock, SHARED, HOST_PRIORITY, OP_RTMR));
	fill_report(g->c->m, g->td.tdcs, data, &report);
	if (call_irq_pending(g->c)) {
		*out = OUT_RETRY;
		return OK;
	}
	TRY(guest_gpa(g, gpr->rcx, false, ACCESS_WRITE, OP_RCX, &where, out));
	if (*out != OUT_STATUS)
		return OK;
	memcpy(where, &report, sizeof(report));
	return OK;
}

tdx_status_t tdg_mr_verifyreport(struct guest *g, enum tdcall_out *out)
{
	uint64_t gpa = g->vp->v.gpr.rcx;
	struct reportmac r;
	uint8_t mac[32];
	void *p;

	if (!is_aligned(gpa, sizeof(r)))
		return FAIL(OPERAND_INVALID, OP_RCX);
	TRY(guest_gpa(g, gpa, true, ACCESS_READ, OP_RCX, &p, out));
	if (*out != OUT_STATUS)
		return OK;
	memcpy(&r, p, sizeof(r));
	make_mac(g->c->m, &r, mac);
	if (r.type[0] != REPORT_TYPE_TDX || memcmp(mac, r.mac, sizeof(mac)) != 0)
		return FAIL(INVALID_REPORTMACSTRUCT, 0);
	return OK;
}

tdx_status_t tdg_mr_rtmr_extend(struct guest *g, enum tdcall_out *out)
{
	const struct soft_regs *gpr = &g->vp->v.gpr;
	struct tdcs *t = g->td.tdcs;
	struct sha384 s;
	void *data;

	if (!is_aligned(gpr->rcx, 64))
		return FAIL(OPERAND_INVALID, OP_RCX);
	TRY(guest_gpa(g, gpr->rcx, true, ACCESS_READ, OP_RCX, &data, out));
	if (*out != OUT_STATUS)
		return OK;
	if (gpr->rdx >= 4)
		return FAIL(OPERAND_INVALID, OP_RDX);
	TRY(call_take(g->c, &t->rtmr_lock, EXCLUSIVE, HOST_PRIORITY, OP_RTMR));
	sha384_init(&s);
	sha384_update(&s, t->rtmr[gpr->rdx], 48);
	sha384_update(&s, data, 48);
	sha384_final(&s, t->rtmr[gpr->rdx]);
	return OK;
}
