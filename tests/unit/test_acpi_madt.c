/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_acpi_madt.c - CPUs, I/O APICs and ISA interrupts, as the MADT gives them.
 * Links: boot/acpi.c
 */
#include "tests/unit/fake.h"

#include "tests/unit/fake_acpi.h"

static void start_madt(void)
{
	start("APIC", 4, 44);
	set(36, 0xfee00000, 4);
}

static void put_lapic(uint8_t uid, uint8_t id, uint32_t flags)
{
	put(0x0800, 2);
	put(uid, 1);
	put(id, 1);
	put(flags, 4);
}

static void put_x2apic(uint32_t uid, uint32_t id, uint32_t flags)
{
	put(0x1009, 2);
	put(0, 2);
	put(id, 4);
	put(flags, 4);
	put(uid, 4);
}

static void put_ioapic(uint8_t id, uint32_t base, uint32_t gsi)
{
	put(0x0c01, 2);
	put(id, 2);
	put(base, 4);
	put(gsi, 4);
}

static void put_override(uint8_t bus, uint8_t irq, uint32_t gsi, uint16_t flags)
{
	put(0x0a02, 2);
	put(bus, 1);
	put(irq, 1);
	put(gsi, 4);
	put(flags, 2);
}

static void the_madt_gives_its_cpus_in_their_order(void **state)
{
	(void)state;
	start_madt();
	put_lapic(10, 0, 1);
	put_x2apic(500, 300, 1);
	put_lapic(11, 254, 3);
	put_x2apic(501, 0xfffffffe, 1);
	put_x2apic(502, 255, 1); /* all CPUs only in xAPIC's eight bits */
	read_table();
	static const uint32_t ids[] = {0, 300, 254, 0xfffffffe, 255};
	assert_int_equal(fake_acpi.cpu_count, ARRAY_COUNT(ids));
	for (unsigned i = 0; i < ARRAY_COUNT(ids); i++) {
		assert_int_equal(fake_acpi.apic_id[i], ids[i]);
	}
	assert_not_logged("warning");
}

static void disabled_cpus_and_broadcast_ids_are_left_out(void **state)
{
	(void)state;
	start_madt();
	put_lapic(0, 1, 0);
	put_lapic(0, 2, 2); /* may be plugged in later */
	put_lapic(0, 0xff, 1);
	put_x2apic(0, 300, 0);
	put_x2apic(0, 0xffffffff, 1);
	put_lapic(0, 3, 1);
	read_table();
	assert_int_equal(fake_acpi.cpu_count, 1);
	assert_int_equal(fake_acpi.apic_id[0], 3);
	assert_int_equal(fake_acpi.cpus_over, 0);
}

static void no_apic_id_is_there_twice(void **state)
{
	(void)state;
	start_madt();
	put_lapic(0, 3, 1);
	put_x2apic(1, 3, 1);
	put_lapic(2, 3, 1);
	put_lapic(3, 4, 1);
	read_table();
	assert_int_equal(fake_acpi.cpu_count, 2);
	assert_int_equal(fake_acpi.apic_id[0], 3);
	assert_int_equal(fake_acpi.apic_id[1], 4);
	assert_not_logged("warning");
}

static void cpus_beyond_the_maximum_are_counted(void **state)
{
	(void)state;
	for (unsigned over = 0; over < 3; over++) {
		start_madt();
		for (unsigned i = 0; i < CPUS_MAX + over; i++) {
			put_x2apic(i, 1000 + i, 1);
		}
		put_x2apic(0, 1000, 1);
		put_x2apic(0, 5000, 0);
		read_table();
		assert_int_equal(fake_acpi.cpu_count, CPUS_MAX);
		assert_int_equal(fake_acpi.cpus_over, over);
		assert_int_equal(fake_acpi.apic_id[CPUS_MAX - 1], 1000 + CPUS_MAX - 1);
	}
}

static void the_madt_gives_its_ioapics(void **state)
{
	(void)state;
	start_madt();
	put_ioapic(8, 0xfec00000, 0);
	put_ioapic(9, 0xfffffff0, 24);
	read_table();
	assert_int_equal(fake_acpi.ioapic_count, 2);
	assert_int_equal(fake_acpi.ioapic[0].id, 8);
	assert_int_equal(fake_acpi.ioapic[0].base.raw, 0xfec00000);
	assert_int_equal(fake_acpi.ioapic[1].base.raw, 0xfffffff0);
	assert_int_equal(fake_acpi.ioapic[1].gsi_base, 24);
	assert_not_logged("warning");
}

