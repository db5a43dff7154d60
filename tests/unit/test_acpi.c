/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_acpi.c - from the RSDP to the list of tables, and what is refused on the way.
 * Links: boot/acpi.c
 */
#include "tests/unit/fake.h"

#include "kernel/errno.h"
#include "tests/unit/fake_acpi.h"

/* A MADT with one CPU; its id tells which table was read. */
static void put_madt(uint8_t apic_id)
{
	table_start("APIC", 4);
	put(0xfee00000, 4);
	put(1, 4);
	put(0x0800, 2);
	put(0x40, 1);
	put(apic_id, 1);
	put(1, 4);
}

/* RSDP, root and MADT, FADT, DSDT, all sound. */
static void put_good_machine(void)
{
	fake_machine_start();
	put_madt(7);
	list_table();
	put_fadt(put_dsdt(5));
	list_table();
}

static bool madt_was_read(uint8_t apic_id)
{
	return fake_acpi.cpu_count == 1 && fake_acpi.apic_id[0] == apic_id;
}

static void a_sound_machine_is_read_without_a_warning(void **state)
{
	(void)state;
	put_good_machine();
	assert_int_equal(machine_read(), 0);
	assert_not_logged("warning");
	assert_not_logged("error");
	assert_true(madt_was_read(7));
	assert_true(fake_acpi.fadt.present);
	assert_true(fake_acpi.fadt.has_s5);
	assert_int_equal(fake_acpi.fadt.s5_type[0], 5);
	static const char *const order[] = {"XSDT", "APIC", "FACP", "DSDT"};
	assert_int_equal(fake_acpi.table_count, ARRAY_COUNT(order));
	for (unsigned i = 0; i < ARRAY_COUNT(order); i++) {
		assert_string_equal(fake_acpi.table[i].signature, order[i]);
		assert_true(fake_acpi.table[i].valid);
	}
	const struct acpi_table *madt = find("APIC");
	assert_int_equal(madt->size, 52);
	assert_int_equal(madt->base.raw, fake_list[0]);
}

static void an_rsdp_before_revision_2_leads_to_the_rsdt(void **state)
{
	(void)state;
	put_good_machine();
	uint64_t rsdt = put_root(4);
	for (uint8_t revision = 0; revision < 2; revision++) {
		rsdp_write(revision, rsdt, 0);
		memset(fake_rsdp + 20, 0xee, 16); /* not part of it */
		assert_int_equal(machine_read_rsdp(20), 0);
		assert_int_equal(machine_read_rsdp(36), 0);
		assert_not_logged("warning");
		assert_true(madt_was_read(7));
	}
}

static void the_xsdt_is_preferred_to_the_rsdt(void **state)
{
	(void)state;
	fake_machine_start();
	put_madt(1);
	list_table();
	uint64_t rsdt = put_root(4);
	fake_list_count = 0;
	put_madt(2);
	list_table();
	rsdp_write(2, rsdt, put_root(8));
	assert_int_equal(machine_read_rsdp(36), 0);
	assert_true(madt_was_read(2));
	assert_not_logged("warning");
	rsdp_set(15, 1, 1); /* revision 1 has no XSDT */
	rsdp_sum(36);
	assert_int_equal(machine_read_rsdp(36), 0);
	assert_true(madt_was_read(1));
}

static void tables_above_4_gib_are_reached_through_the_xsdt(void **state)
{
	(void)state;
	fake_machine_start();
	put_madt(3);
	list_add(FAKE_RAM_HIGH + table_end());
	rsdp_write(2, 0, FAKE_RAM_HIGH + put_root(8));
	assert_int_equal(machine_read_rsdp(36), 0);
	assert_true(madt_was_read(3));
	assert_int_equal(find("APIC")->base.raw, fake_list[0]);
	assert_not_logged("warning");
}

