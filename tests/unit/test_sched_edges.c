/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_sched_edges.c - what the scheduler does when time jumps, when parameters change
 * at a bad moment, when what was reserved is given back, and when few may go where a CPU idles.
 *
 * Links: kernel/sched.c kernel/sched_move.c kernel/sched_tree.c
 * Links: tests/unit/sched_sim.c
 */
#include "tests/unit/fake.h"
#include "tests/unit/sched_sim.h"

static struct sim sim;
static struct sched_cpu *cpu;
static struct sched_entity *first; /* of the vCPUs */

/* So many hogs, awake, on as many CPUs. */
static void hogs(unsigned cpus, unsigned vcpus)
{
	sim_begin(&sim, cpus, vcpus, 1);
	for (unsigned i = 0; i < vcpus; i++) {
		sim_wake(&sim, i);
	}
	cpu = &sim.cpu[0].cpu;
	first = &sim.vcpu[0].entity;
}

static void run(uint64_t time)
{
	sim_run(&sim, sim.now + time, UINT64_MAX);
}

static void set(unsigned vcpu, struct sched_params params, uint64_t mask)
{
	sim_affinity(&params, mask);
	assert_true(sim_set(&sim, vcpu, &params));
}

static void reserve(unsigned vcpu, uint64_t budget, uint64_t period, uint64_t mask)
{
	struct sched_params params = {.weight = 1, .budget = budget, .period = period};
	set(vcpu, params, mask);
}

static void program(unsigned vcpu, uint64_t run_for, uint64_t sleep_for)
{
	struct sim_vcpu *v = &sim.vcpu[vcpu];

	v->hog = false;
	v->run_min = v->run_max = v->burst_left = run_for;
	v->sleep_min = v->sleep_max = sleep_for;
}

static void run_until_running(unsigned vcpu, enum sched_state state)
{
	const struct sched_entity *entity = &sim.vcpu[vcpu].entity;

	for (unsigned i = 0; cpu->running != entity || entity->state != state; i++) {
		assert_true(i < 100000);
		run(MS / 10);
	}
}

/* The CPU decides so much too late. */
static void decide_late(uint64_t late)
{
	sim.checks = sim.fluid = false;
	sim.now += late;
	sched_pick(cpu, sim.now, SCHED_GOES_ON);
	sim.cpu[0].next = sim.cpu[0].ran_to = sim.now;
}

/* ns of its own service that an entity in the fair class is owed */
static int64_t lag(const struct sched_entity *entity)
{
	return (int64_t)(cpu->v - entity->run.v) * entity->params.weight >> SCHED_V_SHIFT;
}

/* ns that it has asked for and not had */
static int64_t asked(const struct sched_entity *entity)
{
	return (int64_t)(entity->run.key - entity->run.v) * entity->params.weight >> SCHED_V_SHIFT;
}

/* One has had its budget and gives the reservation back; who takes it with a shorter period would
 * go before a third. */
static void what_is_given_back_cannot_be_had_before_its_period_is_over(void **state)
{
	(void)state;
	hogs(1, 3);
	reserve(0, 50 * MS, 100 * MS, 1);
	reserve(1, 44 * MS, 100 * MS, 1);
	run_until_running(0, SCHED_RESERVED);
	uint64_t end = first->reserve.end;
	run_until_running(1, SCHED_RESERVED);
	reserve(0, 0, 0, 1);
	reserve(2, 10 * MS, 20 * MS, 1);
	sim_run(&sim, end, UINT64_MAX);
	assert_true(sim.vcpu[1].reserved >= 44 * MS - SCHED_RUN_MIN);
	run(SECOND);
	assert_true(sim.vcpu[2].reserved >= 490 * MS);
	sim_end(&sim);
}

static void a_reservation_carried_around_is_no_larger(void **state)
{
	(void)state;
	hogs(2, 3);
	for (unsigned i = 0; i < 1000; i++) {
		reserve(0, 10 * MS, 100 * MS, 1 + i % 2);
		run(11 * MS);
	}
	assert_true(sim.vcpu[0].reserved <= 1110 * MS);
	assert_true(sim.vcpu[0].reserved >= 500 * MS);
	sim_end(&sim);
}

