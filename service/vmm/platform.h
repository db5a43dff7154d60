/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/platform.h - the small devices of a PC: power management, reset, clock, timer.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Ports, here and in the ACPI tables. */
#define PORT_I8042_DATA 0x60u
#define PORT_I8042      0x64u
#define PORT_PIT        0x40u
#define PORT_SYSTEM     0x61u
#define PORT_CMOS       0x70u
#define PORT_RESET      0xcf9u
#define PORT_PM_EVENT   0x600u /* status, enable: 2 bytes each */
#define PORT_PM_CONTROL 0x604u
#define PORT_PM_TIMER   0x608u

#define RESET_VALUE    0x06u /* for PORT_RESET: the whole machine */
#define SLEEP_TYPE_OFF 5u    /* in \_S5 and PORT_PM_CONTROL */

/* power.c: ACPI's fixed hardware (ACPI 6.5, 4.8.3), the power button and the ways to reset. */
int power_create(void);
void power_reset(void);
/* Press the power button. False when the guest does not listen to it. */
bool power_press_button(void);

/* cmos.c: the clock, by the host's; and memory sizes of `low` bytes below and `high` above 4 GiB.
 */
int cmos_create(uint64_t low, uint64_t high);
void cmos_reset(void);

/* pit.c: the counters that kernels measure time with. */
int pit_create(void);
void pit_reset(void);
