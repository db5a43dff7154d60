/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_vmm_acpi.c - pintle-vmm's ACPI tables, followed as a guest follows them.
 *
 * Links: service/vmm/acpi.c service/vmm/aml.c
 */
#include "tests/unit/fake.h"

#include "service/vmm/acpi.h"
#include "service/vmm/aml.h"

#define AT   UINT64_C(0xe0000)
#define ROOM 0x20000u

static uint8_t *tables; /* of exactly the room, so that ASan sees a step beyond */

static size_t write_tables(unsigned cpus, uint32_t devices, size_t room)
{
	struct acpi_machine machine = {.cpus = cpus, .pci_devices = devices};
	free(tables);
	tables = malloc(room != 0 ? room : 1);
	assert_non_null(tables);
	memset(tables, 0xa5, room);
	return acpi_write(&machine, AT, tables, room);
}

static uint64_t get(const uint8_t *table, size_t offset, size_t bytes)
{
	uint64_t value = 0;
	memcpy(&value, table + offset, bytes);
	return value;
}

static uint8_t sum(const uint8_t *bytes, size_t size)
{
	uint8_t total = 0;
	while (size-- != 0) {
		total = (uint8_t)(total + *bytes++);
	}
	return total;
}

static const uint8_t *table_at(uint64_t address, const char *signature, size_t size)
{
	assert_in_range(address, AT, AT + size - 8);
	const uint8_t *table = tables + (address - AT);
	assert_memory_equal(table, signature, 4);
	assert_true(address - AT + get(table, 4, 4) <= size);
	if (strcmp(signature, "FACS") != 0) {
		assert_int_equal(sum(table, get(table, 4, 4)), 0);
	}
	return table;
}

static void tables_lead_to_each_other_with_right_checksums(void **state)
{
	size_t size = write_tables(2, 6, ROOM);
	assert_true(size != 0);
	assert_memory_equal(tables, "RSD PTR ", 8);
	assert_int_equal(sum(tables, 20), 0);
	assert_int_equal(sum(tables, 36), 0);
	const uint8_t *xsdt = table_at(get(tables, 24, 8), "XSDT", size);
	assert_int_equal(get(xsdt, 4, 4), 36 + 2 * 8);
	const uint8_t *fadt = table_at(get(xsdt, 36, 8), "FACP", size);
	table_at(get(fadt, 140, 8), "DSDT", size);
	assert_int_equal(get(fadt, 140, 8), get(fadt, 40, 4));
	table_at(get(fadt, 36, 4), "FACS", size);
	assert_int_equal(get(fadt, 36, 4) % 64, 0);
	table_at(get(xsdt, 44, 8), "APIC", size);
	/* The reset register: port cf9h, one byte. */
	assert_int_equal(get(fadt, 116, 4), 0x01000801);
	assert_int_equal(get(fadt, 120, 8), 0xcf9);
	assert_int_equal(get(fadt, 112, 4) >> 10 & 1, 1);
	/* A fixed power button. */
	assert_int_equal(get(fadt, 112, 4) >> 4 & 1, 0);
}

static void each_cpu_is_in_the_madt(void **state)
{
	for (unsigned cpus = 1; cpus <= 254; cpus += cpus < 4 ? 1 : 50) {
		size_t size = write_tables(cpus, 0, ROOM);
		assert_true(size != 0);
		const uint8_t *xsdt = table_at(get(tables, 24, 8), "XSDT", size);
		const uint8_t *madt = table_at(get(xsdt, 44, 8), "APIC", size);
		unsigned found[6] = {0};
		size_t end = get(madt, 4, 4), at = 44;
		while (at < end) {
			assert_in_range(madt[at], 0, 5);
			if (madt[at] == 0) {
				assert_int_equal(madt[at + 3], found[0]);
				assert_int_equal(get(madt, at + 4, 4), 1);
			}
			found[madt[at]]++;
			at += madt[at + 1];
		}
		assert_int_equal(at, end);
		assert_int_equal(found[0], cpus);
		assert_int_equal(found[1], 1);
	}
}

static void too_little_room_is_noticed(void **state)
{
	size_t size = write_tables(3, 0xfffffffe, ROOM);
	assert_true(size != 0);
	for (size_t room = 0; room < size; room++) {
		assert_int_equal(write_tables(3, 0xfffffffe, room), 0);
	}
	assert_int_equal(write_tables(3, 0xfffffffe, size), size);
}

/* A package length of three bytes (ACPI 6.5, 20.2.4). */
static size_t length_at(const uint8_t *at)
{
	assert_int_equal(at[0] & 0xf0, 0x80);
	return (at[0] & 0xfu) | (size_t)at[1] << 4 | (size_t)at[2] << 12;
}

static void lengths_in_aml_end_where_their_contents_end(void **state)
{
	uint8_t bytes[256];
	struct aml aml = {.bytes = bytes, .room = sizeof(bytes)};
	size_t scope = aml_open_scope(&aml, "\\_SB");
	size_t device = aml_open_device(&aml, "PCI0");
	aml_name(&aml, "_HID");
	aml_eisa_id(&aml, "PNP0A03");
	aml_close(&aml, device);
	aml_close(&aml, scope);
	size_t package = aml_open_package(&aml, 2);
	aml_integer(&aml, 0x12345);
	aml_integer(&aml, 0x123456789);
	aml_close(&aml, package);
	assert_false(aml.full);
	const uint8_t expected[] = {0x10, 0x8b, 0x01, 0x00, '\\', '_', 'S', 'B', '_', 0x5b, 0x82,
		0x81, 0x01, 0x00, 'P', 'C', 'I', '0', 0x08, '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0,
		0x0a, 0x03, 0x12, 0x82, 0x01, 0x00, 0x02, 0x0c, 0x45, 0x23, 0x01, 0x00, 0x0e, 0x89,
		0x67, 0x45, 0x23, 0x01, 0x00, 0x00, 0x00};
	assert_int_equal(length_at(expected + 1), 8 + 19);
	assert_int_equal(aml.size, sizeof(expected));
	assert_memory_equal(bytes, expected, sizeof(expected));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(tables_lead_to_each_other_with_right_checksums),
		FAKE_TEST(each_cpu_is_in_the_madt),
		FAKE_TEST(too_little_room_is_noticed),
		FAKE_TEST(lengths_in_aml_end_where_their_contents_end),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	free(tables);
	return failed;
}
