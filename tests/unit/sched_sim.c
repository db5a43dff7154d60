/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/sched_sim.c - see sched_sim.h. The fluid machine is worked out in
 * floating point from what ran when, not from the scheduler's numbers; only who
 * is runnable is asked of it.
 */
#include <math.h>

#include "tests/unit/fake.h"
#include "tests/unit/sched_sim.h"

static const uint64_t slices[] = {10 * MS, 3 * MS, MS / 2};

#define check(condition, ...)                                                                      \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			print_error(__VA_ARGS__);                                                  \
			fail_msg("at %lu ns, decision %lu: %s", sim->now, sim->decisions,          \
				#condition);                                                       \
		}                                                                                  \
	} while (0)

uint64_t sim_random(struct sim *sim, uint64_t from, uint64_t to)
{
	sim->random ^= sim->random << 13;
	sim->random ^= sim->random >> 7;
	sim->random ^= sim->random << 17;
	return from + (to > from ? (sim->random >> 11) % (to - from + 1) : 0);
}

void sim_begin(struct sim *sim, unsigned cpus, unsigned vcpus, uint64_t seed)
{
	memset(sim, 0, sizeof(*sim));
	sim->random = seed * 0x9e3779b97f4a7c15 + 0x1234567;
	sim->cpus = cpus;
	sim->vcpus = vcpus;
	sim->cpu = calloc(cpus, sizeof(*sim->cpu));
	sim->vcpu = calloc(vcpus, sizeof(*sim->vcpu));
	sim->machine.cpu_count = cpus;
	sim->machine.reserve_max = SCHED_SHARE_ONE / 20 * 19;
	sim->fluid = sim->checks = true;
	sim->now = SECOND;
	for (unsigned i = 0; i < cpus; i++) {
		struct sim_cpu *c = &sim->cpu[i];
		sim->machine.cpu[i] = &c->cpu;
		c->cpu.machine = &sim->machine;
		c->cpu.index = i;
		c->cpu.sibling = &sim->cpu[(i ^ 1) < cpus ? i ^ 1 : i].cpu;
		c->cpu.distance = c->distance;
		for (unsigned k = 0; k < cpus; k++) {
			c->distance[k] = k == i ? 0 : k / 2 == i / 2 ? 1 : k / 4 == i / 4 ? 2 : 3;
		}
		c->next = UINT64_MAX;
		c->idle_from = sim->now;
		sched_cpu_init(&c->cpu);
		c->ran_to = sim->now;
	}
	struct sched_params params = {.weight = 100, .latency = SCHED_NORMAL};
	for (unsigned i = 0; i < cpus; i++) {
		params.affinity.word[i / 64] |= BIT(i % 64);
	}
	for (unsigned i = 0; i < vcpus; i++) {
		sched_entity_init(&sim->vcpu[i].entity, &sim->cpu[0].cpu, &params);
		sim->vcpu[i].hog = true;
	}
}

void sim_end(struct sim *sim)
{
	free(sim->cpu);
	free(sim->vcpu);
	free(sim->heap);
}

void sim_affinity(struct sched_params *params, uint64_t mask)
{
	memset(&params->affinity, 0, sizeof(params->affinity));
	params->affinity.word[0] = mask;
}

/* Wake-ups to come: a binary heap
 * ------------------------------------------------------------------- */

static void heap_swap(struct sim *sim, unsigned a, unsigned b)
{
	struct sim_wake wake = sim->heap[a];
	sim->heap[a] = sim->heap[b];
	sim->heap[b] = wake;
}

static void heap_push(struct sim *sim, struct sim_wake wake)
{
	if (sim->heap_count == sim->heap_size) {
		sim->heap_size = sim->heap_size * 2 + 64;
		sim->heap = realloc(sim->heap, sim->heap_size * sizeof(*sim->heap));
	}
	unsigned i = sim->heap_count++;
	sim->heap[i] = wake;
	for (; i > 0 && sim->heap[(i - 1) / 2].at > sim->heap[i].at; i = (i - 1) / 2) {
		heap_swap(sim, i, (i - 1) / 2);
	}
}

static struct sim_wake heap_pop(struct sim *sim)
{
	struct sim_wake wake = sim->heap[0];

	sim->heap[0] = sim->heap[--sim->heap_count];
	for (unsigned i = 0, child; (child = 2 * i + 1) < sim->heap_count; i = child) {
		if (child + 1 < sim->heap_count && sim->heap[child + 1].at < sim->heap[child].at) {
			child++;
		}
		if (sim->heap[i].at <= sim->heap[child].at) {
			break;
		}
		heap_swap(sim, i, child);
	}
	return wake;
}

