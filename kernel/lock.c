/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/lock.c - ticket spin locks. Runs: any context; lock_acquire not in NMI and machine check.
 *
 * A lock is free when `next` equals `serving`. At most CPUS_MAX tickets wait: 16 bits may wrap.
 */
#include "kernel/pcpu.h"

STATIC_ASSERT(CPUS_MAX < UINT16_MAX, "more waiters than tickets");

static atomic_bool broken; /* [A] by a panic, for good */

void lock_break_all(void)
{
	broken = true;
	this_cpu()->locks = 0;
}

void lock_wait(struct spinlock *lock, uint16_t ticket)
{
	while (atomic_load_explicit(&lock->serving, memory_order_acquire) != ticket && !broken) {
		cpu_pause();
	}
}

uint64_t lock_acquire(struct spinlock *lock)
{
	uint64_t flags = irq_save();
	/* Before the ticket: a CPU that would wait for itself must report it, not spin. */
	if (DEBUG_BUILD && !broken && !lock_held_push(&this_cpu()->locks, lock->rank)) {
		panic("a lock of rank %u may not be taken with those of ranks 0x%x held",
			lock->rank, this_cpu()->locks);
	}
	lock_enter(lock);
	return flags;
}

void lock_release(struct spinlock *lock, uint64_t flags)
{
	DEBUG_ASSERT(broken || lock_held_pop(&this_cpu()->locks, lock->rank));
	lock_leave(lock);
	irq_restore(flags);
}

uint64_t lock_acquire_both(struct spinlock *a, struct spinlock *b)
{
	uint64_t flags = lock_acquire(a < b ? a : b);
	if (a != b) {
		lock_enter(a < b ? b : a);
	}
	return flags;
}

void lock_release_both(struct spinlock *a, struct spinlock *b, uint64_t flags)
{
	if (a != b) {
		lock_leave(b);
	}
	lock_release(a, flags);
}
