/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/vms/guest.h - what a guest has: its vCPUs, the time, a timer, interrupts, a line to say.
 *
 * A guest defines main(), which each of its vCPUs calls, with interrupts off; vCPU 0 is alone until
 * it calls start_others(). What comes with interrupts is seen in interrupts[], after wait().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VCPUS_MAX 16u
#define TIMER     0x20u /* vectors */
#define IPI       0x30u
#define VECTORS   64u

#define MSR_X2APIC       0x800u /* x2APIC registers: SDM vol. 3, table 11-6 */
#define MSR_TSC_DEADLINE 0x6e0u

/* The ICR (SDM vol. 3, 11.6.1): delivery modes, level, all but the sender. */
#define ICR_INIT    0x500u
#define ICR_STARTUP 0x600u
#define ICR_ASSERT  0x4000u
#define ICR_OTHERS  0xc0000u

extern volatile uint64_t interrupts[VCPUS_MAX][VECTORS]; /* taken by each vCPU, by vector */
extern volatile bool running[VCPUS_MAX];                 /* those whose main() was called */

void main(unsigned vcpu);

/* On each vCPU first: its APIC in x2APIC mode with a TSC-deadline timer; the TSC's frequency. */
void set_up(void);

/* INIT and SIPI for all other vCPUs. */
void start_others(void);

/* Sleep until an interrupt has come. */
void wait(void);

/* An interrupt at this TSC. */
void set_timer(uint64_t at);

/* A command with `icr` for the vCPU `to`. */
void send(unsigned to, uint32_t icr);

uint64_t tsc(void);

/* The TSC's ticks in so many microseconds, and the other way. */
uint64_t ticks(uint64_t us);
uint64_t microseconds(uint64_t ticks);

/* A line for host.c to tell; %u, %x: a uint64_t each, %s. */
void say(const char *fmt, ...);

void port_write(uint16_t port, uint8_t value);
uint8_t port_read(uint16_t port);
uint64_t msr_read(uint32_t msr);
void msr_write(uint32_t msr, uint64_t value);

/* start.S. Without an exception? On one vCPU at a time. */
bool try_read(uint32_t msr);
bool try_write(uint32_t msr, uint64_t value);
bool try_xcr0(uint64_t value);
extern volatile uint64_t resume;
