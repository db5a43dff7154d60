/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/acpi.h - reading the ACPI tables. They are untrusted: every length, checksum and entry is
 * checked, and what is wrong is reported in the log and left out; a bad table is never followed.
 * All that is used is copied; memory is seen through windows (kernel/paging.h). ACPI 6.5, chapter
 * 5; SPCR, DMAR and IVRS by their own specifications.
 */
#pragma once

#include "drivers/acpi.h"

#define ACPI_TABLE_LIMIT   (1 * MIB) /* bytes; a longer table is refused */
#define ACPI_REFUSED_SHOWN 16u       /* warnings about what is left out */

/*
 * Read all tables that the RSDP copy rsdp[0..size) leads to into *acpi.
 * Returns 0, -ENOENT when size is 0 (a machine without ACPI), or -EBADMSG when the RSDP or the root
 * table is broken (said in the log). *acpi is valid in every case: it holds what was found.
 */
int acpi_read(struct acpi *acpi, const uint8_t *rsdp, size_t size);

/* The sum of all bytes, 0 in what is sound. */
uint8_t acpi_sum(const uint8_t *bytes, size_t size);
