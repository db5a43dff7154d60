/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/sched_sim.h - CPUs and vCPUs in simulated time under kernel/sched.h, beside an ideal
 * fluid machine. Everything random comes from the seed.
 */
#pragma once

#include "kernel/sched.h"

#define SIM_CPUS 16u
#define MS       1000000ull
#define SECOND   (1000 * MS)

struct sim_vcpu {
	struct sched_entity entity; /* first */
	/* Its program: run for a while, sleep for a while; run_max 0: it never sleeps, nor does it
	 * wake. */
	uint64_t run_min, run_max, sleep_min, sleep_max;
	bool hog;
	bool spins;          /* yields each 20 us */
	uint64_t burst_left; /* until it sleeps */
	uint64_t wake_at;
	uint64_t serial; /* of its wake-up; older ones in the heap do not count */
	/* What it got. */
	uint64_t fair, reserved;
	uint64_t wakes, latency_sum, latency_max;
	uint64_t cap_end, cap_used; /* its cap's period, and what it ran therein */
	uint64_t reserve_end;
	/* The fluid machine's view. */
	enum sched_state state;
	struct sched_cpu *on;
	uint32_t weight;
	uint64_t slice, asked; /* asked: the longest since it was in no debt */
	long double v, lag, left_served;
	long double pushed[2]; /* by others' coming and going: down while in debt, up while owed */
	uint64_t wait_from, left_seen;
};

struct sim_cpu {
	struct sched_cpu cpu; /* first */
	uint8_t distance[SIM_CPUS];
	uint64_t next, ran_to, idle_from;
	long double v, weight, served; /* of the fluid machine */
	uint64_t fair;
	unsigned came; /* or left in one call, and with how much lag */
	long double came_lag;
};

struct sim {
	struct sched_machine machine;
	struct sim_cpu *cpu;
	struct sim_vcpu *vcpu;
	unsigned cpus, vcpus;
	uint64_t now, random, late; /* late: decisions come up to so much after their time */
	uint64_t decisions, moves;
	bool fluid, checks; /* compare with the fluid machine, which looks at all vCPUs each time */
	uint64_t checked;
	uint64_t longest;      /* slice in the machine */
	long double lag_worst; /* of its bound, at any time */
	long double drift;     /* ns between the scheduler's lags and the fluid machine's */
	struct sim_wake {
		uint64_t at, serial;
		unsigned vcpu;
	} * heap;
	unsigned heap_count, heap_size;
	uint64_t still; /* decisions without time going on */
};

/* CPUs in pairs of siblings, four to a package. All vCPUs are hogs of weight 100, asleep on CPU 0.
 */
void sim_begin(struct sim *sim, unsigned cpus, unsigned vcpus, uint64_t seed);
void sim_end(struct sim *sim);

uint64_t sim_random(struct sim *sim, uint64_t from, uint64_t to); /* both included */

/* Wake now; change parameters as the monitor would: false when they are refused for lack of room.
 */
void sim_wake(struct sim *sim, unsigned vcpu);
bool sim_set(struct sim *sim, unsigned vcpu, const struct sched_params *params);
void sim_sleep(struct sim *sim, unsigned vcpu, uint64_t time);

/* Go on until the time, or until so many decisions were taken in all. */
void sim_run(struct sim *sim, uint64_t until, uint64_t decisions);

/* Count what runs up to now; before the test itself makes a decision. */
void sim_settle(struct sim *sim);

/* Pin a vCPU's parameters to one CPU, or to a mask of the first 64. */
void sim_affinity(struct sched_params *params, uint64_t mask);
