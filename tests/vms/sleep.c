/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/vms/sleep.c - vCPUs that sleep 1 to 5 ms by their timer, again and again, and measure how
 * late they wake. Every second: how often, and how late in microseconds, over that second.
 */
#include "guest.h"

/* Bins of late wake-ups: 8 for each power of two of microseconds; below 8 one each. */
#define BINS 160u

static volatile uint32_t bins[BINS];
static volatile uint64_t worst;

static unsigned bin_of(uint64_t us)
{
	unsigned shift = us < 8 ? 0 : 60 - (unsigned)__builtin_clzll(us);
	unsigned bin = shift * 8 + (unsigned)(us >> shift);
	return bin < BINS ? bin : BINS - 1;
}

/* The first microsecond that is above a bin. */
static uint64_t end_of(unsigned bin)
{
	return bin < 16 ? bin + 1 : (uint64_t)(bin % 8 + 9) << (bin / 8 - 1);
}

/* So many hundredths of `count` are below what it returns. */
static uint64_t percentile(const uint32_t *counts, uint64_t count, unsigned percent)
{
	uint64_t below = 0;

	for (unsigned bin = 0; bin < BINS; bin++) {
		below += counts[bin];
		if (below * 100 >= count * percent) {
			return end_of(bin);
		}
	}
	return 0;
}

static void tell(void)
{
	uint32_t counts[BINS];
	uint64_t count = 0;

	for (unsigned bin = 0; bin < BINS; bin++) {
		counts[bin] = __atomic_exchange_n(&bins[bin], 0, __ATOMIC_RELAXED);
		count += counts[bin];
	}
	say("%u sleeps, late us: median %u, 99th %u, worst %u", count,
		percentile(counts, count, 50), percentile(counts, count, 99),
		__atomic_exchange_n(&worst, 0, __ATOMIC_RELAXED));
}

void main(unsigned vcpu)
{
	uint64_t seed = vcpu + 1;

	set_up();
	if (vcpu == 0) {
		start_others();
	}
	for (uint64_t next = tsc() + ticks(1000000);;) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		uint64_t seen = interrupts[vcpu][TIMER],
			 at = tsc() + ticks(1000 + (seed >> 33) % 4000);
		set_timer(at);
		while (interrupts[vcpu][TIMER] == seen) {
			wait();
		}
		uint64_t late = microseconds(tsc() - at);
		__atomic_fetch_add(&bins[bin_of(late)], 1, __ATOMIC_RELAXED);
		if (late > worst) {
			worst = late;
		}
		if (vcpu == 0 && tsc() >= next) {
			tell();
			next = tsc() + ticks(1000000);
		}
	}
}
