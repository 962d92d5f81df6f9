/*
 * vectors.c - `tain vectors FILE...`: play conformance vectors against the software TDX module.
 *
 * Invariants
 *   - Every step's outcome is compared; a scenario passes only if all do. The first difference is
 *     printed with file and line.
 *   - A file is read from its directory: `include` is relative to the including file.
 *
 * Facts: tests/vectors/open/README.md.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/base/sha384.h"
#include "tests/host/statuses.h"
#include "tdx/abi/leaf.h"
#include "tools/host/commands.h"
#include "tools/host/vectors_machine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WORDS 600
#define MAX_LOOP  100000
#define MAX_DEPTH 8

struct player {
	const char *file;
	unsigned line;
	unsigned steps;
	bool failed;
	char why[1024];
};

static bool fail(struct player *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
static bool fail(struct player *p, const char *fmt, ...)
{
	va_list ap;

	if (!p->failed) {
		va_start(ap, fmt);
		vsnprintf(p->why, sizeof(p->why), fmt, ap);
		va_end(ap);
	}
	p->failed = true;
	return false;
}

/* ---- words ---------------------------------------------------------------------------------- */

static const char *const reg_names[SOFT_GPRS] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp",
						  "rsi", "rdi", "r8",  "r9",  "r10", "r11",
						  "r12", "r13", "r14", "r15" };

static int reg_number(const char *name, size_t n)
{
	for (unsigned i = 0; i < SOFT_GPRS; i++)
		if (strlen(reg_names[i]) == n && strncmp(reg_names[i], name, n) == 0)
			return (int)i;
	return -1;
}

static bool number(struct player *p, const char *s, uint64_t *v)
{
	char *end;

	*v = strtoull(s, &end, 0);
	return (*s && !*end) || fail(p, "bad number '%s'", s);
}

struct leaf_name {
	const char *name;
	unsigned number;
};
static const struct leaf_name leaf_names[] = {
#define X(number, id, name) { name, number },
	TDH_LEAF_TABLE(X) TDG_LEAF_TABLE(X)
#undef X
		{ "TDG.VP.INVVPID", 27 }, /* its name in the vectors */
};

/* "TDH.x.y" or "TDG.x.y", perhaps "/V": RAX. */
static bool leaf_rax(const char *word, uint64_t *rax)
{
	const char *slash = strchr(word, '/');
	size_t n = slash ? (size_t)(slash - word) : strlen(word);

	for (size_t i = 0; i < ARRAY_LEN(leaf_names); i++)
		if (strlen(leaf_names[i].name) == n && strncmp(leaf_names[i].name, word, n) == 0) {
			*rax = leaf_names[i].number |
			       (slash ? strtoull(slash + 1, NULL, 0) << 16 : 0);
			return true;
		}
	return false;
}

static const struct event_name {
	const char *name;
	uint32_t reason, instr_len, intr_info;
} event_names[] = {
	{ "INTR", SOFT_EXIT_INTR, 3, 0x800000f0 },
	{ "EPT", SOFT_EXIT_EPT_VIOLATION, 3, 0 },
	{ "HLT", SOFT_EXIT_HLT, 1, 0 },
	{ "CPUID", SOFT_EXIT_CPUID, 2, 0 },
	{ "RDMSR", SOFT_EXIT_RDMSR, 2, 0 },
	{ "WRMSR", SOFT_EXIT_WRMSR, 2, 0 },
	{ "IO", SOFT_EXIT_IO, 1, 0 },
	{ "VMCALL", SOFT_EXIT_VMCALL, 3, 0 },
	{ "WBINVD", SOFT_EXIT_WBINVD, 2, 0 },
	{ "INVD", SOFT_EXIT_INVD, 2, 0 },
	{ "MWAIT", SOFT_EXIT_MWAIT, 3, 0 },
	{ "MONITOR", SOFT_EXIT_MONITOR, 3, 0 },
	{ "RDPMC", SOFT_EXIT_RDPMC, 2, 0 },
	{ "PCONFIG", SOFT_EXIT_PCONFIG, 3, 0 },
	{ "SEAMCALL", SOFT_EXIT_SEAMCALL, 3, 0 },
	{ "TRIPLE", SOFT_EXIT_TRIPLE_FAULT, 3, 0 },
	{ "INIT", SOFT_EXIT_INIT, 3, 0 },
	{ "XSETBV", SOFT_EXIT_XSETBV, 3, 0 },
	{ "CR", SOFT_EXIT_CR, 3, 0 },
	{ "NMIWINDOW", SOFT_EXIT_NMI_WINDOW, 3, 0 },
	{ "EPTMISCONFIG", SOFT_EXIT_EPT_MISCONFIG, 3, 0 },
	{ "NMI", SOFT_EXIT_EXCEPTION_NMI, 3, 0x80000202 },
	{ "UNKNOWN", 69, 3, 0 },
};

