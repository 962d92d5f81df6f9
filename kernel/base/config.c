/*
 * config.c - tain.cfg into records.
 *
 * One table row per key says where it may stand, how its value is read and where it goes.
 *
 * Invariants
 *   - A value goes into its record whole and checked, or not at all.
 *   - What is wrong in a guest's section refuses that guest; what is wrong in [tain] leaves the
 *     default in force. Either way one message names the line.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/base/config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/cfg_lex.h"
#include "kernel/base/config_room.h"
#include "kernel/base/log.h"

/* Which kinds of section a key belongs to. */
enum { IN_TAIN = 1, IN_TD = 2, IN_VM = 4, IN_GUEST = IN_TD | IN_VM, IN_NOTHING = 8,
       IN_FETCHED = 16 }; /* [tain] of a file from the network has it, too */

struct parser {
	struct config *cfg;
	const struct config *known; /* of a file from the network: what is in force; else NULL */
	struct guest_config *guest; /* the open guest section, or NULL */
	struct config_lines *lines; /* its */
	unsigned where;             /* IN_* of the open section; 0: one whose keys are skipped */
	unsigned line;
	uint64_t seen; /* bit per row of keys[] met in this section */
	char value[CFG_LINE_MAX + 1];
};

/* ------------------------------------------------------------------ saying what is wrong */

