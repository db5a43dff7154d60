/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/lock_rank.c - which locks a CPU holds, and whether it may take another. Pure.
 */
#include "kernel/lock.h"

/* A rank is pushed only above all others and a pop keeps the order: the last is the highest. */
bool lock_held_push(struct lock_held *held, const struct spinlock *lock)
{
	unsigned depth = held->depth;
	if (depth == LOCKS_HELD_MAX || (depth > 0 && lock->rank <= held->lock[depth - 1]->rank)) {
		return false;
	}
	held->lock[depth] = lock;
	held->depth++;
	return true;
}

bool lock_held_pop(struct lock_held *held, const struct spinlock *lock)
{
	unsigned at = 0;
	while (at < held->depth && held->lock[at] != lock) {
		at++;
	}
	if (at == held->depth) {
		return false;
	}
	held->depth--;
	for (; at < held->depth; at++) {
		held->lock[at] = held->lock[at + 1];
	}
	return true;
}