/* ---- one action: "lp=N call ..." or "lp=N guest ..." ---------------------------------------- */

enum action_kind { DO_CALL, DO_LOOP, DO_GUEST };

struct action {
	enum action_kind kind;
	unsigned lp;
	struct soft_regs in;
	struct vm_event ev;
	int until_reg;
	uint64_t until_value;
	enum vm_state result;
	bool entered_from_host; /* VP.ENTER: unnamed guest registers are 0 */
};

static bool set_parameter(struct player *p, struct action *a, const char *name, size_t n,
			  uint64_t v)
{
	int reg = reg_number(name, n);

	if (reg >= 0) {
		(a->kind == DO_GUEST ? &a->ev.gpr : &a->in)->r[reg] = v;
		return true;
	}
	if (a->kind != DO_GUEST)
		return fail(p, "unknown register '%.*s'", (int)n, name);
#define IS(s) (strlen(s) == n && strncmp(name, s, n) == 0)
	if (IS("gpa"))
		a->ev.x.gpa = v;
	else if (IS("gla"))
		a->ev.x.gla = v;
	else if (IS("qual"))
		a->ev.x.qualification = v;
	else if (IS("iinfo"))
		a->ev.x.intr_info = (uint32_t)v;
	else if (IS("cpl"))
		a->ev.cpl = (unsigned)v;
	else if (IS("samerip"))
		a->ev.same_rip = v != 0;
	else
		return fail(p, "unknown parameter '%.*s'", (int)n, name);
	return true;
#undef IS
}

static bool set_verb(struct player *p, struct action *a, const char *verb, const char *what)
{
	if (strcmp(verb, "guest") == 0) {
		a->kind = DO_GUEST;
		if (strcmp(what, "TDCALL") == 0 || leaf_rax(what, &a->ev.gpr.rax)) {
			a->ev.x.reason = SOFT_EXIT_TDCALL;
			a->ev.x.instr_len = 4;
			return true;
		}
		for (size_t i = 0; i < ARRAY_LEN(event_names); i++)
			if (strcmp(event_names[i].name, what) == 0) {
				a->ev.x.reason = event_names[i].reason;
				a->ev.x.instr_len = event_names[i].instr_len;
				a->ev.x.intr_info = event_names[i].intr_info;
				return true;
			}
		return fail(p, "unknown guest event '%s'", what);
	}
	a->kind = strcmp(verb, "loop") == 0 ? DO_LOOP : DO_CALL;
	if (strcmp(what, "RAW") == 0 || leaf_rax(what, &a->in.rax))
		return true;
	return fail(p, "unknown leaf '%s'", what);
}

