/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/lapic.h - the local APIC of this CPU (SDM vol. 3, 11), as xAPIC or x2APIC.
 */
#pragma once

#include "kernel/types.h"

enum apic_mode { APIC_AUTO, APIC_XAPIC, APIC_X2APIC };

/*
 * Decide on the mode, map the registers, switch this CPU's LAPIC on, and choose the timer: the TSC
 * deadline where there is one that works, else one-shot, calibrated against the TSC. Once, on the
 * boot CPU, whose TSC's frequency is known. APIC_AUTO stays in the mode that the firmware chose:
 * x2APIC mode wants interrupt remapping for devices (SDM vol. 3, 11.12.7). A wish that the machine
 * cannot follow is reported. Returns 0, or -ENODEV without a local APIC.
 */
int lapic_init(enum apic_mode want);

/* Switch this CPU's LAPIC on: the timer, NMI on LINT1; a thermal interrupt stays as the
 * firmware wants it. */
void lapic_enable(void);

extern enum apic_mode lapic_mode; /* [I] APIC_AUTO before lapic_init */
extern uint64_t lapic_timer_hz;   /* [I] 0: it follows the TSC */

uint32_t lapic_id(void); /* of this CPU; after lapic_enable */
void lapic_eoi(void);
bool lapic_is_level(uint8_t vector); /* what came with `vector` was level-triggered */
int lapic_highest_in_service(void);  /* the vector that this CPU owes an EOI first, or -1 */

/*
 * Send an interprocessor interrupt to the CPU with this APIC id: a vector, or one of the commands
 * below (SDM vol. 3, 11.6.1). Any context.
 */
void lapic_send(uint32_t apic_id, uint32_t command);
#define LAPIC_NMI           0x400u
#define LAPIC_INIT          0x500u
#define LAPIC_STARTUP(page) (0x600u | (uint32_t)((page) >> PAGE_SHIFT)) /* page: below 1 MiB */

/* One interrupt (VECTOR_TIMER) on this CPU when the TSC has gone on by `ticks`, fewer than 2^32,
 * replacing an earlier one. */
void lapic_timer_arm(uint64_t ticks);
