/*
 * doctor_rules_memory.c - rows about memory: what can be a TD's, how it is plugged, what TDX takes.
 *
 * A server's TDX wants at least one module in every memory channel, all alike, the sockets alike
 * (public reports of servers where one empty channel kept TDX off). SMBIOS does not name channels in
 * one way, so locators are read in the spellings below; where none fits, modules are counted.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <string.h>

#include "kernel/monitor/doctor_room.h"

#define CHANNELS_EXPECTED 8 /* of a 4th or 5th generation Xeon; later ones have 8 or 12 */
#define CHANNELS_MAX      16
#define SOCKETS_MAX       8

uint64_t usable_bytes(const struct doctor_machine *m)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < m->map_count; i++)
		if (m->map[i].kind == BOOT_MEM_USABLE || m->map[i].kind == BOOT_MEM_TAIN)
			sum += m->map[i].size;
	return sum;
}

/* ---- convertible memory ---- */

static uint64_t inside_cmrs(const struct doctor_machine *m, uint64_t base, uint64_t size)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < m->seam.cmr_count; i++) {
		const struct doctor_range *c = &m->seam.cmr[i];
		uint64_t from = c->base > base ? c->base : base;
		uint64_t to = c->base + c->size < base + size ? c->base + c->size : base + size;

		sum += to > from ? to - from : 0;
	}
	return sum;
}

void rule_cmrs(const struct doctor_machine *m, struct doctor_row *row)
{
	const struct doctor_seam *s = &m->seam;
	uint64_t total = 0, usable = usable_bytes(m), convertible = 0;

	if (!s->has_metadata) {
		row_unknown(row, "", "the module's metadata was not read");
		return;
	}
	for (unsigned i = 0; i < s->cmr_count; i++) {
		if (i && s->cmr[i].base < s->cmr[i - 1].base + s->cmr[i - 1].size) {
			row_fail(m, row, "CMRs that ascend and do not overlap", OPTION_UPDATE,
				 "update the firmware: SYS.INIT answers CMR_LIST_INVALID",
				 "CMR %u at %#llx overlaps the one before", i,
				 (unsigned long long)s->cmr[i].base);
			return;
		}
		total += s->cmr[i].size;
	}
	for (size_t i = 0; i < m->map_count; i++)
		if (m->map[i].kind == BOOT_MEM_USABLE || m->map[i].kind == BOOT_MEM_TAIN)
			convertible += inside_cmrs(m, m->map[i].base, m->map[i].size);
	if (!total)
		row_fail(m, row, "convertible memory (CMRs)", OPTION_UPDATE,
			 "update the firmware; look at rows dimms and mcheck", "the module sees no CMR");
	else if (usable - convertible > usable / 10)
		row_note(row, "memory outside of CMRs is never a TD's: CXL or persistent memory?",
			 "%llu of %llu MiB usable are convertible",
			 (unsigned long long)convertible >> 20, (unsigned long long)usable >> 20);
	else
		row_ok(row, "%u CMRs, %llu MiB; %llu of %llu MiB usable are convertible", s->cmr_count,
		       (unsigned long long)total >> 20, (unsigned long long)convertible >> 20,
		       (unsigned long long)usable >> 20);
}

/* ---- the firmware's map ---- */

static unsigned usable_ranges(const struct doctor_machine *m)
{
	unsigned count = 0;
	uint64_t end = 0;

	for (size_t i = 0; i < m->map_count; i++) {
		if (m->map[i].kind != BOOT_MEM_USABLE && m->map[i].kind != BOOT_MEM_TAIN)
			continue;
		count += m->map[i].base != end;
		end = m->map[i].base + m->map[i].size;
	}
	return count;
}

void rule_memory(const struct doctor_machine *m, struct doctor_row *row)
{
	uint64_t limit = m->seam.has_metadata ? m->seam.max_reserved : 16;
	unsigned ranges = usable_ranges(m);

	if (ranges == 0)
		row_fail(m, row, "usable memory", OPTION_UPDATE, "see `memory map`",
			 "the firmware's map has no usable memory");
	else if (has_seam(m) && ranges > limit)
		row_note(row, "Tain splits TDMRs and gives up small pieces: `tdx` says how much was lost",
			 "%llu MiB usable in %u pieces: more holes than one TDMR's %llu reserved areas",
			 (unsigned long long)usable_bytes(m) >> 20, ranges, (unsigned long long)limit);
	else
		row_ok(row, "%llu MiB usable in %u pieces", (unsigned long long)usable_bytes(m) >> 20,
		       ranges);
}

