/*
 * frozen.pml - the protocol by which a mirror and the external table behind it change together.
 *
 * Two CPUs fault in private pages while a third removes them, on a table of two entries below one
 * parent entry; each entry is frozen, the hook is called, a new value is published. Hooks may be
 * busy at any time.
 *
 * Invariants that the search proves in every state that can be reached
 *   - The external table never holds a child without its parent, nor one below a blocked parent.
 *   - The mirror never claims less than the external table, nor more, but where it is FROZEN.
 *   - The external table is never asked for what it refuses (the assertions in carry_out).
 *
 * With -DREPLAY the steps that change something must be those of a log of the real code, in its
 * order (tests/frozen.py): a log that the model can follow to its end is accepted. With -DBUG_...
 * a mistake is planted, which the search must find.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define NONE    0 /* what an entry is, in the mirror and in the external table */
#define FROZEN  1
#define OPEN    2
#define BLOCKED 3

#define PARENT 0 /* which entry; 1 and 2 are the table's */

#define ADD     0 /* what the hook is asked for; 5 more: and is busy */
#define BLOCK   1
#define UNBLOCK 2
#define REMOVE  3
#define BUSY    5

#define EV_STORE(task, e, v)   (1000 + (task) * 100 + (e) * 10 + (v))
#define EV_HOOK(task, e, what) (2000 + (task) * 100 + (e) * 10 + (what))
#define EV_FLUSH(task)         (3000 + (task) * 100)
#define EV_END                 0

byte mirror[3], external[3];
bool tracked[3];          /* flushed since it was blocked */
bool writing, write_held; /* the writer's flag; the writers' queue */
bool inside[2];           /* a faulting CPU is inside the lock */
byte ended;

#ifdef REPLAY
c_decl {
	extern int log_next(int which, int at);
	extern void log_accepted(int which);
	extern int log_first(int which, int what);
	extern int log_count(void);
};
short which, at, next, logs;
byte wanted[2]; /* by the two faults */
#define MAY(event) (next == (event))
#define DONE       at++; c_code { now.next = log_next(now.which, now.at); }
#else
#define MAY(event) true
#define DONE       skip
#endif

inline store(task, e, v)
{
	atomic { MAY(EV_STORE(task, e, v)) -> DONE; mirror[e] = v }
}

/* Sets won. */
inline exchange_if(task, e, was, v)
{
	if
	:: atomic { mirror[e] == was && MAY(EV_STORE(task, e, v)) -> DONE; mirror[e] = v; won = true }
	:: atomic { mirror[e] != was -> won = false }
	fi
}

/* The rules of the external table. */
inline carry_out(e, what)
{
	assert(e == PARENT || external[PARENT] == OPEN);
	if
	:: what == ADD -> assert(external[e] == NONE); external[e] = OPEN
	:: what == BLOCK ->
		assert(external[e] == OPEN);
		external[e] = BLOCKED;
		tracked[e] = false
	:: what == UNBLOCK -> assert(external[e] == BLOCKED && tracked[e]); external[e] = OPEN
	:: what == REMOVE ->
		assert(external[e] == BLOCKED && tracked[e]);
		assert(e != PARENT || (external[1] == NONE && external[2] == NONE));
		external[e] = NONE
	fi
}

/* Sets busy. */
inline hook(task, e, what)
{
	if
	:: atomic { MAY(EV_HOOK(task, e, what)) -> DONE; carry_out(e, what); busy = false }
	:: atomic { MAY(EV_HOOK(task, e, what + BUSY)) -> DONE; busy = true }
	fi
}

/* With the write side held: nobody else changes the entry. Tried again while it is busy. */
inline change_alone(task, e, was, what, becomes)
{
	do
	:: store(task, e, FROZEN);
	   hook(task, e, what);
	   if
	   :: busy -> store(task, e, was)
	   :: else -> store(task, e, becomes); break
	   fi
	od
}

inline flush(task)
{
	atomic {
		MAY(EV_FLUSH(task)) -> DONE;
#ifndef BUG_NO_TRACK
		tracked[0] = true; tracked[1] = true; tracked[2] = true
#endif
	}
}

inline write_lock()
{
	atomic { !write_held -> write_held = true };
	writing = true;
#ifndef BUG_NO_WAIT
	!inside[0];
	!inside[1]
#endif
}

inline write_unlock() { writing = false; write_held = false }