static void an_ioapic_without_an_address_or_described_twice_is_left_out(void **state)
{
	(void)state;
	static const uint32_t bad[][2] = {{0, 24}, {0xfec00000, 24}, {0xfec10000, 0}};
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		start_madt();
		put_ioapic(1, 0xfec00000, 0);
		put_ioapic(2, bad[i][0], bad[i][1]);
		read_table();
		assert_int_equal(fake_acpi.ioapic_count, 1);
		assert_logged("APIC: unsound or too many: I/O APIC at");
	}
}

static void ioapics_beyond_the_maximum_are_left_out(void **state)
{
	(void)state;
	for (unsigned count = ACPI_IOAPICS_MAX; count <= ACPI_IOAPICS_MAX + 2; count++) {
		start_madt();
		for (unsigned i = 0; i < count; i++) {
			put_ioapic((uint8_t)i, 0xfec00000 + i * 0x1000, i * 24);
		}
		read_table();
		assert_int_equal(fake_acpi.ioapic_count, ACPI_IOAPICS_MAX);
		assert_int_equal(strstr(fake_log, "warning") != NULL, count > ACPI_IOAPICS_MAX);
	}
}

static void the_flags_of_an_override_give_polarity_and_trigger(void **state)
{
	(void)state;
	for (unsigned flags = 0; flags < 32; flags++) {
		start_madt();
		put_override(0, 15, 0xfffffff0, (uint16_t)flags);
		read_table();
		struct acpi_line found = fake_acpi.isa[15];
		assert_int_equal(found.gsi, 0xfffffff0);
		assert_int_equal(found.active_low, (flags & 3) == 3);
		assert_int_equal(found.level, (flags >> 2 & 3) == 3);
		assert_not_logged("warning");
	}
}

static void overrides_of_other_buses_and_interrupts_are_left_out(void **state)
{
	(void)state;
	start_madt();
	put_override(1, 3, 30, 0);
	put_override(0, 16, 31, 0);
	put_override(0, 255, 32, 0);
	put_override(0, 5, 33, 0);
	put_override(0, 5, 34, 0); /* the second for one interrupt: the first counts */
	read_table();
	assert_int_equal(fake_acpi.isa[5].gsi, 33);
	assert_int_equal(fake_acpi.isa[3].gsi, 3);
	assert_logged("not ISA or there already: interrupt 0x3");
	assert_logged("not ISA or there already: interrupt 0x5");
	assert_logged("not ISA or there already: interrupt 0x10");
	assert_logged("not ISA or there already: interrupt 0xff");
}

static void all_isa_interrupts_can_be_overridden(void **state)
{
	(void)state;
	start_madt();
	for (uint8_t irq = 0; irq < 16; irq++) {
		put_override(0, irq, 100u + irq, 0);
	}
	read_table();
	for (uint8_t irq = 0; irq < 16; irq++) {
		assert_int_equal(fake_acpi.isa[irq].gsi, 100 + irq);
	}
	assert_not_logged("warning");
}

static void entries_of_unknown_types_are_passed_over(void **state)
{
	(void)state;
	start_madt();
	for (unsigned type = 0; type < 256; type++) {
		if (type > 9 || (type >= 3 && type <= 8)) {
			put(type, 1);
			put(type % 2 == 0 ? 2 : 255, 1);
			put_zeros(type % 2 == 0 ? 0 : 253);
		}
	}
	put_lapic(0, 5, 1);
	read_table();
	assert_int_equal(fake_acpi.cpu_count, 1);
	assert_not_logged("warning");
}

static void entries_too_short_for_their_type_are_passed_over_with_a_report(void **state)
{
	(void)state;
	static const uint8_t kinds[][2] = {{0, 8}, {1, 12}, {2, 10}, {9, 16}};
	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
		for (uint8_t length = 2; length < kinds[i][1]; length++) {
			start_madt();
			put(kinds[i][0], 1);
			put(length, 1);
			for (uint8_t j = 2; j < length; j++) {
				put(1, 1);
			}
			put_lapic(0, 77, 1);
			read_table();
			assert_logged("APIC: table or entry too short");
			assert_int_equal(fake_acpi.cpu_count, 1);
			assert_int_equal(fake_acpi.apic_id[0], 77);
			assert_int_equal(fake_acpi.ioapic_count, 0);
			assert_false(fake_acpi.isa[1].overridden);
		}
	}
}

