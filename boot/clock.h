/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/clock.h - how fast the TSC ticks, and what the date is.
 */
#pragma once

#include "drivers/acpi.h"

/*
 * Find the TSC's frequency and tell it to time_set_frequency(): from CPUID, else measured against
 * the HPET, the ACPI PM timer or the PIT, whichever is first in that order there and working; the
 * `want`-th of these four is tried before all others, if it is not 0. Takes about 10 ms. Once, boot
 * CPU. Returns the name of the source, or NULL when there is none that works.
 */
const char *clock_calibrate(const struct acpi *acpi, unsigned want);

/* Seconds since 1970, the clock taken for UTC and this century's; 0: there is none that counts 24
 * hours. At most 20 ms. Once, boot CPU. */
uint64_t clock_date(void);
