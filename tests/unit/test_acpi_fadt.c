/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_acpi_fadt.c - power and reset: the FADT, the tables that it leads to, and \_S5.
 * Links: boot/acpi.c
 */
#include "tests/unit/fake.h"

#include "tests/unit/fake_acpi.h"

static void start_fadt(uint8_t revision, size_t size)
{
	start("FACP", revision, size);
	set(48, 0xb2, 4);
	set(52, 0xa0, 1);
	set(56, 0x600, 4);
	set(64, 0x604, 4);
	set(68, 0x704, 4);
	set(76, 0x608, 4);
}

static void a_fadt_of_acpi_1_gives_ports(void **state)
{
	(void)state;
	start_fadt(1, 116);
	set(112, BIT(8) | BIT(10), 4);
	read_table();
	const struct acpi_fadt *fadt = &fake_acpi.fadt;
	assert_true(fadt->present);
	assert_int_equal(fadt->smi_command, 0xb2);
	assert_int_equal(fadt->acpi_enable, 0xa0);
	assert_int_equal(fadt->pm1_event, 0x600);
	assert_int_equal(fadt->pm1_control[0], 0x604);
	assert_int_equal(fadt->pm1_control[1], 0x704);
	assert_int_equal(fadt->pm_timer, 0x608);
	assert_int_equal(fadt->reset.address, 0);
	assert_false(fadt->no_8042);
	assert_false(fadt->has_s5);
}

static void a_fadt_cut_anywhere_behind_acpi_1_gives_what_is_there(void **state)
{
	(void)state;
	for (size_t size = 116; size <= 300; size++) {
		start_fadt(6, 300);
		set(112, BIT(10), 4);
		set_gas(116, SPACE_PORT, 8, 1, 0xcf9);
		set(128, 6, 1);
		set_gas(172, SPACE_PORT, 16, 2, 0x1804);
		set_gas(208, SPACE_PORT, 32, 3, 0x1808);
		set_gas(244, SPACE_MEMORY, 8, 1, 0xfe000010);
		fake_ram_used = size;
		read_table();
		const struct acpi_fadt *fadt = &fake_acpi.fadt;
		assert_true(fadt->present);
		if (size >= 129) {
			assert_gas(fadt->reset, SPACE_PORT, 8, 0xcf9);
			assert_int_equal(fadt->reset_value, 6);
		}
		assert_int_equal(fadt->pm1_control[0], size < 184 ? 0x604 : 0x1804);
		assert_int_equal(fadt->pm1_control[1], 0x704);
		assert_int_equal(fadt->pm_timer, size < 220 ? 0x608 : 0x1808);
	}
}

static void a_fadt_shorter_than_acpi_1_is_refused(void **state)
{
	(void)state;
	for (size_t size = 36; size < 116; size++) {
		start("FACP", 1, size);
		read_table();
		assert_false(fake_acpi.fadt.present);
		assert_int_equal(fake_acpi.table_count, 2);
	}
	assert_cut_is_reported("FACP", 116);
}

static void extended_blocks_are_preferred_where_they_are_usable(void **state)
{
	(void)state;
	static const struct {
		uint8_t space;
		uint64_t address;
		bool used;
	} cases[] = {
		{SPACE_PORT, 0x1804, true},
		{SPACE_PORT, 0xffff, true},
		{SPACE_PORT, 0x10000, false},
		{SPACE_PORT, 0, false},
		{SPACE_MEMORY, BIT(40), false}, /* no PC has them there */
		{SPACE_MEMORY, 0x1804, false},
		{SPACE_MEMORY, 0, false},
		{2, 0x604, false},
		{0x7f, 0x604, false},
	};
	static const size_t offsets[] = {148, 172, 184, 208};
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		start_fadt(5, 268);
		for (size_t j = 0; j < ARRAY_COUNT(offsets); j++) {
			set_gas(offsets[j], cases[i].space, 24, 2, cases[i].address);
		}
		read_table();
		const uint16_t blocks[] = {fake_acpi.fadt.pm1_event, fake_acpi.fadt.pm1_control[0],
			fake_acpi.fadt.pm1_control[1], fake_acpi.fadt.pm_timer};
		static const uint64_t ports[] = {0x600, 0x604, 0x704, 0x608};
		for (size_t j = 0; j < ARRAY_COUNT(blocks); j++) {
			assert_int_equal(blocks[j], cases[i].used ? cases[i].address : ports[j]);
		}
		bool reported = strstr(fake_log, "FACP: no use for the register") != NULL;
		assert_int_equal(reported,
			!cases[i].used && cases[i].address != 0 && cases[i].space != SPACE_MEMORY);
	}
}