static void a_machine_without_acpi_is_told_from_a_broken_one(void **state)
{
	(void)state;
	fake_machine_start();
	assert_int_equal(machine_read_rsdp(0), -ENOENT);
	assert_int_equal(fake_acpi.table_count, 0);
	assert_int_equal(fake_acpi.cpu_count, 0);
	assert_int_equal(acpi_read(&fake_acpi, NULL, 0), -ENOENT);
}

static void an_rsdp_with_any_wrong_byte_is_refused(void **state)
{
	(void)state;
	put_good_machine();
	rsdp_write(0, put_root(4), 0);
	for (size_t size = 1; size < 20; size++) {
		assert_int_equal(machine_read_rsdp(size), -EBADMSG);
		assert_int_equal(fake_acpi.table_count, 0);
	}
	for (size_t i = 0; i < 20; i++) {
		fake_rsdp[i] ^= 0x10;
		assert_int_equal(machine_read_rsdp(20), -EBADMSG);
		fake_rsdp[i] ^= 0x10;
	}
	fake_rsdp[0] = 'r'; /* a wrong signature with a right checksum */
	rsdp_sum(36);
	assert_int_equal(machine_read_rsdp(36), -EBADMSG);
	assert_logged("the RSDP is broken");
}

static void a_broken_extended_rsdp_falls_back_to_the_rsdt(void **state)
{
	(void)state;
	fake_machine_start();
	put_madt(1);
	list_table();
	uint64_t rsdt = put_root(4);
	uint64_t xsdt = put_root(8);
	for (size_t i = 20; i < 36; i++) {
		rsdp_write(2, rsdt, xsdt);
		fake_rsdp[i] ^= 0x41;
		fake_log_clear();
		assert_int_equal(machine_read_rsdp(36), 0);
		assert_string_equal(fake_acpi.table[0].signature, "RSDT");
		assert_true(madt_was_read(1));
		assert_logged("no usable XSDT");
	}
	for (size_t size = 20; size < 36; size++) {
		rsdp_write(2, rsdt, xsdt);
		assert_int_equal(machine_read_rsdp(size), 0);
		assert_string_equal(fake_acpi.table[0].signature, "RSDT");
	}
}

static void the_length_of_the_rsdp_bounds_its_checksum(void **state)
{
	(void)state;
	static const struct {
		uint32_t length;
		const char *root;
	} cases[] = {
		{0, "RSDT"},
		{20, "RSDT"},
		{35, "RSDT"},
		{36, "XSDT"},
		{40, "XSDT"},
		{41, "RSDT"},
		{0xffffffff, "RSDT"},
	};
	fake_machine_start();
	put_madt(1);
	list_table();
	uint64_t rsdt = put_root(4);
	uint64_t xsdt = put_root(8);
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		rsdp_write(2, rsdt, xsdt);
		rsdp_set(20, cases[i].length, 4);
		rsdp_set(36, 0x01020304, 4);
		rsdp_sum(min_u64(cases[i].length, 40));
		assert_int_equal(machine_read_rsdp(40), 0);
		assert_string_equal(fake_acpi.table[0].signature, cases[i].root);
	}
}

static void an_unusable_xsdt_falls_back_to_the_rsdt(void **state)
{
	(void)state;
	fake_machine_start();
	put_madt(1);
	list_table();
	uint64_t rsdt = put_root(4);
	uint64_t xsdt = put_root(8);
	set(30, 0x77, 1); /* breaks its checksum */
	table_start("XXDT", 1);
	const uint64_t bad[] = {
		0, 1, xsdt, table_end(), rsdt, FAKE_RAM_BASE + FAKE_RAM_SIZE - 8, UINT64_MAX};
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		rsdp_write(2, rsdt, bad[i]);
		fake_log_clear();
		assert_int_equal(machine_read_rsdp(36), 0);
		assert_logged("no usable XSDT");
		assert_true(madt_was_read(1));
	}
}