static void longer_entries_are_read_to_what_is_known_of_them(void **state)
{
	(void)state;
	start_madt();
	put_lapic(0, 6, 1);
	set(45, 12, 1);
	put(0xffffffff, 4);
	put_lapic(0, 7, 1);
	read_table();
	assert_int_equal(fake_acpi.cpu_count, 2);
	assert_int_equal(fake_acpi.apic_id[1], 7);
}

static void a_wrong_entry_length_ends_the_walk_with_a_report(void **state)
{
	(void)state;
	static const uint8_t lengths[] = {0, 1, 17, 255}; /* 16 bytes are left */
	for (size_t i = 0; i < ARRAY_COUNT(lengths); i++) {
		start_madt();
		put_lapic(0, 1, 1);
		put_lapic(0, 2, 1);
		set(53, lengths[i], 1);
		put_lapic(0, 3, 1);
		read_table();
		assert_int_equal(fake_acpi.cpu_count, 1);
		assert_logged("APIC: wrong length of the entry at offset 0x34");
	}
	start_madt();
	put_lapic(0, 1, 1);
	put(0, 1); /* half a head */
	read_table();
	assert_int_equal(fake_acpi.cpu_count, 1);
	assert_logged("offset 0x34");
}

static void a_madt_cut_short_is_refused(void **state)
{
	(void)state;
	for (size_t size = 36; size < 44; size++) {
		start("APIC", 1, size);
		read_table();
		assert_int_equal(fake_acpi.cpu_count, 0);
		assert_logged("APIC");
	}
	assert_cut_is_reported("APIC", 44);
}

static void an_isa_interrupt_without_an_override_is_its_own_gsi(void **state)
{
	(void)state;
	start_madt();
	read_table();
	for (unsigned irq = 0; irq < ACPI_ISA_IRQS; irq++) {
		struct acpi_line found = fake_acpi.isa[irq];
		assert_int_equal(found.gsi, irq);
		assert_false(found.active_low);
		assert_false(found.level);
	}
}

static void an_override_holds_for_its_interrupt_alone(void **state)
{
	(void)state;
	start_madt();
	put_override(0, 0, 2, 0);
	put_override(0, 9, 20, 0xf);
	read_table();
	assert_int_equal(fake_acpi.isa[0].gsi, 2);
	assert_false(fake_acpi.isa[0].level);
	struct acpi_line sci = fake_acpi.isa[9];
	assert_int_equal(sci.gsi, 20);
	assert_true(sci.level);
	assert_true(sci.active_low);
	assert_int_equal(fake_acpi.isa[2].gsi, 2);
	assert_int_equal(fake_acpi.isa[4].gsi, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(the_madt_gives_its_cpus_in_their_order),
		FAKE_TEST(disabled_cpus_and_broadcast_ids_are_left_out),
		FAKE_TEST(no_apic_id_is_there_twice),
		FAKE_TEST(cpus_beyond_the_maximum_are_counted),
		FAKE_TEST(the_madt_gives_its_ioapics),
		FAKE_TEST(an_ioapic_without_an_address_or_described_twice_is_left_out),
		FAKE_TEST(ioapics_beyond_the_maximum_are_left_out),
		FAKE_TEST(the_flags_of_an_override_give_polarity_and_trigger),
		FAKE_TEST(overrides_of_other_buses_and_interrupts_are_left_out),
		FAKE_TEST(all_isa_interrupts_can_be_overridden),
		FAKE_TEST(entries_of_unknown_types_are_passed_over),
		FAKE_TEST(entries_too_short_for_their_type_are_passed_over_with_a_report),
		FAKE_TEST(longer_entries_are_read_to_what_is_known_of_them),
		FAKE_TEST(a_wrong_entry_length_ends_the_walk_with_a_report),
		FAKE_TEST(a_madt_cut_short_is_refused),
		FAKE_TEST(an_isa_interrupt_without_an_override_is_its_own_gsi),
		FAKE_TEST(an_override_holds_for_its_interrupt_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
