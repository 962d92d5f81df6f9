/*
 * status_page.c - the looks of the pages for people. Contract: status_page.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/net/status_page.h"

#include <stdio.h>

#define GROUP_GAP "\xe2\x80\xaf" /* U+202F, narrow, does not break */

static const char style[] =
	":root{color-scheme:light "
	"dark;--ink:#1c2126;--dim:#5d6873;--line:#d9dee3;--back:#fff;--box:#f4f6f8;"
	"--link:#0b5cad;--good:#12733a;--bad:#b3261e;--wait:#8a5a00;"
	"--guest:#2f7fd1;--module:#8457c9;--tain:#d98a1f}"
	"@media(prefers-color-scheme:dark){:root{--ink:#e3e7eb;--dim:#98a3ae;--line:#343c45;--back:"
	"#14181c;"
	"--box:#1d2329;--link:#7db8f5;--good:#62c98a;--bad:#ff8a80;--wait:#e0b060}}"
	"*{box-sizing:border-box}"
	"body{font:15px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--back);"
	"margin:0 auto;max-width:64em;padding:1.2em 1.2em 3em}"
	"h1{font-size:1.7em;margin:0}h2{font-size:1.1em;margin:1.8em 0 .5em}"
	"a{color:var(--link)}header p,footer{color:var(--dim);margin:.2em 0 1em}"
	".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.3em,1fr));gap:.5em}"
	".tiles div{background:var(--box);border-radius:.5em;padding:.6em}"
	".tiles b{display:block;font-size:1.35em;font-variant-numeric:tabular-nums}.tiles "
	"span{color:var(--dim)}"
	".bar{display:flex;height:1em;border-radius:.5em;overflow:hidden;background:var(--line)}"
	".bar i,.key i{background:var(--c)}.key "
	"i{display:inline-block;width:.8em;height:.8em;border-radius:.2em;"
	"margin-right:.4em}.key{display:flex;flex-wrap:wrap;gap:.2em 1.5em;margin-top:.5em}"
	"table{border-collapse:collapse;width:100%}"
	"th,td{text-align:left;padding:.4em .8em .4em 0;border-bottom:1px solid "
	"var(--line);vertical-align:top}"
	"th{color:var(--dim);font-weight:500}.n{text-align:right;font-variant-numeric:tabular-nums}"
	".s{white-space:nowrap}.s:before{content:\"\\25cf\\a0\"}.running{color:var(--good)}.dead,."
	"refused{color:var(--bad)}"
	".loading,.held{color:var(--wait)}.stopped,.off{color:var(--dim)}"
	".facts{columns:19em;column-gap:2.5em}"
	".facts div{display:flex;justify-content:space-between;gap:1em;border-bottom:1px solid "
	"var(--line);padding:.15em 0;"
	"break-inside:avoid}.facts "
	"b{font-weight:400;font-variant-numeric:tabular-nums;white-space:nowrap}"
	".wide{overflow-x:auto}"
	"@media(max-width:40em){body{padding:1em .8em 2em}"
	".guests tr:first-child{display:none}.guests tr{display:grid;grid-template-columns:auto "
	"auto auto 1fr;"
	"gap:0 1.2em;border-bottom:1px solid var(--line);padding:.5em 0}"
	".guests td{border:0;padding:0;text-align:left}.guests "
	"td:first-child{font-weight:600;grid-column:1/4}"
	".guests td:empty{display:none}.guests .s,.guests .for{text-align:right}"
	".guests .cpus:after{content:\" vCPU\"}.guests .why{grid-column:1/5;color:var(--dim)}}";

void html_open(struct text *t, const struct state_source *s, unsigned reload_s)
{
	text_puts(t, "<!doctype html><html lang=\"en\"><head><meta "
		     "charset=\"utf-8\"><title>Tain</title>");
	if (reload_s)
		text_printf(t, "<meta http-equiv=\"refresh\" content=\"%u\">", reload_s);
	text_puts(t, "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
		     "<link rel=\"icon\" href=\"data:,\"><style>");
	text_puts(t, style);
	text_puts(t, "</style></head><body><header><h1>Tain ");
	text_html(t, s->version);
	text_puts(t, "</h1><p>");
	text_html(t, s->module);
	text_puts(t, "</p></header>");
}

void html_close(struct text *t)
{
	text_puts(t, "<footer><p><a href=\"/\">Overview</a> &middot; <a href=\"/counters\">all "
		     "counters</a> &middot; "
		     "for programs: <a href=\"/metrics\">/metrics</a>, <a "
		     "href=\"/status\">/status</a></p></footer>"
		     "</body></html>\n");
}

void html_count(struct text *t, uint64_t count)
{
	char digits[24];
	int n = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)count);

	for (int i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			text_puts(t, GROUP_GAP);
		text_put(t, &digits[i], 1);
	}
}

void html_bytes(struct text *t, uint64_t bytes)
{
	uint64_t mib = bytes >> 20;

	if (mib < 1024)
		text_printf(t, "%llu MiB", (unsigned long long)mib);
	else
		text_printf(t, "%llu.%llu GiB", (unsigned long long)(mib / 1024),
			    (unsigned long long)(mib % 1024 * 10 / 1024));
}

void html_time(struct text *t, uint64_t us)
{
	unsigned long long s = us / 1000000;

	if (s < 60)
		text_printf(t, "%llu.%llu s", s, (unsigned long long)(us / 100000 % 10));
	else if (s < 3600)
		text_printf(t, "%llu min %02llu s", s / 60, s % 60);
	else if (s < 86400)
		text_printf(t, "%llu h %02llu min", s / 3600, s / 60 % 60);
	else
		text_printf(t, "%llu d %llu h", s / 86400, s / 3600 % 24);
}

void html_fact(void *ctx, const char *name, uint64_t count)
{
	struct text *t = ctx;

	text_puts(t, "<div><span>");
	text_html(t, name);
	text_puts(t, "</span><b>");
	html_count(t, count);
	text_puts(t, "</b></div>");
}
