/*
 * fuzz_remote.c - a session of the console over TCP as a peer, the monitor, a guest and the clock may have it,
 * in any order: nothing runs before the secret, keys reach a guest only while it is attached, and all ends.
 *
 * Each byte chooses what happens next; what is sent follows it.
 *
 * links: kernel/net/remote.c kernel/net/text.c kernel/base/net_addr.c kernel/base/net_use.c kernel/base/cfg_lex.c
 * links: kernel/base/url.c tests/fake/stream.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdlib.h>
#include <string.h>

#include "kernel/net/remote.h"
#include "tests/fake/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char secret[NET_SECRET_MAX + 1] = "correct horse battery";
static struct net_service_config service;
static struct stream *peer;
static bool known /* the secret was sent to it */, attached, following, room;
static unsigned printed;

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* ---- a guest ---- */

static size_t guest_prints(void *ctx, char *to, size_t size)
{
	size_t n = printed < size ? printed : size;

	(void)ctx;
	memset(to, 'g', n);
	if (n)
		to[n - 1] = '\n';
	printed -= (unsigned)n;
	return n;
}

static bool guest_takes(void *ctx, uint8_t key)
{
	(void)ctx;
	(void)key;
	must(known && attached);
	return room;
}

static bool guest_over(void *ctx)
{
	(void)ctx;
	return !room && !printed;
}

static void guest_left(void *ctx)
{
	(void)ctx;
	must(following);
	following = false;
}

static const struct remote_source console = { guest_prints, guest_takes, guest_over, NULL, NULL };
static const struct remote_source lines = { guest_prints, NULL, NULL, guest_left, NULL };

/* ---- what may happen ---- */

static void sends(const uint8_t **data, size_t *size)
{
	size_t n = *size ? (size_t)**data % 40 + 1 : 0;

	n = n < *size ? n : *size;
	if (peer && peer->state == FAKE_OPEN)
		fake_send(peer, *data, n);
	*data += n;
	*size -= n;
}

/* The monitor's turn: a command that prints, attaches, follows. */
static void runs(uint8_t how)
{
	const char *line = remote_line();

	if (!line)
		return;
	must(known && strlen(line) <= REMOTE_LINE_MAX);
	for (const char *c = line; *c; c++)
		must(*c >= ' ' && *c <= '~');
	(void)remote_interrupts();
	if (how & 1)
		remote_write(NULL, "some of it", how % 11);
	if (how & 2)
		remote_poll();
	if ((how & 4) && peer && peer->state == FAKE_OPEN) {
		remote_attach(&console, "guest");
		attached = true;
	}
	if (how & 8) {
		following = true;
		remote_follow(&lines);
	} else if (how & 16) {
		remote_follow(NULL);
	}
	remote_end();
}

static void connects(void)
{
	struct stream *s = fake_connect(2323, "10.0.0.1");

	if (!s)
		return;
	must(!peer || peer->state != FAKE_OPEN);
	peer = s;
	known = attached = false;
}

static void happens(uint8_t what, const uint8_t **data, size_t *size)
{
	bool open = peer && peer->state == FAKE_OPEN;

	switch (what % 10) {
	case 0:
		connects();
		break;
	case 1:
		if (open) {
			fake_send_text(peer, "correct horse battery\n");
			known = true;
		}
		break;
	case 2:
		runs(what / 10);
		break;
	case 3:
		fake_time_us += (uint64_t)what * 1000000;
		remote_poll();
		break;
	case 4:
		printed = what * 40u;
		room = what & 64;
		remote_poll();
		break;
	case 5:
		if (open && what > 200)
			fake_finish(peer);
		break;
	case 6:
		if (open && what > 200)
			fake_lose(peer);
		break;
	case 7:
		if (open)
			peer->window = what > 128 ? SIZE_MAX : what;
		break;
	default:
		sends(data, size);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	following = attached = known = false;
	printed = 0;
	peer = NULL;
	fake_net_reset();
	must(net_service_read("2323 from 10.0.0.0/8", true, &service) == NULL);
	must(remote_start(&service, secret) == 0);
	fake_time_us += 100 * REMOTE_PAUSE_US;
	while (size) {
		uint8_t what = *data++;

		size--;
		happens(what, &data, &size);
	}
	/* Whatever stands: without a peer, and its command done, there is nothing left. */
	if (peer && peer->state == FAKE_OPEN)
		fake_lose(peer);
	if (remote_line())
		remote_end();
	must(!following);
	return 0;
}
