/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/lock.h - ticket spin locks with ranks. A CPU takes locks only in ascending rank; debug
 * builds check it.
 */
#pragma once

#include <stdatomic.h>

#include "kernel/types.h"

/* In the order in which they may be taken, outermost first. */
enum lock_rank {
	LOCK_VDEV,    /* the virtual I/O APICs and UART */
	LOCK_VM,      /* the stage-2 tables */
	LOCK_BELLS,   /* a VM's doorbells */
	LOCK_SCHED,   /* a CPU's queues; two of them by lock_acquire_both() */
	LOCK_PIECES,  /* who uses the service VM's memory */
	LOCK_WINDOW,  /* the table of windows */
	LOCK_PCI,     /* the 0xcf8/0xcfc pair and the configuration window */
	LOCK_IOAPIC,  /* the IOAPICs' index/data pairs and pin owners */
	LOCK_FRAME,   /* the map of frames and the owners' counts */
	LOCK_CONSOLE, /* the console's rings, the UART's registers */
	LOCK_LOG,     /* the log ring */
	LOCK_RANK_COUNT
};
STATIC_ASSERT(LOCK_RANK_COUNT <= 32, "a bit for each rank");

struct spinlock {
	atomic_ushort next;    /* [A] the next ticket to hand out */
	atomic_ushort serving; /* [A] the ticket that holds the lock; written by its holder alone */
	enum lock_rank rank;   /* [I] */
};

#define SPINLOCK(r) ((struct spinlock){.rank = LOCK_##r})

/*
 * The ranks of the locks that one CPU holds, a bit each, for the check; in its per-CPU area and
 * used by that CPU alone. Push: a lock of that rank is about to be taken; false when a lock of the
 * same or a higher rank is held. Pop: one was released, in any order; false when none was held.
 */
static inline bool lock_held_push(uint32_t *held, enum lock_rank rank)
{
	bool allowed = *held >> rank == 0;
	*held |= allowed ? 1u << rank : 0;
	return allowed;
}

static inline bool lock_held_pop(uint32_t *held, enum lock_rank rank)
{
	bool was_held = (*held >> rank & 1) != 0;
	*held &= ~(1u << rank);
	return was_held;
}

/*
 * Take `lock` with interrupts off, spinning; returns the RFLAGS to give back to lock_release. Any
 * context but NMI and machine check. Debug builds panic when the rank is not above that of all
 * locks this CPU holds.
 */
uint64_t lock_acquire(struct spinlock *lock);
void lock_release(struct spinlock *lock, uint64_t flags);

/* The ticket lock itself, without a look at ranks or interrupts. */
void lock_wait(struct spinlock *lock, uint16_t ticket);
static inline void lock_enter(struct spinlock *lock)
{
	uint16_t ticket = atomic_fetch_add_explicit(&lock->next, 1, memory_order_relaxed);
	if (atomic_load_explicit(&lock->serving, memory_order_acquire) != ticket) {
		lock_wait(lock, ticket);
	}
}

static inline void lock_leave(struct spinlock *lock)
{
	uint16_t serving = atomic_load_explicit(&lock->serving, memory_order_relaxed);
	atomic_store_explicit(&lock->serving, (uint16_t)(serving + 1), memory_order_release);
}

/* Take and release `lock` where interrupts are off, and stay so: a few instructions in place. */
static inline void lock_take(struct spinlock *lock)
{
	if (DEBUG_BUILD) {
		lock_acquire(lock);
	} else {
		lock_enter(lock);
	}
}

static inline void lock_give(struct spinlock *lock)
{
	if (DEBUG_BUILD) {
		lock_release(lock, 0);
	} else {
		lock_leave(lock);
	}
}

/* Hold a lock from here to the end of the block, however that is left. Once in a block. */
struct lock_hold {
	struct spinlock *lock;
	uint64_t flags;
};
static inline void lock_hold_end(struct lock_hold *hold)
{
	lock_release(hold->lock, hold->flags);
}
#define LOCK_HOLD(which)                                                                           \
	__attribute__((cleanup(lock_hold_end), unused)) struct lock_hold held_lock = {             \
		which, lock_acquire(which)}

/* Take two locks of one rank, or the one that both are; the order in which they are named does not
 * matter. */
uint64_t lock_acquire_both(struct spinlock *a, struct spinlock *b);
void lock_release_both(struct spinlock *a, struct spinlock *b, uint64_t flags);

/* From now on every lock is had at once: in a panic, when the other CPUs are stopped and may hold
 * any of them. */
void lock_break_all(void);
