/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/sched_move.c - which CPU an entity is on: placement, balance, admission, parameters. Pure;
 * see sched.h.
 */
#include "kernel/sched_private.h"

/* Of imbalance, for a move of weight 1. Each carries lag to others, who did not cause it: so there
 * are few.
 */
#define PRICE (4 * SCHED_BALANCE)

static uint32_t share(const struct sched_params *params)
{
	uint64_t time = params->budget * SCHED_SHARE_ONE;
	return params->budget == 0 ? 0 : (uint32_t)((time + params->period - 1) / params->period);
}

/* The weight that shares a whole CPU. What has a cap comes and goes too often to be counted beside
 * what has none: that, and what is reserved, is in the burden. Where it weighs more, it counts
 * alone.
 */
static uint64_t load(const struct sched_cpu *cpu)
{
	return max_u64(cpu->uncapped * cpu->burden / SCHED_BURDEN_NONE,
		cpu->weight - min_u64(cpu->uncapped, cpu->weight));
}

/*
 * The burden, when 100 ms have been seen. V's way is what those who stay get for their weight: as
 * slow as it goes, so heavy is the CPU, whatever the cause. Each measurement counts an eighth, as
 * what comes and goes makes it uneven.
 */
static void measure(struct sched_cpu *cpu)
{
	int64_t way = (int64_t)(cpu->v - cpu->burden_v);
	uint64_t busy = cpu->busy;

	if (busy < SCHED_CAP_PERIOD) {
		return;
	}
	uint64_t burden = SCHED_BURDEN_NONE; /* where nothing can be seen */
	if (way > 0 && cpu->busy_uncapped >= busy && busy <= 10 * SCHED_CAP_PERIOD) {
		uint64_t weight = (busy << SCHED_V_SHIFT) * SCHED_BURDEN_NONE / (uint64_t)way;
		uint64_t counted = cpu->busy_uncapped * SCHED_BURDEN_NONE / busy;
		burden = weight * SCHED_BURDEN_NONE / counted;
		burden = min_u64(max_u64(burden, SCHED_BURDEN_NONE / 2), SCHED_BURDEN_NONE * 16);
	}
	cpu->burden = (cpu->burden * 7 + burden + 4) / 8;
	cpu->burden_v = cpu->v;
	cpu->busy = cpu->busy_uncapped = 0;
}

static bool is_idle(const struct sched_cpu *cpu)
{
	return cpu->running == NULL && cpu->queue[0].count + cpu->queue[1].count == 0;
}

/* How little it is worth to go from `cpu` to `to`: idle ones first, rather of an idle core, rather
 * near.
 */
static uint64_t cost(const struct sched_cpu *cpu, const struct sched_cpu *to, bool near)
{
	uint64_t distance = cpu->distance[to->index];

	if (!is_idle(to)) {
		return 8 + load(to) * (8 + (near ? distance : 0));
	}
	return distance + (is_idle(to->sibling) ? 0 : 4);
}

/* The best CPU of `mask` for one on `cpu`, with room for a reservation of `wanted`; NULL: none. */
static struct sched_cpu *find(const struct sched_cpu *cpu, const struct sched_mask *mask, bool near,
	uint32_t wanted, uint32_t own)
{
	const struct sched_machine *machine = cpu->machine;
	struct sched_cpu *found = NULL;
	uint64_t best = UINT64_MAX;

	for (unsigned i = 0; i < machine->cpu_count; i++) {
		struct sched_cpu *to = machine->cpu[i];
		uint32_t taken = to == cpu ? to->share - own : to->share;
		if (sched_mask_has(mask, i) && cost(cpu, to, near) < best &&
			(wanted == 0 || taken + wanted <= machine->reserve_max)) {
			best = cost(cpu, to, near);
			found = to;
		}
	}
	return found;
}

struct sched_cpu *sched_target(struct sched_entity *entity, const struct sched_params *params)
{
	return find(entity->cpu, &params->affinity, true, share(params), share(&entity->params));
}

struct sched_cpu *sched_busiest(const struct sched_cpu *cpu)
{
	struct sched_cpu *found = NULL;
	uint64_t most = 0;