static void ports_beyond_the_last_are_refused(void **state)
{
	(void)state;
	start_fadt(1, 116);
	set(48, 0x100b2, 4);
	set(64, 0x10000, 4);
	set(68, 0xffff, 4);
	set(76, 0xffffffff, 4);
	read_table();
	assert_int_equal(fake_acpi.fadt.smi_command, 0);
	assert_int_equal(fake_acpi.fadt.pm1_control[0], 0);
	assert_int_equal(fake_acpi.fadt.pm1_control[1], 0xffff);
	assert_int_equal(fake_acpi.fadt.pm_timer, 0);
	assert_logged("no use for the port 0x100b2");
	assert_logged("no use for the port 0xffffffff");
}

static void the_reset_register_counts_only_when_its_flag_is_set(void **state)
{
	(void)state;
	static const struct {
		uint8_t space;
		bool flag;
		bool used;
	} cases[] = {{1, true, true}, {0, true, true}, {1, false, false}, {2, true, false}};
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		start_fadt(3, 244);
		set(112, cases[i].flag ? BIT(10) : ~BIT(10) & 0xffefffff, 4);
		set_gas(116, cases[i].space, 8, 1, 0xcf9);
		set(128, 0x0e, 1);
		read_table();
		assert_int_equal(fake_acpi.fadt.reset.address, cases[i].used ? 0xcf9 : 0);
		assert_int_equal(fake_acpi.fadt.reset_value, cases[i].flag ? 0x0e : 0);
	}
}

static void the_8042_is_assumed_before_revision_3_and_believed_from_it_on(void **state)
{
	(void)state;
	for (uint8_t revision = 1; revision <= 6; revision++) {
		for (unsigned arch = 0; arch < 4; arch++) {
			start_fadt(revision, 116);
			set(109, arch, 2);
			read_table();
			assert_int_equal(fake_acpi.fadt.no_8042, revision >= 3 && (arch & 2) == 0);
		}
	}
}

static void a_hardware_reduced_machine_has_no_fixed_hardware(void **state)
{
	(void)state;
	start_fadt(5, 268);
	set(112, BIT(20) | BIT(10), 4);
	set_gas(116, SPACE_MEMORY, 8, 1, 0x1000);
	set_gas(172, SPACE_PORT, 16, 2, 0x604);
	read_table();
	assert_gas(fake_acpi.fadt.reset, SPACE_MEMORY, 8, 0x1000);
	assert_int_equal(fake_acpi.fadt.pm1_event, 0);
	assert_int_equal(fake_acpi.fadt.pm1_control[0], 0);
	assert_int_equal(fake_acpi.fadt.pm_timer, 0);
	assert_int_equal(fake_acpi.fadt.smi_command, 0);
}

static void what_the_fadt_leads_to_must_be_what_it_says(void **state)
{
	(void)state;
	fake_machine_start();
	table_start("SSDT", 1);
	put_bytes("\x08_S5_\x12\x04\x04\x00\x00", 10);
	uint64_t ssdt = table_end();
	put_fadt(ssdt);
	list_table();
	assert_int_equal(machine_read(), 0);
	assert_logged("SSDT: wrong signature, length or checksum of the table at 0x7f000003");
	assert_false(find("SSDT")->valid);
	assert_false(fake_acpi.fadt.has_s5);
}

