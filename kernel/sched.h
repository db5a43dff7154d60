/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/sched.h - the scheduler: which vCPU a CPU runs, and until when. Pure: time and events come
 * in as arguments, decisions go out as values; no locks, no hardware, no clock, no allocation.
 *
 * Units: time in nanoseconds, any epoch; it may stand still, jump, or go back a little between
 * CPUs. Virtual time in ns * 2^SCHED_V_SHIFT / weight; it wraps and is compared by signed
 * differences.
 *
 * POLICY, most urgent first
 * - Reservations (a budget in each period): EDF among them, each a constant-bandwidth server on the
 * CPU that admitted it and bound to that CPU. What its vCPU runs above the budget is its time in
 * the fair class, so that overrun takes from no other reservation. machine->reserve_max limits them
 * on a CPU.
 * - The fair class is EEVDF (Stoica and Abdel-Wahab, 1995). V is the weighted mean of the virtual
 * service v of the CPU's runnable fair vCPUs; the *lag* of one is weight * (V - v), service that it
 * is owed. Eligible are those with lag >= 0; of them the one with the earliest virtual deadline, v
 * + slice/weight when it asked, runs until it had its slice or an eligible one has an earlier
 * deadline. The latency class sets the slice: how soon, not how much.
 * - A cap limits the fair service in each SCHED_CAP_PERIOD; then the vCPU is parked to its end.
 *
 * BOUND. Let r be a vCPU's slice, q the longest slice on its CPU, e by how much decisions come
 * late, in time of the fair class. While nobody joins, leaves or changes weight: -(r + e) <= lag <=
 * r + q + e. Below: it starts to run with lag >= 0 and runs r (and e) at most before it asks anew.
 * Above: EEVDF serves each request by its deadline, which is r of its own fluid service away, plus
 * the one quantum for which another is not interrupted; that is q, as no timer is set for the
 * moment at which a waiting one becomes eligible. Whoever joins or leaves with lag l moves V so
 * that all lags sum up to 0: the others' change by l in all, each by its weight's part, on the
 * ideal fluid CPU as well; by as much as they were so moved since their lag was last 0, both bounds
 * are wider. A jump of time starves nobody for longer than SCHED_LAG_MAX: no more lag is kept, no
 * more charged at once. While one is away, what it is owed and debt shrink by what the others are
 * served, as if one had stayed and had or waited for as much, so that sleep saves nothing, and who
 * soon comes back goes on with its request. Migration keeps lag.
 * Wake-up: with lag >= 0 it runs at once if its deadline is the earliest, else
 * within slice * (sum of weights)/weight + q; in debt, once that is paid.
 *
 * LOCKS, when built in. Each sched_cpu has one, which guards it, its trees and all entities whose
 * ->cpu it is; functions say who has to be locked, two in the order of their index. None is global.
 * A SCHED_MOVING entity belongs to the CPU that carries it to sched_join(), without a lock. Calls
 * are O(log n), a decision handles up to SCHED_EXPIRE_MAX timers; sched_wake(), sched_target() and
 * sched_spread() look at each CPU once, sched_spread() and sched_pull() at SCHED_LOOK of those that
 * could be moved, so often that all are seen in each SCHED_BALANCE. [R]: written under the lock, a
 * hint to those without it.
 *
 * KICK: have a CPU call sched_pick() at once, by IPI if it is another one.
 */
#pragma once

#include "kernel/sched_tree.h"

#define SCHED_V_SHIFT        7
#define SCHED_WEIGHT_MAX     10000u
#define SCHED_CAP_PERIOD     100000000ull
#define SCHED_RUN_MIN        50000ull     /* less than this of a slice or cap is none */
#define SCHED_LAG_MAX        100000000ull /* time */
#define SCHED_BALANCE        4000000ull   /* between two looks for a CPU with less to do */
#define SCHED_LOOK           64u          /* of those that could be moved, in one look */
#define SCHED_EXPIRE_MAX     8u
#define SCHED_SHARE_ONE      (1u << 20) /* a CPU's time */
#define SCHED_PERIOD_MIN     500000ull  /* of a reservation */
#define SCHED_PERIOD_MAX     1000000000ull
#define SCHED_BINS           40u
#define SCHED_BURDEN_NONE    1024u
#define SCHED_BURDEN_WATCHED 1100u /* above, a CPU is measured also while nobody waits */

