/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/smp.h - one CPU asks others.
 *
 * Each CPU owns one request; a CPU that is asked has a bit for each asker. So nothing is queued,
 * nothing is locked, and a CPU that waits for an answer answers others meanwhile.
 */
#pragma once

#include "kernel/pcpu.h"

/*
 * Run `function(argument)` on CPU `index` and wait until it has returned there. Interrupts may be
 * on or off; no locks may be held. On this CPU itself it is a plain call. False: the CPU is not
 * online or does not answer for seconds, and did not and will not run it.
 */
bool smp_call(unsigned index, void (*function)(void *argument), void *argument);

/* The same on all online CPUs, this one included, at the same time. `function` may not call again
 * on the asking CPU. Panics when a CPU does not answer for seconds. */
void smp_call_all(void (*function)(void *argument), void *argument);

unsigned smp_online_count(void);

/* Make CPU `index` leave its idle sleep. Any context but NMI. */
void smp_wake(unsigned index);

/* Stop all other CPUs by NMI, for good. Any context. */
void smp_stop_others(void);

/* Take VECTOR_CALL and VECTOR_TIMER. Once, after the LAPIC driver is up. */
void smp_init(void);