/* Words from @w[*i] on: "lp=N" verb what REG=V... until a word that is not of this action. */
static bool parse_action(struct player *p, char **w, unsigned n, unsigned *i, struct action *a)
{
	uint64_t v;

	memset(a, 0, sizeof(*a));
	a->until_reg = -1;
	if (*i + 2 >= n || strncmp(w[*i], "lp=", 3) != 0 || !number(p, w[*i] + 3, &v) ||
	    v >= VM_LPS)
		return fail(p, "expected lp=N and an action");
	a->lp = (unsigned)v;
	if (!set_verb(p, a, w[*i + 1], w[*i + 2]))
		return false;
	for (*i += 3; *i < n; (*i)++) {
		const char *eq = strchr(w[*i], '=');

		if (strcmp(w[*i], "until") == 0 && *i + 1 < n) {
			const char *u = w[++*i];

			eq = strchr(u, '=');
			a->until_reg = eq ? reg_number(u, (size_t)(eq - u)) : -1;
			if (a->until_reg < 0 || !number(p, eq + 1, &a->until_value))
				return fail(p, "bad until");
			continue;
		}
		if (!eq || strncmp(w[*i], "lp=", 3) == 0)
			break;
		if (!number(p, eq + 1, &v) || !set_parameter(p, a, w[*i], (size_t)(eq - w[*i]), v))
			return false;
	}
	return true;
}

static bool run_action(struct player *p, struct action *a)
{
	bool in_guest = vm_state(a->lp) == VM_IN_GUEST;

	if ((a->kind == DO_GUEST) != in_guest)
		return fail(p, in_guest ? "LP %u is in the guest" : "LP %u is not in the guest",
			    a->lp);
	a->entered_from_host = a->kind != DO_GUEST;
	if (a->kind == DO_GUEST) {
		a->result = vm_guest(a->lp, &a->ev);
		return true;
	}
	for (unsigned n = 0; n < (a->kind == DO_LOOP ? MAX_LOOP : 1); n++) {
		a->result = vm_call(a->lp, &a->in);
		if (a->result != VM_DONE || (vm_host_regs(a->lp)->rax >> 63) ||
		    (a->until_reg >= 0 && vm_host_regs(a->lp)->r[a->until_reg] == a->until_value))
			break;
	}
	return true;
}

/* ---- outcomes ------------------------------------------------------------------------------- */

struct expected {
	bool set[SOFT_GPRS], any[SOFT_GPRS];
	uint64_t value[SOFT_GPRS];
	uint32_t event;
};

static bool parse_registers(struct player *p, char **w, unsigned n, unsigned *i, struct expected *e)
{
	uint64_t v;

	memset(e, 0, sizeof(*e));
	for (; *i < n && strcmp(w[*i], "|") != 0; (*i)++) {
		const char *eq = strchr(w[*i], '=');
		int reg = eq ? reg_number(w[*i], (size_t)(eq - w[*i])) : -1;

		if (eq && strncmp(w[*i], "event=", 6) == 0) {
			if (!number(p, eq + 1, &v))
				return false;
			e->event = (uint32_t)v;
			continue;
		}
		if (reg < 0)
			return fail(p, "bad outcome '%s'", w[*i]);
		e->set[reg] = true;
		e->any[reg] = strcmp(eq + 1, "any") == 0;
		if (!e->any[reg] && !number(p, eq + 1, &e->value[reg]))
			return false;
	}
	return true;
}

/* @defaults: what an unnamed register must be. */
static bool compare(struct player *p, const struct expected *e, const struct soft_regs *got,
		    const struct soft_regs *defaults)
{
	for (unsigned r = 0; r < SOFT_GPRS; r++) {
		uint64_t want = e->set[r] ? e->value[r] : defaults->r[r];

		if (r == SOFT_RSP || e->any[r] || got->r[r] == want)
			continue;
		return fail(p, "%s is 0x%llx, expected 0x%llx (rax 0x%llx)", reg_names[r],
			    (unsigned long long)got->r[r], (unsigned long long)want,
			    (unsigned long long)got->rax);
	}
	return true;
}