/* Wrong in the open section, whichever kind it is. */
static void complain(struct parser *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void complain(struct parser *p, const char *fmt, ...)
{
	char reason[CONFIG_REASON_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	config_make_printable(reason);
	if (p->guest)
		config_refuse(p->cfg, p->guest, p->line, "%s", reason);
	else
		config_add_message(p->cfg, p->line, reason);
}

/* ------------------------------------------------------------------ reading values */

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Digits at *@s in base 10 or, after 0x, 16; *@s moves behind them. */
static int read_number(const char **s, uint64_t *value)
{
	const char *at = *s;
	unsigned base = 10;
	uint64_t v = 0;

	if (at[0] == '0' && (at[1] == 'x' || at[1] == 'X')) {
		base = 16;
		at += 2;
	}
	const char *first = at;

	for (; digit_of(*at) >= 0 && digit_of(*at) < (int)base; at++)
		if (__builtin_mul_overflow(v, base, &v) ||
		    __builtin_add_overflow(v, (uint64_t)digit_of(*at), &v))
			return -ERANGE;
	if (at == first)
		return -EINVAL;
	*s = at;
	*value = v;
	return 0;
}

int config_size(const char *text, uint64_t *bytes)
{
	static const struct {
		char upper, lower;
		unsigned shift;
	} units[] = { { 'K', 'k', 10 }, { 'M', 'm', 20 }, { 'G', 'g', 30 }, { 'T', 't', 40 } };
	unsigned shift = 0;
	uint64_t v;
	int err = read_number(&text, &v);

	if (err)
		return err;
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (*text == units[i].upper || *text == units[i].lower) {
			shift = units[i].shift;
			text++;
			break;
		}
	if (*text)
		return -EINVAL;
	if (shift && v >> (64 - shift))
		return -ERANGE;
	*bytes = v << shift;
	return 0;
}

static bool same_word(const char *a, const char *b)
{
	for (; *a && *b; a++, b++) {
		char x = (*a >= 'A' && *a <= 'Z') ? (char)(*a + 32) : *a;

		if (x != *b)
			return false;
	}
	return *a == *b;
}

struct word {
	const char *name;
	int value;
};

/* clang-format off */
static const struct word log_words[] = {
	{ "error", LOG_ERROR }, { "warn", LOG_WARN }, { "info", LOG_INFO }, { "debug", LOG_DEBUG },
	{ "trace", LOG_TRACE }, { NULL, 0 } };
static const struct word gdb_words[] = {
	{ "off", GDB_OFF }, { "com1", GDB_COM1 }, { "com2", GDB_COM2 }, { NULL, 0 } };
static const struct word bringup_words[] = {
	{ "on", BRINGUP_ON }, { "step", BRINGUP_STEP }, { "probe", BRINGUP_PROBE }, { NULL, 0 } };
static const struct word pamt_words[] = {
	{ "auto", TDX_PAMT_AUTO }, { "static", TDX_PAMT_STATIC }, { "dynamic", TDX_PAMT_DYNAMIC },
	{ NULL, 0 } };
static const struct word accept_words[] = {
	{ "lazy", TD_ACCEPT_LAZY }, { "eager", TD_ACCEPT_EAGER }, { "added", TD_ACCEPT_ADDED },
	{ "measured", TD_ACCEPT_MEASURED }, { NULL, 0 } };
static const struct word measure_words[] = {
	{ "per-page", TD_MEASURE_PER_PAGE }, { "section", TD_MEASURE_SECTION },
	{ "two-pass", TD_MEASURE_TWO_PASS }, { NULL, 0 } };
static const struct word page_words[] = {
	{ "4k", LEVEL_4K }, { "2m", LEVEL_2M }, { "1g", LEVEL_1G }, { NULL, 0 } };
static const struct word attribute_words[] = {
	{ "debug", GUEST_ATTR_DEBUG }, { "sept-ve-disable", GUEST_ATTR_SEPT_VE_DISABLE },
	{ "no-rbp-mod", GUEST_ATTR_NO_RBP_MOD },
	{ NULL, 0 } };
static const struct word device_words[] = {
	{ "console", GUEST_DEVICE_CONSOLE }, { "rng", GUEST_DEVICE_RNG }, { NULL, 0 } };
static const struct word crash_words[] = {
	{ "stop", CRASH_STOP }, { "reboot", CRASH_REBOOT }, { NULL, 0 } };
static const struct word console_words[] = {
	{ "auto", CONSOLE_AUTO }, { "com1", CONSOLE_COM1 }, { "com2", CONSOLE_COM2 }, { NULL, 0 } };
static const struct word module_words[] = {
	{ "auto", MODULE_AUTO }, { "hardware", MODULE_HARDWARE }, { "soft", MODULE_SOFT },
	{ "none", MODULE_NONE }, { NULL, 0 } };
static const struct word profile_words[] = {
	{ "soft:1.5.01", 0 }, { "soft:1.5.05", 0 }, { "soft:2.0", 0 }, { "soft:odd", 0 }, { NULL, 0 } };
/* clang-format on */

static const struct word *find_word(const struct word *words, const char *value)
{
	for (; words->name; words++)
		if (same_word(value, words->name))
			return words;
	return NULL;
}

/* "a, b, c" of the words' names. */
static const char *list_words(const struct word *words, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = 0;
	for (; words->name && n < size; words++)
		n += (size_t)snprintf(buf + n, size - n, "%s%s", n ? ", " : "", words->name);
	return buf;
}

/* ------------------------------------------------------------------ the keys */

struct key;
typedef void (*set_fn)(struct parser *p, const struct key *k, const char *value);

struct key {
	const char *name;
	unsigned where; /* IN_* */
	set_fn set;
	size_t offset;      /* in struct tain_config or struct guest_config */
	size_t line_offset; /* paths: in struct config_lines */
	const struct word *words;
	uint64_t min, max;
};

static void *field(struct parser *p, const struct key *k)
{
	char *base = p->guest ? (char *)p->guest : (char *)&p->cfg->tain;

	return base + k->offset;
}

static void set_words(struct parser *p, const struct key *k, const char *value)
{
	const struct word *w = find_word(k->words, value);
	char list[80];

	if (!w)
		complain(p, "%s: '%.24s' is none of %s", k->name, value,
			 list_words(k->words, list, sizeof(list)));
	else
		*(int *)field(p, k) = w->value;
}

static void set_number(struct parser *p, const struct key *k, const char *value)
{
	const char *end = value;
	uint64_t v;

	if (read_number(&end, &v) || *end)
		complain(p, "%s: '%.24s' is not a number", k->name, value);
	else if (v < k->min || v > k->max)
		complain(p, "%s: %.24s is outside %llu to %llu", k->name, value,
			 (unsigned long long)k->min, (unsigned long long)k->max);
	else
		*(unsigned *)field(p, k) = (unsigned)v;
}

static void set_size(struct parser *p, const struct key *k, const char *value)
{
	uint64_t v;
	int err = config_size(value, &v);

	if (err == -ERANGE)
		complain(p, "%s: %.40s does not fit in 64 bits", k->name, value);
	else if (err)
		complain(p, "%s: '%.24s' is not a size (number with K, M or G)", k->name, value);
	else if (v < k->min || v > k->max)
		complain(p, "%s: %.24s is outside %lluK to %lluG", k->name, value,
			 (unsigned long long)(k->min >> 10), (unsigned long long)(k->max >> 30));
	else if (!is_aligned(v, PAGE_SIZE))
		complain(p, "%s: %.24s is not a multiple of 4K", k->name, value);
	else
		*(uint64_t *)field(p, k) = v;
}

/* "all" is 0: no bound. */
static void set_tdx_memory(struct parser *p, const struct key *k, const char *value)
{
	if (strcmp(value, "all") == 0)
		*(uint64_t *)field(p, k) = 0;
	else
		set_size(p, k, value);
}

static void set_text(struct parser *p, const struct key *k, const char *value)
{
	char *to = field(p, k);

	if (strlen(value) > k->max)
		complain(p, "%s: longer than %u bytes", k->name, (unsigned)k->max);
	else
		memcpy(to, value, strlen(value) + 1);
}

static bool path_into(struct parser *p, const char *name, const char *value, struct guest_file *f)
{
	size_t n = strlen(value);

	if (n == 0)
		complain(p, "%s: no path given", name);
	else if (n > GUEST_PATH_MAX)
		complain(p, "%s: path longer than %d bytes", name, GUEST_PATH_MAX);
	else
		for (size_t i = 0; i <= n; i++)
			f->path[i] = (char)(value[i] == '/' ? '\\' : value[i]);
	return n > 0 && n <= GUEST_PATH_MAX;
}

static void set_guest_path(struct parser *p, const struct key *k, const char *value)
{
	bool url = net_file_is_url(value);
	const char *wrong = url ? net_file_read(value, field(p, k)) : NULL;

	if (wrong)
		complain(p, "%s: '%.40s': %s", k->name, value, wrong);
	else if (url || path_into(p, k->name, value, field(p, k)))
		*(unsigned *)((char *)p->lines + k->line_offset) = p->line;
}

static void set_script(struct parser *p, const struct key *k, const char *value)
{
	if (*value && path_into(p, k->name, value, field(p, k)))
		p->cfg->script_line = p->line;
}

static void set_url(struct parser *p, const struct key *k, const char *value)
{
	const char *wrong = net_file_read(value, field(p, k));

	if (wrong)
		complain(p, "%s: '%.40s': %s", k->name, value, wrong);
}

static void set_update(struct parser *p, const struct key *k, const char *value)
{
	if (net_file_is_url(value))
		set_url(p, k, value);
	else if (*value && path_into(p, k->name, value, field(p, k)))
		p->cfg->update_line = p->line;
}

static void set_bits(struct parser *p, const struct key *k, const char *value)
{
	uint32_t bits = 0;
	char item[32], list[80];

	while (cfg_word(&value, item, sizeof(item))) {
		const struct word *w = find_word(k->words, item);

		if (!w) {
			complain(p, "%s: '%.24s' is none of %s", k->name, item,
				 list_words(k->words, list, sizeof(list)));
			return;
		}
		bits |= (uint32_t)w->value;
	}
	*(uint32_t *)field(p, k) = bits;
}

static void set_console(struct parser *p, const struct key *k, const char *value)
{
	struct tain_config *t = &p->cfg->tain;
	const struct word *w = find_word(k->words, value);
	const char *end = value;
	uint64_t v;

	if (w) {
		t->console = (enum console_choice)w->value;
	} else if (read_number(&end, &v) || *end || v == 0) {
		complain(p, "%s: '%.24s' is none of auto, com1, com2, a port, an MMIO address",
			 k->name, value);
	} else {
		t->console = v <= UINT16_MAX - 7 ? CONSOLE_PORT : CONSOLE_MMIO;
		t->console_address = v;
	}
}

static void set_module(struct parser *p, const struct key *k, const char *value)
{
	struct tain_config *t = &p->cfg->tain;
	const struct word *w = find_word(k->words, value),
			  *profile = find_word(profile_words, value);

	if (w) {
		t->module = (enum module_choice)w->value;
	} else if (profile) {
		t->module = MODULE_SOFT;
		t->profile = strchr(profile->name, ':') + 1;
	} else if (net_file_is_url(value)) {
		set_url(p, k, value);
		t->module = t->module_file.remote ? MODULE_FILE : t->module;
	} else if (!strchr(value, '\\') && !strchr(value, '/')) {
		complain(p,
			 "%s: '%.24s' is none of auto, hardware, soft[:1.5.01|:1.5.05|:2.0|:odd], none, "
			 "a path",
			 k->name, value);
	} else if (path_into(p, k->name, value, &t->module_file)) {
		t->module = MODULE_FILE;
		p->cfg->module_line = p->line;
	}
}

static void set_net(struct parser *p, const struct key *k, const char *value)
{
	struct net_config net;
	const char *wrong = net_config_read(value, &net);

	if (wrong)
		complain(p, "%s: '%.24s': %s", k->name, value, wrong);
	if (wrong)
		return;
	net.extra = p->cfg->tain.net.extra;
	p->cfg->tain.net = net;
}

static void set_net_extra(struct parser *p, const struct key *k, const char *value)
{
	const char *wrong = net_extra_read(k->name, value, &p->cfg->tain.net.extra);

	if (wrong)
		complain(p, "%s: '%.40s': %s", k->name, value, wrong);
}

static void set_net_use(struct parser *p, const struct key *k, const char *value)
{
	const char *wrong = net_use_read(k->name, value, &p->cfg->tain.use);

	if (wrong)
		complain(p, "%s: %s", k->name, wrong);
}

static void set_start(struct parser *p, const struct key *k, const char *value)
{
	struct tain_config *t = &p->cfg->tain;
	char item[GUEST_NAME_MAX + 2];

	p->cfg->start_line = p->line;
	while (cfg_word(&value, item, sizeof(item))) {
		if (strlen(item) > GUEST_NAME_MAX)
			complain(p, "%s: '%s...' is longer than a guest's name may be", k->name,
				 item);
		else if (t->start_count == CONFIG_GUESTS_MAX)
			complain(p, "%s: more than %d guests", k->name, CONFIG_GUESTS_MAX);
		else
			memcpy(t->start[t->start_count++], item, strlen(item) + 1);
	}
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;

	return at ? (int)(at - digits) : -1;
}

static void set_mrtd(struct parser *p, const struct key *k, const char *value)
{
	uint8_t hash[GUEST_MRTD_BYTES] = { 0 };
	size_t digits = strlen(value);

	for (size_t i = 0; i < digits && i < 2 * sizeof(hash); i++) {
		int digit = hex_digit(value[i]);

		if (digit < 0)
			digits = 0;
		else
			hash[i / 2] = (uint8_t)(hash[i / 2] << 4 | digit);
	}
	if (digits != 2 * sizeof(hash)) {
		complain(p, "%s: expected 96 hexadecimal digits, as `tain mrtd` prints them", k->name);
		return;
	}
	memcpy(p->guest->mrtd, hash, sizeof(hash));
	p->guest->has_mrtd = true;
}

#define T(f) offsetof(struct tain_config, f)
#define G(f) offsetof(struct guest_config, f)
#define L(f) offsetof(struct config_lines, f)
/* clang-format off */
static const struct key keys[] = {
	/* name          where     set             field             */
	{ "console",    IN_TAIN,  set_console,    T(console), 0, console_words, 0, 0 },
	{ "baud",       IN_TAIN,  set_number,     T(baud), 0, NULL, 50, 4000000 },
	{ "log",        IN_TAIN,  set_words,      T(log), 0, log_words, 0, 0 },
	{ "module",     IN_TAIN,  set_module,     T(module_file), 0, module_words, 0, 0 },
	{ "start",      IN_TAIN | IN_FETCHED, set_start,      T(start), 0, NULL, 0, 0 },
	{ "config",     IN_TAIN,  set_url,        T(config_file), 0, NULL, 0, 0 },
	{ "script",     IN_TAIN,  set_script,     T(script), 0, NULL, 0, 0 },
	{ "update",     IN_TAIN,  set_update,     T(update_file), 0, NULL, 0, 0 },
	{ "gdb",        IN_TAIN,  set_words,      T(gdb), 0, gdb_words, 0, 0 },
	{ "bringup",    IN_TAIN,  set_words,      T(bringup), 0, bringup_words, 0, 0 },
	{ "pamt",       IN_TAIN,  set_words,      T(pamt), 0, pamt_words, 0, 0 },
	{ "crash",      IN_TAIN,  set_words,      T(crash), 0, crash_words, 0, 0 },
	{ "watchdog",   IN_TAIN,  set_number,     T(watchdog), 0, NULL, 0, 3600 },
	{ "net",        IN_TAIN,  set_net,        T(net), 0, NULL, 0, 0 },
	{ "nic",        IN_TAIN,  set_net_extra,  0, 0, NULL, 0, 0 },
	{ "net6",       IN_TAIN,  set_net_extra,  0, 0, NULL, 0, 0 },
	{ "dns",        IN_TAIN,  set_net_extra,  0, 0, NULL, 0, 0 },
	{ "http",       IN_TAIN,  set_net_use,    0, 0, NULL, 0, 0 },
	{ "remote",     IN_TAIN,  set_net_use,    0, 0, NULL, 0, 0 },
	{ "secret",     IN_TAIN,  set_net_use,    0, 0, NULL, 0, 0 },
	{ "gdb_net",    IN_TAIN,  set_net_use,    0, 0, NULL, 0, 0 },
	{ "syslog",     IN_TAIN,  set_net_use,    0, 0, NULL, 0, 0 },
	{ "uplink",     IN_TAIN,  set_text,       T(uplink), 0, NULL, 0, GUEST_NAME_MAX },
	{ "fetch_limit", IN_TAIN, set_size,       T(fetch_limit), 0, NULL, PAGE_SIZE, UINT64_C(1) << 40 },
	{ "tdx_memory", IN_TAIN,  set_tdx_memory, T(tdx_memory), 0, NULL, PAGE_SIZE, TDX_MEMORY_MAX },
	{ "firmware",   IN_GUEST, set_guest_path, G(firmware), L(firmware), NULL, 0, 0 },
	{ "kernel",     IN_GUEST, set_guest_path, G(kernel), L(kernel), NULL, 0, 0 },
	{ "initrd",     IN_GUEST, set_guest_path, G(initrd), L(initrd), NULL, 0, 0 },
	{ "disk",       IN_GUEST, set_guest_path, G(disk), L(disk), NULL, 0, 0 },
	{ "virtio",     IN_GUEST, set_bits,       G(devices), 0, device_words, 0, 0 },
	{ "network",    IN_GUEST, set_text,       G(network), 0, NULL, 0, GUEST_NAME_MAX },
	{ "image",      IN_VM,    set_guest_path, G(image), L(image), NULL, 0, 0 },
	{ "load",       IN_VM,    set_size,       G(image_load), 0, NULL, 0, CONFIG_MEMORY_MAX },
	{ "cmdline",    IN_GUEST, set_text,       G(cmdline), 0, NULL, 0, GUEST_CMDLINE_MAX },
	{ "memory",     IN_GUEST, set_size,       G(memory), 0, NULL, CONFIG_MEMORY_MIN, CONFIG_MEMORY_MAX },
	{ "memory_low", IN_GUEST, set_size,       G(memory_low), 0, NULL, CONFIG_MEMORY_MIN, GUEST_LOW_TOP },
	{ "vcpus",      IN_GUEST, set_number,     G(vcpus), 0, NULL, 1, GUEST_VCPUS_MAX },
	{ "attributes", IN_TD,    set_bits,       G(attributes), 0, attribute_words, 0, 0 },
	{ "accept",     IN_TD,    set_words,      G(accept), 0, accept_words, 0, 0 },
	{ "page",       IN_GUEST, set_words,      G(page_level), 0, page_words, 0, 0 },
	{ "mrtd",       IN_TD,    set_mrtd,       G(mrtd), 0, NULL, 0, 0 },
	{ "measure",    IN_TD,    set_words,      G(measure), 0, measure_words, 0, 0 },
};
/* clang-format on */

_Static_assert(ARRAY_LEN(keys) <= 64, "parser.seen holds a bit per row");
_Static_assert(sizeof(enum td_accept) == sizeof(int) && sizeof(enum gdb_choice) == sizeof(int) &&
		       sizeof(((struct tain_config *)0)->log) == sizeof(int),
	       "set_words stores an int");

static void take_key(struct parser *p, const char *name, const char *value)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const struct key *k = &keys[i];

		if (strcmp(name, k->name) != 0)
			continue;
		if (p->where == IN_NOTHING)
			complain(p, "%s stands before any section", k->name);
		else if (!(k->where & p->where))
			complain(p, "%s belongs in a %s section", k->name,
				 k->where & IN_TAIN ? "[tain]"
				 : k->where == IN_TD ? "[td]"
				 : k->where == IN_VM ? "[vm]"
						     : "[td] or [vm]");
		else if (p->known && (k->where & IN_TAIN) && !(k->where & IN_FETCHED))
			complain(p, "%s is not taken from the network, but from tain.cfg alone", k->name);
		else if (p->seen & BIT64(i))
			complain(p, "%s is given twice", k->name);
		else
			k->set(p, k, value);
		p->seen |= (k->where & p->where) ? BIT64(i) : 0;
		return;
	}
	complain(p, "unknown key '%.40s'", name);
}