static void a_fadt_without_a_dsdt_is_reported(void **state)
{
	(void)state;
	fake_machine_start();
	put_fadt(put_dsdt(5));
	list_table();
	assert_int_equal(machine_read(), 0);
	assert_not_logged("warning");
	fake_machine_start();
	put_fadt(0);
	list_table();
	assert_int_equal(machine_read(), 0);
	assert_logged("DSDT: no memory where a table should be");
	assert_true(fake_acpi.fadt.present);
	assert_logged("can't be switched off");
}

static void the_64_bit_link_of_the_fadt_is_preferred(void **state)
{
	(void)state;
	fake_machine_start();
	uint64_t old_dsdt = put_dsdt(1);
	uint64_t dsdt = FAKE_RAM_HIGH + put_dsdt(6);
	put_fadt(old_dsdt);
	put_zeros(148 - 116);
	set(140, dsdt, 8);
	list_table();
	assert_int_equal(machine_read(), 0);
	assert_int_equal(fake_acpi.fadt.s5_type[0], 6);
	assert_int_equal(find("DSDT")->base.raw, dsdt);
	assert_int_equal(fake_acpi.table_count, 3);
}

static void s5_in_the_dsdt_goes_before_that_in_an_ssdt(void **state)
{
	(void)state;
	fake_machine_start();
	table_start("SSDT", 1);
	put_bytes("\x08_S5_\x12\x05\x04\x0a\x01\x00", 11);
	list_table();
	uint64_t ssdt_only_until = fake_ram_used;
	put_fadt(put_dsdt(6));
	list_table();
	assert_int_equal(machine_read(), 0);
	assert_int_equal(fake_acpi.fadt.s5_type[0], 6);

	fake_ram_used = ssdt_only_until;
	fake_list_count = 1;
	table_start("DSDT", 1);
	put_fadt(table_end());
	list_table();
	assert_int_equal(machine_read(), 0);
	assert_true(fake_acpi.fadt.has_s5);
	assert_int_equal(fake_acpi.fadt.s5_type[0], 1);
	assert_not_logged("warning");
}

static void s5_is_not_taken_from_a_broken_table(void **state)
{
	(void)state;
	fake_machine_start();
	uint64_t dsdt = put_dsdt(6);
	set(9, 0, 1);
	put_fadt(dsdt);
	list_table();
	assert_int_equal(machine_read(), 0);
	assert_false(fake_acpi.fadt.has_s5);
	assert_false(find("DSDT")->valid);
	assert_logged("can't be switched off");
}

static void s5_is_taken_from_the_first_ssdt_that_has_it(void **state)
{
	(void)state;
	fake_machine_start();
	table_start("SSDT", 1);
	list_table();
	table_start("SSDT", 1);
	put_bytes("\x08_S5_\x12\x04\x04\x01\x00", 10);
	list_table();
	table_start("SSDT", 1);
	put_bytes("\x08_S5_\x12\x04\x04\x00\x01", 10);
	list_table();
	put_fadt(fake_list[0]); /* no DSDT */
	list_table();
	assert_int_equal(machine_read(), 0);
	assert_true(fake_acpi.fadt.has_s5);
	assert_int_equal(fake_acpi.fadt.s5_type[0], 1);
	assert_int_equal(fake_acpi.fadt.s5_type[1], 0);
}

struct s5_case {
	const char *aml;
	size_t size;
	bool found;
	uint8_t type_a;
	uint8_t type_b;
};
#define S5_FOUND(aml, a, b)                                                                        \
	{                                                                                          \
		(aml), sizeof(aml) - 1, true, (a), (b)                                             \
	}
#define S5_NONE(aml)                                                                               \
	{                                                                                          \
		(aml), sizeof(aml) - 1, false, 0, 0                                                \
	}

/* Look for \_S5 in `size` bytes of AML; behind them is nothing, before them a byte like a NameOp.
 */
