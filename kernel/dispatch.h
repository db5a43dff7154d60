/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/dispatch.h - the scheduler (sched.h) on this machine: its locks, kicks, timers, and the
 * way of a vCPU from one CPU to another.
 *
 * Each CPU has a lock for its queues. Who asks something of a vCPU sets a request, LOOK among them,
 * and then wakes it; who goes to sleep looks for LOOK under the lock: so no wake-up is lost. A
 * vCPU's registers stay in the CPU that it ran on last; another one fetches them (vcpu_fetch()).
 */
#pragma once

#include "kernel/pcpu.h"
#include "kernel/vcpu.h"

extern struct sched_machine dispatch_machine; /* [I] after dispatch_init() but for its CPUs */

/* Learn how near the CPUs are to each other. Once, when all are up, before the first vCPU: 0 or
 * -ENOMEM. */
int dispatch_init(void);

/* Schedule a vCPU by these parameters from now on: 0; -EINVAL: they are not valid; -ENOSPC: no CPU
 * has room for the reservation; -EAGAIN: it is on its way somewhere. No locks. */
int dispatch_set(struct vcpu *vcpu, const struct sched_params *params);

/* A vCPU that was asked something may have to run: at `place`, unless NULL, if it may be there: it
 * has room soon. Any context but NMI; no locks of rank SCHED. */
void dispatch_wake(struct vcpu *vcpu, struct pcpu *place);

/* Whom this CPU runs from now on, after `how` of the one that it ran, as ->vcpu, and until when;
 * NULL: nobody. In the main loop, interrupts off. */
struct vcpu *dispatch_next(enum sched_how how, uint64_t now);

/* As dispatch_next(SCHED_SLEEPS), for when `next`, which sleeps here, has to run in its place:
 * false when it is not as simple as that, and nothing has changed. */
bool dispatch_swap(struct vcpu *next, uint64_t now);

/* Wake those of this CPU whose timers have come, at TSC `now`. In the main loop, interrupts off. */
void dispatch_alarm(uint64_t now);

/* What this CPU did from TSC `from` up to now is nobody's: it was Pintle's own. No locks. */
void dispatch_skip(uint64_t from);

/* This CPU's vCPU spins on what `vcpu` does: that one, if it waits, goes before others, and this
 * one behind. Interrupts off, no locks. */
void dispatch_yield(struct vcpu *vcpu);

/* Wait until a vCPU that may not run any more sleeps. Interrupts off, no locks; not in an exit of
 * its own. */
void dispatch_stop(struct vcpu *vcpu);

/* smp_answer(), where this CPU waits for one that may wait until this CPU's vCPU sleeps. As
 * dispatch_stop(). */
void dispatch_answer(void);

/* Once a second, on CPU 0: what each vCPU got since the last time. */
void dispatch_sample(void);

/* How long it ran, in ns, up to now. */
uint64_t dispatch_ran(const struct vcpu *vcpu);

/* sched_words.c: scheduling parameters in words. */
extern const char *const sched_latency_names[SCHED_LATENCY_COUNT];

/* Weight 100 on all CPUs that are online. */
struct sched_params sched_defaults(void);

/*
 * Change one parameter: "weight" 1 to 10000; "cap" 0 to 100, percent of a CPU; "affinity" CPUs,
 * such as 0-3,6; "latency" batch, normal or prompt; "reserve" BUDGET/PERIOD in us, or 0. False, and
 * nothing changed, when a word means nothing or the CPUs are not there.
 */
bool sched_read_word(struct sched_params *params, const char *name, const char *value);
