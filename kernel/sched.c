/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/sched.c - one CPU's decisions: virtual time, lag and budgets, who runs and until when.
 * Pure; see sched.h.
 */
#include "kernel/sched_private.h"

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
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

static ALWAYS_INLINE void advance(struct sched_cpu *cpu, uint64_t now)
{
	struct sched_entity *entity = cpu->running;
	uint64_t ran = max_u64(now, cpu->now) - cpu->now;
	uint64_t jump = ran - min_u64(ran, SCHED_LAG_MAX);

	cpu->now += ran;
	if (entity == NULL) {
		return;
	}
	entity->ran += ran;
	ran -= jump;
	if (cpu->weight != 0) {
		cpu->busy += ran;
		cpu->busy_uncapped += ran * cpu->uncapped;
	}
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
		service += cpu->v_rest - entity->v_rest;
		cpu->v_rest = service % cpu->weight;
		cpu->v += service / cpu->weight;
		cpu->served += service / cpu->weight;
		cpu->served += jump == 0 ? 0 : (jump << SCHED_V_SHIFT) / cpu->weight;
	}
	if (cpu->now >= entity->cap.end) {
		refill(&entity->cap, cpu->now, SCHED_RUN_MIN);
	}
}

void sched_advance(struct sched_cpu *cpu, uint64_t now)
{
	advance(cpu, now);
}

/* V moves by its coming: for its lag to be right then, the distance is greater by as much. */
static void fair_join(struct sched_cpu *cpu, struct sched_entity *entity)
{
	int64_t weight = entity->params.weight, others = (int64_t)cpu->weight;
	int64_t distance = others == 0 ? 0 : entity->lag + entity->lag * weight / others;

	entity->run.v = cpu->v - (uint64_t)distance;
	entity->run.key = entity->run.v + entity->request;
	cpu->weight += (uint64_t)weight;
	cpu->uncapped += entity->params.cap == 0 ? (uint64_t)weight : 0;
	average(cpu, -distance * weight);
	sched_ring_add(cpu, entity);
}

static void fair_leave(struct sched_cpu *cpu, struct sched_entity *entity)
{
	int64_t weight = entity->params.weight;
	int64_t most = (int64_t)(SCHED_LAG_MAX << SCHED_V_SHIFT) / weight;
	int64_t lag = (int64_t)(cpu->v - entity->run.v);

	cpu->weight -= (uint64_t)weight;
	cpu->uncapped -= entity->params.cap == 0 ? (uint64_t)weight : 0;
	average(cpu, lag * weight);
	entity->lag = lag < -most ? -most : least(lag, most);
	entity->request = entity->run.key - entity->run.v;
	entity->left_served = cpu->served;
	sched_ring_remove(cpu, entity);
}

/* Debt shrinks as it would have, had the entity stayed and waited: by weight/(sum with it) of what
 * the others were served, whatever else moved V. What it is owed shrinks by all of that. */
void sched_settle(struct sched_cpu *cpu, struct sched_entity *entity)
{
	int64_t weight = entity->params.weight, others = (int64_t)cpu->weight;
	int64_t served = (int64_t)(cpu->served - entity->left_served);

	refill(&entity->cap, cpu->now, SCHED_RUN_MIN);
	refill(&entity->reserve, cpu->now, 0);
	entity->lag -= entity->lag > 0 ? least(entity->lag, served) : 0;
	if (entity->lag < 0 && others != 0) {
		int64_t rest = entity->lag + entity->lag * weight / others;
		rest = least(rest + served, 0);
		entity->lag = rest - rest * weight / (others + weight);
	}
	entity->left_served = cpu->served;
}

/* The class that an awake entity has a right to. */
static enum sched_state right(const struct sched_entity *entity)
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

	entity->state = right(entity);
	entity->queue = &cpu->queue[entity->state == SCHED_RESERVED];
	if (entity->state == SCHED_FAIR) {
		fair_join(cpu, entity);
	} else {
		entity->run.key = entity->reserve.end;
		entity->run.v = 0;
	}
	if (entity->state != SCHED_PARKED && cpu->running != entity) {
		sched_tree_insert(entity->queue, &entity->run);
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
		sched_tree_remove(entity->queue, &entity->run);
	}
	if (entity->timer.chance != 0) {
		sched_tree_remove(&cpu->timers, &entity->timer);
	}
	if (entity->state == SCHED_FAIR) {
		fair_leave(cpu, entity);
	}
}

void sched_cpu_init(struct sched_cpu *cpu)
{
	cpu->until = UINT64_MAX;
	cpu->burden = SCHED_BURDEN_NONE;
	cpu->ring = (struct sched_link){&cpu->ring, &cpu->ring};
}

