/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/sched_class.c - the accounting behind the scheduler: virtual time, lag, budgets. Pure.
 */
#include "kernel/sched_class.h"

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

uint64_t sched_slice(const struct sched_entity *entity)
{
	static const uint64_t slices[] = {
		[SCHED_BATCH] = 10000000, [SCHED_NORMAL] = 3000000, [SCHED_PROMPT] = 500000};
	return (slices[entity->params.latency] << SCHED_V_SHIFT) / entity->params.weight;
}

/* The sum of weight * (v - V) has changed by this: so V moves. */
static void average(struct sched_cpu *cpu, int64_t change)
{
	int64_t weight = (int64_t)cpu->weight;
	int64_t sum = (int64_t)cpu->v_rest + change;
	int64_t step = weight == 0 ? 0 : sum / weight;

	step -= step * weight > sum;
	cpu->v += (uint64_t)step;
	cpu->v_rest = weight == 0 ? 0 : (uint64_t)(sum - step * weight);
}

/* When its period is over; `keep` of what is left stays, and all of what is owed. */
static void refill(struct sched_bucket *bucket, uint64_t now, int64_t keep)
{
	if (bucket->period == 0 || now < bucket->end) {
		return;
	}
	uint64_t periods = (now - bucket->end) / bucket->period + 1;
	int64_t left = least(bucket->left, keep) + (int64_t)(periods * bucket->budget);
	bucket->left = least(left, (int64_t)bucket->budget + keep);
	bucket->end += periods * bucket->period;
}

void sched_advance(struct sched_cpu *cpu, uint64_t now)
{
	struct sched_entity *entity = cpu->running;
	uint64_t ran = max_u64(now, cpu->now) - cpu->now;

	cpu->now += ran;
	if (entity == NULL) {
		return;
	}
	entity->ran += ran;
	ran = min_u64(ran, SCHED_LAG_MAX);
	if (entity->state == SCHED_RESERVED) {
		entity->reserve.left -= (int64_t)ran;
		return;
	}
	entity->cap.left -= (int64_t)ran;
	if (entity->state == SCHED_FAIR) {
		uint64_t weight = entity->params.weight;
		uint64_t service = (ran << SCHED_V_SHIFT) + entity->v_rest;
		entity->v_rest = service % weight;
		entity->run.v += service / weight;
		average(cpu, (int64_t)(service - entity->v_rest));
	}
	refill(&entity->cap, cpu->now, SCHED_RUN_MIN);
}

/* V moves by its coming: for its lag to be right then, the distance is greater by as much. */
static void fair_join(struct sched_cpu *cpu, struct sched_entity *entity)
{
	int64_t weight = entity->params.weight;
	int64_t others = (int64_t)cpu->weight;
	int64_t distance = others == 0 ? 0 : entity->lag + entity->lag * weight / others;

	entity->run.v = cpu->v - (uint64_t)distance;
	entity->run.key = entity->run.v + entity->request;
	cpu->weight += (uint64_t)weight;
	average(cpu, -distance * weight);
}

static void fair_leave(struct sched_cpu *cpu, struct sched_entity *entity)
{
	int64_t weight = entity->params.weight;
	int64_t debt_max = (int64_t)(SCHED_LAG_MAX << SCHED_V_SHIFT) / weight;
	int64_t lag = (int64_t)(cpu->v - entity->run.v);

	cpu->weight -= (uint64_t)weight;
	average(cpu, lag * weight);
	entity->lag = lag < -debt_max ? -debt_max : least(lag, (int64_t)sched_slice(entity));
	entity->request = entity->run.key - entity->run.v;
	entity->left_v = cpu->v;
}

void sched_settle(struct sched_cpu *cpu, struct sched_entity *entity)
{
	int64_t passed = (int64_t)(cpu->v - entity->left_v);

	refill(&entity->cap, cpu->now, SCHED_RUN_MIN);
	refill(&entity->reserve, cpu->now, 0);
	if (entity->lag < 0 && passed > 0) {
		entity->lag = least(entity->lag + passed, 0);
	}
	entity->left_v = cpu->v;
}

enum sched_state sched_right(const struct sched_entity *entity)
{
	if (entity->reserve.left > 0) {
		return SCHED_RESERVED;
	}
	bool over = entity->params.cap != 0 && entity->cap.left < (int64_t)SCHED_RUN_MIN;
	return over ? SCHED_PARKED : SCHED_FAIR;
}

void sched_enter(struct sched_cpu *cpu, struct sched_entity *entity)
{
	uint64_t timer = UINT64_MAX;

	entity->state = sched_right(entity);
	if (entity->state == SCHED_FAIR) {
		fair_join(cpu, entity);
	} else {
		entity->run.key = entity->reserve.end;
		entity->run.v = 0;
	}
	if (entity->state != SCHED_PARKED && cpu->running != entity) {
		sched_tree_insert(&cpu->queue[entity->state == SCHED_RESERVED], &entity->run);
	}
	if (entity->state != SCHED_RESERVED && entity->params.budget != 0) {
		timer = entity->reserve.end;
	}
	if (entity->state == SCHED_PARKED) {
		timer = min_u64(timer, entity->cap.end);
	}
	if (timer != UINT64_MAX) {
		entity->timer.key = timer;
		sched_tree_insert(&cpu->timers, &entity->timer);
	}
}

void sched_leave(struct sched_cpu *cpu, struct sched_entity *entity)
{
	if (sched_waits(entity)) {
		sched_tree_remove(&cpu->queue[entity->state == SCHED_RESERVED], &entity->run);
	}
	if (entity->timer.chance != 0) {
		sched_tree_remove(&cpu->timers, &entity->timer);
	}
	if (entity->state == SCHED_FAIR) {
		fair_leave(cpu, entity);
	}
}