void rule_numa(const struct doctor_machine *m, struct doctor_row *row)
{
	unsigned nodes = 0, packages = doctor_packages(m);

	for (unsigned i = 0; i < m->node_count; i++) {
		bool known = false;

		for (unsigned k = 0; k < i; k++)
			known |= m->node[k].node == m->node[i].node;
		nodes += !known;
	}
	if (nodes == 0)
		row_ok(row, "no SRAT: one node");
	else if (nodes >= packages)
		row_ok(row, "%u nodes, %u packages", nodes, packages);
	else if (has_seam(m) && !seamrr_enabled(m))
		row_fail(m, row, "a node for each package", OPTION_INTERLEAVE,
			 "switch interleaving between sockets off; restart; look for the TDX switch",
			 "%u packages, but memory is one node: interleaved", packages);
	else
		row_note(row, "", "%u packages share %u node%s", packages, nodes, nodes > 1 ? "s" : "");
}

/* ---- memory modules ---- */

struct place {
	int socket, channel; /* -1: not told */
};

static bool digit(char c) { return c >= '0' && c <= '9'; }

/* The number that follows @word in @text (any case), or -1. */
static int number_after(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (; *text; text++) {
		size_t k = 0;

		while (k < n && text[k] && (text[k] | 32) == (word[k] | 32))
			k++;
		if (k == n && digit(text[k]))
			return text[k] - '0' + (digit(text[k + 1]) ? (text[k] - '0') * 9 +
								    text[k + 1] - '0' : 0);
	}
	return -1;
}

/* The letter before the slot's digit: "DIMMC1", "DIMM_C1": 2. */
static int letter_after(const char *text, const char *word)
{
	const char *at = strstr(text, word);

	if (!at)
		return -1;
	at += strlen(word);
	while (*at == '_' || *at == ' ' || *at == '-')
		at++;
	return at[0] >= 'A' && at[0] < 'A' + CHANNELS_MAX && digit(at[1]) ? at[0] - 'A' : -1;
}

static int first_known(int a, int b, int c) { return a >= 0 ? a : b >= 0 ? b : c; }

/*
 * Spellings: bank "P0_Node1_Channel2_Dimm0" (AMI), locators "CPU0_DIMM_C1" (Intel), "P1-DIMMC1"
 * (Supermicro), "PROC 1 DIMM 12" (HPE: socket only), "A12" (Dell: socket only).
 */
static struct place place_of(const struct smbios_dimm *d)
{
	struct place p = { -1, -1 };
	const char *l = d->locator;

	p.channel = first_known(number_after(d->bank, "channel"), number_after(l, "channel"),
				letter_after(l, "DIMM"));
	p.socket = first_known(number_after(l, "CPU"), number_after(l, "PROC "),
			       number_after(d->bank, "CPU"));
	if (p.socket < 0 && (l[0] | 32) == 'p' && digit(l[1]))
		p.socket = l[1] - '0';
	if (p.socket < 0 && (d->bank[0] | 32) == 'p' && digit(d->bank[1]))
		p.socket = d->bank[1] - '0';
	if (p.socket < 0 && l[0] >= 'A' && l[0] < 'A' + SOCKETS_MAX && digit(l[1]))
		p.socket = l[0] - 'A';
	return p;
}

struct population {
	unsigned slots, filled, unplaced, sockets; /* unplaced: no socket in the locator */
	struct {
		unsigned slots, filled;
		uint32_t channels, filled_channels; /* a bit each */
		int first;                          /* lowest channel number, to name it from 1 */
	} socket[SOCKETS_MAX + 1];
	uint64_t mib, smallest, largest;
};

static bool is_filled(const struct smbios_dimm *d) { return d->size_mib || d->size_unknown; }

static struct population count_dimms(const struct smbios *s)
{
	struct population n = { 0 };

