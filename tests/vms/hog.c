/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/vms/hog.c - vCPUs that keep interrupts off and do nothing at all, for ever.
 */
#include "guest.h"

void main(unsigned vcpu)
{
	set_up();
	if (vcpu == 0) {
		say("interrupts are off");
		start_others();
	}
	__asm__ volatile("cli; 1: jmp 1b");
}