static void a_machine_without_a_usable_root_is_refused(void **state)
{
	(void)state;
	put_good_machine();
	uint64_t rsdt = put_root(4);
	const uint64_t none[] = {0, 1, 0xffffffff, fake_list[0]};
	for (size_t i = 0; i < ARRAY_COUNT(none); i++) {
		rsdp_write(0, none[i], 0);
		assert_int_equal(machine_read_rsdp(20), -EBADMSG);
		assert_int_equal(fake_acpi.cpu_count, 0);
	}
	assert_logged("leads to no usable XSDT or RSDT");
	rsdp_write(0, rsdt, 0);
	set(9, 0, 1);
	assert_int_equal(machine_read_rsdp(20), -EBADMSG);
	assert_int_equal(fake_acpi.table_count, 1);
	assert_false(fake_acpi.table[0].valid);
}

static void an_empty_root_leads_to_no_table(void **state)
{
	(void)state;
	fake_machine_start();
	assert_int_equal(machine_read(), 0);
	assert_int_equal(fake_acpi.table_count, 1);
	assert_false(fake_acpi.fadt.present);
	assert_not_logged("warning");
}

static void half_an_entry_at_the_end_of_a_root_is_not_read(void **state)
{
	(void)state;
	for (size_t width = 4; width <= 8; width += 4) {
		for (size_t cut = 1; cut < width; cut++) {
			fake_machine_start();
			put_madt(9);
			list_table();
			put_root(width);
			put_zeros(width - cut);
			uint64_t root = table_end();
			rsdp_write(width == 8 ? 2 : 0, root, width == 8 ? root : 0);
			assert_int_equal(machine_read_rsdp(36), 0);
			assert_int_equal(fake_acpi.table_count, 2);
		}
	}
	assert_not_logged("warning");
}

static void entries_that_lead_nowhere_are_reported_and_passed_over(void **state)
{
	(void)state;
	static const uint64_t nowhere[] = {
		0, 1, FAKE_RAM_BASE - 1, FAKE_RAM_BASE + FAKE_RAM_SIZE - 35, UINT64_MAX};
	for (size_t i = 0; i < ARRAY_COUNT(nowhere); i++) {
		fake_machine_start();
		list_add(nowhere[i]);
		put_madt(4);
		list_table();
		fake_log_clear();
		assert_int_equal(machine_read(), 0);
		assert_logged("no memory where a table should be");
		assert_int_equal(fake_acpi.table_count, 2);
		assert_true(madt_was_read(4));
	}
}

static void a_table_listed_twice_is_read_once(void **state)
{
	(void)state;
	fake_machine_start();
	put_madt(4);
	list_table();
	list_add(table_address());
	assert_int_equal(machine_read(), 0);
	assert_int_equal(fake_acpi.table_count, 3);
	assert_true(madt_was_read(4));
	assert_int_equal(fake_acpi.cpus_over, 0);
}

static void a_root_that_lists_itself_is_followed_once(void **state)
{
	(void)state;
	fake_machine_start();
	list_add(table_address());
	uint64_t xsdt = put_root(8);
	set(36, xsdt, 8);
	rsdp_write(2, 0, table_end());
	assert_int_equal(machine_read_rsdp(36), 0);
	assert_int_equal(fake_acpi.table_count, 2);
	assert_not_logged("warning");
}

static void a_table_with_a_wrong_checksum_is_listed_but_not_followed(void **state)
{
	(void)state;
	fake_machine_start();
	put_madt(4);
	list_table();
	for (size_t i = 0; i < 52; i++) {
		if (i == 4 || i == 5 || i == 6 || i == 7) { /* the length, tested elsewhere */
			continue;
		}
		fake_list_count = 1;
		fake_table = 0;
		fake_ram[i] ^= 0x03;
		fake_log_clear();
		assert_int_equal(machine_read(), 0);
		assert_logged("checksum of the table at 0x7f000003");
		assert_int_equal(fake_acpi.table_count, 2);
		assert_false(fake_acpi.table[1].valid);
		assert_int_equal(fake_acpi.cpu_count, 0);
		fake_ram[i] ^= 0x03;
	}
}