static bool check_outcome(struct player *p, const struct action *a, char **w, unsigned n,
			  unsigned *i)
{
	static const struct soft_regs zero;
	struct expected e;
	bool guest = *i < n && strcmp(w[*i], "GUEST") == 0;
	bool vmm = *i < n && strcmp(w[*i], "VMM") == 0;

	if (guest || vmm)
		(*i)++;
	if (!parse_registers(p, w, n, i, &e))
		return false;
	if (guest) {
		if (a->result != VM_IN_GUEST)
			return fail(p, "expected the guest, but the host is back: rax 0x%llx",
				    (unsigned long long)vm_host_regs(a->lp)->rax);
		if (vm_guest_event(a->lp) != e.event)
			return fail(p, "event is 0x%x, expected 0x%x", vm_guest_event(a->lp),
				    e.event);
		return compare(p, &e, vm_guest_regs(a->lp),
			       a->entered_from_host ? &zero : &a->ev.gpr);
	}
	if (a->result == VM_IN_GUEST)
		return fail(p, "expected the host, but the guest runs");
	if (a->result == VM_FAILED)
		return fail(p, "VMfailInvalid");
	return compare(p, &e, vm_host_regs(a->lp), vmm ? &zero : &a->in);
}

struct during {
	struct player *p;
	struct action *a;
};

static void run_during(void *arg)
{
	struct during *d = arg;

	run_action(d->p, d->a);
}

static bool step_action(struct player *p, char **w, unsigned n)
{
	struct action first, second;
	bool two = false, copy = false;
	unsigned i = 0;

	if (!parse_action(p, w, n, &i, &first))
		return false;
	if (i < n && strcmp(w[i], "during") == 0) {
		two = true;
		copy = ++i < n && strcmp(w[i], "copy") == 0;
		i += copy;
		if (!parse_action(p, w, n, &i, &second))
			return false;
	}
	if (i >= n || strcmp(w[i], "->") != 0)
		return fail(p, "expected ->");
	i++;
	if (!two)
		return run_action(p, &first) && check_outcome(p, &first, w, n, &i);

	struct during d = { p, &first };

	vm_during(copy, run_during, &d);
	if (!run_action(p, &second))
		return false;
	if (vm_during_pending()) {
		vm_during(false, NULL, NULL);
		return fail(p, "the moment of 'during' was never reached");
	}
	if (!check_outcome(p, &first, w, n, &i))
		return false;
	if (i >= n || strcmp(w[i], "|") != 0)
		return fail(p, "expected |");
	i++;
	return check_outcome(p, &second, w, n, &i);
}

/* ---- the other steps ------------------------------------------------------------------------ */

static bool memory_at(struct player *p, const char *addr, uint64_t bytes, uint8_t **m)
{
	uint64_t pa;

	if (!number(p, addr, &pa))
		return false;
	*m = vm_memory(pa, bytes);
	return *m || fail(p, "no memory at %s", addr);
}

