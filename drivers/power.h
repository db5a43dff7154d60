/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/power.h - switching the machine off, and starting it anew.
 */
#pragma once

#include "drivers/acpi.h"
#include "kernel/types.h"

/* Remember the FADT; it must stay. Once; without it only the fall-backs of reset are there. */
void power_init(const struct acpi_fadt *fadt);

/* Enter ACPI S5 (ACPI 6.5, 16.1.5). Returns only when the machine does not go off: -ENODEV, or -EIO
 * when it ignores it. */
int power_off(void);

/* Reset: the FADT's register, the keyboard controller, port 0xcf9, a triple fault, in that order.
 * Any context. */
NORETURN void power_reset(void);
