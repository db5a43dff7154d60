/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/trap.h - exceptions, NMIs and interrupts of the host.
 */
#pragma once

#include "kernel/types.h"

/* What trap.S pushes, lowest address first. */
struct trap_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
	uint64_t rbp, rdi, rsi, rdx, rcx, rbx, rax;
	uint64_t vector;
	uint64_t error;                    /* 0 where the CPU pushes none */
	uint64_t rip, cs, rflags, rsp, ss; /* by the CPU */
};

STATIC_ASSERT(offsetof(struct trap_frame, rax) == 14 * 8, "trap.S pushes fifteen registers");

/* An interrupt handler; runs with interrupts off on the CPU that took it, and ends the interrupt
 * itself (EOI). */
typedef void trap_handler(void);

/* Fill the IDT. Once, on the boot CPU, before cpu_load(). */
void trap_init(void);

/* Load the IDT on this CPU. */
void trap_load(void);

/*
 * Let `handler` take interrupt `vector` (VECTOR_OWN_FIRST..0xff) on every CPU; `name` is for the
 * monitor. Before the interrupt can come. Panics when the vector has a handler.
 */
void trap_set_handler(uint8_t vector, trap_handler *handler, const char *name);

/* The name of `vector`'s handler, or NULL when there is none. */
const char *trap_handler_name(uint8_t vector);

/* Log the NMIs that came to this CPU and that nobody had asked for. For the idle loops: an NMI
 * itself cannot log. */
void trap_report_nmis(void);

#define VECTOR_PANIC 31u /* an exception that no CPU has */

/* The vectors in use. Higher is more urgent. */
#define VECTOR_DEVICE_FIRST 0xf0u /* to 0xf7: interrupts of devices that Pintle drives itself */
#define VECTOR_TIMER        0xfcu
#define VECTOR_CALL         0xfdu /* cross-CPU calls, and wake-ups */
#define VECTOR_SPURIOUS     0xffu