static void a_table_shorter_than_its_header_is_refused(void **state)
{
	(void)state;
	for (uint32_t size = 0; size < 36; size++) {
		fake_machine_start();
		put_madt(4);
		list_table();
		set(4, size, 4);
		table_sum();
		fake_log_clear();
		assert_int_equal(machine_read(), 0);
		assert_logged("APIC: wrong signature, length or checksum of the table at");
		assert_int_equal(fake_acpi.table_count, 2);
		assert_false(fake_acpi.table[1].valid);
		assert_int_equal(fake_acpi.table[1].size, size);
		assert_int_equal(fake_acpi.cpu_count, 0);
	}
}

static void a_table_of_just_its_header_is_valid(void **state)
{
	(void)state;
	fake_machine_start();
	table_start("NULL", 1);
	list_table();
	assert_int_equal(machine_read(), 0);
	assert_true(find("NULL")->valid);
	assert_not_logged("warning");
}

static void tables_up_to_the_limit_are_read_and_longer_ones_refused(void **state)
{
	(void)state;
	static const uint32_t sizes[] = {
		ACPI_TABLE_LIMIT, ACPI_TABLE_LIMIT + 1, 0x80000000, UINT32_MAX};
	for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
		fake_machine_start();
		table_start("BIGT", 1);
		uint32_t there = (uint32_t)min_u64(sizes[i], ACPI_TABLE_LIMIT + 1);
		put_zeros(there - 36);
		list_table();
		set(4, sizes[i], 4);
		if (i < 2) {
			table_sum();
		}
		fake_log_clear();
		assert_int_equal(machine_read(), 0);
		assert_int_equal(find("BIGT")->valid, i == 0);
		assert_int_equal(strstr(fake_log, "BIGT: wrong signature, length") != NULL, i != 0);
	}
}

static void a_table_that_runs_out_of_memory_is_not_followed(void **state)
{
	(void)state;
	fake_machine_start();
	fake_ram_used = FAKE_RAM_SIZE - 64;
	put_madt(4);
	list_table();
	set(4, 65, 4);
	fake_ram_used = 0;
	assert_int_equal(machine_read(), 0);
	assert_logged("APIC: wrong signature, length");
	assert_false(find("APIC")->valid);
	assert_int_equal(fake_acpi.cpu_count, 0);
}

static void memory_that_gives_out_at_any_moment_is_survived(void **state)
{
	(void)state;
	put_good_machine();
	rsdp_write(2, 0, put_root(8));
	unsigned maps = 0;
	for (;; maps++) {
		fake_maps_left = maps;
		fake_log_clear();
		int err = machine_read_rsdp(36);
		assert_int_equal(err, maps < 2 ? -EBADMSG : 0);
		if (fake_maps_left != 0) {
			break;
		}
		if (strstr(fake_log, "warning") == NULL) {
			assert_true(fake_acpi.fadt.has_s5);
		}
	}
	assert_in_range(maps, 8, 30);
}

static void more_tables_than_there_is_room_for_are_reported_once(void **state)
{
	(void)state;
	fake_machine_start();
	put_fadt(put_dsdt(5));
	list_table();
	for (unsigned i = 0; i < 100; i++) {
		table_start(i < 50 ? "SSDT" : "APIC", 1);
		list_table();
	}
	assert_int_equal(machine_read(), 0);
	assert_int_equal(fake_acpi.table_count, ACPI_TABLES_MAX);
	assert_true(find("DSDT")->valid);
	assert_true(fake_acpi.fadt.has_s5);
	const char *report = strstr(fake_log, "more tables than Pintle lists");
	assert_non_null(report);
	assert_null(strstr(report + 1, "more tables than Pintle lists"));
}

