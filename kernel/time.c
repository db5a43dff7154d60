/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/time.c - nanoseconds from TSC ticks and back, by one multiplication and a shift.
 */
#include "kernel/time.h"

#include "kernel/basic.h"

#define SHIFT      32u
#define BACK_SHIFT 30u /* up to 17 GHz */

/* [I] after time_set_frequency: ns = ticks * scale >> SHIFT, exact to one part in 2^30 up to 4 GHz
 */
uint64_t time_frequency = NS_PER_SECOND;
static uint64_t scale = 1ull << SHIFT;
static uint64_t back = 1ull << BACK_SHIFT; /* [I] the same: a little too much, not to be early */

void time_set_frequency(uint64_t hz)
{
	time_frequency = hz;
	scale = (NS_PER_SECOND << SHIFT) / hz;
	back = (hz << BACK_SHIFT) / NS_PER_SECOND + 1;
}

uint64_t time_from_tsc(uint64_t tsc)
{
	return (uint64_t)((unsigned __int128)(tsc - boot_entry_tsc) * scale >> SHIFT);
}

uint64_t time_ns(void)
{
	return time_from_tsc(tsc_read());
}

uint64_t time_to_tsc(uint64_t ns)
{
	return (uint64_t)((unsigned __int128)ns * back >> BACK_SHIFT);
}

void time_delay(uint64_t ns)
{
	uint64_t start = time_ns();
	while (time_ns() - start < ns) {
		cpu_pause();
	}
}