static bool find_s5(struct acpi_fadt *fadt, const void *aml, size_t size)
{
	fake_ram_used = 0;
	fake_list_count = 0;
	fake_maps_left = UINT32_MAX;
	table_start("DSDT", 1);
	set(35, 0x08, 1);
	put_bytes(aml, size);
	put_fadt(table_end());
	list_table();
	assert_int_equal(machine_read(), 0);
	*fadt = fake_acpi.fadt;
	return fadt->has_s5;
}

static void assert_s5_cases(const struct s5_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct acpi_fadt fadt;
		bool found = find_s5(&fadt, cases[i].aml, cases[i].size);
		if (found != cases[i].found || fadt.has_s5 != found ||
			fadt.s5_type[0] != cases[i].type_a || fadt.s5_type[1] != cases[i].type_b) {
			fail_msg("case %zu: %d, types %u and %u", i, found, fadt.s5_type[0],
				fadt.s5_type[1]);
		}
	}
}

static void s5_is_read_in_its_encodings(void **state)
{
	(void)state;
	static const struct s5_case cases[] = {
		S5_FOUND("\x08_S5_\x12\x04\x02\x00\x00", 0, 0),
		S5_FOUND("\x08_S5_\x12\x04\x02\x01\x00", 1, 0),
		S5_FOUND("\x08\\_S5_\x12\x04\x02\x00\x01", 0, 1),
		S5_FOUND("\x08_S5_\x12\x06\x04\x0a\x05\x0a\x06", 5, 6),
		S5_FOUND("\x08_S5_\x12\x08\x04\x0a\x05\x00\x00\x00\x0a", 5, 0),
		S5_FOUND("\x08_S5_\x12\x45\x00\x02\x01\x01", 1, 1),
		S5_FOUND("\x08_S5_\x12\x86\x00\x00\x02\x01\x01", 1, 1),
		S5_FOUND("\x08_S5_\x12\xc7\x00\x00\x00\x02\x01\x01", 1, 1),
		S5_FOUND("\x08_S5_\x12\x41\x01\x02\x01\x01\0\0\0\0\0\0\0\0\0\0\0\0", 1, 1),
		S5_FOUND("\x08_S5_\x12\x75\x00\x02\x01\x01", 1, 1), /* bits 5 and 4 don't count */
		S5_FOUND("\x10\x01\x5c_SB_\x08_S5_\x12\x04\x02\x01\x01\xa4\x00", 1, 1),
		S5_FOUND("\x08_S5_\x12\x04\xff\x01\x01", 1, 1),
	};
	assert_s5_cases(cases, ARRAY_COUNT(cases));
}

