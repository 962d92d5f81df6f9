/*
 * status_pages.c - the state as Prometheus, JSON and HTML: nothing of `stats` is missing, names of
 * guests cannot break out of their quotes, samples of one metric stand together and are unique.
 *
 * With TAIN_PAGES=FOLDER the pages are also written there: promtool and json.tool may have a look.
 *
 * links: kernel/net/metrics.c kernel/net/status_json.c kernel/net/status_html.c
 * links: kernel/net/status_page.c kernel/net/status_counters.c
 * links: kernel/net/state_line.c kernel/net/text.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>

#include "tests/fake/test.h"

#include "kernel/net/status_page.h"

static void machine(state_line_fn line, void *ctx)
{
	static const char *const lines[] = {
		"uptime_us 123456",
		"slices 7",
		"idle_ticks 5",
		"guest_ticks 6",
		"module_ticks 1",
		"tain_ticks 18446744073709551615",
		"free_pages 42",
		"log_errors 0",
		"console_high_water 9",
		"TDH.MEM.PAGE.AUG calls 11",
		"TDH.MEM.PAGE.AUG ticks: median 950",
		"TDH.VP.ENTER calls 12",
		"TDH.VP.ENTER busy 1",
		"SEAMCALL retries given up 3",
	};

	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		line(ctx, lines[i]);
}

static void network(state_line_fn line, void *ctx) { line(ctx, "rx frames 3 bytes 400"); }

static const char *const names[] = { "plain", "o\"<dd>\\&\n" };

static void guest(unsigned index, struct state_guest *out)
{
	*out = (struct state_guest){ names[index],
				     index ? "td" : "vm",
				     index ? "stopped" : "running",
				     index ? "exit \"0\"" : "",
				     2,
				     64 << 20,
				     3,
				     index ? 0 : 1500000 };
}

static void guest_lines(unsigned index, state_line_fn line, void *ctx)
{
	if (index)
		return;
	line(ctx, "vcpu0 cpu 1 slices 20 waits 30 ticks 40");
	line(ctx, "exit CPUID 5");
	line(ctx, "exit EPT violation 6");
	line(ctx, "vcpu 0: interrupts posted       3");
	line(ctx, "port unclaimed reads 3 writes 4 last 0x3f8");
	line(ctx, "memory_pages 16384");
}

static const struct state_source source = {
	.version = "0.1",
	.module = "software \"x\"",
	.cpus = 2,
	.machine = machine,
	.network = network,
	.guests = 2,
	.guest = guest,
	.guest_lines = guest_lines,
};

static char page[1 << 16];

static const char *render(void (*fn)(struct text *t, const struct state_source *s),
			  const char *name)
{
	const char *folder = getenv("TAIN_PAGES");
	char path[256];
	struct text t;

	text_init(&t, sizeof(page) - 1);
	fn(&t, &source);
	CHECK(!t.failed);
	memcpy(page, t.bytes, t.used);
	page[t.used] = 0;
	text_fini(&t);
	snprintf(path, sizeof(path), "%s/%s", folder ? folder : "", name);
	FILE *f = folder ? fopen(path, "w") : NULL;

	if (f) {
		fputs(page, f);
		fclose(f);
	}
	return page;
}

static void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("missing: %s", part);
}

TEST(metrics_hold_every_counter)
{
	const char *m = render(metrics_render, "metrics");

	has(m, "# HELP tain_free_pages Free pages of 4 KiB.\n# TYPE tain_free_pages "
	       "gauge\ntain_free_pages 42\n");
	has(m, "tain_ticks_total{part=\"tain\"} 18446744073709551615\n");
	has(m, "tain_log_errors_total 0\n");
	has(m, "tain_seamcalls_total{leaf=\"TDH.MEM.PAGE.AUG\"} 11\n");
	has(m, "tain_seamcalls_busy_total{leaf=\"TDH.VP.ENTER\"} 1\n");
	has(m, "tain_seamcall_ticks_median{leaf=\"TDH.MEM.PAGE.AUG\"} 950\n");
	has(m, "tain_guest_running{guest=\"plain\",kind=\"vm\"} 1\n");
	has(m, "tain_guest_exits_total{guest=\"plain\",reason=\"EPT violation\"} 6\n");
	has(m, "tain_guest_stat{guest=\"plain\",name=\"vcpu0 waits\"} 30\n");
	has(m, "tain_guest_stat{guest=\"plain\",name=\"vcpu 0: interrupts posted\"} 3\n");
	has(m, "tain_guest_stat{guest=\"plain\",name=\"port unclaimed last\"} 1016\n");
	has(m, "tain_network_stat{name=\"rx bytes\"} 400\n");
	CHECK(strstr(m, "TDH.MEM.PAGE.AUG calls") == NULL);
}

TEST(a_name_cannot_leave_its_quotes)
{
	has(render(metrics_render, "metrics"), "{guest=\"o\\\"<dd>\\\\&?\",kind=\"td\"} 0\n");
	has(render(status_json_render, "status.json"), "\"name\":\"o\\\"<dd>\\\\&?\",");
	has(render(status_html_render, "index.html"), "<td>o&quot;&lt;dd&gt;\\&amp;?</td>");
}

/* Each metric has one HELP, and no sample of it stands behind that of another. */
TEST(samples_of_a_metric_stand_together)
{
	const char *m = render(metrics_render, "metrics");
	char open[64] = "", seen[4096] = "", name[64], *copy = strdup(m), *rest = NULL;

	for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (sscanf(line, "# HELP %63s", name) == 1) {
			char word[70];

			snprintf(word, sizeof(word), " %s ", name);
			CHECK(strstr(seen, word) == NULL);
			strcat(seen, word);
			strcpy(open, name);
		} else if (*line != '#') {
			CHECK(strncmp(line, open, strlen(open)) == 0);
			CHECK(line[strlen(open)] == '{' || line[strlen(open)] == ' ');
		}
	}
	free(copy);
}