/* The fluid machine
 * ---------------------------------------------------------------------------------
 */

static struct sim_cpu *sim_cpu(struct sched_cpu *cpu)
{
	return (struct sim_cpu *)cpu;
}

/* V moves by others' coming or going: each lag on the CPU by its weight's part. */
static void fluid_push(struct sim *sim, struct sim_cpu *cpu, long double by)
{
	cpu->v += by;
	for (unsigned i = 0; i < sim->vcpus; i++) {
		struct sim_vcpu *vcpu = &sim->vcpu[i];
		if (vcpu->state == SCHED_FAIR && vcpu->on == &cpu->cpu) {
			vcpu->pushed[by > 0] += vcpu->weight * (by > 0 ? by : -by);
		}
	}
}

static void fluid_leave(struct sim *sim, struct sim_vcpu *vcpu)
{
	struct sim_cpu *cpu = sim_cpu(vcpu->on);
	long double lag = vcpu->weight * (cpu->v - vcpu->v);

	vcpu->state = SCHED_ASLEEP;
	cpu->weight -= vcpu->weight;
	if (cpu->weight > 0) {
		fluid_push(sim, cpu, lag / cpu->weight);
	}
	vcpu->lag = lag > SCHED_LAG_MAX ? SCHED_LAG_MAX : lag;
	vcpu->left_served = cpu->served;
}

/* A debt shrinks as it would have, had the vCPU stayed; what it is owed as if it had been served.
 */
static void fluid_settle(struct sim_vcpu *vcpu)
{
	struct sim_cpu *cpu = sim_cpu(vcpu->on);
	long double served = vcpu->weight * (cpu->served - vcpu->left_served);

	if (vcpu->lag > 0) {
		vcpu->lag = vcpu->lag > served ? vcpu->lag - served : 0;
	} else if (vcpu->lag < 0 && cpu->weight > 0) {
		vcpu->lag += served * cpu->weight / (cpu->weight + vcpu->weight);
		vcpu->lag = vcpu->lag > 0 ? 0 : vcpu->lag;
	}
	vcpu->left_served = cpu->served;
}

static void fluid_join(struct sim *sim, struct sim_vcpu *vcpu)
{
	struct sim_cpu *cpu = sim_cpu(vcpu->entity.cpu);

	if (vcpu->on == vcpu->entity.cpu) {
		fluid_settle(vcpu);
	}
	if (cpu->weight > 0) {
		fluid_push(sim, cpu, -vcpu->lag / cpu->weight);
	} else {
		vcpu->lag = 0;
	}
	vcpu->v = cpu->v - vcpu->lag / vcpu->entity.params.weight;
	vcpu->pushed[0] = vcpu->lag < 0 ? -vcpu->lag : 0;
	vcpu->pushed[1] = vcpu->lag > 0 ? vcpu->lag : 0;
	cpu->weight += vcpu->entity.params.weight;
}

/* The order in which several came or left at once is the scheduler's secret: its V is taken over,
 * and lags may have moved by as much as theirs in sum. */
static void fluid_agree(struct sim *sim, struct sim_cpu *cpu)
{
	cpu->v = (long double)(int64_t)cpu->cpu.v / 128;
	for (unsigned i = 0; i < sim->vcpus; i++) {
		struct sim_vcpu *vcpu = &sim->vcpu[i];
		if (vcpu->on == &cpu->cpu && vcpu->state == SCHED_FAIR) {
			vcpu->v = (long double)(int64_t)vcpu->entity.run.v / 128;
			vcpu->pushed[0] += cpu->came_lag;
			vcpu->pushed[1] += cpu->came_lag;
		} else if (vcpu->on == &cpu->cpu) {
			vcpu->lag = (long double)vcpu->entity.lag * vcpu->weight / 128;
			vcpu->left_served = cpu->served -
				(long double)(cpu->cpu.served - vcpu->entity.left_served) / 128;
		}
	}
}

static bool fluid_changed(const struct sim_vcpu *vcpu)
{
	const struct sched_entity *entity = &vcpu->entity;
	return vcpu->state != entity->state || vcpu->on != entity->cpu ||
		vcpu->weight != entity->params.weight ||
		vcpu->slice != slices[entity->params.latency] ||
		vcpu->left_seen != entity->left_served; /* left and came again within one call */
}