static void what_only_looks_like_s5_is_passed_over(void **state)
{
	(void)state;
	static const struct s5_case cases[] = {
		S5_NONE(""),
		S5_NONE("\x08"),
		S5_NONE("_S5_\x12\x04\x02\x01\x01"), /* the NameOp is not in the AML */
		S5_NONE("\\_S5_\x12\x04\x02\x01\x01"),
		S5_NONE("\x5b_S5_\x12\x04\x02\x01\x01"),
		S5_NONE("\x14\\_S5_\x12\x04\x02\x01\x01"),
		S5_NONE("\x08_S4_\x12\x04\x02\x01\x01"),
		S5_NONE("\x08_S5_\x11\x04\x02\x01\x01"), /* a buffer */
		S5_NONE("\x08_S5_\x12\x04\x01\x01\x01"), /* one element */
		S5_NONE("\x08_S5_\x12\x04\x00\x01\x01"),
		S5_NONE("\x08_S5_\x12\xc4\x02\x01\x01"),     /* a longer package length */
		S5_NONE("\x08_S5_\x12\x05\x02\x0a\x08\x01"), /* above SLP_TYP's three bits */
		S5_NONE("\x08_S5_\x12\x06\x02\x0b\x05\x01\x01"),
		S5_NONE("\x08_S5_\x12\x05\x02\x01\x0a\xff"),
		S5_NONE("\x08_S5_\x12\x04\x02\xff\x01"), /* not integers */
		S5_NONE("\x08_S5_\x12\x05\x02\x0d\x35\x00"),
		S5_NONE("\x08_S5_\x12\x04\x02\x02\x01"),
		S5_NONE("\x08_S5_\x12\x04\x02\x0f\x01"),
		S5_NONE("\x08_S5_\x12\x08\x04\x0b\x07\x00\x0b\x02\x00"), /* no compiler's form */
		S5_NONE("\x08_S5_\x12\x0c\x04\x0c\x03\0\0\0\x0c\x04\0\0\0"),
		S5_NONE("\x08_S5_\x12\x0c\x02\x0e\x05\0\0\0\0\0\0\0\x01"),
		/* A sound one behind an unsound one counts. */
		S5_FOUND("\x08_S5_\x12\x04\x01\x01\x08_S5_\x12\x04\x02\x00\x01", 0, 1),
		/* The first of two sound ones counts. */
		S5_FOUND("\x08_S5_\x12\x04\x02\x01\x00\x08_S5_\x12\x04\x02\x00\x01", 1, 0),
	};
	assert_s5_cases(cases, ARRAY_COUNT(cases));
}

static void s5_cut_at_the_end_of_its_table_is_not_found(void **state)
{
	(void)state;
	static const char aml[] = "\x08\\_S5_\x12\xc9\x00\x00\x00\x02\x0a\x05\x0a\x01";
	struct acpi_fadt fadt;
	for (size_t size = 0; size < sizeof(aml) - 1; size++) {
		assert_false(find_s5(&fadt, aml, size));
		assert_false(fadt.has_s5);
	}
	assert_true(find_s5(&fadt, aml, sizeof(aml) - 1));
}

static void every_sleep_type_of_three_bits_is_taken_and_no_other(void **state)
{
	(void)state;
	for (unsigned type = 0; type < 256; type++) {
		uint8_t aml[] = {8, '_', 'S', '5', '_', 0x12, 6, 2, 0x0a, (uint8_t)type, 0x0a,
			(uint8_t)type};
		struct acpi_fadt fadt;
		assert_int_equal(find_s5(&fadt, aml, sizeof(aml)), type <= 7);
		assert_int_equal(fadt.s5_type[1], type <= 7 ? type : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(a_fadt_of_acpi_1_gives_ports),
		FAKE_TEST(a_fadt_cut_anywhere_behind_acpi_1_gives_what_is_there),
		FAKE_TEST(a_fadt_shorter_than_acpi_1_is_refused),
		FAKE_TEST(extended_blocks_are_preferred_where_they_are_usable),
		FAKE_TEST(ports_beyond_the_last_are_refused),
		FAKE_TEST(the_reset_register_counts_only_when_its_flag_is_set),
		FAKE_TEST(the_8042_is_assumed_before_revision_3_and_believed_from_it_on),
		FAKE_TEST(a_hardware_reduced_machine_has_no_fixed_hardware),
		FAKE_TEST(what_the_fadt_leads_to_must_be_what_it_says),
		FAKE_TEST(a_fadt_without_a_dsdt_is_reported),
		FAKE_TEST(the_64_bit_link_of_the_fadt_is_preferred),
		FAKE_TEST(s5_in_the_dsdt_goes_before_that_in_an_ssdt),
		FAKE_TEST(s5_is_not_taken_from_a_broken_table),
		FAKE_TEST(s5_is_taken_from_the_first_ssdt_that_has_it),
		FAKE_TEST(s5_is_read_in_its_encodings),
		FAKE_TEST(what_only_looks_like_s5_is_passed_over),
		FAKE_TEST(s5_cut_at_the_end_of_its_table_is_not_found),
		FAKE_TEST(every_sleep_type_of_three_bits_is_taken_and_no_other),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