	for (unsigned i = 0; i < cpu->machine->cpu_count; i++) {
		struct sched_cpu *from = cpu->machine->cpu[i];
		uint64_t worth = load(from) * 8 / (8 + cpu->distance[i]);
		if (from != cpu && from->queue[0].count != 0 && worth >= most) {
			most = worth;
			found = from;
		}
	}
	return found;
}

void sched_ring_add(struct sched_cpu *cpu, struct sched_entity *entity)
{
	if (entity->choice > 1) {
		entity->link = (struct sched_link){&cpu->ring, cpu->ring.before};
		entity->link.before->next = entity->link.next->before = &entity->link;
		cpu->choosy += entity->choice < cpu->machine->cpu_count;
	}
}

void sched_ring_remove(struct sched_cpu *cpu, struct sched_entity *entity)
{
	if (entity->choice > 1) {
		entity->link.before->next = entity->link.next;
		entity->link.next->before = entity->link.before;
		cpu->choosy -= entity->choice < cpu->machine->cpu_count;
	}
}

static struct sched_entity *entity_of(struct sched_link *link)
{
	return (void *)((char *)link - offsetof(struct sched_entity, link));
}

struct sched_cpu *sched_spread(struct sched_cpu *cpu)
{
	struct sched_link *link, *ring = &cpu->ring;
	struct sched_mask any = {0};
	unsigned seen = 0;
	uint64_t time = min_u64(cpu->now - cpu->looked_at, 2 * SCHED_BALANCE);

	cpu->looked_at = cpu->now;
	measure(cpu);
	if (cpu->queue[0].count == 0) {
		return NULL;
	}
	for (unsigned i = 0; i < SCHED_LOOK && cpu->choosy > SCHED_LOOK; i++) {
		struct sched_entity *entity = entity_of(ring->next);
		sched_ring_remove(cpu, entity);
		sched_ring_add(cpu, entity);
	}
	for (link = ring->next; link != ring && seen < SCHED_LOOK; link = link->next, seen++) {
		struct sched_entity *entity = entity_of(link);
		for (unsigned i = 0; i < ARRAY_COUNT(any.word) && sched_waits(entity); i++) {
			any.word[i] |= entity->params.affinity.word[i];
		}
	}
	struct sched_cpu *to = find(cpu, &any, false, 0, 0);
	if (to == NULL) {
		return NULL;
	}
	uint64_t ours = load(cpu), others = load(to); /* which may change meanwhile */
	if (ours > others) {
		cpu->imbalance += ((ours - others) * time) >> cpu->distance[to->index];
		cpu->imbalance = min_u64(cpu->imbalance, PRICE * SCHED_WEIGHT_MAX);
	}
	return ours > others || is_idle(to) ? to : NULL;
}

/*
 * To an idle CPU whoever waits. To a busy one whoever pays for it by the imbalance summed up, so
 * that in the end all had the better CPU for their part of the time: not one that came lately.
 * Of them the one with the least lag: those who stay have to make up for it.
 */
static struct sched_entity *mover(const struct sched_cpu *to, struct sched_cpu *from)
{
	struct sched_link *link, *ring = &from->ring;
	struct sched_entity *found = NULL;
	int64_t least = INT64_MAX;
	bool idle = is_idle(to);
	unsigned seen = 0;

	if (idle ? from->running == NULL && from->queue[0].count <= 1 : load(to) >= load(from)) {
		return NULL;
	}
	for (link = ring->next; link != ring && seen < SCHED_LOOK; link = link->next, seen++) {
		struct sched_entity *entity = entity_of(link);
		int64_t lag = (int64_t)(from->v - entity->run.v) * entity->params.weight;
		bool pays = from->imbalance >= PRICE * entity->params.weight &&
			from->now - entity->moved_at >= 2 * SCHED_BALANCE;
		if (!sched_waits(entity) || !sched_mask_has(&entity->params.affinity, to->index)) {
			continue;
		}
		if (idle) {
			return entity;
		}
		lag = lag < 0 ? -lag : lag;
		if (pays && lag < least) {
			least = lag;
			found = entity;
		}
	}
	return found;
}

bool sched_pull(struct sched_cpu *to, struct sched_cpu *from, uint64_t now)
{
	sched_advance(to, now);
	sched_advance(from, now);
	struct sched_entity *entity = mover(to, from);
	if (entity == NULL) {
		return false;
	}
	/* No more is kept, of what nobody could pay, than would move it again. */
	uint64_t price = PRICE * entity->params.weight;
	from->imbalance = min_u64(from->imbalance - min_u64(from->imbalance, price), price);
	sched_leave(from, entity);
	entity->cpu = to;
	entity->moved_at = to->looked_at = now;
	entity->migrations++;
	sched_enter(to, entity);
	return sched_kicks(to, entity);
}

