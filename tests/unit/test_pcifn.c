/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_pcifn.c - Pintle's PCI function: configuration space, MSI-X table, what waits.
 *
 * Links: vdev/pcifn.c
 */
#include "tests/unit/fake.h"

#include "abi/pintle.h"
#include "vdev/pcifn.h"

#define ID      (PINTLE_PCI_DEVICE << 16 | PINTLE_PCI_VENDOR)
#define MSIX    0x40u
#define ENABLE  0x80000000u
#define ALL     0x40000000u
#define PENDING 0x2000u

static struct pcifn f;

static int begin(void **state)
{
	pcifn_reset(&f, 70);
	return fake_setup(state);
}

static void configuration_space_reads_as_written_where_it_can_be(void **state)
{
	(void)state;
	/* offset, after reset, written, mask of the bytes, then reads */
	static const struct {
		uint32_t offset, first, value, mask, then;
	} rows[] = {
		{0x00, ID, 0, UINT32_MAX, ID},
		{0x04, 0x00100000, UINT32_MAX, UINT32_MAX, 0x00100406},
		{0x04, 0x00100000, 0x0000ff00, 0xff00, 0x00100400},
		{0x08, 0x08800000, UINT32_MAX, UINT32_MAX, 0x08800000},
		{0x0c, 0, UINT32_MAX, UINT32_MAX, 0},
		{0x10, 0, UINT32_MAX, UINT32_MAX, 0xffffc000},
		{0x10, 0, 0xfebf4abc, UINT32_MAX, 0xfebf4000},
		{0x10, 0, 0xfebf4abc, 0xffff0000, 0xfebf0000},
		{0x14, 0, UINT32_MAX, UINT32_MAX, 0},
		{0x24, 0, UINT32_MAX, UINT32_MAX, 0},
		{0x2c, ID, 0, UINT32_MAX, ID},
		{0x30, 0, UINT32_MAX, UINT32_MAX, 0},
		{0x34, MSIX, 0, UINT32_MAX, MSIX},
		{0x3c, 0, UINT32_MAX, UINT32_MAX, 0xff},
		{MSIX, 69 << 16 | 0x11, UINT32_MAX, UINT32_MAX, 69 << 16 | 0x11 | ENABLE | ALL},
		{MSIX, 69 << 16 | 0x11, UINT32_MAX, 0xffff, 69 << 16 | 0x11},
		{MSIX + 4, 0, UINT32_MAX, UINT32_MAX, 0},
		{MSIX + 8, PENDING, 0, UINT32_MAX, PENDING},
		{MSIX + 12, 0, UINT32_MAX, UINT32_MAX, 0},
		{0xfc, 0, UINT32_MAX, UINT32_MAX, 0},
	};
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		begin(state);
		assert_int_equal(f.config[rows[i].offset / 4], rows[i].first);
		pcifn_config_write(&f, rows[i].offset, rows[i].value, rows[i].mask);
		assert_int_equal(f.config[rows[i].offset / 4], rows[i].then);
	}
}

static void it_answers_where_its_bar_is_when_memory_is_on(void **state)
{
	(void)state;
	pcifn_config_write(&f, 0x10, 0xd0000000, UINT32_MAX);
	assert_int_equal(pcifn_base(&f), 0);
	pcifn_config_write(&f, 4, 2, 0xffff);
	assert_int_equal(pcifn_base(&f), 0xd0000000);
	pcifn_config_write(&f, 4, 4, 0xffff);
	assert_int_equal(pcifn_base(&f), 0);
}

static void the_table_keeps_what_is_written_and_nothing_else_does(void **state)
{
	(void)state;
	for (unsigned offset = 0; offset < PCIFN_BAR_SIZE; offset += 4) {
		bool is_table = offset < 70 * 16;
		assert_int_equal(pcifn_read(&f, offset), is_table && offset % 16 == 12);
		pcifn_write(&f, offset, offset + 1);
		assert_int_equal(pcifn_read(&f, offset), is_table ? offset + 1 : 0);
	}
	assert_int_equal(pcifn_read(&f, UINT32_MAX & ~3u), 0);
	pcifn_write(&f, UINT32_MAX & ~3u, 1);
}

