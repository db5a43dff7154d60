/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/sched_private.h - what kernel/sched*.c share: into and out of the classes. The CPU is
 * locked.
 */
#pragma once

#include "kernel/sched.h"

/* Charge the running entity up to now. All else comes after this. */
void sched_advance(struct sched_cpu *cpu, uint64_t now);

/* Into the class that it has a right to, and out of it with its lag and request; cpu->running
 * without the queue. */
void sched_enter(struct sched_cpu *cpu, struct sched_entity *entity);
void sched_leave(struct sched_cpu *cpu, struct sched_entity *entity);

/* Into and out of the ring of those that could be moved, if it is one. */
void sched_ring_add(struct sched_cpu *cpu, struct sched_entity *entity);
void sched_ring_remove(struct sched_cpu *cpu, struct sched_entity *entity);

/* What time brought to one in no class: budget, and less debt for what others were served. */
void sched_settle(struct sched_cpu *cpu, struct sched_entity *entity);

/* Whether the last decision may hold no more now that `entity` came. */
bool sched_kicks(const struct sched_cpu *cpu, const struct sched_entity *entity);

static inline bool sched_waits(const struct sched_entity *entity)
{
	return entity->run.chance != 0;
}
