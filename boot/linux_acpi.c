/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/linux_acpi.c - the ACPI tables that the service VM sees: the machine's own, without the
 * IOMMUs, and with only its CPUs. ACPI 6.5, 5.2. Pure.
 */
#include "boot/linux.h"

#include "kernel/paging.h"

/* The RSDP, then an XSDT with room for all tables that are ever listed, then the MADT. */
#define XSDT_AT 0x40u
#define MADT_AT 0x280u
STATIC_ASSERT(XSDT_AT + ACPI_HEADER_SIZE + ACPI_TABLES_MAX * sizeof(uint64_t) <= MADT_AT,
	"the XSDT ends before the MADT");

/* Set the byte at `where` so that all add up to 0. */
static void seal(uint8_t *bytes, size_t size, size_t where)
{
	bytes[where] = (uint8_t)(bytes[where] - acpi_sum(bytes, size));
}

/* Disable the CPUs that the guest does not have. Behind a broken entry nobody reads on. */
static void madt_filter(uint8_t *madt, size_t size, const uint32_t *ids, unsigned cpu_count)
{
	/* An entry has its type and its length, and those of CPUs their id and flags, which say
	 * enabled and online capable: 5.2.12.2, and in 5.2.12.12 for x2APICs. */
	for (size_t at = 44; at + 2 <= size && madt[at + 1] >= 2; at += madt[at + 1]) {
		uint8_t *entry = madt + at;
		bool wide = entry[0] == 9;
		size_t flags = wide ? 8 : 4;
		bool hidden =
			(wide || entry[0] == 0) && entry[1] >= flags + 4u && at + entry[1] <= size;
		for (unsigned i = 0; i < cpu_count && hidden; i++) {
			hidden = wide ? memcmp(entry + 4, &ids[i], 4) != 0 : entry[3] != ids[i];
		}
		if (hidden) {
			entry[flags] &= (uint8_t)~3u;
		}
	}
	seal(madt, size, 9);
}

bool linux_write_acpi(const struct acpi *acpi, const uint32_t *apic_ids, unsigned cpu_count,
	uint64_t at, uint8_t *to)
{
	uint8_t *xsdt = to + XSDT_AT, *madt = to + MADT_AT;
	uint32_t xsdt_size = ACPI_HEADER_SIZE;
	uint64_t base = at + XSDT_AT;
	bool has_madt = false;
	memset(to, 0, MADT_AT);
	/* Signature, checksum, OEM, revision 2, no RSDT, length 36, XSDT: 5.2.5.3. */
	memcpy(to, "RSD PTR \0PINTLE\2\0\0\0\0\44\0\0\0", 24);
	memcpy(to + 24, &base, sizeof(base));
	seal(to, 20, 8); /* ACPI 1.0's part, then all */
	seal(to, 36, 32);
	for (unsigned i = 0; i < acpi->table_count; i++) {
		const struct acpi_table *table = &acpi->table[i];
		bool is_madt = strcmp(table->signature, "APIC") == 0;
		bool shown = table->valid && !(is_madt && has_madt); /* as here, the first counts */
		/* Not the IOMMUs; the DSDT is found through the FADT. */
		for (const char *hidden = "RSDTXSDTDSDTDMARIVRS"; *hidden != '\0'; hidden += 4) {
			shown = shown && memcmp(table->signature, hidden, 4) != 0;
		}
		if (!shown) {
			continue;
		}
		base = table->base.raw;
		if (is_madt) {
			if (table->size > SERVICE_PARAMS_SIZE - LINUX_ACPI - MADT_AT ||
				!window_copy(madt, table->base, table->size)) {
				return false;
			}
			madt_filter(madt, table->size, apic_ids, cpu_count);
			base = at + MADT_AT;
			has_madt = true;
		}
		memcpy(xsdt + xsdt_size, &base, sizeof(base));
		xsdt_size += (uint32_t)sizeof(base);
	}
	memcpy(xsdt, "XSDT\0\0\0\0\1\0PINTLE", 16); /* length to come, revision 1, checksum, OEM */
	memcpy(xsdt + 4, &xsdt_size, sizeof(xsdt_size));
	seal(xsdt, xsdt_size, 9);
	return true;
}
