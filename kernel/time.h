/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/time.h - time since the first instruction of Pintle, from the TSC.
 */
#pragma once

#include "kernel/types.h"

#define NS_PER_SECOND 1000000000ull

/* Tell the TSC's frequency. Before it is called, 1 GHz is assumed: only log times and delays in
 * refusals use it. */
void time_set_frequency(uint64_t hz);
extern uint64_t time_frequency; /* [I] after it, Hz */

extern uint64_t boot_entry_tsc;       /* [I] when entry32 ran (boot/entry.S) */
uint64_t time_ns(void);               /* since entry32 */
uint64_t time_from_tsc(uint64_t tsc); /* the same for a TSC value of this boot, in ns */
uint64_t time_to_tsc(uint64_t ns);    /* a duration in TSC ticks */
void time_delay(uint64_t ns);         /* busy; interrupts as they are */
