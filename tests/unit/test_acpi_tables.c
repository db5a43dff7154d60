/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_acpi_tables.c - MCFG, HPET, SPCR, DMAR and IVRS: what is taken, what refused.
 * Links: boot/acpi.c
 */
#include "tests/unit/fake.h"

#include "tests/unit/fake_acpi.h"

static void put_segment(uint64_t base, uint16_t segment, uint8_t first, uint8_t last)
{
	put(base, 8);
	put(segment, 2);
	put(first, 1);
	put(last, 1);
	put(0, 4);
}

static void the_segments_of_the_mcfg_are_counted(void **state)
{
	(void)state;
	start("MCFG", 1, 44);
	put_segment(0xb0000000, 0, 0, 255);
	put_segment(0x4000000000, 0xfffe, 16, 16);
	put_segment(UINT64_MAX - 256 * MIB + 1 - MIB, 1, 0, 255);
	read_table();
	assert_int_equal(fake_acpi.segment_count, 3);
	assert_not_logged("warning");
}

static void unsound_segments_are_left_out(void **state)
{
	(void)state;
	static const struct {
		uint64_t base;
		uint8_t first;
		uint8_t last;
	} bad[] = {{0, 0, 255}, {0xb0080000, 0, 255}, {0xb0000001, 0, 255}, {0xb0000000, 1, 0},
		{0xb0000000, 255, 254}, {UINT64_MAX - 256 * MIB + 1, 0, 255}, {~(MIB - 1), 0, 0}};
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		start("MCFG", 1, 44);
		put_segment(bad[i].base, 0, bad[i].first, bad[i].last);
		put_segment(0xc0000000, 1, 0, 0);
		read_table();
		assert_int_equal(fake_acpi.segment_count, 1);
		assert_logged("MCFG: no use for the buses at");
	}
}

static void a_segment_cut_short_is_not_read(void **state)
{
	(void)state;
	for (size_t cut = 1; cut < 16; cut++) {
		start("MCFG", 1, 44);
		put_segment(0xb0000000, 0, 0, 255);
		put_segment(0xc0000000, 1, 0, 255);
		fake_ram_used -= cut;
		read_table();
		assert_int_equal(fake_acpi.segment_count, 1);
	}
	assert_cut_is_reported("MCFG", 44);
}

static void the_hpet_is_found_in_memory_alone(void **state)
{
	(void)state;
	static const struct {
		uint8_t space;
		uint64_t base;
		bool used;
	} cases[] = {{0, 0xfed00000, true}, {0, BIT(40), true}, {0, 0, false}, {1, 0x1000, false},
		{2, 1, false}};
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		start("HPET", 1, 56);
		set_gas(40, cases[i].space, 64, 0, cases[i].base);
		read_table();
		assert_int_equal(fake_acpi.hpet.raw, cases[i].used ? cases[i].base : 0);
		assert_int_equal(strstr(fake_log, "warning") == NULL, cases[i].used);
	}
	assert_cut_is_reported("HPET", 56);
}

static void start_spcr(uint8_t revision)
{
	start("SPCR", revision, 80);
	set_gas(40, SPACE_PORT, 8, 1, 0x3f8);
	set(52, 3, 1);
	set(53, 4, 1);
	set(54, 20, 4);
	set(58, 7, 1);
}

static void only_16550_consoles_are_taken_from_the_spcr(void **state)
{
	(void)state;
	for (unsigned type = 0; type < 256; type++) {
		start_spcr((uint8_t)(type % 5));
		set(36, type, 1);
		read_table();
		bool taken = type == 0 || type == 1 || type == 0x12;
		assert_int_equal(fake_acpi.spcr.base.address != 0, taken);
		assert_int_equal(strstr(fake_log, "is not a 16550") == NULL, taken);
	}
}

