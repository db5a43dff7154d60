/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/sched_move.c - which CPU an entity is on: placement, balance, admission, parameters. Pure;
 * see sched.h.
 */
#include "kernel/sched_private.h"

static uint32_t share(const struct sched_params *params)
{
	uint64_t time = params->budget * SCHED_SHARE_ONE;
	return params->budget == 0 ? 0 : (uint32_t)((time + params->period - 1) / params->period);
}

/* The weight that shares a whole CPU: what is reserved makes a CPU smaller. */
static uint64_t load(const struct sched_cpu *cpu)
{
	uint64_t left = max_u64(SCHED_SHARE_ONE - cpu->share, SCHED_SHARE_ONE / 16);
	return cpu->weight * SCHED_SHARE_ONE / left;
}

static bool is_idle(const struct sched_cpu *cpu)
{
	return cpu->running == NULL && cpu->queue[0].count + cpu->queue[1].count == 0;
}

/* How little it is worth to go from `cpu` to `to`: idle ones first, rather of an idle core, rather
 * near.
 */
static uint64_t cost(const struct sched_cpu *cpu, const struct sched_cpu *to)
{
	uint64_t distance = cpu->distance[to->index];

	if (!is_idle(to)) {
		return 8 + load(to) * (8 + distance);
	}
	return distance + (is_idle(to->sibling) ? 0 : 4);
}

/* The best CPU of `mask` for one on `cpu`, with room for a reservation of `wanted`; NULL: none. */
static struct sched_cpu *find(
	const struct sched_cpu *cpu, const struct sched_mask *mask, uint32_t wanted, uint32_t own)
{
	const struct sched_machine *machine = cpu->machine;
	struct sched_cpu *found = NULL;
	uint64_t best = UINT64_MAX;

	for (unsigned i = 0; i < machine->cpu_count; i++) {
		struct sched_cpu *to = machine->cpu[i];
		uint32_t taken = to == cpu ? to->share - own : to->share;
		if (sched_mask_has(mask, i) && cost(cpu, to) < best &&
			(wanted == 0 || taken + wanted <= machine->reserve_max)) {
			best = cost(cpu, to);
			found = to;
		}
	}
	return found;
}

struct sched_cpu *sched_target(struct sched_entity *entity, const struct sched_params *params)
{
	return find(entity->cpu, &params->affinity, share(params), share(&entity->params));
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

struct sched_cpu *sched_spread(struct sched_cpu *cpu)
{
	struct sched_node *root = cpu->queue[0].root;
	struct sched_cpu *to = root == NULL ? NULL : find(cpu, &root->any, 0, 0);

	if (to == NULL || load(to) >= load(cpu)) {
		cpu->imbalance = 0;
		return NULL;
	}
	cpu->imbalance += (load(cpu) - load(to)) >> cpu->distance[to->index];
	return to;
}

/*
 * To an idle CPU whoever waits. To a busy one whoever pays for it by the imbalance summed up, so
 * that in the end all had the better CPU for their part of the time: not one that came lately.
 */
bool sched_pull(struct sched_cpu *to, struct sched_cpu *from, uint64_t now)
{
	struct sched_entity *entity =
		(struct sched_entity *)sched_tree_allowed(&from->queue[0], to->index);

	if (entity == NULL) {
		return false;
	}
	sched_advance(to, now);
	sched_advance(from, now);
	bool helps = is_idle(to)
		? from->running != NULL || from->queue[0].count > 1
		: load(to) < load(from) && from->imbalance >= entity->params.weight &&
			from->now - entity->moved_at >= 2 * SCHED_BALANCE;
	if (!helps) {
		return false;
	}
	from->imbalance = 0;
	sched_leave(from, entity);
	entity->cpu = to;
	entity->moved_at = now;
	entity->migrations++;
	sched_enter(to, entity);
	return sched_kicks(to, entity);
}

bool sched_valid(const struct sched_params *params, const struct sched_machine *machine)
{
	bool reservable = params->period >= SCHED_PERIOD_MIN &&
		params->period <= SCHED_PERIOD_MAX && params->budget >= SCHED_RUN_MIN &&
		params->budget <= params->period;
	bool any = false;

	for (unsigned i = 0; i < machine->cpu_count; i++) {
		any |= sched_mask_has(&params->affinity, i);
	}
	return any && params->weight >= 1 && params->weight <= SCHED_WEIGHT_MAX &&
		params->cap <= 100 && params->latency < SCHED_LATENCY_COUNT &&
		(params->budget == 0 || reservable);
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

/* New numbers for an entity in no class. What it has spent stays spent. */
static void change(struct sched_entity *entity, const struct sched_params *params)
{
	int64_t weight = params->weight;
	uint64_t old = entity->params.weight;
	int64_t lag = entity->lag * (int64_t)old;
	uint64_t budget = SCHED_CAP_PERIOD / 100 * (params->cap == 0 ? 100 : params->cap);

	entity->lag = lag / weight - (lag % weight < 0);
	entity->v_rest = 0;
	entity->cap.left += (int64_t)(budget - entity->cap.budget);
	entity->cap.budget = budget;
	entity->params = *params;
	entity->request = min_u64(entity->request * old / params->weight, sched_slice(entity));
	entity->run.mask = params->budget == 0 ? params->affinity : (struct sched_mask){0};
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

void sched_entity_init(struct sched_entity *entity, struct sched_cpu *cpu)
{
	struct sched_params params = {.weight = 100, .latency = SCHED_NORMAL};

	for (unsigned i = 0; i < cpu->machine->cpu_count; i++) {
		params.affinity.word[i / 64] |= BIT(i % 64);
	}
	*entity = (struct sched_entity){.cpu = cpu, .params.weight = 100};
	entity->cap.period = SCHED_CAP_PERIOD;
	entity->cap.end = cpu->now + SCHED_CAP_PERIOD;
	change(entity, &params);
}
