/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_linux_acpi.c - the service VM's ACPI tables, read back by Pintle's own reader.
 * Links: boot/linux_acpi.c boot/acpi.c
 */
#include "tests/unit/fake.h"

#include "tests/unit/fake_acpi.h"

#include "boot/linux.h"

#define GUEST_AT   0x12345000ull
#define GUEST_SIZE (SERVICE_PARAMS_SIZE - LINUX_ACPI)

static uint8_t guest[GUEST_SIZE + 64]; /* what lies behind must stay */
static struct acpi machine;

static const uint8_t *guest_find(uint64_t base, size_t size)
{
	bool guests = base >= GUEST_AT && base - GUEST_AT + size <= GUEST_SIZE;
	return guests ? guest + (base - GUEST_AT) : NULL;
}

static int guest_acpi_read(void)
{
	fake_overlay = guest_find;
	int err = acpi_read(&fake_acpi, guest, 36);
	fake_overlay = NULL;
	return err;
}

static bool write_acpi(const uint32_t *ids, unsigned count)
{
	memset(guest, 0xa5, sizeof(guest));
	bool written = linux_write_acpi(&machine, ids, count, GUEST_AT, guest);
	assert_int_equal(fake_mapped, 0);
	for (size_t i = GUEST_SIZE; i < sizeof(guest); i++) {
		assert_int_equal(guest[i], 0xa5);
	}
	return written;
}

/* Read the machine, write the guest's tables, and read these into fake_acpi. */
static void guest_read(const uint32_t *ids, unsigned count)
{
	assert_int_equal(machine_read(), 0);
	machine = fake_acpi;
	assert_true(write_acpi(ids, count));
	fake_log_clear();
	assert_int_equal(guest_acpi_read(), 0);
	assert_not_logged("XSDT");
}

static void put_cpu(uint8_t id, uint32_t flags)
{
	put(0x0800, 2);
	put(id, 1);
	put(id, 1);
	put(flags, 4);
}

static void put_x2apic(uint32_t id, uint32_t flags)
{
	put(0x1009, 2);
	put(0, 2);
	put(id, 4);
	put(flags, 4);
	put(id, 4);
}

static void start_madt(void)
{
	table_start("APIC", 4);
	put(0xfee00000, 4);
	put(1, 4);
}

/* Three CPUs, an I/O APIC, an override, an NMI. */
static void put_madt(void)
{
	start_madt();
	put_cpu(0, 1);
	put_cpu(2, 1);
	put_cpu(4, 2);
	put_x2apic(0x102, 3);
	put_bytes("\x01\x0c\x07\0\0\0\xc0\xfe\0\0\0\0", 12);
	put_bytes("\x02\x0a\0\0\x02\0\0\0\0\0", 10);
	put_bytes("\x04\x06\xff\0\0\x01", 6);
	list_table();
}

static void put_machine(void)
{
	fake_machine_start();
	put_madt();
	put_fadt(put_dsdt(5));
	list_table();
	table_start("SSDT", 2);
	list_table();
}

static uint32_t madt_flags(size_t offset)
{
	uint32_t flags;
	memcpy(&flags, guest + 0x280 + offset, sizeof(flags));
	return flags;
}

static void the_guest_finds_the_tables_of_the_machine(void **state)
{
	(void)state;
	static const uint32_t ids[] = {0, 2, 4, 0x102};
	put_machine();
	guest_read(ids, 4);
	static const char *const order[] = {"XSDT", "APIC", "FACP", "SSDT", "DSDT"};
	assert_int_equal(fake_acpi.table_count, ARRAY_COUNT(order));
	for (unsigned i = 0; i < ARRAY_COUNT(order); i++) {
		assert_string_equal(fake_acpi.table[i].signature, order[i]);
		assert_true(fake_acpi.table[i].valid);
	}
	assert_int_equal(find("FACP")->base.raw, fake_list[1]);
	assert_int_equal(find("SSDT")->base.raw, fake_list[2]);
	assert_int_equal(find("APIC")->base.raw, GUEST_AT + 0x280);
	assert_memory_equal(guest + 0x280, fake_ram + (fake_list[0] - FAKE_RAM_BASE), 9);
	assert_true(fake_acpi.fadt.has_s5);
	assert_int_equal(fake_acpi.cpu_count, 3);
	assert_int_equal(fake_acpi.ioapic_count, 1);
	assert_true(fake_acpi.isa[0].overridden);
	assert_not_logged("warning");
}