static void what_was_run_above_a_budget_stays_owed(void **state)
{
	(void)state;
	hogs(1, 2);
	reserve(0, MS, 10 * MS, 1);
	run_until_running(0, SCHED_RESERVED);
	decide_late(MS + MS / 2);
	assert_true(first->reserve.left < -(int64_t)MS / 3);
	reserve(0, MS + MS / 10, 10 * MS, 1);
	uint64_t had = sim.vcpu[0].reserved;
	sim_run(&sim, first->reserve.end + 10 * MS, UINT64_MAX);
	assert_true(sim.vcpu[0].reserved - had <= MS * 4 / 5);
	sim_end(&sim);
}

/* Of the hour that a heavy one runs without a decision only SCHED_LAG_MAX is charged. */
static void a_long_run_alone_pays_a_sleepers_debt(void **state)
{
	(void)state;
	hogs(1, 2);
	set(0, (struct sched_params){.weight = 10, .latency = SCHED_NORMAL}, 1);
	set(1, (struct sched_params){.weight = 10, .latency = SCHED_NORMAL}, 1);
	program(0, 3 * MS, 3600 * SECOND);
	while (first->state != SCHED_ASLEEP) {
		run(MS);
	}
	set(1, (struct sched_params){.weight = 10000, .latency = SCHED_NORMAL}, 1);
	run(10 * MS);
	assert_true(first->lag * 10 >> SCHED_V_SHIFT < -(int64_t)MS);
	uint64_t decisions = sim.decisions;
	run(3599 * SECOND);
	assert_int_equal(sim.decisions, decisions);
	sim_wake(&sim, 0);
	assert_true(lag(first) >= -1000);
	sim_end(&sim);
}

static void a_jump_of_time_empties_no_budget_for_long(void **state)
{
	(void)state;
	hogs(1, 3);
	set(0, (struct sched_params){.weight = 100, .cap = 10, .latency = SCHED_NORMAL}, 1);
	reserve(1, MS, 10 * MS, 1);
	for (unsigned i = 0; i < 2; i++) {
		run_until_running(i, i == 0 ? SCHED_FAIR : SCHED_RESERVED);
		decide_late(24 * 3600 * SECOND);
		uint64_t capped = sim.vcpu[0].fair, reserved = sim.vcpu[1].reserved;
		run(SECOND);
		assert_true(sim.vcpu[0].fair - capped >= 70 * MS);
		assert_true(sim.vcpu[1].reserved - reserved >= 80 * MS);
	}
	sim_end(&sim);
}

static void no_more_debt_is_kept_than_the_limit(void **state)
{
	(void)state;
	hogs(1, 4);
	run(SECOND);
	for (unsigned i = 0; i < 2; i++) { /* somebody is favoured, nobody decides */
		sim.now += 24 * 3600 * SECOND;
		sched_favour(
			&sim.vcpu[cpu->running == &sim.vcpu[i].entity ? 3 : i].entity, sim.now);
	}
	struct sched_entity *old = cpu->running;
	sched_pick(cpu, sim.now, SCHED_SLEEPS);
	int64_t debt = -old->lag * old->params.weight >> SCHED_V_SHIFT;
	assert_true(debt <= (int64_t)SCHED_LAG_MAX);
	assert_true(debt > (int64_t)SCHED_LAG_MAX * 9 / 10);
	sim_end(&sim);
}

/* Else one that changes something every now and then would always have a slice to run. */
static void a_change_gives_no_fresh_slice(void **state)
{
	struct sched_params params = {.weight = 100, .latency = SCHED_NORMAL};

	(void)state;
	hogs(1, 2);
	set(1, (struct sched_params){.weight = 1, .latency = SCHED_BATCH}, 1);
	for (unsigned i = 0; i < 5000; i++) {
		run(MS / 2);
		set(0, params, 1);
		assert_true(lag(first) >= -3100000);
	}
	sim_end(&sim);
}

static void a_change_of_weight_keeps_what_is_left_of_the_slice(void **state)
{
	static const uint32_t weights[] = {1000, 10, 10000, 1, 100};

	(void)state;
	hogs(1, 3);
	run_until_running(0, SCHED_FAIR);
	sched_pick(cpu, sim.now + MS, SCHED_GOES_ON);
	int64_t left = asked(first);
	assert_true(left > (int64_t)MS && left < 2900000);
	for (unsigned i = 0; i < ARRAY_COUNT(weights); i++) {
		struct sched_params params = {.weight = weights[i], .latency = SCHED_NORMAL};
		sim_affinity(&params, 1);
		assert_true(sched_set(first, &params, cpu, sim.now + MS));
		assert_true(asked(first) <= left && asked(first) >= left - 1000);
	}
	sim_end(&sim);
}