/* ------------------------------------------------------------------ the sections */

static const struct guest_config *find_guest(const struct config *cfg, const char *name)
{
	for (unsigned i = 0; i < cfg->guest_count; i++)
		if (strcmp(cfg->guests[i].name, name) == 0)
			return &cfg->guests[i];
	return NULL;
}

struct guest_config *config_guest(struct config *cfg, const char *name)
{
	const struct guest_config *g = find_guest(cfg, name);

	return g ? &cfg->guests[g - cfg->guests] : NULL;
}

static bool good_name(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > GUEST_NAME_MAX)
		return false;
	for (; *s; s++)
		if (!(digit_of(*s) >= 0 || (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
		      *s == '-' || *s == '_' || *s == '.'))
			return false;
	return true;
}

static void open_guest(struct parser *p, enum guest_kind kind, const char *name)
{
	struct config *cfg = p->cfg;
	struct guest_config *g = config_guest(cfg, name);

	if (!good_name(name)) {
		complain(p, "'%.40s' is no name for a guest (1 to %d of letters, digits, - _ .)",
			 name, GUEST_NAME_MAX);
	} else if (g) {
		complain(p, "guest %s is already defined in line %u: this section is ignored", name,
			 g->line);
	} else if (cfg->guest_count == CONFIG_GUESTS_MAX) {
		complain(p, "more than %d guests: %s is ignored", CONFIG_GUESTS_MAX, name);
	} else {
		p->lines = &cfg->lines[cfg->guest_count];
		g = &cfg->guests[cfg->guest_count++];
		*p->lines = (struct config_lines){ 0 };
		memset(g, 0, sizeof(*g));
		memcpy(g->name, name, strlen(name) + 1);
		g->kind = kind;
		g->line = p->line;
		g->memory = 128 * (UINT64_C(1) << 20);
		g->vcpus = 1;
		g->page_level = LEVEL_2M;
		p->guest = g;
		p->where = kind == GUEST_TD ? IN_TD : IN_VM;
	}
}