static void the_spcr_gives_address_speed_and_interrupt(void **state)
{
	(void)state;
	start_spcr(2);
	read_table();
	assert_gas(fake_acpi.spcr.base, SPACE_PORT, 8, 0x3f8);
	assert_int_equal(fake_acpi.spcr.baud, 115200);
	assert_int_equal(fake_acpi.spcr.gsi, 20);
	for (unsigned code = 0; code < 256; code++) {
		static const uint32_t bauds[8] = {0, 0, 0, 9600, 19200, 0, 57600, 115200};
		start_spcr(2);
		set(58, code, 1);
		read_table();
		assert_int_equal(fake_acpi.spcr.baud, code < 8 ? bauds[code] : 0);
	}
	for (unsigned type = 0; type < 16; type++) {
		start_spcr(2);
		set(52, type, 1);
		read_table();
		assert_int_equal(fake_acpi.spcr.gsi != UINT32_MAX, (type & 2) != 0);
	}
}

static void an_spcr_without_a_reachable_uart_is_not_present(void **state)
{
	(void)state;
	start_spcr(2);
	set_gas(40, SPACE_PORT, 8, 1, 0);
	read_table();
	assert_int_equal(fake_acpi.spcr.base.address, 0);
	assert_not_logged("warning"); /* so firmware says that the console is off */
	start_spcr(2);
	set_gas(40, SPACE_PORT, 8, 1, 0x10000);
	read_table();
	assert_int_equal(fake_acpi.spcr.base.address, 0);
	assert_logged("SPCR: no use for the register at 0x10000");
	start_spcr(2);
	set_gas(40, SPACE_MEMORY, 32, 3, 0x10000);
	read_table();
	assert_gas(fake_acpi.spcr.base, SPACE_MEMORY, 32, 0x10000);
	assert_cut_is_reported("SPCR", 80);
}

static void put_drhd(uint16_t type, uint16_t length, uint16_t segment, uint64_t base)
{
	put(type, 2);
	put(length, 2);
	put(0, 2);
	put(segment, 2);
	put(base, 8);
	if (length > 16) {
		put_zeros(length - 16u);
	}
}

static void put_ivhd(uint8_t type, uint16_t length, uint16_t segment, uint64_t base)
{
	put(type, 2);
	put(length, 2);
	put(0, 4);
	put(base, 8);
	put(segment, 2);
	put_zeros(length - 18u);
}

static void assert_remapper(unsigned i, uint64_t base)
{
	assert_true(i < fake_acpi.remapper_count);
	assert_int_equal(fake_acpi.remapper[i].raw, base);
}

static void the_dmar_gives_its_remapping_units(void **state)
{
	(void)state;
	start("DMAR", 1, 48);
	put_drhd(0, 24, 0, 0xfed90000);
	put_drhd(1, 32, 0, 0x1000); /* reserved memory */
	put_drhd(0x100, 16, 0, 0x2000);
	put_drhd(0, 16, 3, 0x2fed91000);
	put_drhd(0, 16, 3, 0x2fed91000);
	read_table();
	assert_int_equal(fake_acpi.remapper_count, 2);
	assert_remapper(0, 0xfed90000);
	assert_remapper(1, 0x2fed91000);
	assert_not_logged("warning");
}

static void the_ivrs_gives_each_iommu_once(void **state)
{
	(void)state;
	start("IVRS", 2, 48);
	put_ivhd(0x10, 24, 0, 0xfeb80000);
	put_ivhd(0x11, 40, 0, 0xfeb80000);
	put_ivhd(0x40, 56, 0, 0xfeb80000);
	put_ivhd(0x20, 32, 0, 0x3000);
	put_ivhd(0x40, 40, 1, 0x1feb84000);
	put_ivhd(0x11, 40, 2, 0xfebc0000);
	read_table();
	assert_int_equal(fake_acpi.remapper_count, 3);
	assert_remapper(0, 0xfeb80000);
	assert_remapper(1, 0x1feb84000);
	assert_remapper(2, 0xfebc0000);
	assert_not_logged("warning");
}

static void iommus_at_impossible_addresses_are_left_out(void **state)
{
	(void)state;
	static const uint64_t bad[] = {0, 1, 0xfed90800};
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		start("DMAR", 1, 48);
		put_drhd(0, 16, 0, bad[i]);
		put_drhd(0, 16, 0, 0xfed91000);
		read_table();
		assert_int_equal(fake_acpi.remapper_count, 1);
		assert_logged("DMAR: unsound or too many: IOMMU at");
	}
}