/* CPUs, a bit each, by index. */
struct sched_mask {
	uint64_t word[CPUS_MAX / 64];
};

static inline bool sched_mask_has(const struct sched_mask *mask, unsigned cpu)
{
	return mask->word[cpu / 64] >> (cpu % 64) & 1;
}

enum sched_latency { SCHED_BATCH, SCHED_NORMAL, SCHED_PROMPT, SCHED_LATENCY_COUNT };

struct sched_params {
	uint32_t weight; /* 1 to SCHED_WEIGHT_MAX */
	uint32_t cap;    /* percent of a CPU, above what is reserved; 0: none */
	enum sched_latency latency;
	uint64_t budget, period; /* reserved, ns in each period; 0: no reservation */
	struct sched_mask affinity;
};

enum sched_state { SCHED_ASLEEP, SCHED_MOVING, SCHED_PARKED, SCHED_FAIR, SCHED_RESERVED };

/* So much time in each period. Period 0: nothing. */
struct sched_bucket {
	uint64_t budget, period, end;
	int64_t left;
};

struct sched_link {
	struct sched_link *next, *before;
};

struct sched_entity {
	struct sched_node run;      /* .v: virtual service, .key: deadline of its class */
	struct sched_node timer;    /* at which an exhausted bucket is filled */
	struct sched_tree *queue;   /* where it waits for its class */
	struct sched_cpu *cpu;      /* where it is or was last */
	struct sched_cpu *target;   /* where it has to go when it is off its CPU; NULL: it stays */
	struct sched_link link;     /* in its CPU's ring */
	struct sched_params params; /* set by sched_set() */
	uint32_t choice;            /* of how many CPUs; with a reservation of one */
	enum sched_state state;
	struct sched_bucket cap; /* counts without a cap, too */
	struct sched_bucket reserve;
	uint64_t slice;       /* virtual */
	uint64_t v_rest;      /* service * 2^SCHED_V_SHIFT not in v yet */
	int64_t lag;          /* virtual; kept out of the fair class, as the next two */
	uint64_t request;     /* virtual; what is left of it */
	uint64_t left_served; /* of its CPU when lag was right */
	uint64_t since;       /* when it last began or ceased to run */
	uint64_t woken_at;    /* 0: it ran since */
	uint64_t ran;         /* ns */
	uint64_t waited;      /* ns, without the wait that goes on: steal time */
	uint64_t moved_at;
	uint64_t migrations;
};

struct sched_cpu {
	struct sched_machine *machine; /* constant as the next three, the caller's to set */
	uint32_t index;
	struct sched_cpu *sibling; /* the next CPU of the same core, around a ring */
	const uint8_t *distance;   /* to each CPU: 0 itself, 1 the same core, 2 package, 3 others */
	struct sched_tree queue[2]; /* who waits: fair, reserved; [R] .count */
	struct sched_tree timers;
	struct sched_entity *running; /* in no queue; [R] NULL: idle */
	struct sched_link ring;       /* the fair ones that could be elsewhere, to be looked at */
	uint32_t choosy;              /* how many of them may not be everywhere */
	uint64_t now;                 /* the running one is charged up to here */
	uint64_t until;               /* of the last decision */
	uint64_t v;                   /* V, rounded down */
	uint64_t v_rest;              /* sum of weight * (v - V); below the sum of weights */
	uint64_t served;              /* by how much service moved V, ever */
	uint64_t weight;              /* [R] sum of the fair class, running and waiting */
	uint64_t uncapped;            /* [R] of it, without those who have a cap */
	uint32_t share;               /* [R] reserved, of SCHED_SHARE_ONE */
	uint64_t share_from;          /* when what was freed of it can be had again */
	/* How much heavier it is for those who stay than `uncapped` says, of SCHED_BURDEN_NONE:
	 * [R]. What it is measured from: V then; since then, while there were fair ones, time with
	 * somebody running, and `uncapped` by it. */
	uint64_t burden, burden_v, busy, busy_uncapped, balance_at, looked_at;
	uint64_t imbalance; /* of loads, by time, for which nobody was moved from here yet */
	uint64_t switches;
	uint64_t latency[SCHED_BINS]; /* wake-ups by log2 of the ns until they ran */
};

