/*
 * remote.h - the console over TCP: who knows the secret types lines and reads what they answer.
 *
 * The lines are run by the monitor in its own turn (remote_line()), never in the network's: a command may
 * wait, and the network goes on meanwhile. What it prints is kept here and sent as there is room.
 *
 * Invariants
 *   - Nothing is run before the secret came. It is compared in a time that tells nothing of where it
 *     differs; after a wrong one there is a pause that doubles, whoever comes next.
 *   - One session at a time, only from the ranges given; a session that is idle for REMOTE_IDLE_US ends.
 *   - Memory is bounded: one line in, REMOTE_OUT_MAX bytes out; what a command prints beyond is cut, and
 *     the cut is shown. What guests print is taken only when all before it has been sent.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_NET_REMOTE_H
#define TAIN_NET_REMOTE_H

#include "kernel/base/net_use.h"
#include "kernel/base/types.h"

#define REMOTE_IDLE_US  (UINT64_C(600) * 1000000)
#define REMOTE_LOGIN_US (UINT64_C(30) * 1000000) /* so long may the secret take to come */
#define REMOTE_PAUSE_US UINT64_C(1000000)        /* after the first wrong secret; doubles up to 64 of it */
#define REMOTE_TRIES    3u                       /* in one connection */
#define REMOTE_LINE_MAX 240u
#define REMOTE_OUT_MAX  (1u << 20)

/* 0 or -errno of stream_listen(). Once. */
int remote_start(const struct net_service_config *service, const char *secret) MUST_CHECK;

/* Each round: time-outs, and what waits goes out. */
void remote_poll(void);

/* ---- the monitor's side ---- */

/* The line that was typed, until remote_end(); NULL: none waits. */
const char *remote_line(void);
/* What the command prints. */
void remote_write(void *ctx, const char *text, size_t count);
/* It is done: the prompt is shown, the next line may come. */
void remote_end(void);
/* Whoever typed the line that runs has gone, or typed ^C. */
bool remote_interrupts(void);

/* ---- guests, beside the commands ---- */

/* What a session reads besides the output of commands, and a guest that it types to. */
struct remote_source {
	size_t (*read)(void *ctx, char *to, size_t size); /* bytes that have come, up to @size */
	bool (*type)(void *ctx, uint8_t key);		  /* false: no room now. NULL: it takes no keys */
	bool (*over)(void *ctx);			  /* nothing will come any more; or NULL */
	void (*left)(void *ctx);			  /* the session has ended; or NULL */
	void *ctx;
};

/* From within a command: when it is done, keys go to @s and its bytes come raw, until ^] or a line `~.`. */
void remote_attach(const struct remote_source *s, const char *name);
/* The same: whole lines of @s come between those of the session. NULL: no more. */
void remote_follow(const struct remote_source *s);

struct remote_counts {
	uint64_t logins, wrong, refused, lines;
	bool active;
};
void remote_counts(struct remote_counts *out);

#endif
