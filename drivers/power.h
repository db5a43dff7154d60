/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/power.h - switching the machine off, and starting it anew.
 */
#pragma once

#include "drivers/acpi.h"

extern struct acpi_fadt power_fadt; /* [I] set by boot/; until then reset has only its fall-backs */

/* Enter ACPI S5 (ACPI 6.5, 16.1.5). Returns only when the machine does not go off. */
void power_off(void);

/* Reset: the FADT's register, the keyboard controller, port 0xcf9, a triple fault, in that order.
 * Any context. */
NORETURN void power_reset(void);
