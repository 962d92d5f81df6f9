/*
 * doctor_spread.c - one register on all CPUs: what most of them say, and who says otherwise.
 *
 * Invariants
 *   - A fault is an answer like a value: a CPU that lacks an MSR differs from those that have it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>

#include "kernel/monitor/doctor_room.h"

static const struct {
	uint32_t number;
	const char *name;
} msrs[DOCTOR_MSRS] = {
#define X(id, number, name) [DM_##id] = { number, name },
	DOCTOR_MSR_TABLE(X)
#undef X
};

const char *doctor_msr_name(enum doctor_msr_id id) { return msrs[id].name; }
uint32_t doctor_msr_number(enum doctor_msr_id id) { return msrs[id].number; }

struct answer {
	bool readable;
	uint64_t value;
};

static struct answer answer_of(const struct doctor_cpu *c, enum doctor_msr_id id, uint64_t mask)
{
	bool readable = c->msr[id].state == MSR_READ;

	return (struct answer){ readable, readable ? c->msr[id].value & mask : 0 };
}

static bool equal(struct answer a, struct answer b)
{
	return a.readable == b.readable && a.value == b.value;
}

/* The answer that more than half of the CPUs give, if there is one (Boyer and Moore's vote). */
static struct answer majority(const struct doctor_machine *m, enum doctor_msr_id id, uint64_t mask)
{
	struct answer leader = answer_of(&m->cpu[0], id, mask);
	unsigned lead = 0;

	for (unsigned i = 0; i < m->cpu_count; i++) {
		struct answer a = answer_of(&m->cpu[i], id, mask);

		if (!m->cpu[i].online)
			continue;
		if (lead == 0)
			leader = a;
		lead = equal(a, leader) ? lead + 1 : lead - 1;
	}
	/* A tie: the boot CPU is right. */
	return lead ? leader : answer_of(&m->cpu[0], id, mask);
}

struct spread spread_msr(const struct doctor_machine *m, enum doctor_msr_id id, uint64_t mask)
{
	struct answer most = majority(m, id, mask);
	struct spread s = { .readable = most.readable, .value = most.value };

	for (unsigned i = 0; i < m->cpu_count; i++) {
		struct answer a = answer_of(&m->cpu[i], id, mask);

		if (!m->cpu[i].online)
			continue;
		s.cpus++;
		s.read_at_all |= m->cpu[i].msr[id].state != MSR_NOT_READ;
		if (equal(a, most))
			continue;
		if (!s.odd++) {
			s.odd_cpu = i;
			s.odd_readable = a.readable;
			s.odd_value = a.value;
		}
	}
	return s;
}

static void value_text(bool readable, uint64_t value, char *buf, size_t size)
{
	if (readable)
		snprintf(buf, size, "%#llx", (unsigned long long)value);
	else
		snprintf(buf, size, "not there");
}

const char *spread_text(const struct doctor_machine *m, const char *name, const struct spread *s,
			char *buf, size_t size)
{
	char most[24], odd[24], more[24] = "";

	value_text(s->readable, s->value, most, sizeof(most));
	value_text(s->odd_readable, s->odd_value, odd, sizeof(odd));
	if (s->odd > 1)
		snprintf(more, sizeof(more), " and %u more", s->odd - 1);
	if (s->odd)
		snprintf(buf, size, "%s is %s on CPU %u (package %u)%s, %s on the other %u", name, odd,
			 s->odd_cpu, doctor_package(&m->cpu[s->odd_cpu]), more, most,
			 s->cpus - s->odd);
	else
		snprintf(buf, size, "%s is %s on all %u CPUs", name, most, s->cpus);
	return buf;
}

bool differs(const struct doctor_machine *m, struct doctor_row *row, enum doctor_msr_id id,
	     uint64_t mask, enum doctor_option option)
{
	struct spread s = spread_msr(m, id, mask);
	char text[160];

	if (!s.odd)
		return false;
	row_fail(m, row, "the same on every CPU", option,
		 "update the firmware; if it stays, have that processor or board looked at", "%s",
		 spread_text(m, doctor_msr_name(id), &s, text, sizeof(text)));
	return true;
}

/* ---- topology ---- */

/* Leaf 1Fh, else 0Bh, says by how many bits the APIC id is wider than the package's number. */
unsigned doctor_package(const struct doctor_cpu *c)
{
	unsigned shift = 0;

	for (uint32_t level = 0; level < 6; level++)
		if (doctor_cpuid_reg(c, 0x1f, level, 1) & 0xffff)
			shift = doctor_cpuid_reg(c, 0x1f, level, 0) & 0x1f;
	if (!shift && (doctor_cpuid_reg(c, 0xb, 1, 1) & 0xffff))
		shift = doctor_cpuid_reg(c, 0xb, 1, 0) & 0x1f;
	if (!shift)
		shift = 8;
	return c->apic_id >> shift;
}

unsigned doctor_packages(const struct doctor_machine *m)
{
	uint64_t seen[512 / 64] = { 0 };
	unsigned count = 0;

	for (unsigned i = 0; i < m->cpu_count; i++) {
		unsigned p = doctor_package(&m->cpu[i]) % 512;

		if (!(seen[p / 64] & BIT64(p % 64)))
			count++;
		seen[p / 64] |= BIT64(p % 64);
	}
	return count;
}

uint32_t doctor_cpuid_reg(const struct doctor_cpu *c, uint32_t leaf, uint32_t subleaf, unsigned reg)
{
	int at = doctor_cpuid_index(leaf, subleaf);

	return at < 0 ? 0 : c->cpuid[at][reg];
}
