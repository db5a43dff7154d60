/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/fuzz/fuzz_acpi.c - hostile ACPI tables.
 * Links: boot/acpi.c
 *
 * Byte 0 of the input says how to read the rest. Bit 0 set: it is memory as it stands, the RSDP
 * first. Clear: it is a row of tables, each after a length of two bytes, whose headers and
 * checksums are made right, so that the fuzzer comes to the decoders; bit 1 puts them into an RSDT
 * instead of an XSDT. A FADT leads to the last DSDT before it.
 */
#include "tests/unit/fake.h"

#include "tests/unit/fake_acpi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_gas(struct acpi_gas gas)
{
	fake_require(gas.in_memory || gas.address <= 0xffff, "a port has 16 bits");
}

/* However much is wrong, the log has room for more than ACPI. */
static void check_log(void)
{
	unsigned lines = 0;
	for (const char *line = fake_log; (line = strchr(line, '\n')) != NULL; line++) {
		lines++;
	}
	fake_require(lines <= ACPI_REFUSED_SHOWN + 8, "few lines are logged");
}

static void check_cpus(const struct acpi *acpi)
{
	fake_require(acpi->cpu_count <= CPUS_MAX, "CPUs fit");
	fake_require(
		acpi->cpus_over == 0 || acpi->cpu_count == CPUS_MAX, "none is left out in vain");
	for (unsigned i = 0; i < acpi->cpu_count; i++) {
		for (unsigned j = 0; j < i; j++) {
			fake_require(acpi->apic_id[i] != acpi->apic_id[j], "no APIC id twice");
		}
	}
}

static void check_lists(const struct acpi *acpi)
{
	fake_require(acpi->table_count <= ACPI_TABLES_MAX, "tables fit");
	for (unsigned i = 0; i < acpi->table_count; i++) {
		const struct acpi_table *table = &acpi->table[i];
		fake_require(strlen(table->signature) == 4, "texts end");
		fake_require(
			!table->valid || (table->size >= 36 && table->size <= ACPI_TABLE_LIMIT),
			"sizes are sound");
	}
	fake_require(acpi->ioapic_count <= ACPI_IOAPICS_MAX, "I/O APICs fit");
	for (unsigned i = 0; i < ACPI_ISA_IRQS; i++) {
		fake_require(
			acpi->isa[i].overridden || acpi->isa[i].gsi == i, "ISA lines are known");
	}
	fake_require(acpi->remapper_count <= ACPI_REMAPPERS_MAX, "IOMMUs fit");
	for (unsigned i = 0; i < acpi->remapper_count; i++) {
		fake_require(acpi->remapper[i].raw != 0, "an IOMMU has an address");
	}
}

static void check_registers(const struct acpi *acpi)
{
	const struct acpi_fadt *fadt = &acpi->fadt;
	check_gas(fadt->reset);
	check_gas(acpi->spcr.base);
	fake_require(fadt->present || !fadt->has_s5, "no \\_S5 without a FADT");
	fake_require(fadt->s5_type[0] <= 7 && fadt->s5_type[1] <= 7, "sleep types have three bits");
}

/* Tables from the input, with sound headers. */
static void put_tables(const uint8_t *data, size_t size)
{
	uint64_t dsdt = 0;
	while (size >= 2 + 4 && fake_list_count < FAKE_LIST_MAX) {
		size_t length = min_u64((size_t)(data[0] | data[1] << 8), size - 2);
		const uint8_t *bytes = data + 2;
		char signature[4] = {0};
		memcpy(signature, bytes, min_u64(length, 4));
		table_start(signature, length > 8 ? bytes[8] : 0);
		if (length > 36) {
			put_bytes(bytes + 36, length - 36);
		}
		if (memcmp(signature, "FACP", 4) == 0 && length >= 116) {
			set(40, dsdt, 4);
		}
		uint64_t address = table_end();
		if (memcmp(signature, "DSDT", 4) == 0) {
			dsdt = address;
		} else {
			list_add(address);
		}
		data += 2 + length;
		size -= 2 + length;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0 || size > 64 * KIB) {
		return 0;
	}
	fake_log_clear();
	memset(fake_ram, 0, fake_ram_used);
	fake_ram_used = 0;
	fake_list_count = 0;
	fake_maps_left = UINT32_MAX;
	size_t rsdp_size = 36;
	if ((data[0] & 1) != 0) {
		put_bytes(data + 1, size - 1);
		rsdp_size = min_u64(size - 1, FAKE_RSDP_MAX);
		memcpy(fake_rsdp, data + 1, rsdp_size);
	} else {
		put_tables(data + 1, size - 1);
		size_t width = (data[0] & 2) != 0 ? 4 : 8;
		uint64_t root = put_root(width);
		rsdp_write(width == 8 ? 2 : 0, root, root);
	}
	machine_read_rsdp(rsdp_size);
	check_log();
	check_cpus(&fake_acpi);
	check_lists(&fake_acpi);
	check_registers(&fake_acpi);
	return 0;
}