static void the_rsdp_is_sound_in_both_its_sums(void **state)
{
	(void)state;
	put_machine();
	guest_read(NULL, 0);
	assert_memory_equal(guest, "RSD PTR ", 8);
	assert_int_equal(guest[15], 2);
	assert_int_equal(fake_sum(guest, 20), 0);
	assert_int_equal(fake_sum(guest, 36), 0);
}

static void only_the_guests_cpus_are_enabled(void **state)
{
	(void)state;
	static const uint32_t ids[] = {2, 0x100};
	put_machine();
	guest_read(ids, 2);
	assert_int_equal(fake_acpi.cpu_count, 1);
	assert_int_equal(fake_acpi.apic_id[0], 2);
	assert_int_equal(madt_flags(44 + 4), 0);
	assert_int_equal(madt_flags(52 + 4), 1);
	assert_int_equal(madt_flags(60 + 4), 0);
	assert_int_equal(madt_flags(68 + 8), 0);
	assert_int_equal(fake_acpi.ioapic_count, 1);
	assert_true(fake_acpi.isa[0].overridden);
	/* But for the flags and the sum, the copy is as it was. */
	const uint8_t *madt = fake_ram + (fake_list[0] - FAKE_RAM_BASE);
	for (size_t i = 0; i < find("APIC")->size; i++) {
		bool changed = i == 9 || i == 48 || i == 64 || i == 76;
		assert_true(changed || guest[0x280 + i] == madt[i]);
	}
}

static void iommus_roots_and_broken_tables_are_left_out(void **state)
{
	(void)state;
	static const char *const gone[] = {"DMAR", "IVRS", "RSDT", "XSDT", "DSDT"};
	put_machine();
	for (size_t i = 0; i < ARRAY_COUNT(gone); i++) {
		table_start(gone[i], 1);
		put_zeros(12);
		list_table();
	}
	table_start("HURT", 1);
	list_table();
	set(9, 0x77, 1);
	guest_read(NULL, 0);
	assert_int_equal(fake_acpi.table_count, 5);
	assert_null(find("DMAR"));
	assert_null(find("IVRS"));
	assert_null(find("HURT"));
	assert_null(find("RSDT"));
}

static void only_the_first_madt_is_listed(void **state)
{
	(void)state;
	put_machine();
	list_add(fake_list[2]); /* twice there, as the machine has it */
	list_add(fake_list[0]);
	table_start("SSDT", 2);
	list_table();
	put_madt();
	guest_read(NULL, 0);
	static const char *const order[] = {"XSDT", "APIC", "FACP", "SSDT", "SSDT", "SSDT", "DSDT"};
	assert_int_equal(fake_acpi.table_count, ARRAY_COUNT(order));
	for (unsigned i = 0; i < ARRAY_COUNT(order); i++) {
		assert_string_equal(fake_acpi.table[i].signature, order[i]);
	}
	assert_int_equal(fake_acpi.table[1].base.raw, GUEST_AT + 0x280);
	assert_int_equal(fake_acpi.cpu_count, 0);
}

static void a_table_that_was_first_taken_for_the_root_is_listed(void **state)
{
	(void)state;
	fake_machine_start();
	put_madt();
	rsdp_write(2, put_root(4), fake_list[0]);
	assert_int_equal(machine_read_rsdp(36), 0);
	machine = fake_acpi;
	assert_true(write_acpi(NULL, 0));
	assert_int_equal(guest_acpi_read(), 0);
	assert_int_equal(fake_acpi.table_count, 2);
	assert_non_null(find("APIC"));
}