static void who_wakes_asks_for_a_whole_slice(void **state)
{
	(void)state;
	hogs(1, 3);
	program(0, 2 * MS, SECOND);
	while (first->state != SCHED_ASLEEP) {
		run(MS);
	}
	assert_true(first->request < first->slice / 2);
	sim_wake(&sim, 0);
	assert_int_equal(first->run.key - first->run.v, first->slice);
	sim_end(&sim);
}

static void a_cap_below_what_was_had_stops_at_once(void **state)
{
	struct sched_params params = {.weight = 10000, .cap = 1, .latency = SCHED_NORMAL};

	(void)state;
	hogs(1, 3);
	set(0, (struct sched_params){.weight = 10000, .latency = SCHED_NORMAL}, 1);
	run(350 * MS);
	run_until_running(0, SCHED_FAIR);
	uint64_t had[3] = {sim.vcpu[0].fair, sim.vcpu[1].fair, sim.vcpu[2].fair};
	set(0, params, 1);
	run(10 * MS);
	assert_true(sim.vcpu[0].fair <= had[0] + SCHED_RUN_MIN);
	assert_true(sim.vcpu[1].fair > had[1] && sim.vcpu[2].fair > had[2]);
	assert_int_equal(first->state, SCHED_PARKED);
	assert_int_equal(first->run.chance, 0);
	sim_end(&sim);
}

/* Hundreds on CPU 0 that may go to CPU 1 as well; a light one among them, to CPU 2. That is idle at
 * times, and checked by the simulation. */
static void an_idle_cpu_gets_the_one_of_many_that_may_go_there(void **state)
{
	(void)state;
	sim_begin(&sim, 4, 302, 1);
	for (unsigned i = 0; i < sim.vcpus; i++) {
		set(i, (struct sched_params){.weight = 20, .latency = SCHED_NORMAL}, 3);
		sim_wake(&sim, i);
	}
	set(300, (struct sched_params){.weight = 10000, .latency = SCHED_NORMAL}, 4);
	program(300, 30 * MS, 20 * MS);
	set(301, (struct sched_params){.weight = 1, .latency = SCHED_NORMAL}, 5);
	program(301, MS, 7 * MS);
	run(5 * SECOND);
	assert_true(sim.vcpu[301].entity.migrations > 50);
	sim_end(&sim);
}

/* What cannot be balanced: moves are few when little is gained by them. */
static void moves_are_paid_for_by_the_imbalance(void **state)
{
	(void)state;
	hogs(2, 4);
	for (unsigned i = 0; i < 4; i++) {
		set(i,
			(struct sched_params){
				.weight = 1000 - 10 * (i == 0), .latency = SCHED_NORMAL},
			3);
	}
	run(SECOND);
	uint64_t moves = sim.moves;
	run(20 * SECOND);
	assert_true(sim.moves - moves >= 5);
	assert_true(sim.moves - moves <= 60);
	sim_end(&sim);
}

/* Forget what these had, and run. */
static void run_anew(unsigned from, unsigned count)
{
	for (unsigned i = from; i < from + count; i++) {
		sim.vcpu[i].fair = 0;
	}
	run(10 * SECOND);
}

/* On each CPU one that is bound to it, and 8:1 beside: also a VM at its cap, a reservation of which
 * not all is used, and one that mostly waits.
 */
static void who_is_bound_to_a_cpu_has_its_share_as_others(void **state)
{
	static const uint32_t weights[] = {400, 100, 100, 100, 100, 150, 150, 200, 200};
	enum { CPUS = 4, HOGS = CPUS * ARRAY_COUNT(weights) };
	uint64_t all = BIT(CPUS) - 1;

	(void)state;
	for (uint64_t budget = MS; budget <= 5 * MS; budget += 4 * MS) {
		double ran = 0, sum = 0;
		hogs(CPUS, HOGS + 3);
		for (unsigned i = 0; i < HOGS; i++) {
			set(i, (struct sched_params){.weight = weights[i / CPUS]},
				i < CPUS ? BIT(i) : all);
		}
		set(HOGS, (struct sched_params){.weight = 1000, .cap = 10}, all);
		reserve(HOGS + 1, budget, 10 * MS, all);
		program(HOGS + 1, 4 * MS / 5, 46 * MS / 5);
		set(HOGS + 2, (struct sched_params){.weight = 100, .latency = SCHED_PROMPT}, all);
		program(HOGS + 2, MS / 20, MS);
		run(SECOND);
		run_anew(0, HOGS);
		for (unsigned i = 0; i < HOGS; i++) {
			ran += (double)sim.vcpu[i].fair;
			sum += weights[i / CPUS];
		}
		for (unsigned i = 0; i < HOGS; i++) {
			double part = (double)sim.vcpu[i].fair * sum / (ran * weights[i / CPUS]);
			assert_true(part >= 0.98 && part <= 1.02);
		}
		sim_end(&sim);
	}
}

