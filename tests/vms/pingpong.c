/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/vms/pingpong.c - two vCPUs that wake each other by IPI, in turns, and sleep between.
 * Every second: the rounds so far, and the microseconds of the longest round of that second.
 */
#include "guest.h"

void main(unsigned vcpu)
{
	uint64_t rounds = 0, longest = 0, then, next;

	if (vcpu > 1) {
		return;
	}
	set_up();
	if (vcpu == 0) {
		start_others();
		while (!running[1]) {
			__asm__ volatile("sti; pause; cli"); /* Bochs: see spin.c */
		}
	}
	then = tsc();
	next = then + ticks(1000000);
	for (;;) {
		if (vcpu == 0) {
			send(1, ICR_ASSERT | IPI);
		}
		while (interrupts[vcpu][IPI] == rounds) {
			wait();
		}
		rounds++;
		if (interrupts[vcpu][IPI] != rounds) {
			say("WRONG: vCPU %u, %u interrupts, %u rounds", (uint64_t)vcpu,
				interrupts[vcpu][IPI], rounds);
		}
		if (vcpu == 1) {
			send(0, ICR_ASSERT | IPI);
			continue;
		}
		uint64_t now = tsc();
		longest = now - then > longest ? now - then : longest;
		if (now >= next) {
			say("%u rounds, the longest %u us", rounds, microseconds(longest));
			longest = 0;
			next = now + ticks(1000000);
			now = tsc();
		}
		then = now;
	}
}