static void a_full_list_with_nothing_left_out_is_not_reported(void **state)
{
	(void)state;
	fake_machine_start();
	for (unsigned i = 0; i < ACPI_TABLES_MAX - 2; i++) { /* the root and the DSDT */
		table_start("SSDT", 1);
		list_table();
	}
	assert_int_equal(machine_read(), 0);
	assert_int_equal(fake_acpi.table_count, ACPI_TABLES_MAX - 1);
	assert_not_logged("warning");
}

static void a_root_of_nothing_but_faults_writes_few_warnings(void **state)
{
	(void)state;
	fake_machine_start();
	table_start("XSDT", 1);
	for (size_t i = 0; i < 100000; i++) {
		put(i, 8);
	}
	rsdp_write(2, 0, table_end());
	assert_int_equal(machine_read_rsdp(36), 0);
	assert_logged("more faults in the tables are not shown");
	unsigned count = 0;
	for (const char *line = fake_log; (line = strstr(line, "warning: ")) != NULL; line++) {
		count++;
	}
	assert_int_equal(count, ACPI_REFUSED_SHOWN + 1);
}

static void the_first_of_two_tables_of_a_kind_counts(void **state)
{
	(void)state;
	fake_machine_start();
	put_madt(1);
	set(9, 0x55, 1);
	list_add(table_address()); /* broken: it doesn't count at all */
	put_madt(2);
	list_table();
	put_madt(3);
	list_table();
	assert_int_equal(machine_read(), 0);
	assert_true(madt_was_read(2));
	assert_int_equal(fake_acpi.table_count, 4);
}

static void text_of_the_firmware_is_shown_without_control_characters(void **state)
{
	(void)state;
	fake_machine_start();
	table_start("A\x1b\x80~", 1);
	list_table();
	table_start("\0ABC", 1);
	list_table();
	assert_int_equal(machine_read(), 0);
	assert_string_equal(fake_acpi.table[1].signature, "A..~");
	assert_string_equal(fake_acpi.table[2].signature, ".ABC");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(a_sound_machine_is_read_without_a_warning),
		FAKE_TEST(an_rsdp_before_revision_2_leads_to_the_rsdt),
		FAKE_TEST(the_xsdt_is_preferred_to_the_rsdt),
		FAKE_TEST(tables_above_4_gib_are_reached_through_the_xsdt),
		FAKE_TEST(a_machine_without_acpi_is_told_from_a_broken_one),
		FAKE_TEST(an_rsdp_with_any_wrong_byte_is_refused),
		FAKE_TEST(a_broken_extended_rsdp_falls_back_to_the_rsdt),
		FAKE_TEST(the_length_of_the_rsdp_bounds_its_checksum),
		FAKE_TEST(an_unusable_xsdt_falls_back_to_the_rsdt),
		FAKE_TEST(a_machine_without_a_usable_root_is_refused),
		FAKE_TEST(an_empty_root_leads_to_no_table),
		FAKE_TEST(half_an_entry_at_the_end_of_a_root_is_not_read),
		FAKE_TEST(entries_that_lead_nowhere_are_reported_and_passed_over),
		FAKE_TEST(a_table_listed_twice_is_read_once),
		FAKE_TEST(a_root_that_lists_itself_is_followed_once),
		FAKE_TEST(a_table_with_a_wrong_checksum_is_listed_but_not_followed),
		FAKE_TEST(a_table_shorter_than_its_header_is_refused),
		FAKE_TEST(a_table_of_just_its_header_is_valid),
		FAKE_TEST(tables_up_to_the_limit_are_read_and_longer_ones_refused),
		FAKE_TEST(a_table_that_runs_out_of_memory_is_not_followed),
		FAKE_TEST(memory_that_gives_out_at_any_moment_is_survived),
		FAKE_TEST(more_tables_than_there_is_room_for_are_reported_once),
		FAKE_TEST(a_full_list_with_nothing_left_out_is_not_reported),
		FAKE_TEST(a_root_of_nothing_but_faults_writes_few_warnings),
		FAKE_TEST(the_first_of_two_tables_of_a_kind_counts),
		FAKE_TEST(text_of_the_firmware_is_shown_without_control_characters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