struct sched_machine {
	struct sched_cpu *cpu[CPUS_MAX];
	uint32_t cpu_count;
	uint32_t reserve_max; /* of SCHED_SHARE_ONE, on each CPU */
};

struct sched_decision {
	struct sched_entity *run;     /* NULL: nobody; pull from sched_busiest(), then halt */
	struct sched_entity *leaving; /* to be carried to ->target */
	uint64_t until;               /* UINT64_MAX: until a kick */
	bool spread;                  /* have sched_spread()'s CPU, if any, pull from here */
};

/* How the running entity comes to the decision. */
enum sched_how { SCHED_GOES_ON, SCHED_YIELDS, SCHED_SLEEPS };

/* `cpu` is all 0 but for what the caller has to set, and `machine` complete. */
void sched_cpu_init(struct sched_cpu *cpu);

/* Asleep on `cpu`, without a reservation. One that sleeps without one may be forgotten. */
void sched_entity_init(
	struct sched_entity *entity, struct sched_cpu *cpu, const struct sched_params *params);

/* Decide. On `cpu`, locked. Sleep is only for who runs: one that waits and has to stop sleeps when
 * its turn comes. */
struct sched_decision sched_pick(struct sched_cpu *cpu, uint64_t now, enum sched_how how);

/* Who runs sleeps, and `next`, which does, runs in its place: for when that is all there is to
 * decide. False: there is more, and nothing has changed. On `cpu`, locked. */
bool sched_swap(struct sched_cpu *cpu, struct sched_entity *next, uint64_t now);

/* It can run: the CPU to carry it to; NULL: it is awake already. entity->cpu locked. */
struct sched_cpu *sched_wake(struct sched_entity *entity, uint64_t now);

/* Queue a SCHED_MOVING entity: true to kick `cpu`, which is locked. */
bool sched_join(struct sched_cpu *cpu, struct sched_entity *entity, uint64_t now);

/* One that waits sleeps, as it may not run. No effect on who runs. entity->cpu locked. */
void sched_dismiss(struct sched_entity *entity, uint64_t now);

/* Somebody spins on what a waiting entity does: it goes before others if it is owed service, and
 * has its share no sooner for it. True to kick entity->cpu, which is locked. */
bool sched_favour(struct sched_entity *entity, uint64_t now);

/* From whom an idle CPU should pull, near and busy; NULL: nobody. No lock. */
struct sched_cpu *sched_busiest(const struct sched_cpu *cpu);

/* Who should pull from this CPU; NULL: nobody. `cpu` locked. */
struct sched_cpu *sched_spread(struct sched_cpu *cpu);

/* Move one that waits, if that helps: true to kick `to`. Both locked. */
bool sched_pull(struct sched_cpu *to, struct sched_cpu *from, uint64_t now);

/* Whether the numbers are in range. */
bool sched_valid(const struct sched_params *params, const struct sched_machine *machine);

/* Where an entity with these valid parameters could be, its own CPU if possible; NULL: no CPU has
 * room for the reservation. entity->cpu locked. */
struct sched_cpu *sched_target(struct sched_entity *entity, const struct sched_params *params);

/* Change them all at once; kick both CPUs. False: `to`, from sched_target(), has no room any more
 * or the entity is on its way; try again. entity->cpu and `to` locked. */
bool sched_set(struct sched_entity *entity, const struct sched_params *params, struct sched_cpu *to,
	uint64_t now);
