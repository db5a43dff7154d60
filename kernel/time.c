/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/time.c - nanoseconds from TSC ticks, by one multiplication and a shift.
 */
#include "kernel/time.h"

#include "kernel/x86.h"

#define SHIFT 32u

/* [I] after time_set_frequency: ns = ticks * scale >> SHIFT, exact to one part in 2^30 up to 4 GHz
 */
uint64_t time_frequency = NS_PER_SECOND;
static uint64_t scale = 1ull << SHIFT;

void time_set_frequency(uint64_t hz)
{
	time_frequency = hz;
	scale = (NS_PER_SECOND << SHIFT) / hz;
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
	/* Two steps, so that 2^64 ns do not overflow and no 128-bit division is needed. */
	return ns / NS_PER_SECOND * time_frequency +
		ns % NS_PER_SECOND * time_frequency / NS_PER_SECOND;
}

void time_delay(uint64_t ns)
{
	uint64_t start = time_ns();
	while (time_ns() - start < ns) {
		cpu_pause();
	}
}