/* A fault: look; read; add what is missing. Alone: open again what a removal left blocked. */
proctype faulter(byte me; byte child)
{
	byte p, c;
	bool won, busy;

again:
	inside[me] = true;
	p = mirror[PARENT];
	c = NONE;
	if
	:: p == OPEN -> c = mirror[child]
	:: else
	fi;
	if
	:: c == OPEN -> inside[me] = false; goto done
	:: else
	fi;
	if
	:: writing -> inside[me] = false; !writing; goto again
	:: !writing
	fi;
	/* From here on it is a reader. */
	if
	:: p == NONE ->
#ifdef BUG_NO_FREEZE
		exchange_if(me, PARENT, NONE, OPEN);
#else
		exchange_if(me, PARENT, NONE, FROZEN);
#endif
		if
		:: !won -> goto leave
		:: else
		fi;
		hook(me, PARENT, ADD);
		if
#ifdef BUG_PUBLISHED_ALTHOUGH_BUSY
		:: busy -> store(me, PARENT, OPEN)
#else
		:: busy -> store(me, PARENT, NONE); goto leave
#endif
		:: else ->
#ifndef BUG_NO_FREEZE
			store(me, PARENT, OPEN)
#endif
		fi;
		c = mirror[child]
	:: p == OPEN
	:: p == FROZEN -> goto leave
	:: p == BLOCKED -> goto settle
	fi;
	if
	:: c == NONE -> exchange_if(me, child, NONE, FROZEN)
	:: c == BLOCKED -> goto settle
	:: c == FROZEN || c == OPEN -> goto leave
	fi;
	if
	:: !won -> goto leave
	:: else
	fi;
	hook(me, child, ADD);
	if
	:: busy -> store(me, child, NONE)
	:: else -> store(me, child, OPEN)
	fi;
leave:
	inside[me] = false;
	goto again;
settle:
	inside[me] = false;
	write_lock();
	if
	:: mirror[PARENT] == BLOCKED ->
		flush(me);
		change_alone(me, PARENT, BLOCKED, UNBLOCK, OPEN)
	:: mirror[PARENT] == OPEN && mirror[child] == BLOCKED ->
		flush(me);
		change_alone(me, child, BLOCKED, UNBLOCK, OPEN)
	:: else
	fi;
	write_unlock();
	goto again;
done:
	ended++
}

inline block_child(e)
{
	if
	:: mirror[e] == OPEN -> change_alone(2, e, OPEN, BLOCK, BLOCKED); pending = true
	:: mirror[e] == BLOCKED -> pending = true
	:: else
	fi
}

inline remove_if_blocked(e)
{
	if
	:: mirror[e] == BLOCKED -> change_alone(2, e, BLOCKED, REMOVE, NONE)
	:: else
	fi
}

/* A removal: rounds of block all, flush, remove all; the parent when it is empty. It may be cut. */
proctype zapper()
{
	bool pending, busy, nothing, cut;

	write_lock();
	do
	:: pending = false;
	   if
	   :: mirror[PARENT] == OPEN ->
		nothing = mirror[1] == NONE && mirror[2] == NONE;
#ifdef BUG_PARENT_FIRST
		nothing = true;
#endif
		if
		:: nothing -> change_alone(2, PARENT, OPEN, BLOCK, BLOCKED); pending = true
		:: else -> block_child(1); block_child(2)
		fi
	   :: mirror[PARENT] == BLOCKED -> pending = true
	   :: else
	   fi;
	   if
	   :: !pending -> break
	   :: else
	   fi;
	   flush(2);
	   if
	   :: mirror[PARENT] == OPEN -> remove_if_blocked(1); remove_if_blocked(2)
	   :: else -> remove_if_blocked(PARENT); cut = true
	   fi
#ifndef REPLAY
	:: break /* interrupted: what is blocked stays so */
#endif
	od;
	/* Who looks may have seen the table that was cut, and would be a reader once the flag is down. */
#ifndef BUG_NO_GRACE
	if
	:: cut -> !inside[0]; !inside[1]
	:: else
	fi;
#endif
	write_unlock();
	ended++
}

#define AGREE(e) (mirror[e] == FROZEN || mirror[e] == external[e])

active proctype invariants()
{
end:
	atomic {
		!(AGREE(0) && AGREE(1) && AGREE(2) &&
		  ((external[1] == NONE && external[2] == NONE) || external[PARENT] == OPEN)) ->
			assert(false)
	}
}

#ifdef REPLAY
init {
	atomic {
		c_code { now.logs = log_count(); };
		do
		:: which < logs - 1 -> which++
		:: break
		od;
		c_code {
			for (int e = 0; e < 3; e++)
				now.mirror[e] = now.external[e] = log_first(now.which, e);
			now.wanted[0] = log_first(now.which, 3);
			now.wanted[1] = log_first(now.which, 4);
			now.next = log_next(now.which, 0);
		};
		run faulter(0, wanted[0]);
		run faulter(1, wanted[1]);
		run zapper()
	};
	atomic { ended == 3 && next == EV_END -> c_code { log_accepted(now.which); } }
}
#else
/* Two faults at the same page or at two, on nothing, on a page, or on what a removal left. */
init {
	atomic {
		if
		:: skip
		:: mirror[PARENT] = OPEN; mirror[1] = OPEN
		:: mirror[PARENT] = OPEN; mirror[1] = BLOCKED
		:: mirror[PARENT] = BLOCKED
		fi;
		external[0] = mirror[0];
		external[1] = mirror[1];
		run faulter(0, 1);
		if
		:: run faulter(1, 1)
		:: run faulter(1, 2)
		fi;
		run zapper()
	}
}
#endif
