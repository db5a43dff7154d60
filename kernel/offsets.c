/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/offsets.c - what assembly must know of C structures. Compiled to text only; the build takes the lines that
 * begin with "@define" into build's offsets.h.
 */
#include "kernel/pcpu.h"
#include "kernel/trap.h"

#define OFFSET(name, type, member) __asm__ volatile("@define " #name " %c0" : : "i"(offsetof(type, member)))
#define SIZE(name, type)           __asm__ volatile("@define " #name " %c0" : : "i"(sizeof(type)))

void offsets(void);
void offsets(void)
{
	OFFSET(PCPU_STACK_TOP, struct pcpu, stack_top);
	OFFSET(PCPU_APIC_ID, struct pcpu, apic_id);
	OFFSET(TRAP_VECTOR, struct trap_frame, vector);
	OFFSET(TRAP_RIP, struct trap_frame, rip);
	SIZE(TRAP_FRAME_SIZE, struct trap_frame);
}
