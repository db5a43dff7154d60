/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/vms/reserve.c - a job of 0.8 ms in each period of 10 ms, for a vCPU that has 1 ms of each
 * period reserved. The job is a number of loops, which take 0.8 ms when nobody else has the CPU. A
 * deadline is missed when the job is not done before the next period begins. Every second: periods
 * and misses so far; by when after their periods' starts all jobs of that second began, and were
 * done. A period in which it waits for its VMM to hear that does not count.
 */
#include "guest.h"

#define PERIOD 10000u /* us */
#define JOB    800u

static void work(uint64_t loops)
{
	__asm__ volatile("1: dec %0; jnz 1b" : "+r"(loops) : : "cc");
}

/* How many loops a millisecond has: by the fastest of many short runs. */
static uint64_t calibrate(void)
{
	uint64_t least = UINT64_MAX;

	for (unsigned i = 0; i < 200; i++) {
		uint64_t begin = tsc();
		work(10000);
		uint64_t took = tsc() - begin;
		least = took < least ? took : least;
	}
	return 10000 * ticks(1000) / least;
}

void main(unsigned vcpu)
{
	uint64_t periods = 0, missed = 0, latest = 0, longest = 0;

	set_up();
	if (vcpu != 0) {
		return;
	}
	uint64_t loops = calibrate() * JOB / 1000;
	uint64_t start = tsc() + ticks(PERIOD), next = start + ticks(1000000);
	for (;; start += ticks(PERIOD)) {
		uint64_t seen = interrupts[0][TIMER];
		set_timer(start);
		while (interrupts[0][TIMER] == seen) {
			wait();
		}
		uint64_t late = tsc() - start;
		work(loops);
		uint64_t took = tsc() - start;
		periods++;
		latest = late > latest ? late : latest;
		longest = took > longest ? took : longest;
		for (; took >= ticks(PERIOD); took -= ticks(PERIOD)) {
			missed++;
			start += ticks(PERIOD);
		}
		if (start >= next) {
			say("%u periods, %u missed, begun by %u, done by %u us", periods, missed,
				microseconds(latest), microseconds(longest));
			latest = longest = 0;
			next += ticks(1000000);
			while (tsc() >= start + ticks(PERIOD)) { /* while its VMM told others' */
				start += ticks(PERIOD);
			}
		}
	}
}