/* Of how many CPUs these have a choice; where a reservation is, it stays. */
static uint32_t choice(const struct sched_params *params, const struct sched_machine *machine)
{
	uint32_t count = 0;

	for (unsigned i = 0; i < machine->cpu_count; i++) {
		count += sched_mask_has(&params->affinity, i);
	}
	return params->budget != 0 && count > 1 ? 1 : count;
}

bool sched_valid(const struct sched_params *params, const struct sched_machine *machine)
{
	bool reservable = params->period >= SCHED_PERIOD_MIN &&
		params->period <= SCHED_PERIOD_MAX && params->budget >= SCHED_RUN_MIN &&
		params->budget <= params->period;

	return choice(params, machine) != 0 && params->weight >= 1 &&
		params->weight <= SCHED_WEIGHT_MAX && params->cap <= 100 &&
		params->latency < SCHED_LATENCY_COUNT && (params->budget == 0 || reservable);
}

/* A new reservation: it begins when the entity's old one and those given back on `cpu` are over. */
static void reserve(
	struct sched_cpu *cpu, struct sched_bucket *bucket, const struct sched_params *params)
{
	bucket->end = max_u64(max_u64(bucket->end, cpu->share_from), cpu->now);
	bucket->left = bucket->left < 0 ? bucket->left : 0;
	bucket->budget = params->budget;
	bucket->period = params->budget == 0 ? 0 : params->period;
	cpu->share += share(params);
}

static uint64_t slice(const struct sched_params *params)
{
	static const uint64_t slices[] = {
		[SCHED_BATCH] = 10000000, [SCHED_NORMAL] = 3000000, [SCHED_PROMPT] = 500000};
	return (slices[params->latency] << SCHED_V_SHIFT) / params->weight;
}

/* New numbers for an entity in no class. What it has spent stays spent. */
static void change(struct sched_entity *entity, const struct sched_params *params)
{
	uint64_t old = entity->params.weight;
	uint64_t budget = SCHED_CAP_PERIOD / 100 * (params->cap == 0 ? 100 : params->cap);

	entity->lag = entity->lag * (int64_t)old / params->weight;
	entity->cap.left += (int64_t)(budget - entity->cap.budget);
	entity->cap.budget = budget;
	entity->params = *params;
	entity->slice = slice(params);
	entity->request = min_u64(entity->request * old / params->weight, entity->slice);
	entity->choice = choice(params, entity->cpu->machine);
}

bool sched_set(struct sched_entity *entity, const struct sched_params *params, struct sched_cpu *to,
	uint64_t now)
{
	struct sched_cpu *from = entity->cpu;
	const struct sched_params old = entity->params;
	bool awake = entity->state != SCHED_ASLEEP;
	uint32_t taken = to->share - (to == from ? share(&old) : 0);

	if (entity->state == SCHED_MOVING || entity->target != NULL ||
		(params->budget != 0 && taken + share(params) > to->machine->reserve_max)) {
		return false;
	}
	sched_advance(from, now);
	sched_advance(to, now);
	if (awake) {
		sched_leave(from, entity);
	}
	sched_settle(from, entity);
	if (to != from || params->budget != old.budget || params->period != old.period) {
		from->share -= share(&old);
		from->share_from = max_u64(from->share_from, entity->reserve.end);
		reserve(to, &entity->reserve, params);
	}
	change(entity, params);
	if (from->running == entity && from != to) {
		entity->target = to;
		to = from;
	}
	entity->migrations += to != from;
	entity->cpu = to;
	entity->left_served = to->served;
	if (awake) {
		sched_enter(to, entity);
	}
	return true;
}

void sched_entity_init(
	struct sched_entity *entity, struct sched_cpu *cpu, const struct sched_params *params)
{
	*entity = (struct sched_entity){.cpu = cpu, .params.weight = params->weight};
	entity->cap.period = SCHED_CAP_PERIOD;
	entity->cap.end = cpu->now + SCHED_CAP_PERIOD;
	change(entity, params);
}
