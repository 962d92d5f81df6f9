/*
 * cfg_lex.c - the line lexer of tain.cfg. Contract and form: cfg_lex.h.
 *
 * Every index is checked against the span it walks; no byte outside text[0..size) is read.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/base/cfg_lex.h"

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static struct cfg_span trim(struct cfg_span s)
{
	while (s.len && is_blank(s.at[0])) {
		s.at++;
		s.len--;
	}
	while (s.len && is_blank(s.at[s.len - 1]))
		s.len--;
	return s;
}

/* The next physical line without its end-of-line bytes. */
static struct cfg_span take_line(struct cfg_lex *lex)
{
	size_t start = lex->pos, end = start;

	while (end < lex->size && lex->text[end] != '\n')
		end++;
	lex->pos = end < lex->size ? end + 1 : end;
	lex->line++;
	if (end > start && lex->text[end - 1] == '\r')
		end--;
	return (struct cfg_span){ lex->text + start, end - start };
}

/* Cut a comment off; *@quote_open tells of a double quote that never closes. */
static struct cfg_span cut_comment(struct cfg_span s, bool *quote_open)
{
	bool quoted = false;
	size_t i;

	for (i = 0; i < s.len; i++) {
		if (s.at[i] == '"')
			quoted = !quoted;
		else if (s.at[i] == '#' && !quoted && (i == 0 || is_blank(s.at[i - 1])))
			break;
	}
	*quote_open = quoted;
	return trim((struct cfg_span){ s.at, i });
}

static bool has_control_bytes(struct cfg_span s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.at[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return true;
	}
	return false;
}

static size_t find(struct cfg_span s, char c)
{
	size_t i = 0;

	while (i < s.len && s.at[i] != c)
		i++;
	return i;
}

static const char *lex_section(struct cfg_span s, struct cfg_item *item)
{
	size_t word = 0;

	if (s.at[s.len - 1] != ']')
		return "a section needs its closing ]";
	s = trim((struct cfg_span){ s.at + 1, s.len - 2 });
	if (!s.len)
		return "a section needs a name";
	while (word < s.len && !is_blank(s.at[word]))
		word++;
	item->kind = CFG_SECTION;
	item->key = (struct cfg_span){ s.at, word };
	item->value = trim((struct cfg_span){ s.at + word, s.len - word });
	return NULL;
}

static const char *lex_pair(struct cfg_span s, struct cfg_item *item)
{
	size_t eq = find(s, '=');
	struct cfg_span key, value;

	if (eq == s.len)
		return "expected [section] or key = value";
	key = trim((struct cfg_span){ s.at, eq });
	value = trim((struct cfg_span){ s.at + eq + 1, s.len - eq - 1 });
	if (!key.len)
		return "a key is missing before =";
	if (value.len >= 2 && value.at[0] == '"' &&
	    find((struct cfg_span){ value.at + 1, value.len - 1 }, '"') == value.len - 2)
		value = (struct cfg_span){ value.at + 1, value.len - 2 };
	item->kind = CFG_PAIR;
	item->key = key;
	item->value = value;
	return NULL;
}

/* NULL, or why the line is bad. An empty line leaves item->kind at CFG_END. */
static const char *lex_line(struct cfg_span line, struct cfg_item *item)
{
	bool quote_open;
	struct cfg_span s = cut_comment(line, &quote_open);

	if (line.len > CFG_LINE_MAX)
		return "the line is too long";
	if (!s.len)
		return NULL;
	if (has_control_bytes(s))
		return "the line holds control bytes: not a text file?";
	if (quote_open)
		return "a double quote is not closed";
	return s.at[0] == '[' ? lex_section(s, item) : lex_pair(s, item);
}

void cfg_lex_init(struct cfg_lex *lex, const char *text, size_t size)
{
	static const unsigned char bom[3] = { 0xef, 0xbb, 0xbf };
	size_t i = 0;

	while (i < sizeof(bom) && i < size && (unsigned char)text[i] == bom[i])
		i++;
	*lex = (struct cfg_lex){ text, size, i == sizeof(bom) ? i : 0, 0 };
}

bool cfg_lex_next(struct cfg_lex *lex, struct cfg_item *item)
{
	while (lex->pos < lex->size) {
		struct cfg_span line = take_line(lex);

		*item = (struct cfg_item){ .kind = CFG_END, .line = lex->line };
		item->why = lex_line(line, item);
		if (item->why) {
			item->kind = CFG_BAD;
			item->key = line;
			item->value = (struct cfg_span){ line.at + line.len, 0 };
		}
		if (item->kind != CFG_END)
			return true;
	}
	*item = (struct cfg_item){ .kind = CFG_END, .line = lex->line };
	return false;
}

bool cfg_span_is(struct cfg_span span, const char *word)
{
	size_t i = 0;

	while (i < span.len && word[i] && span.at[i] == word[i])
		i++;
	return i == span.len && !word[i];
}

bool cfg_span_copy(struct cfg_span span, char *out, size_t out_size)
{
	bool fits = span.len < out_size;

	if (!out_size)
		return false;
	for (size_t i = 0; fits && i < span.len; i++)
		out[i] = span.at[i];
	out[fits ? span.len : 0] = '\0';
	return fits;
}

bool cfg_span_copy_path(struct cfg_span span, char *out, size_t out_size)
{
	if (!cfg_span_copy(span, out, out_size))
		return false;
	for (size_t i = 0; out[i]; i++)
		if (out[i] == '/')
			out[i] = '\\';
	return true;
}

/* A URL: fetched later, not by the loader. */
static bool holds_scheme(struct cfg_span value)
{
	for (size_t i = 0; i + 3 <= value.len; i++)
		if (value.at[i] == ':' && value.at[i + 1] == '/' && value.at[i + 2] == '/')
			return true;
	return false;
}

bool cfg_names_file(struct cfg_span section, struct cfg_span key, struct cfg_span value)
{
	static const char *const guest_keys[] = { "firmware", "kernel", "initrd", "image", "disk" };

	if (!value.len || holds_scheme(value))
		return false;
	if (cfg_span_is(section, "tain")) {
		if (cfg_span_is(key, "script") || cfg_span_is(key, "update"))
			return true;
		/* module = auto, soft:2.0 and the like are words; a path has a separator. */
		return cfg_span_is(key, "module") &&
		       (find(value, '\\') < value.len || find(value, '/') < value.len);
	}
	for (size_t i = 0; i < ARRAY_LEN(guest_keys); i++)
		if (cfg_span_is(key, guest_keys[i]))
			return true;
	return false;
}

static bool parts_words(char c) { return c == ' ' || c == '\t' || c == ','; }

bool cfg_word(const char **s, char *word, size_t size)
{
	size_t n = 0;

	while (parts_words(**s))
		(*s)++;
	if (!**s)
		return false;
	for (; **s && !parts_words(**s); (*s)++)
		if (n + 1 < size)
			word[n++] = **s;
	word[n] = 0;
	return true;
}