static void set_entry(unsigned n, uint32_t address, uint32_t data)
{
	pcifn_write(&f, 16 * n, address);
	pcifn_write(&f, 16 * n + 8, data);
	pcifn_write(&f, 16 * n + 12, 0);
}

static void a_message_becomes_an_interrupt_command(void **state)
{
	(void)state;
	static const struct {
		uint32_t address, data;
		uint64_t icr;
	} rows[] = {
		{0xfee00000, 0x41, 0x41},
		{0xfee05000, 0x42, 5ull << 32 | 0x42},
		{0xfeeff004, 0x143, 0xffull << 32 | 0x943}, /* logical, lowest priority */
		{0xfee01000, 0xffff8041,
			1ull << 32 | 0x41},            /* what is above the mode is not its own */
		{0xfee01008, 0x44, 1ull << 32 | 0x44}, /* a hint for lowest priority */
		{0xfed00000, 0x41, 0},
		{0, 0, 0},
	};
	pcifn_config_write(&f, MSIX, ENABLE, UINT32_MAX);
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		set_entry(69, rows[i].address, rows[i].data);
		assert_int_equal(pcifn_raise(&f, 69), rows[i].icr);
		assert_int_equal(pcifn_waiting(&f), -1);
	}
}

static void what_is_masked_waits_and_goes_out_once(void **state)
{
	(void)state;
	set_entry(3, 0xfee00000, 0x33);
	set_entry(65, 0xfee00000, 0x65);
	assert_int_equal(pcifn_raise(&f, 3), 0); /* MSI-X is off */
	assert_int_equal(pcifn_raise(&f, 65), 0);
	assert_int_equal(pcifn_waiting(&f), -1);
	assert_int_equal(pcifn_read(&f, PENDING), 1u << 3);
	assert_int_equal(pcifn_read(&f, PENDING + 8), 1u << 1);
	pcifn_config_write(&f, MSIX, ENABLE | ALL, UINT32_MAX);
	assert_int_equal(pcifn_waiting(&f), -1);
	pcifn_config_write(&f, MSIX, ENABLE, UINT32_MAX);
	assert_int_equal(pcifn_waiting(&f), 3);
	pcifn_write(&f, 16 * 3 + 12, 1);
	assert_int_equal(pcifn_waiting(&f), 65);
	assert_int_equal(pcifn_raise(&f, 65), 0x65);
	assert_int_equal(pcifn_waiting(&f), -1);
	pcifn_write(&f, 16 * 3 + 12, 0);
	assert_int_equal(pcifn_waiting(&f), 3);
	assert_int_equal(pcifn_raise(&f, 3), 0x33);
	assert_int_equal(pcifn_waiting(&f), -1);
	assert_int_equal(pcifn_read(&f, PENDING), 0);
}

static void vectors_that_there_are_not_go_nowhere(void **state)
{
	(void)state;
	pcifn_config_write(&f, MSIX, ENABLE, UINT32_MAX);
	assert_int_equal(pcifn_raise(&f, 70), 0);
	assert_int_equal(pcifn_raise(&f, PCIFN_VECTORS - 1), 0);
	assert_int_equal(pcifn_waiting(&f), -1);
	pcifn_reset(&f, 1);
	assert_int_equal(f.config[MSIX / 4], 0x11);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, fake_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(configuration_space_reads_as_written_where_it_can_be),
		TEST(it_answers_where_its_bar_is_when_memory_is_on),
		TEST(the_table_keeps_what_is_written_and_nothing_else_does),
		TEST(a_message_becomes_an_interrupt_command),
		TEST(what_is_masked_waits_and_goes_out_once),
		TEST(vectors_that_there_are_not_go_nowhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