/* Look who came, left, moved or changed. Leaving first. */
static void fluid_follow(struct sim *sim)
{
	for (unsigned i = 0; i < sim->vcpus; i++) {
		struct sim_vcpu *vcpu = &sim->vcpu[i];
		if (vcpu->state == SCHED_FAIR && fluid_changed(vcpu)) {
			struct sim_cpu *cpu = sim_cpu(vcpu->on);
			fluid_leave(sim, vcpu);
			cpu->came +=
				vcpu->entity.cpu != vcpu->on || vcpu->entity.state != SCHED_FAIR;
			cpu->came_lag += fabsl(vcpu->lag);
		}
	}
	for (unsigned i = 0; i < sim->vcpus; i++) {
		struct sim_vcpu *vcpu = &sim->vcpu[i];
		struct sched_entity *entity = &vcpu->entity;
		struct sim_cpu *cpu = sim_cpu(entity->cpu);
		if (!fluid_changed(vcpu)) {
			continue;
		}
		if (entity->state == SCHED_FAIR) {
			fluid_join(sim, vcpu);
			cpu->came++;
			cpu->came_lag += fabsl(vcpu->lag);
		} else if (vcpu->on != entity->cpu) {
			vcpu->left_served = cpu->served;
		} else if (vcpu->left_seen != entity->left_served) {
			fluid_settle(vcpu);
			cpu->came++;
		}
		vcpu->state = entity->state;
		vcpu->weight = entity->params.weight;
		vcpu->slice = slices[entity->params.latency];
		vcpu->on = entity->cpu;
		vcpu->left_seen = entity->left_served;
	}
	for (unsigned i = 0; i < sim->cpus; i++) {
		struct sim_cpu *cpu = &sim->cpu[i];
		if (cpu->came > 1) {
			fluid_agree(sim, cpu);
		}
		cpu->came = 0;
		cpu->came_lag = 0;
	}
}

static void fluid_check(struct sim *sim)
{
	for (unsigned i = 0; i < sim->vcpus; i++) {
		struct sim_vcpu *vcpu = &sim->vcpu[i];
		if (vcpu->state != SCHED_FAIR) {
			continue;
		}
		/* The scheduler's own lag has rounding, and an order of who came and left at once.
		 */
		struct sim_cpu *cpu = sim_cpu(vcpu->on);
		struct sched_entity *entity = &vcpu->entity;
		long double ran =
			cpu->cpu.running == entity ? (long double)cpu->ran_to - cpu->cpu.now : 0;
		long double passed =
			cpu->cpu.running != NULL && cpu->cpu.running->state == SCHED_FAIR
			? (long double)cpu->ran_to - cpu->cpu.now
			: 0;
		long double lag =
			(long double)(int64_t)(cpu->cpu.v - entity->run.v) * vcpu->weight / 128 +
			passed * vcpu->weight / cpu->weight - ran;
		long double fluid = vcpu->weight * (cpu->v - vcpu->v);
		sim->drift = fabsl(fluid - lag) > sim->drift ? fabsl(fluid - lag) : sim->drift;
		check(sim->drift < 100000, "vCPU %u: lag %.0Lf ns, in the fluid machine %.0Lf\n", i,
			lag, fluid);
		bool owed = lag > 0;
		vcpu->pushed[!owed] = 0;
		vcpu->asked = owed ? vcpu->slice : max_u64(vcpu->asked, vcpu->slice);
		long double bound = vcpu->asked + sim->late + (owed ? sim->longest : 0);
		bound += vcpu->pushed[owed] + 1000;
		long double part = (owed ? lag : -lag) / bound;
		check(part <= 1, "vCPU %u: lag %.0Lf ns, at most %.0Lf\n", i, lag, bound);
		sim->lag_worst = part > sim->lag_worst ? part : sim->lag_worst;
	}
}

/* Rules that hold at any time
 * ----------------------------------------------------------------------- */