/* What follows belongs to nobody: the keys of the section before must not be changed by it. */
static void close_section(struct parser *p)
{
	p->guest = NULL;
	p->where = 0;
	p->seen = 0;
}

static bool looks_like_section(struct cfg_span line)
{
	size_t i = 0;

	while (i < line.len && (line.at[i] == ' ' || line.at[i] == '\t'))
		i++;
	return i < line.len && line.at[i] == '[';
}

static void open_section(struct parser *p, const char *kind, const char *name)
{
	close_section(p);
	if (strcmp(kind, "tain") == 0 && !*name)
		p->where = IN_TAIN;
	else if (strcmp(kind, "td") == 0)
		open_guest(p, GUEST_TD, name);
	else if (strcmp(kind, "vm") == 0)
		open_guest(p, GUEST_VM, name);
	else
		complain(p, "[%.16s%s%.32s] is no section: expected [tain], [td NAME] or [vm NAME]",
			 kind, *name ? " " : "", name);
}

/* ------------------------------------------------------------------ the whole */

/* What only makes sense once the whole section is known. */
static void check_guest(struct config *cfg, struct guest_config *g)
{
	unsigned ways = (g->firmware.path[0] != 0) + (g->image.path[0] != 0);

	if (g->refusal[0])
		return;
	if (ways == 0 && !g->kernel.path[0])
		config_refuse(cfg, g, g->line, "needs firmware%s or kernel",
		       g->kind == GUEST_VM ? ", image" : "");
	else if (g->image.path[0] && (ways > 1 || g->kernel.path[0]))
		config_refuse(cfg, g, g->line, "image excludes firmware and kernel");
	else if (g->initrd.path[0] && !g->kernel.path[0])
		config_refuse(cfg, g, g->line, "initrd without kernel");
	else if (g->image_load && !g->image.path[0])
		config_refuse(cfg, g, g->line, "load without image");
	else if (g->image_load >= g->memory)
		config_refuse(cfg, g, g->line, "load lies beyond the guest's memory");
}