static int hex_digit(char c)
{
	const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

static bool step_write(struct player *p, char **w, unsigned n)
{
	size_t bytes = n == 3 ? strlen(w[2]) / 2 : 0;
	uint8_t *m;

	if (!bytes || !memory_at(p, w[1], bytes, &m))
		return fail(p, "write ADDR HEX");
	for (size_t i = 0; i < bytes; i++)
		m[i] = (uint8_t)(hex_digit(w[2][2 * i]) << 4 | hex_digit(w[2][2 * i + 1]));
	return true;
}

static bool step_write64(struct player *p, char **w, unsigned n)
{
	uint8_t *m;

	if (n < 3 || !memory_at(p, w[1], (uint64_t)(n - 2) * 8, &m))
		return fail(p, "write64 ADDR V...");
	for (unsigned i = 2; i < n; i++) {
		uint64_t v;

		if (!number(p, w[i], &v))
			return false;
		memcpy(m + (i - 2) * 8, &v, 8);
	}
	return true;
}

static bool step_zero(struct player *p, char **w, unsigned n)
{
	uint64_t bytes;
	uint8_t *m;

	if (n != 3 || !number(p, w[2], &bytes) || !memory_at(p, w[1], bytes, &m))
		return fail(p, "zero ADDR LEN");
	memset(m, 0, bytes);
	return true;
}

static bool step_pattern(struct player *p, char **w, unsigned n)
{
	uint64_t bytes, seed;
	uint8_t *m;

	if (n != 4 || !number(p, w[2], &bytes) || !number(p, w[3], &seed) ||
	    !memory_at(p, w[1], bytes, &m))
		return fail(p, "pattern ADDR LEN SEED");
	for (uint64_t i = 0; i < bytes / 8; i++) {
		uint64_t v = seed * UINT64_C(0x9E3779B97F4A7C15) +
			     (i + 1) * UINT64_C(0xBF58476D1CE4E5B9);

		memcpy(m + i * 8, &v, 8);
	}
	return true;
}

static bool step_read(struct player *p, char **w, unsigned n)
{
	uint64_t bytes;
	uint8_t *m;

	if (n != 5 || !number(p, w[2], &bytes) || !memory_at(p, w[1], bytes, &m) ||
	    strlen(w[4]) != bytes * 2)
		return fail(p, "read ADDR LEN -> HEX");
	for (uint64_t i = 0; i < bytes; i++) {
		const char *h = w[4] + 2 * i;

		if (h[0] == '?')
			continue;
		if (m[i] != (uint8_t)(hex_digit(h[0]) << 4 | hex_digit(h[1])))
			return fail(p, "byte %llu is %02x, expected %.2s", (unsigned long long)i,
				    m[i], h);
	}
	return true;
}

static bool step_sha384(struct player *p, char **w, unsigned n)
{
	char text[2 * SHA384_BYTES + 1];
	uint8_t digest[SHA384_BYTES], *m;
	struct sha384 s;
	uint64_t bytes;

	if (n != 5 || !number(p, w[2], &bytes) || !memory_at(p, w[1], bytes, &m))
		return fail(p, "sha384 ADDR LEN -> HEX");
	sha384_init(&s);
	sha384_update(&s, m, bytes);
	sha384_final(&s, digest);
	for (unsigned i = 0; i < SHA384_BYTES; i++)
		snprintf(text + 2 * i, 3, "%02x", digest[i]);
	return strcmp(text, w[4]) == 0 || fail(p, "SHA-384 is %s", text);
}

/* An optional "lp=N" at w[1]. */
static bool optional_lp(struct player *p, char **w, unsigned n, unsigned *i, int *lp)
{
	uint64_t v;

	*lp = -1;
	if (*i >= n || strncmp(w[*i], "lp=", 3) != 0)
		return true;
	if (!number(p, w[(*i)++] + 3, &v) || v >= VM_LPS)
		return fail(p, "bad LP");
	*lp = (int)v;
	return true;
}

static bool step_msr(struct player *p, char **w, unsigned n)
{
	uint64_t msr, v;
	unsigned i = 1;
	int lp;

	if (!optional_lp(p, w, n, &i, &lp) || i + 2 != n || !number(p, w[i], &msr) ||
	    !number(p, w[i + 1], &v))
		return fail(p, "msr [lp=N] INDEX VALUE");
	vm_set_msr(lp, (uint32_t)msr, v);
	return true;
}

static bool step_cpuid(struct player *p, char **w, unsigned n)
{
	uint64_t v[6];
	unsigned i = 1;
	int lp;

	if (!optional_lp(p, w, n, &i, &lp) || i + 6 != n)
		return fail(p, "cpuid [lp=N] LEAF SUB EAX EBX ECX EDX");
	for (unsigned k = 0; k < 6; k++)
		if (!number(p, w[i + k], &v[k]))
			return false;
	vm_set_cpuid(
		lp, (uint32_t)v[0], (uint32_t)v[1],
		(uint32_t[4]){ (uint32_t)v[2], (uint32_t)v[3], (uint32_t)v[4], (uint32_t)v[5] });
	return true;
}

static bool step_irq(struct player *p, char **w, unsigned n)
{
	unsigned i = 1;
	int lp;

	if (!optional_lp(p, w, n, &i, &lp) || lp < 0 || i + 1 != n)
		return fail(p, "irq lp=N on|off");
	vm_set_irq((unsigned)lp, strcmp(w[i], "on") == 0);
	return true;
}

static bool step_entropy(struct player *p, char **w, unsigned n)
{
	if (n != 2)
		return fail(p, "entropy on|off");
	vm_set_entropy(strcmp(w[1], "on") == 0);
	return true;
}

static bool step_tick(struct player *p, char **w, unsigned n)
{
	uint64_t v;

	if (n != 2 || !number(p, w[1], &v))
		return fail(p, "tick V");
	vm_tick(v);
	return true;
}

static bool step_pconfig(struct player *p, char **w, unsigned n)
{
	uint64_t v;

	if (n != 2 || !number(p, w[1], &v))
		return fail(p, "pconfig CODE");
	vm_fail_pconfig((unsigned)v);
	return true;
}

static const struct step {
	const char *name;
	bool (*run)(struct player *p, char **w, unsigned n);
} steps[] = {
	{ "zero", step_zero },       { "write", step_write }, { "write64", step_write64 },
	{ "pattern", step_pattern }, { "read", step_read },   { "sha384", step_sha384 },
	{ "msr", step_msr },         { "cpuid", step_cpuid }, { "irq", step_irq },
	{ "entropy", step_entropy }, { "tick", step_tick },   { "pconfig", step_pconfig },
};

static bool play_file(struct player *p, const char *path, unsigned depth);

static bool play_include(struct player *p, const char *from, const char *name, unsigned depth)
{
	const char *slash = strrchr(from, '/'), *file = p->file;
	char path[1024];
	unsigned line = p->line;

	snprintf(path, sizeof(path), "%.*s%s", slash ? (int)(slash - from + 1) : 0, from, name);
	if (!play_file(p, path, depth + 1))
		return false;
	p->file = file;
	p->line = line;
	return true;
}

static bool play_line(struct player *p, const char *path, char *text, unsigned depth)
{
	char *w[MAX_WORDS], *save, *note = strstr(text, "  # ");
	unsigned n = 0;

	if (note)
		*note = 0;
	for (char *t = strtok_r(text, " \t\r\n", &save); t && n < MAX_WORDS;
	     t = strtok_r(NULL, " \t\r\n", &save))
		w[n++] = t;
	if (n == 0 || w[0][0] == '#')
		return true;
	p->steps++;
	if (strcmp(w[0], "include") == 0 && n == 2)
		return play_include(p, path, w[1], depth);
	if (strncmp(w[0], "lp=", 3) == 0)
		return step_action(p, w, n);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		if (strcmp(steps[i].name, w[0]) == 0)
			return steps[i].run(p, w, n);
	return fail(p, "unknown step '%s'", w[0]);
}

static bool play_file(struct player *p, const char *path, unsigned depth)
{
	char *text = NULL;
	size_t room = 0;
	bool ok = true;
	FILE *f = depth < MAX_DEPTH ? fopen(path, "r") : NULL;

	if (!f)
		return fail(p, "cannot read %s", path);
	p->file = path;
	p->line = 0;
	while (ok && getline(&text, &room, f) > 0) {
		p->line++;
		ok = play_line(p, path, text, depth);
	}
	free(text);
	fclose(f);
	return ok;
}

int cmd_vectors(int argc, char **argv)
{
	unsigned passed = 0, failed = 0;

	for (int i = 0; i < argc; i++) {
		struct player p = { .file = argv[i] };

		vm_reset();
		if (play_file(&p, argv[i], 0)) {
			printf("pass %s (%u steps)\n", argv[i], p.steps);
			passed++;
		} else {
			printf("FAIL %s: %s:%u: %s\n", argv[i], p.file, p.line, p.why);
			failed++;
		}
	}
	unsigned all, seen = statuses_count(&all);

	printf("%u of %u statuses provoked\n%u passed, %u failed\n", seen, all, passed, failed);
	return failed || !passed;
}