static void a_machine_without_a_madt_gives_a_guest_without_one(void **state)
{
	(void)state;
	fake_machine_start();
	table_start("SSDT", 2);
	list_table();
	guest_read(NULL, 0);
	assert_int_equal(guest[0x280], 0xa5); /* not written */
	assert_int_equal(fake_acpi.table_count, 2);
	assert_null(find("APIC"));
}

static void broken_entries_of_the_madt_are_not_followed(void **state)
{
	(void)state;
	for (unsigned length = 0; length < 8; length++) {
		fake_machine_start();
		start_madt();
		put_cpu(1, 1);
		put(0, 1);
		put(length, 1);
		for (unsigned i = 2; i < length; i++) {
			put(0xff, 1);
		}
		list_table();
		guest_read(NULL, 0);
		assert_int_equal(guest[0x280 + 52 + (length > 4 ? 4 : 0)], length > 4 ? 0xff : 0);
		assert_int_equal(fake_acpi.cpu_count, 0);
	}
	start("APIC", 4, 36);
	list_table();
	assert_int_equal(machine_read(), 0);
	machine = fake_acpi;
	assert_true(write_acpi(NULL, 0));
	assert_int_equal(guest[0x280 + 36], 0xa5);
}

static void an_entry_that_runs_out_of_the_madt_is_not_changed(void **state)
{
	(void)state;
	fake_machine_start();
	start_madt();
	put_cpu(3, 1);
	fake_ram_used -= 3; /* its length is 8 still */
	list_table();
	guest_read(NULL, 0);
	assert_int_equal(guest[0x280 + 48], 1);
}

static void tables_of_any_number_fit_in_front_of_the_madt(void **state)
{
	(void)state;
	fake_machine_start();
	for (unsigned i = 0; i < 100; i++) {
		table_start("SSDT", 1);
		list_table();
	}
	fake_list[40] = 0;
	put_madt();
	fake_list[40] = fake_list[100];
	guest_read(NULL, 0);
	assert_int_equal(fake_acpi.table_count, 63); /* what Pintle lists */
	assert_true(find("APIC")->valid);
}

static void a_madt_that_does_not_fit_or_cannot_be_mapped_is_not_written(void **state)
{
	(void)state;
	for (size_t size = GUEST_SIZE - 0x280; size <= GUEST_SIZE - 0x280 + 1; size++) {
		start("APIC", 4, 44);
		while (fake_ram_used - fake_table + 255 < size) {
			put_bytes("\xfe\xff", 2);
			put_zeros(253);
		}
		put_zeros(size - (fake_ram_used - fake_table));
		list_table();
		assert_int_equal(machine_read(), 0);
		machine = fake_acpi;
		assert_int_equal(write_acpi(NULL, 0), size == GUEST_SIZE - 0x280);
	}
	put_machine();
	assert_int_equal(machine_read(), 0);
	machine = fake_acpi;
	assert_true(write_acpi(NULL, 0));
	fake_maps_left = 0;
	assert_false(write_acpi(NULL, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(the_guest_finds_the_tables_of_the_machine),
		FAKE_TEST(the_rsdp_is_sound_in_both_its_sums),
		FAKE_TEST(only_the_guests_cpus_are_enabled),
		FAKE_TEST(iommus_roots_and_broken_tables_are_left_out),
		FAKE_TEST(only_the_first_madt_is_listed),
		FAKE_TEST(a_table_that_was_first_taken_for_the_root_is_listed),
		FAKE_TEST(a_machine_without_a_madt_gives_a_guest_without_one),
		FAKE_TEST(broken_entries_of_the_madt_are_not_followed),
		FAKE_TEST(an_entry_that_runs_out_of_the_madt_is_not_changed),
		FAKE_TEST(tables_of_any_number_fit_in_front_of_the_madt),
		FAKE_TEST(a_madt_that_does_not_fit_or_cannot_be_mapped_is_not_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