TEST(json_holds_what_stats_says)
{
	const char *j = render(status_json_render, "status.json");

	has(j, "{\"tain\":\"0.1\",\"tdx_module\":\"software "
	       "\\\"x\\\"\",\"cpus\":2,\"machine\":{\"uptime_us\":123456,");
	has(j, "\"SEAMCALL retries given up\":3}");
	has(j, "\"network\":{\"rx frames\":3,\"rx bytes\":400}");
	has(j, "\"stats\":{\"vcpu0 cpu\":1,\"vcpu0 slices\":20,");
	has(j, "\"running_us\":0,\"stats\":{}}]}\n");
}

TEST(the_page_for_people_has_a_row_for_each_guest)
{
	const char *h = render(status_html_render, "index.html");

	has(h, "<td>plain</td><td class=\"s running\">running</td><td>plain VM</td>"
	       "<td class=\"n cpus\">2</td><td class=\"n\">64 MiB</td><td class=\"n for\">1.5 s</td>");
	has(h, "<b>1 of 2</b><span>guests run</span>");
	has(h, "<meta http-equiv=\"refresh\"");
	CHECK(strstr(h, "<script") == NULL && strstr(h, "://") == NULL &&
	      strstr(h, "url(") == NULL);
}

/* Shares of the time add up though one of the counts is as large as can be. */
TEST(the_bar_shows_whose_time_it_was)
{
	const char *h = render(status_html_render, "index.html");

	has(h, "</i>Tain 99.9 %</span>");
	has(h, "</i>idle 0.0 %</span>");
}

TEST(the_page_of_counters_holds_what_stats_says)
{
	const char *h = render(status_counters_render, "counters.html");

	has(h, "<div><span>slices</span><b>7</b></div>");
	has(h, "<div><span>SEAMCALL retries given up</span><b>3</b></div>");
	has(h, "<tr><td>TDH.MEM.PAGE.AUG</td><td class=\"n\">11</td><td class=\"n\">0</td><td "
	       "class=\"n\">0</td>"
	       "<td class=\"n\">0</td><td class=\"n\">950</td><td class=\"n\">0</td></tr>");
	has(h, "<tr><td>TDH.VP.ENTER</td><td class=\"n\">12</td><td class=\"n\">1</td>");
	has(h, "<div><span>rx bytes</span><b>400</b></div>");
	has(h, "<h2>o&quot;&lt;dd&gt;\\&amp;?</h2>");
	has(h, "<div><span>exit EPT violation</span><b>6</b></div>");
	has(h, "<div><span>port unclaimed last</span><b>1\xe2\x80\xaf"
	       "016</b></div>");
	CHECK(strstr(h, "refresh") == NULL && strstr(h, "<div><span>TDH.") == NULL);
}

static const char *written(void (*fn)(struct text *t, uint64_t v), uint64_t v)
{
	static char line[64];
	struct text t;

	text_init(&t, sizeof(line) - 1);
	fn(&t, v);
	memcpy(line, t.bytes, t.used);
	line[t.used] = 0;
	text_fini(&t);
	return line;
}

TEST(numbers_are_written_for_people)
{
	assert_string_equal(written(html_count, 0), "0");
	assert_string_equal(written(html_count, 999), "999");
	assert_string_equal(written(html_count, 1234567), "1\xe2\x80\xaf"
							  "234\xe2\x80\xaf"
							  "567");
	assert_string_equal(written(html_bytes, UINT64_C(1023) << 20), "1023 MiB");
	assert_string_equal(written(html_bytes, UINT64_C(1536) << 20), "1.5 GiB");
	assert_string_equal(written(html_time, 42600000), "42.6 s");
	assert_string_equal(written(html_time, 62 * 1000000), "1 min 02 s");
	assert_string_equal(written(html_time, UINT64_C(18060) * 1000000), "5 h 01 min");
	assert_string_equal(written(html_time, UINT64_C(90000) * 1000000), "1 d 1 h");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(metrics_hold_every_counter),
		cmocka_unit_test(a_name_cannot_leave_its_quotes),
		cmocka_unit_test(samples_of_a_metric_stand_together),
		cmocka_unit_test(json_holds_what_stats_says),
		cmocka_unit_test(the_page_for_people_has_a_row_for_each_guest),
		cmocka_unit_test(the_bar_shows_whose_time_it_was),
		cmocka_unit_test(the_page_of_counters_holds_what_stats_says),
		cmocka_unit_test(numbers_are_written_for_people),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