/* Whether a waiting entity, eligible if it is fair, goes before the running one. */
static bool beats(const struct sched_entity *entity, const struct sched_entity *running)
{
	if (running == NULL || entity->state != running->state) {
		return running == NULL || entity->state > running->state;
	}
	return sched_before(entity->run.key, running->run.key);
}

static bool eligible(const struct sched_cpu *cpu, const struct sched_entity *entity)
{
	return entity->state == SCHED_RESERVED || !sched_before(cpu->v, entity->run.v);
}

static uint64_t after(const struct sched_cpu *cpu, int64_t ns)
{
	return cpu->now + (ns > 0 ? (uint64_t)ns : 0);
}

/* Until when a decision for cpu->running holds. */
static ALWAYS_INLINE uint64_t holds(const struct sched_cpu *cpu)
{
	const struct sched_entity *entity = cpu->running;
	const struct sched_node *timer = cpu->timers.first;
	uint64_t at = timer == NULL ? UINT64_MAX : timer->key;

	if (entity == NULL) {
		return at;
	}
	if (cpu->queue[0].count != 0 || cpu->burden > SCHED_BURDEN_WATCHED) {
		at = min_u64(at, cpu->balance_at);
	}
	if (entity->state == SCHED_RESERVED) {
		return min_u64(at, after(cpu, entity->reserve.left));
	}
	if (cpu->queue[0].count != 0) {
		int64_t rest = (int64_t)(entity->run.key - entity->run.v) * entity->params.weight;
		at = min_u64(at, after(cpu, rest >> SCHED_V_SHIFT));
	}
	if (entity->params.cap != 0) {
		at = min_u64(at, min_u64(after(cpu, entity->cap.left), entity->cap.end));
	}
	return at;
}

bool sched_kicks(const struct sched_cpu *cpu, const struct sched_entity *entity)
{
	return holds(cpu) < cpu->until ||
		(sched_waits(entity) && eligible(cpu, entity) && beats(entity, cpu->running));
}

/* Buckets to be filled now, some of them. */
static void expire(struct sched_cpu *cpu)
{
	for (unsigned i = 0; i < SCHED_EXPIRE_MAX; i++) {
		struct sched_node *timer = cpu->timers.first;
		if (timer == NULL || timer->key > cpu->now) {
			return;
		}
		struct sched_entity *entity =
			(void *)((char *)timer - offsetof(struct sched_entity, timer));
		sched_leave(cpu, entity);
		sched_settle(cpu, entity);
		sched_enter(cpu, entity);
	}
}

/*
 * What the running entity has come to. It stays cpu->running, in no queue, unless it sleeps, has to
 * leave or is parked. True when it begins something new in the fair class, to which it needs a
 * right.
 */
static bool conclude(struct sched_cpu *cpu, struct sched_entity *old, enum sched_how how)
{
	enum sched_state state = how == SCHED_SLEEPS ? SCHED_ASLEEP
		: old->target != NULL                ? SCHED_MOVING
						     : right(old);
	bool anew = state != old->state;

	if (anew) {
		sched_leave(cpu, old);
		old->state = state;
	}
	if (anew && state >= SCHED_PARKED) {
		sched_settle(cpu, old);
		sched_enter(cpu, old);
	}
	if (old->state < SCHED_FAIR) {
		old->since = cpu->now;
		cpu->running = NULL;
	}
	if (old->state != SCHED_FAIR) {
		return false;
	}
	int64_t rest = (int64_t)(old->run.key - old->run.v) * old->params.weight;
	if (how == SCHED_YIELDS || rest < (int64_t)(SCHED_RUN_MIN << SCHED_V_SHIFT)) {
		old->run.key = old->run.v + old->slice;
		anew = true;
	}
	return anew;
}

/* Whoever is to run now. cpu->running, in no queue, has that right, unless it is `renewed`. */
static struct sched_entity *choose(const struct sched_cpu *cpu, bool renewed)
{
	struct sched_entity *running = cpu->running;
	struct sched_node *node = cpu->queue[1].first;

	if (node == NULL) {
		node = sched_tree_eligible(&cpu->queue[0], cpu->v);
	}
	STATIC_ASSERT(offsetof(struct sched_entity, run) == 0, "an entity begins with its node");
	struct sched_entity *best = (struct sched_entity *)node;
	if (best == NULL ||
		!(beats(best, running) ||
			(renewed && running != NULL && !eligible(cpu, running)))) {
		return running;
	}
	return best;
}