/* Names in start that no section defines leave the list. */
static void check_start(struct parser *p)
{
	struct tain_config *t = &p->cfg->tain;
	unsigned kept = 0;

	p->guest = NULL;
	p->line = p->cfg->start_line;
	for (unsigned i = 0; i < t->start_count; i++) {
		bool twice = false;

		for (unsigned j = 0; j < kept; j++)
			twice |= strcmp(t->start[i], t->start[j]) == 0;
		if (twice)
			complain(p, "start: %s is named twice", t->start[i]);
		else if (!find_guest(p->cfg, t->start[i]) && !(p->known && find_guest(p->known, t->start[i])))
			complain(p, "start: no guest is named '%s'", t->start[i]);
		else
			memmove(t->start[kept++], t->start[i], sizeof(t->start[i]));
	}
	t->start_count = kept;
}

static void take_item(struct parser *p, const struct cfg_item *item)
{
	char key[64];

	p->line = item->line;
	switch (item->kind) {
	case CFG_BAD:
		if (looks_like_section(item->key))
			close_section(p);
		complain(p, "%s", item->why);
		break;
	case CFG_SECTION:
		if (!cfg_span_copy(item->key, key, sizeof(key)) ||
		    !cfg_span_copy(item->value, p->value, sizeof(p->value)))
			key[0] = p->value[0] = 0;
		open_section(p, key, p->value);
		break;
	case CFG_PAIR:
		if (p->where == 0)
			break; /* its section was refused: said once, there */
		if (!cfg_span_copy(item->key, key, sizeof(key)))
			complain(p, "unknown key '%.40s...'", item->key.at);
		else if (!cfg_span_copy(item->value, p->value, sizeof(p->value)))
			complain(p, "%s: the value is too long", key);
		else
			take_key(p, key, p->value);
		break;
	case CFG_END:
		break;
	}
}

