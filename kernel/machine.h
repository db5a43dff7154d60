/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/machine.h - what was found at boot and holds until the end.
 */
#pragma once

#include "drivers/acpi.h"
#include "kernel/memmap.h"

#define PINTLE_VERSION "0.1"

struct machine {
	struct acpi acpi;
	struct memmap memmap;
	const char *clock;      /* what told the TSC's frequency */
	unsigned cpus_left_out; /* listed by the firmware, not used */
	bool efi;
	const char *cmdline;
};

extern struct machine machine; /* [I] once the monitor runs; written by boot/ alone */
