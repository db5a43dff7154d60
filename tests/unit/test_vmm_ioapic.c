/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_vmm_ioapic.c - pintle-vmm's I/O APIC: which pins send, and what.
 *
 * Links: service/vmm/ioapic.c
 */
#include "tests/unit/fake.h"

#include "service/vmm/ioapic.h"

#define MASKED  0x10000u
#define LEVEL   0x8000u
#define LOGICAL 0x800u
#define LOWEST  0x100u

static struct ioapic io;

static uint32_t read_reg(uint8_t index)
{
	ioapic_write(&io, 0, index);
	return ioapic_read(&io, 0x10);
}

static uint32_t write_reg(uint8_t index, uint32_t value)
{
	ioapic_write(&io, 0, index);
	return ioapic_write(&io, 0x10, value);
}

static uint32_t set_entry(unsigned pin, uint32_t low, uint32_t high)
{
	write_reg((uint8_t)(0x11 + 2 * pin), high);
	return write_reg((uint8_t)(0x10 + 2 * pin), low);
}

static void start(void)
{
	memset(&io, 0, sizeof(io));
	ioapic_reset(&io);
}

static void it_says_what_it_is(void **state)
{
	start();
	assert_int_equal(read_reg(1), 0x170020);
	assert_int_equal(read_reg(0), 0);
	write_reg(0, 0x05000000);
	assert_int_equal(read_reg(0), 0x05000000);
	for (unsigned pin = 0; pin < VM_IOAPIC_PINS; pin++) {
		assert_int_equal(read_reg((uint8_t)(0x10 + 2 * pin)), MASKED);
	}
	/* Behind the last. */
	assert_int_equal(read_reg(0x40), 0);
	assert_int_equal(write_reg(0xff, 0xffffffff), 0);
}

static void an_edge_sends_once(void **state)
{
	start();
	set_entry(4, 0x31, 0x01000000);
	assert_int_equal(ioapic_set_line(&io, 4, true), 1 << 4);
	assert_int_equal(ioapic_set_line(&io, 4, true), 0);
	assert_int_equal(ioapic_set_line(&io, 4, false), 0);
	assert_int_equal(ioapic_set_line(&io, 4, true), 1 << 4);
	assert_int_equal(ioapic_eoi(&io, 0x31), 0);
	assert_false(ioapic_wants_eoi(&io, 4));
}

static void a_masked_pin_sends_nothing(void **state)
{
	start();
	set_entry(4, 0x31 | MASKED, 0);
	assert_int_equal(ioapic_set_line(&io, 4, true), 0);
	/* An edge is then lost, a level is not. */
	assert_int_equal(set_entry(4, 0x31, 0), 0);
	set_entry(5, 0x32 | LEVEL | MASKED, 0);
	assert_int_equal(ioapic_set_line(&io, 5, true), 0);
	assert_int_equal(set_entry(5, 0x32 | LEVEL, 0), 1 << 5);
}

static void a_level_sends_again_after_its_end_while_it_lasts(void **state)
{
	start();
	set_entry(9, 0x40 | LEVEL, 0);
	assert_true(ioapic_wants_eoi(&io, 9));
	assert_int_equal(ioapic_set_line(&io, 9, true), 1 << 9);
	assert_int_equal(read_reg(0x22) & 0x4000, 0x4000);
	assert_int_equal(ioapic_set_line(&io, 9, true), 0);
	assert_int_equal(ioapic_eoi(&io, 0x41), 0);
	assert_int_equal(ioapic_eoi(&io, 0x40), 1 << 9);
	ioapic_set_line(&io, 9, false);
	assert_int_equal(ioapic_eoi(&io, 0x40), 0);
	assert_int_equal(read_reg(0x22) & 0x4000, 0);
	assert_int_equal(ioapic_set_line(&io, 9, true), 1 << 9);
	/* By the register of later ones. */
	assert_int_equal(ioapic_write(&io, 0x40, 0x40), 1 << 9);
}

static void one_end_serves_all_pins_of_its_vector(void **state)
{
	start();
	set_entry(16, 0x50 | LEVEL, 0);
	set_entry(17, 0x50 | LEVEL, 0);
	ioapic_set_line(&io, 16, true);
	ioapic_set_line(&io, 17, true);
	assert_int_equal(ioapic_eoi(&io, 0x50), 3 << 16);
}

static void making_it_an_edge_ends_a_level(void **state)
{
	start();
	set_entry(9, 0x40 | LEVEL, 0);
	ioapic_set_line(&io, 9, true);
	set_entry(9, 0x40 | MASKED, 0);
	assert_int_equal(read_reg(0x22) & 0x4000, 0);
	assert_int_equal(set_entry(9, 0x40 | LEVEL, 0), 1 << 9);
}

static void what_is_read_only_is_not_written(void **state)
{
	start();
	set_entry(3, 0xfffe5fff, 0xffffffff);
	assert_int_equal(read_reg(0x16), 0x0fff);
	assert_int_equal(read_reg(0x17), 0xff000000);
}

static void messages_carry_destination_vector_and_mode(void **state)
{
	start();
	set_entry(4, 0x31, 0x03000000);
	struct msi msi = ioapic_message(&io, 4);
	assert_int_equal(msi.address, 0xfee03000);
	assert_int_equal(msi.data, 0x31);
	set_entry(4, 0x31 | LEVEL | LOGICAL | LOWEST, 0xff000000);
	msi = ioapic_message(&io, 4);
	assert_int_equal(msi.address, 0xfeeff00c);
	assert_int_equal(msi.data, 0xc131);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(it_says_what_it_is),
		FAKE_TEST(an_edge_sends_once),
		FAKE_TEST(a_masked_pin_sends_nothing),
		FAKE_TEST(a_level_sends_again_after_its_end_while_it_lasts),
		FAKE_TEST(one_end_serves_all_pins_of_its_vector),
		FAKE_TEST(making_it_an_edge_ends_a_level),
		FAKE_TEST(what_is_read_only_is_not_written),
		FAKE_TEST(messages_carry_destination_vector_and_mode),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
