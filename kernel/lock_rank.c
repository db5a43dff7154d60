/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/lock_rank.c - which locks a CPU holds, and whether it may take another. Pure.
 */
#include "kernel/lock.h"

STATIC_ASSERT(LOCK_RANK_COUNT <= 32, "a bit for each rank");

bool lock_held_push(uint32_t *held, enum lock_rank rank)
{
	bool allowed = *held >> rank == 0;
	*held |= allowed ? 1u << rank : 0;
	return allowed;
}

bool lock_held_pop(uint32_t *held, enum lock_rank rank)
{
	bool was_held = (*held >> rank & 1) != 0;
	*held &= ~(1u << rank);
	return was_held;
}
