/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/lapic.h - the local APIC of this CPU (SDM vol. 3, 11), as xAPIC or x2APIC.
 */
#pragma once

#include "kernel/types.h"

enum apic_mode {
	APIC_AUTO,
	APIC_XAPIC,
	APIC_X2APIC
};

/*
 * Decide on the mode and map the registers. Once, on the boot CPU. APIC_AUTO stays in the mode that
 * the firmware chose: x2APIC mode wants interrupt remapping for devices (SDM vol. 3, 11.12.7). A
 * wish that the machine cannot follow is reported. Returns 0, or -ENODEV (said in the log) without
 * a local APIC.
 */
int lapic_init(enum apic_mode want);

/* Switch this CPU's LAPIC on: errors, the timer, NMI on LINT1; a thermal interrupt stays as the
 * firmware wants it. */
void lapic_enable(void);

enum apic_mode lapic_mode(void); /* APIC_AUTO before lapic_init */
uint32_t lapic_id(void);         /* of this CPU; after lapic_enable */
void lapic_eoi(void);
bool lapic_is_level(uint8_t vector);   /* what came with `vector` was level-triggered */
int lapic_highest_in_service(void);    /* a vector, or -1 */
bool lapic_in_service(uint8_t vector); /* this CPU took `vector` and owes its EOI */

/*
 * Send an interprocessor interrupt to the CPU with this APIC id: a vector, or one of the commands
 * below (SDM vol. 3, 11.6.1). Any context.
 */
void lapic_send(uint32_t apic_id, uint32_t command);
#define LAPIC_NMI           0x400u
#define LAPIC_INIT          0x500u
#define LAPIC_STARTUP(page) (0x600u | (uint32_t)((page) >> PAGE_SHIFT)) /* page: below 1 MiB */

/*
 * The timer, one shot; on the TSC deadline where the CPU has it. Calibrated once, by the boot CPU,
 * against time_ns(). lapic_timer_arm: one interrupt (VECTOR_TIMER) `ns` from now on this CPU,
 * replacing an earlier one; 0 disarms. A time too long for the counter is cut to what it can hold
 * (seconds).
 */
void lapic_timer_calibrate(void);
void lapic_timer_arm(uint64_t ns);
uint64_t lapic_timer_hz(void); /* 0: it follows the TSC */