static ALWAYS_INLINE void switch_to(struct sched_cpu *cpu, struct sched_entity *next)
{
	struct sched_entity *old = cpu->running;

	cpu->running = next;
	if (next != NULL) {
		sched_tree_remove(next->queue, &next->run);
	}
	if (old != NULL) {
		old->since = cpu->now;
		sched_tree_insert(old->queue, &old->run);
	}
	if (next == NULL) {
		return;
	}
	next->waited += max_u64(cpu->now, next->since) - next->since;
	if (next->woken_at != 0) {
		uint64_t late = max_u64(cpu->now, next->woken_at) - next->woken_at;
		unsigned bin = 63u - (unsigned)__builtin_clzll(late | 1);
		cpu->latency[bin < SCHED_BINS ? bin : SCHED_BINS - 1]++;
		next->woken_at = 0;
	}
	next->since = cpu->now;
	cpu->switches++;
}

struct sched_decision sched_pick(struct sched_cpu *cpu, uint64_t now, enum sched_how how)
{
	struct sched_decision decision = {0};
	struct sched_entity *old = cpu->running;
	bool renewed = false;

	advance(cpu, now);
	if (old != NULL) {
		renewed = conclude(cpu, old, how);
		decision.leaving = old->state == SCHED_MOVING ? old : NULL;
	}
	expire(cpu);
	struct sched_entity *next = choose(cpu, renewed);
	if (next != cpu->running) {
		switch_to(cpu, next);
	}
	if (cpu->now >= cpu->balance_at) {
		decision.spread = true;
		cpu->balance_at = cpu->now + SCHED_BALANCE / (1 + cpu->choosy / SCHED_LOOK);
	}
	decision.run = next;
	decision.until = cpu->until = holds(cpu);
	return decision;
}

bool sched_swap(struct sched_cpu *cpu, struct sched_entity *next, uint64_t now)
{
	struct sched_entity *old = cpu->running;

	if (next->cpu != cpu || next->state != SCHED_ASLEEP || next->target != NULL ||
		next->params.budget != 0 || next->params.cap != 0 || old == NULL ||
		old->state != SCHED_FAIR || old->target != NULL ||
		cpu->queue[0].count + cpu->queue[1].count != 0 || cpu->timers.first != NULL) {
		return false;
	}
	advance(cpu, now);
	sched_leave(cpu, old);
	old->state = SCHED_ASLEEP;
	old->since = next->since = cpu->now;
	sched_settle(cpu, next);
	next->request = next->slice;
	cpu->running = next;
	sched_enter(cpu, next);
	cpu->switches++;
	cpu->until = UINT64_MAX;
	return true;
}

struct sched_cpu *sched_wake(struct sched_entity *entity, uint64_t now)
{
	struct sched_cpu *cpu = entity->cpu;

	if (entity->state != SCHED_ASLEEP) {
		return NULL;
	}
	sched_advance(cpu, now);
	sched_settle(cpu, entity);
	entity->request = entity->lag > 0 ? entity->request : entity->slice;
	entity->state = SCHED_MOVING;
	entity->since = entity->woken_at = cpu->now;
	if (entity->target != NULL) {
		return entity->target;
	}
	return entity->params.budget != 0 ? cpu : sched_target(entity, &entity->params);
}

bool sched_join(struct sched_cpu *cpu, struct sched_entity *entity, uint64_t now)
{
	struct sched_bucket *reserve = &entity->reserve;

	sched_advance(cpu, now);
	entity->migrations += entity->cpu != cpu;
	entity->cpu = cpu;
	entity->target = NULL;
	entity->left_served = cpu->served; /* debt was settled where it came from */
	sched_settle(cpu, entity);
	/* The server's rule: the old deadline holds only for what is in proportion to it. */
	if (reserve->left > 0 &&
		(uint64_t)reserve->left * reserve->period >
			reserve->budget * (reserve->end - cpu->now)) {
		reserve->left = (int64_t)reserve->budget;
		reserve->end = cpu->now + reserve->period;
	}
	sched_enter(cpu, entity);
	return sched_kicks(cpu, entity);
}

void sched_dismiss(struct sched_entity *entity, uint64_t now)
{
	struct sched_cpu *cpu = entity->cpu;

	if (sched_waits(entity) || entity->state == SCHED_PARKED) {
		sched_advance(cpu, now);
		sched_leave(cpu, entity);
		entity->state = SCHED_ASLEEP;
		entity->since = cpu->now;
	}
}

bool sched_favour(struct sched_entity *entity, uint64_t now)
{
	struct sched_cpu *cpu = entity->cpu;

	if (!sched_waits(entity) || entity->state != SCHED_FAIR) {
		return false;
	}
	sched_advance(cpu, now);
	sched_tree_remove(&cpu->queue[0], &entity->run);
	entity->run.key =
		entity->run.v + (2 * SCHED_RUN_MIN << SCHED_V_SHIFT) / entity->params.weight;
	sched_tree_insert(&cpu->queue[0], &entity->run);
	return sched_kicks(cpu, entity);
}