static void assert_shares(unsigned from, unsigned count, double low, double high)
{
	run_anew(from, count);
	for (unsigned i = from; i < from + count; i++) {
		assert_true((double)sim.vcpu[i].fair >= low * 10 * SECOND);
		assert_true((double)sim.vcpu[i].fair <= high * 10 * SECOND);
	}
}

static void those_with_caps_are_spread_as_well(void **state)
{
	(void)state;
	hogs(4, 12);
	for (unsigned i = 0; i < 12; i++) {
		set(i, (struct sched_params){.weight = 100, .cap = 90}, 15);
	}
	run(2 * SECOND);
	assert_shares(0, 12, 0.32, 0.35);
	sim_end(&sim);
}

static void an_idle_cpu_is_found_by_those_with_caps(void **state)
{
	static const uint64_t masks[] = {4, 4, 2, 7, 7, 7, 7};

	(void)state;
	hogs(3, 7);
	for (unsigned i = 0; i < 7; i++) {
		set(i, (struct sched_params){.weight = 100, .cap = i < 3 ? 0 : 90}, masks[i]);
	}
	run(2 * SECOND);
	program(2, MS, 3600 * SECOND);
	sim.cpu[1].next = sim.now + MS;
	run(SECOND);
	assert_shares(3, 4, 0.48, 0.52);
	sim_end(&sim);
}

static void a_cpu_is_no_heavier_when_its_reservation_has_gone(void **state)
{
	struct sched_params params = {.weight = 100, .cap = 1, .latency = SCHED_NORMAL};

	(void)state;
	hogs(2, 6);
	sim.late = 10000;
	params.budget = 15 * MS / 2;
	params.period = 10 * MS;
	set(0, params, 1);
	for (unsigned i = 1; i < 6; i++) {
		set(i, (struct sched_params){.weight = 100, .latency = SCHED_NORMAL}, 3);
	}
	run(20 * SECOND);
	program(0, MS, 3600 * SECOND);
	params.budget = params.period = 0;
	set(0, params, 1);
	sim.vcpu[0].burst_left = 0;
	run(20 * SECOND);
	assert_shares(1, 5, 0.38, 0.42);
	sim_end(&sim);
}

static void who_has_a_fair_place_stays_there(void **state)
{
	(void)state;
	hogs(2, 6);
	sim.late = 10000;
	for (unsigned i = 0; i < 6; i++) {
		set(i, (struct sched_params){.weight = 1, .latency = SCHED_NORMAL}, 3);
	}
	run(10 * SECOND);
	uint64_t moves = sim.moves;
	run(50 * SECOND);
	assert_true(sim.moves - moves <= 2);
	sim_end(&sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(what_is_given_back_cannot_be_had_before_its_period_is_over),
		FAKE_TEST(a_reservation_carried_around_is_no_larger),
		FAKE_TEST(what_was_run_above_a_budget_stays_owed),
		FAKE_TEST(a_long_run_alone_pays_a_sleepers_debt),
		FAKE_TEST(a_jump_of_time_empties_no_budget_for_long),
		FAKE_TEST(no_more_debt_is_kept_than_the_limit),
		FAKE_TEST(a_change_gives_no_fresh_slice),
		FAKE_TEST(a_change_of_weight_keeps_what_is_left_of_the_slice),
		FAKE_TEST(who_wakes_asks_for_a_whole_slice),
		FAKE_TEST(a_cap_below_what_was_had_stops_at_once),
		FAKE_TEST(an_idle_cpu_gets_the_one_of_many_that_may_go_there),
		FAKE_TEST(moves_are_paid_for_by_the_imbalance),
		FAKE_TEST(who_is_bound_to_a_cpu_has_its_share_as_others),
		FAKE_TEST(those_with_caps_are_spread_as_well),
		FAKE_TEST(an_idle_cpu_is_found_by_those_with_caps),
		FAKE_TEST(a_cpu_is_no_heavier_when_its_reservation_has_gone),
		FAKE_TEST(who_has_a_fair_place_stays_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