static void count_service(struct sim *sim, struct sim_cpu *cpu)
{
	struct sim_vcpu *vcpu = (struct sim_vcpu *)cpu->cpu.running;
	uint64_t ran = sim->now - cpu->ran_to;

	cpu->ran_to = sim->now;
	if (vcpu == NULL) {
		return;
	}
	vcpu->burst_left -= ran < vcpu->burst_left ? ran : vcpu->burst_left;
	if (vcpu->entity.state == SCHED_RESERVED) {
		vcpu->reserved += ran;
		return;
	}
	vcpu->fair += ran;
	cpu->fair += ran;
	if (vcpu->entity.state == SCHED_FAIR) {
		vcpu->v += (long double)ran / vcpu->weight;
		cpu->v += (long double)ran / cpu->weight;
		cpu->served += (long double)ran / cpu->weight;
	}
	if (vcpu->cap_end != vcpu->entity.cap.end) {
		vcpu->cap_end = vcpu->entity.cap.end;
		vcpu->cap_used = 0;
	}
	vcpu->cap_used += ran;
	check(vcpu->entity.params.cap == 0 ||
			vcpu->cap_used <= vcpu->entity.cap.budget + SCHED_RUN_MIN + sim->late,
		"vCPU %zu ran %lu of %lu ns\n", vcpu - sim->vcpu, vcpu->cap_used,
		vcpu->entity.cap.budget);
}

static void check_all(struct sim *sim)
{
	for (unsigned i = 0; i < sim->vcpus; i++) {
		struct sim_vcpu *vcpu = &sim->vcpu[i];
		struct sched_entity *entity = &vcpu->entity;
		bool waits = entity->run.chance != 0;
		check(entity->state != SCHED_RESERVED || entity->reserve.left <= 0 ||
				sim->now <= entity->reserve.end + 2 * sim->late,
			"vCPU %u missed its deadline by %lu ns, with %ld left\n", i,
			sim->now - entity->reserve.end, entity->reserve.left);
		vcpu->wait_from =
			waits && entity->state == SCHED_FAIR ? vcpu->wait_from : UINT64_MAX;
		if (waits && entity->state == SCHED_FAIR && entity->params.budget == 0) {
			if (vcpu->wait_from == UINT64_MAX) {
				vcpu->wait_from = sim->now;
			}
			for (unsigned c = 0; c < sim->cpus; c++) {
				uint64_t from = max_u64(vcpu->wait_from, sim->cpu[c].idle_from);
				check(!sched_mask_has(&entity->params.affinity, c) ||
						sim->now <= from ||
						sim->now - from <= SCHED_BALANCE + 2 * sim->late,
					"vCPU %u waits on CPU %u while %u idles\n", i,
					entity->cpu->index, c);
			}
		}
	}
}

/* The machine
 * ---------------------------------------------------------------------------------------
 */

static void follow(struct sim *sim)
{
	if (sim->fluid) {
		fluid_follow(sim);
		fluid_check(sim);
	}
}

static void kick(struct sim *sim, struct sched_cpu *cpu)
{
	struct sim_cpu *c = sim_cpu(cpu);
	c->next = min_u64(c->next, sim->now + sim_random(sim, 0, sim->late));
}

static void join(struct sim *sim, struct sched_cpu *to, struct sched_entity *entity)
{
	count_service(sim, sim_cpu(to));
	if (sched_join(to, entity, sim->now)) {
		kick(sim, to);
	}
}

static bool pull(struct sim *sim, struct sched_cpu *to, struct sched_cpu *from)
{
	count_service(sim, sim_cpu(to));
	count_service(sim, sim_cpu(from));
	uint64_t count = from->queue[0].count;
	bool kicks = sched_pull(to, from, sim->now);
	sim->moves += from->queue[0].count != count;
	follow(sim);
	return kicks;
}

void sim_sleep(struct sim *sim, unsigned vcpu, uint64_t time)
{
	struct sim_vcpu *v = &sim->vcpu[vcpu];

	v->wake_at = sim->now + time;
	heap_push(sim, (struct sim_wake){v->wake_at, ++v->serial, vcpu});
}

