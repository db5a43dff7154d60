/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/acpi.h - the ACPI tables: what the guest's firmware would say of the machine. Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct acpi_machine {
	unsigned cpus;
	uint32_t pci_devices; /* a bit for each device number with an INTA pin */
};

/*
 * Write RSDP, tables and all into to[0..room), which lies at guest-physical `at`, the RSDP first.
 * Returns the bytes used, or 0 when there is not room enough.
 */
size_t acpi_write(const struct acpi_machine *machine, uint64_t at, uint8_t *to, size_t room);
