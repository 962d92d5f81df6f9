/*
 * gdb_room.h - what gdb.c and gdb_query.c share: the session.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MONITOR_GDB_ROOM_H
#define TAIN_MONITOR_GDB_ROOM_H

#include "kernel/guest/debug.h"
#include "kernel/monitor/gdb.h"
#include "kernel/monitor/gdb_packet.h"
#include "kernel/monitor/gdb_regs.h"

struct gdb_session {
	struct gdb_line line;
	struct gdb_in in;
	struct gdb_out out;   /* the answer under way */
	char sent[GDB_FRAME_MAX];
	size_t sent_length;   /* for who did not get it */
	struct guest *chosen; /* by the user; NULL: none */
	struct guest *guest;  /* attached; NULL: none */
	const struct gdb_arch *arch;
	unsigned vcpu;        /* of 'g', 'm' and the like */
	bool no_ack, multiprocess, extended, swbreak, hwbreak;
	bool going;  /* GDB waits for a stop */
	bool busy;   /* a packet is worked on */
	bool silent; /* this packet is answered later */
	struct debug_stop last;
	/* The registers of `vcpu`, read once a stop. */
	bool has_regs, has_fpu;
	unsigned regs_of;
	struct vcpu_regs regs;
	struct vcpu_fpu fpu;
};
extern struct gdb_session gdb;

#define GDB_EFAULT "E14"

/* gdb.c */
void gdb_ok(void);
void gdb_error(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* Text on GDB's screen, while it waits. */
void gdb_say(const char *text, size_t length);
/* Begin to debug @g and hold it. False: the error is in the answer. */
bool gdb_attach(struct guest *g);
void gdb_forget(void);
/* GDB is there: it is shown the guest that was chosen, or one. False: the console says why not. */
bool gdb_find_guest(void);
/* If there is none to be shown: why, as text on GDB's screen. */
void gdb_say_why(void);
void gdb_put_thread(unsigned vcpu);
void gdb_put_stop(const struct debug_stop *s);
/* The vCPU that a thread id means; false: there is none. */
bool gdb_vcpu_of(const struct gdb_thread *t, unsigned *vcpu);
struct guest *gdb_guest_of(int64_t process);
unsigned gdb_process_of(const struct guest *g);

/* gdb_query.c: false: not a packet that it knows. */
bool gdb_query(struct gdb_scan *s);

#endif