static void decide(struct sim *sim, struct sim_cpu *cpu)
{
	struct sched_entity *old = cpu->cpu.running;
	struct sim_vcpu *vcpu = (struct sim_vcpu *)old;
	enum sched_how how = SCHED_GOES_ON;

	count_service(sim, cpu);
	if (vcpu != NULL && !vcpu->hog && vcpu->burst_left == 0) {
		how = SCHED_SLEEPS;
		sim_sleep(sim, (unsigned)(vcpu - sim->vcpu),
			sim_random(sim, vcpu->sleep_min, vcpu->sleep_max));
	} else if (vcpu != NULL && vcpu->spins) {
		how = SCHED_YIELDS;
	}
	struct sched_decision decision = sched_pick(&cpu->cpu, sim->now, how);
	sim->decisions++;
	follow(sim);
	if (decision.leaving != NULL) {
		join(sim, decision.leaving->target, decision.leaving);
		follow(sim);
	}
	if (decision.run == NULL) {
		struct sched_cpu *from = sched_busiest(&cpu->cpu);
		if (from != NULL && pull(sim, &cpu->cpu, from)) {
			decision = sched_pick(&cpu->cpu, sim->now, SCHED_GOES_ON);
			follow(sim);
		}
	}
	if (decision.spread) {
		struct sched_cpu *to = sched_spread(&cpu->cpu);
		if (to != NULL && pull(sim, to, &cpu->cpu)) {
			kick(sim, to);
		}
	}
	vcpu = (struct sim_vcpu *)decision.run;
	cpu->idle_from = vcpu != NULL ? UINT64_MAX : min_u64(cpu->idle_from, sim->now);
	cpu->next = decision.until;
	if (decision.until != UINT64_MAX) {
		cpu->next = max_u64(decision.until, sim->now) + sim_random(sim, 0, sim->late);
	}
	if (vcpu != NULL && !vcpu->hog) {
		cpu->next = min_u64(cpu->next, sim->now + vcpu->burst_left);
	}
	if (vcpu != NULL && vcpu->spins) {
		cpu->next = min_u64(cpu->next, sim->now + 20000);
	}
	if (vcpu != NULL && &vcpu->entity != old && vcpu->wake_at != 0) {
		uint64_t latency = sim->now - vcpu->wake_at;
		vcpu->wakes++;
		vcpu->latency_sum += latency;
		vcpu->latency_max = max_u64(vcpu->latency_max, latency);
		vcpu->wake_at = 0;
	}
}

void sim_wake(struct sim *sim, unsigned vcpu)
{
	struct sim_vcpu *v = &sim->vcpu[vcpu];

	count_service(sim, sim_cpu(v->entity.cpu));
	struct sched_cpu *to = sched_wake(&v->entity, sim->now);
	if (to == NULL) {
		return;
	}
	v->serial++;
	v->wake_at = sim->now;
	v->burst_left = sim_random(sim, v->run_min, v->run_max);
	if (v->on == v->entity.cpu) {
		fluid_settle(v);
	}
	join(sim, to, &v->entity);
	follow(sim);
}

bool sim_set(struct sim *sim, unsigned vcpu, const struct sched_params *params)
{
	struct sim_vcpu *v = &sim->vcpu[vcpu];
	struct sched_cpu *from = v->entity.cpu;

	check(sched_valid(params, &sim->machine), "vCPU %u\n", vcpu);
	struct sched_cpu *to = sched_target(&v->entity, params);
	if (to == NULL) {
		return false;
	}
	count_service(sim, sim_cpu(from));
	count_service(sim, sim_cpu(to));
	if (!sched_set(&v->entity, params, to, sim->now)) {
		return false;
	}
	if (v->state != SCHED_FAIR && v->on == from) {
		fluid_settle(v);
		v->left_served = sim_cpu(v->entity.cpu)->served;
	}
	if (params->cap != 0) {
		v->cap_used = 0; /* the period of a change is not looked at */
	}
	kick(sim, from);
	kick(sim, to);
	sim->longest = max_u64(sim->longest, slices[params->latency]);
	follow(sim);
	return true;
}

void sim_settle(struct sim *sim)
{
	for (unsigned i = 0; i < sim->cpus; i++) {
		count_service(sim, &sim->cpu[i]);
	}
}

void sim_run(struct sim *sim, uint64_t until, uint64_t decisions)
{
	sim->longest = max_u64(sim->longest, slices[SCHED_NORMAL]);
	while (sim->now < until && sim->decisions < decisions) {
		struct sim_cpu *first = &sim->cpu[0];
		for (unsigned i = 1; i < sim->cpus; i++) {
			first = sim->cpu[i].next < first->next ? &sim->cpu[i] : first;
		}
		uint64_t wake = sim->heap_count != 0 ? sim->heap[0].at : UINT64_MAX;
		uint64_t at = min_u64(min_u64(first->next, wake), until);
		sim->still = at > sim->now ? 0 : sim->still + 1;
		check(sim->still < 10000 + 10 * sim->vcpus, "no progress\n");
		sim->now = at;
		if (sim->checks && at - sim->checked > MS / 4) {
			check_all(sim);
			sim->checked = at;
		}
		if (at == until) {
			break;
		}
		if (wake <= first->next) {
			struct sim_wake w = heap_pop(sim);
			if (w.serial == sim->vcpu[w.vcpu].serial) {
				sim_wake(sim, w.vcpu);
			}
		} else {
			decide(sim, first);
		}
	}
	sim_settle(sim);
}
