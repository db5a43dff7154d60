/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/offsets.c - what assembly must know of C structures. Compiled to assembly only, of
 * which the build turns the strings "@define ..." into offsets.h.
 */
#include "kernel/pcpu.h"

#define OFFSET(name, type, member)                                                                 \
	__asm__ volatile(".ascii \"@define " #name " %c0\"" : : "i"(offsetof(type, member)))

__attribute__((used)) static void offsets(void)
{
	OFFSET(PCPU_STACK_TOP, struct pcpu, stack_top);
	OFFSET(PCPU_APIC_ID, struct pcpu, apic_id);
	OFFSET(PCPU_STATE, struct pcpu, state);
	OFFSET(TRAP_RIP, struct trap_frame, rip);
}
