/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/bench/switch.c - when does this VM lose its CPU, and when does it have it again? Reads the
 * time stamp counter in a tight loop; of two such VMs on one CPU, one's last reading and the
 * other's first one after it are a switch apart, but for LOOP instructions of these loops. Prints a
 * line "gap FROM TO" for each time that it was away. Built as those of tests/vms.
 */
#include "tests/vms/guest.h"

#define GAPS  16u
#define BEGIN 200000u /* us; till then the others have come up */
#define LEAST "100"   /* ticks that are a gap */

static uint32_t from[GAPS], to[GAPS];

void main(unsigned vcpu)
{
	(void)vcpu;
	set_up();
	__asm__ volatile("sti");
	for (uint64_t begin = tsc() + ticks(BEGIN); tsc() < begin;) {
	}
	for (unsigned i = 0; i < GAPS; i++) {
		__asm__ volatile("	rdtsc;"
				 "1:	mov %%eax, %0;" /* LOOP: these six */
				 "	rdtsc;"
				 "	mov %%eax, %%edx;"
				 "	sub %0, %%edx;"
				 "	cmp $" LEAST ", %%edx;"
				 "	jb 1b"
				 : "=&r"(from[i]), "=&a"(to[i])
				 :
				 : "edx", "cc");
	}
	for (unsigned i = 0; i < GAPS; i++) {
		say("gap %u %u", (uint64_t)from[i], (uint64_t)to[i]);
	}
	say("gaps are told");
	for (;;) {
		__asm__ volatile("pause");
	}
}