	for (unsigned i = 0; i < s->dimms; i++) {
		const struct smbios_dimm *d = &s->dimm[i];
		struct place p = place_of(d);
		bool filled = is_filled(d);

		n.slots++;
		n.filled += filled;
		n.mib += d->size_mib;
		if (d->size_mib && (!n.smallest || d->size_mib < n.smallest))
			n.smallest = d->size_mib;
		if (d->size_mib > n.largest)
			n.largest = d->size_mib;
		if (p.socket < 0 || p.socket > SOCKETS_MAX) {
			n.unplaced++;
			continue;
		}
		n.socket[p.socket].slots++;
		n.socket[p.socket].filled += filled;
		if (p.channel < 0 || p.channel >= CHANNELS_MAX * 2)
			continue;
		n.socket[p.socket].channels |= BIT32(p.channel);
		if (filled)
			n.socket[p.socket].filled_channels |= BIT32(p.channel);
	}
	for (unsigned k = 0; k <= SOCKETS_MAX; k++)
		n.sockets += n.socket[k].slots != 0;
	return n;
}

/* What is wrong with the population, or false. */
static bool dimms_wrong(const struct doctor_machine *m, const struct population *n, char *buf,
			size_t size)
{
	unsigned packages = doctor_packages(m), reference = 0;

	for (unsigned k = 0; k <= SOCKETS_MAX; k++) {
		uint32_t empty = n->socket[k].channels & ~n->socket[k].filled_channels;

		if (!n->socket[k].filled)
			continue;
		if (empty) {
			snprintf(buf, size, "socket %u: channel %c (%d) is empty, %d of %d are filled", k,
				 'A' + __builtin_ctz(empty), __builtin_ctz(empty),
				 __builtin_popcount(n->socket[k].filled_channels),
				 __builtin_popcount(n->socket[k].channels));
			return true;
		}
		if (n->socket[k].filled < CHANNELS_EXPECTED) {
			snprintf(buf, size, "socket %u: %u memory modules for 8 channels or more", k,
				 n->socket[k].filled);
			return true;
		}
		if (reference && n->socket[k].filled != reference) {
			snprintf(buf, size, "the sockets differ: %u and %u memory modules", reference,
				 n->socket[k].filled);
			return true;
		}
		reference = n->socket[k].filled;
	}
	if (n->unplaced == n->slots && n->filled < packages * CHANNELS_EXPECTED) {
		snprintf(buf, size, "%u memory modules for %u package%s of 8 channels or more", n->filled,
			 packages, packages > 1 ? "s" : "");
		return true;
	}
	if (n->smallest != n->largest) {
		snprintf(buf, size, "memory modules of %llu and of %llu MiB",
			 (unsigned long long)n->smallest, (unsigned long long)n->largest);
		return true;
	}
	return false;
}

void rule_dimms(const struct doctor_machine *m, struct doctor_row *row)
{
	struct population n = count_dimms(&m->smbios);
	char what[120];

	if (!m->smbios.found || n.slots == 0)
		row_unknown(row, "", "the firmware does not list its memory modules (SMBIOS type 17)");
	else if (m->smbios.dimms_lost || !m->smbios.complete)
		row_unknown(row, "", "SMBIOS lists more slots than are read, or ends early");
	else if (!has_seam(m))
		row_ok(row, "%u of %u slots filled, %llu MiB", n.filled, n.slots,
		       (unsigned long long)n.mib);
	else if (!dimms_wrong(m, &n, what, sizeof(what)))
		row_ok(row, "%u of %u slots filled, %llu MiB, every channel has a module", n.filled,
		       n.slots, (unsigned long long)n.mib);
	else if (seamrr_enabled(m))
		row_note(row, "TDX came up nevertheless", "%s", what);
	else
		row_fail(m, row, "a module in every channel of every socket, all alike", OPTION_NONE,
			 "populate the empty channels as the board's manual says for TDX or SGX", "%s",
			 what);
}

/* ---- what it costs ---- */

void rule_cost(const struct doctor_machine *m, struct doctor_row *row)
{
	static const uint64_t page[3] = { PAGE_SIZE, SIZE_2M, SIZE_1G };
	uint64_t bytes = m->seam.pamt_bytes, usable = usable_bytes(m);

	for (unsigned i = 0; i < 3 && !m->seam.pamt_bytes; i++) {
		uint64_t entry = m->seam.has_metadata ? m->seam.pamt_entry[i] : 16;

		bytes += align_up(usable / page[i] * entry, PAGE_SIZE);
	}
	unsigned permille = usable ? (unsigned)(bytes * 10000 / usable) : 0;

	row_ok(row, "%s %llu MiB of PAMT, %u.%02u%% of memory", m->seam.pamt_bytes ? "takes" : "would take",
	       (unsigned long long)(bytes + (1 << 20) - 1) >> 20, permille / 100, permille % 100);
}
