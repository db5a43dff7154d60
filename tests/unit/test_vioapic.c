/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_vioapic.c - the virtual I/O APIC: its registers, the bits of an entry that the
 * guest can write, and what a write tells the owner.
 *
 * Links: vdev/ioapic.c
 */
#include "tests/unit/fake.h"

#include "vdev/ioapic.h"

#define MASKED     0x10000u
#define LEVEL      0x8000u
#define REMOTE_IRR 0x4000u
#define STATUS     0x1000u

static struct vioapic ioapic;

static uint32_t rd(uint32_t reg)
{
	assert_int_equal(vioapic_write(&ioapic, 0x00, reg), -1);
	return vioapic_read(&ioapic, 0x10);
}

static int wr(uint32_t reg, uint32_t value)
{
	vioapic_write(&ioapic, 0x00, reg);
	return vioapic_write(&ioapic, 0x10, value);
}

static void start(unsigned pins)
{
	memset(&ioapic, 0xaa, sizeof(ioapic));
	vioapic_init(&ioapic, 9, pins);
}

static void every_pin_is_masked_at_first(void **state)
{
	(void)state;
	start(24);
	for (unsigned reg = 0x10; reg < 0x40; reg++) {
		assert_int_equal(rd(reg), reg & 1 ? 0 : MASKED);
	}
}

static void the_registers_below_the_entries_tell_what_it_is(void **state)
{
	(void)state;
	start(24);
	assert_int_equal(rd(0), 0x09000000);
	assert_int_equal(rd(1), 0x00170011);
	assert_int_equal(rd(2), 0x09000000);
	assert_int_equal(vioapic_read(&ioapic, 0x00), 2);
	assert_int_equal(wr(0, 0x0fffffff), -1);
	assert_int_equal(rd(0), 0x0f000000);
	for (unsigned reg = 1; reg < 0x10; reg++) {
		uint32_t before = rd(reg);
		assert_int_equal(wr(reg, 0xffffffff), -1);
		assert_int_equal(rd(reg), before);
	}
	start(120);
	assert_int_equal(rd(1), 0x00770011);
}

static void an_entry_is_written_by_halves_but_for_its_read_only_bits(void **state)
{
	(void)state;
	start(24);
	assert_int_equal(wr(0x17, 0xffffffff), 3);
	assert_true(ioapic.entry[3] == (0xff00000000000000 | MASKED));
	assert_int_equal(wr(0x16, 0xffffffff), 3);
	assert_true(ioapic.entry[3] == 0xff0000000001afff);
	assert_int_equal(rd(0x16), 0x1afff);
	assert_int_equal(rd(0x17), 0xff000000);
	/* What the owner set stays through writes of either half, as long as it is level-triggered.
	 */
	ioapic.entry[3] |= STATUS | REMOTE_IRR;
	wr(0x16, LEVEL | 0x31);
	wr(0x17, 0x02000000);
	assert_true(ioapic.entry[3] == (0x0200000000000031 | LEVEL | STATUS | REMOTE_IRR));
	wr(0x16, MASKED | 0x31);
	assert_true(ioapic.entry[3] == (0x0200000000000031 | MASKED | STATUS));
	assert_int_equal(rd(0x14), MASKED);
	assert_int_equal(rd(0x18), MASKED);
}

static void beyond_the_table_reads_are_0_and_writes_are_nothing(void **state)
{
	(void)state;
	for (unsigned pins = 1; pins <= VIOAPIC_PINS_MAX; pins += 7) {
		start(pins);
		for (unsigned reg = 3; reg < 0x100; reg++) {
			bool there = reg >= 0x10 && reg < 0x10 + 2 * pins;
			if (!there) {
				assert_int_equal(rd(reg), 0);
			}
			assert_int_equal(wr(reg, 0), there ? (int)(reg - 0x10) / 2 : -1);
		}
		for (unsigned pin = pins; pin < VIOAPIC_PINS_MAX; pin++) {
			assert_int_equal(ioapic.entry[pin], MASKED);
		}
	}
	/* The index has eight bits. */
	start(24);
	assert_int_equal(rd(0x101), rd(1));
}

static void other_offsets_are_nothing(void **state)
{
	(void)state;
	start(24);
	rd(1);
	for (unsigned offset = 0; offset < 0x1000; offset++) {
		if (offset != 0x00 && offset != 0x10) {
			assert_int_equal(vioapic_read(&ioapic, offset), 0);
		}
		if (offset != 0x00 && offset != 0x10) {
			assert_int_equal(vioapic_write(&ioapic, offset, 0x55), -1);
		}
	}
	assert_int_equal(vioapic_read(&ioapic, 0x00), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(every_pin_is_masked_at_first),
		FAKE_TEST(the_registers_below_the_entries_tell_what_it_is),
		FAKE_TEST(an_entry_is_written_by_halves_but_for_its_read_only_bits),
		FAKE_TEST(beyond_the_table_reads_are_0_and_writes_are_nothing),
		FAKE_TEST(other_offsets_are_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
