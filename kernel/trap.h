/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/trap.h - exceptions, NMIs and interrupts of the host.
 */
#pragma once

#include "kernel/types.h"

/* What trap.S pushes, lowest address first. */
struct trap_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
	uint64_t vector, error;            /* 0 where the CPU pushes none */
	uint64_t rip, cs, rflags, rsp, ss; /* by the CPU */
};

STATIC_ASSERT(offsetof(struct trap_frame, rax) == 14 * 8, "trap.S pushes fifteen registers");

/* Fill the IDT. Once, on the boot CPU, before cpu_load(). */
void trap_init(void);

/* What LIDT takes. */
extern const struct table_register trap_idtr;

/* By vector from VECTOR_OWN_FIRST on; with its name for the monitor. [I] once interrupts are on */
extern struct trap_handler {
	void (*run)(void); /* interrupts off; ends the interrupt itself (EOI) */
	const char *name;
} trap_handlers[];

/* Let `run` take interrupt `vector` on every CPU. Before the interrupt can come. */
void trap_set_handler(uint8_t vector, void (*run)(void), const char *name);

/* The host's interrupt `vector`, from the IDT; also for a CPU that acknowledged one otherwise.
 * Interrupts off. */
void trap_interrupt(unsigned vector);

/* Log the NMIs that came to this CPU and that nobody had asked for, when ->nmi_rip says so: an NMI
 * itself cannot log. */
void trap_report_nmis(void);

/* Pintle's interrupt vectors are 0xf0-0xff, above all that a guest chooses. */
#define VECTOR_OWN_FIRST 0xf0u
#define VECTOR_OWN_COUNT 16u

#define VECTOR_PANIC 31u /* an exception that no CPU has */

/* The vectors in use. Higher is more urgent. */
#define VECTOR_DEVICE_FIRST 0xf0u /* to 0xf7: interrupts of devices that Pintle drives itself */
#define VECTOR_TIMER        0xfcu
#define VECTOR_CALL         0xfdu /* cross-CPU calls, and wake-ups */
#define VECTOR_SPURIOUS     0xffu
