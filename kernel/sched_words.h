/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/sched_words.h - a vCPU's scheduling parameters, in words: for the monitor and the boot
 * modules.
 */
#pragma once

#include "kernel/sched.h"

extern const char *const sched_latency_names[SCHED_LATENCY_COUNT];

/* Weight 100 on all CPUs that are online. */
struct sched_params sched_defaults(void);

/*
 * Change one parameter: "weight" 1 to 10000; "cap" 0 to 100, percent of a CPU; "affinity" CPUs,
 * such as 0-3,6; "latency" batch, normal or prompt; "reserve" BUDGET/PERIOD in us, or 0. False, and
 * nothing changed, when a word means nothing or the CPUs are not there.
 */
bool sched_read_word(struct sched_params *params, const char *name, const char *value);