static void parse(struct parser *p, const char *text, size_t size)
{
	struct cfg_lex lex;
	struct cfg_item item;

	p->where = IN_NOTHING;
	cfg_lex_init(&lex, text, size);
	while (cfg_lex_next(&lex, &item))
		take_item(p, &item);
	for (unsigned i = 0; i < p->cfg->guest_count; i++)
		check_guest(p->cfg, &p->cfg->guests[i]);
	check_start(p);
}

void config_parse(struct config *cfg, const char *text, size_t size)
{
	struct parser p = { .cfg = cfg };

	parse(&p, text, size);
}

void config_parse_fetched(struct config *cfg, const char *name, const struct config *known, const char *text,
			  size_t size)
{
	struct parser p = { .cfg = cfg, .known = known };

	snprintf(cfg->name, sizeof(cfg->name), "%s", name);
	config_make_printable(cfg->name);
	parse(&p, text, size);
}

void config_defaults(struct config *cfg)
{
	cfg->tain = (struct tain_config){
		.console = CONSOLE_AUTO,
		.baud = 115200,
		.log = LOG_INFO,
		.module = MODULE_AUTO,
		.gdb = GDB_COM2,
		.bringup = BRINGUP_ON,
		.crash = CRASH_STOP,
		.watchdog = 30,
		.fetch_limit = SIZE_1G,
	};
	memcpy(cfg->name, "tain.cfg", sizeof("tain.cfg"));
	cfg->guest_count = 0;
	cfg->start_line = cfg->script_line = cfg->module_line = cfg->update_line = 0;
	cfg->message_count = cfg->messages_lost = 0;
}
