/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_sched_random.c - the scheduler under random arrivals, sleeps and changes, for
 * many decisions and seeds: SCHED_SEEDS and SCHED_DECISIONS say how many (make test-long: 40 of
 * 10^6).
 *
 * Links: kernel/sched.c kernel/sched_move.c kernel/sched_tree.c
 * Links: tests/unit/sched_sim.c
 */
#include "tests/unit/fake.h"
#include "tests/unit/sched_sim.h"

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);
	return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static void random_params(struct sim *sim, struct sched_params *params)
{
	static const uint32_t weights[] = {1, 10, 50, 100, 100, 100, 200, 1000, 10000};

	params->weight = weights[sim_random(sim, 0, ARRAY_COUNT(weights) - 1)];
	params->cap = sim_random(sim, 0, 3) != 0 ? 0 : (uint32_t)sim_random(sim, 1, 100);
	params->latency = (enum sched_latency)sim_random(sim, 0, SCHED_LATENCY_COUNT - 1);
	params->budget = params->period = 0;
	if (sim_random(sim, 0, 5) == 0) {
		params->period = sim_random(sim, SCHED_PERIOD_MIN, 20 * MS);
		params->budget = sim_random(sim, SCHED_RUN_MIN, params->period / 2);
	}
	uint64_t all = BIT(sim->cpus) - 1;
	uint64_t mask = sim_random(sim, 1, all);
	sim_affinity(params, sim_random(sim, 0, 2) == 0 ? mask : all);
}

static void random_program(struct sim *sim, struct sim_vcpu *vcpu)
{
	static const uint64_t times[] = {1000, 20000, 100000, MS, 10 * MS, 100 * MS};

	vcpu->hog = sim_random(sim, 0, 2) == 0;
	vcpu->run_min = times[sim_random(sim, 0, 3)];
	vcpu->run_max = vcpu->run_min * 10;
	vcpu->sleep_min = times[sim_random(sim, 0, 5)];
	vcpu->sleep_max = vcpu->sleep_min * 10;
}

static void one_seed(uint64_t seed, uint64_t decisions)
{
	struct sim sim;

	sim_begin(&sim, 1 + (unsigned)(seed % 8), 40, seed);
	sim.late = seed % 3 == 0 ? 0 : 20000;
	sim.longest = 10 * MS;
	for (unsigned i = 0; i < sim.vcpus; i++) {
		struct sched_params params = {0};
		random_program(&sim, &sim.vcpu[i]);
		random_params(&sim, &params);
		sim_set(&sim, i, &params);
		sim_sleep(&sim, i, sim_random(&sim, 0, SECOND));
	}
	while (sim.decisions < decisions) {
		sim_run(&sim, sim.now + sim_random(&sim, 0, 50 * MS), decisions);
		unsigned i = (unsigned)sim_random(&sim, 0, sim.vcpus - 1);
		struct sched_params params = sim.vcpu[i].entity.params;
		random_params(&sim, &params);
		sim_set(&sim, i, &params);
		if (sim_random(&sim, 0, 9) == 0) {
			random_program(&sim, &sim.vcpu[i]);
			sim_wake(&sim, i);
		}
	}
	print_message(
		"seed %lu: %u CPUs, %.1f s, %lu moves, worst lag %.2Lf of its bound, drift %.0Lf us\n",
		seed, sim.cpus, (double)sim.now / 1e9, sim.moves, sim.lag_worst, sim.drift / 1000);
	sim_end(&sim);
}

static void random_machines_keep_all_rules(void **state)
{
	uint64_t seeds = from_environment("SCHED_SEEDS", 12);
	uint64_t decisions = from_environment("SCHED_DECISIONS", 40000);

	(void)state;
	for (uint64_t seed = from_environment("SCHED_FIRST", 1); seed <= seeds; seed++) {
		one_seed(seed, decisions);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {FAKE_TEST(random_machines_keep_all_rules)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
