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
 * Decide on the mode and map the registers. Once, on the boot CPU. APIC_AUTO takes x2APIC where the
 * CPU has it; a wish that the machine cannot follow is reported. Returns 0, or -ENODEV (said in the
 * log) without a local APIC.
 */
int lapic_init(enum apic_mode want);

/* Switch this CPU's LAPIC on: local interrupts masked but for errors, the timer and NMI on LINT1.
 */
void lapic_enable(void);

enum apic_mode lapic_mode(void); /* APIC_AUTO before lapic_init */
uint32_t lapic_id(void);         /* of this CPU; 0 before lapic_init */
void lapic_eoi(void);
bool lapic_in_service(uint8_t vector); /* this CPU took `vector` and owes its EOI */

/* Interprocessor interrupts to the CPU with this APIC id. Any context. */
void lapic_send(uint32_t apic_id, uint8_t vector);
void lapic_send_nmi(uint32_t apic_id);
void lapic_send_init(uint32_t apic_id);
void lapic_send_startup(uint32_t apic_id, hpa_t page); /* page: below 1 MiB, 4 KiB aligned */

/*
 * The timer, one shot; on the TSC deadline where the CPU has it. Calibrated once, by the boot CPU,
 * against time_ns(). lapic_timer_arm: one interrupt (VECTOR_TIMER) `ns` from now on this CPU,
 * replacing an earlier one; 0 disarms. A time too long for the counter is cut to what it can hold
 * (seconds).
 */
void lapic_timer_calibrate(void);
void lapic_timer_arm(uint64_t ns);
uint64_t lapic_timer_hz(void); /* 0: it follows the TSC */