static void iommus_beyond_the_maximum_are_left_out(void **state)
{
	(void)state;
	for (unsigned count = ACPI_REMAPPERS_MAX; count <= ACPI_REMAPPERS_MAX + 2; count++) {
		start("IVRS", 1, 48);
		for (unsigned i = 0; i < count; i++) {
			put_ivhd(0x11, 40, 0, 0xf0000000 + i * 0x80000ul);
			put_ivhd(0x40, 40, 0, 0xf0000000); /* never one too many */
		}
		read_table();
		assert_int_equal(fake_acpi.remapper_count, ACPI_REMAPPERS_MAX);
		assert_int_equal(strstr(fake_log, "too many") != NULL, count > ACPI_REMAPPERS_MAX);
	}
}

static void wrong_lengths_in_dmar_and_ivrs_end_the_walk(void **state)
{
	(void)state;
	static const uint16_t lengths[] = {0, 1, 3, 41, 0xffff}; /* 40 bytes are left */
	for (size_t i = 0; i < ARRAY_COUNT(lengths); i++) {
		start("DMAR", 1, 48);
		put_drhd(0, 16, 0, 0xfed90000);
		put_drhd(0, 24, 0, 0xfed91000);
		set(48 + 16 + 2, lengths[i], 2);
		put_drhd(0, 16, 0, 0xfed92000);
		read_table();
		assert_int_equal(fake_acpi.remapper_count, 1);
		assert_logged("DMAR: wrong length of the entry at offset 0x40");
		start("IVRS", 1, 48);
		put_ivhd(0x10, 24, 0, 0xfed90000);
		put_ivhd(0x10, 40, 0, 0xfed91000);
		set(48 + 24 + 2, lengths[i], 2);
		read_table();
		assert_int_equal(fake_acpi.remapper_count, 1);
		assert_logged("IVRS: wrong length of the entry at offset 0x48");
	}
	for (size_t rest = 1; rest < 4; rest++) {
		start("DMAR", 1, 48);
		put_zeros(rest);
		read_table();
		assert_logged("offset 0x30");
	}
	assert_cut_is_reported("DMAR", 48);
	assert_cut_is_reported("IVRS", 48);
}

static void short_iommu_entries_are_passed_over(void **state)
{
	(void)state;
	for (uint16_t length = 4; length < 16; length++) {
		start("DMAR", 1, 48);
		put(0, 2);
		put(length, 2);
		put_zeros(length - 4u);
		put_drhd(0, 16, 0, 0xfed92000);
		read_table();
		assert_logged("DMAR: table or entry too short: 0x");
		assert_int_equal(fake_acpi.remapper_count, 1);
	}
	for (uint16_t length = 18; length < 24; length++) {
		start("IVRS", 1, 48);
		put_ivhd(0x40, length, 0, 0xfed91000);
		put_ivhd(0x40, 40, 0, 0xfed92000);
		read_table();
		assert_logged("IVRS: table or entry too short: 0x");
		assert_int_equal(fake_acpi.remapper_count, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(the_segments_of_the_mcfg_are_counted),
		FAKE_TEST(unsound_segments_are_left_out),
		FAKE_TEST(a_segment_cut_short_is_not_read),
		FAKE_TEST(the_hpet_is_found_in_memory_alone),
		FAKE_TEST(only_16550_consoles_are_taken_from_the_spcr),
		FAKE_TEST(the_spcr_gives_address_speed_and_interrupt),
		FAKE_TEST(an_spcr_without_a_reachable_uart_is_not_present),
		FAKE_TEST(the_dmar_gives_its_remapping_units),
		FAKE_TEST(the_ivrs_gives_each_iommu_once),
		FAKE_TEST(iommus_at_impossible_addresses_are_left_out),
		FAKE_TEST(iommus_beyond_the_maximum_are_left_out),
		FAKE_TEST(wrong_lengths_in_dmar_and_ivrs_end_the_walk),
		FAKE_TEST(short_iommu_entries_are_passed_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
