/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_vmm_platform.c - pintle-vmm's power management, clock and counters, through their
 * ports.
 *
 * Flags: -D_GNU_SOURCE
 * Links: service/vmm/power.c service/vmm/cmos.c service/vmm/pit.c service/vmm/bus.c
 * Links: service/vmm/loop.c service/vmm/say.c tests/unit/fake_vm.c
 */
#include "tests/unit/fake_vm.h"

#include <time.h>

#include "service/vmm/bus.h"
#include "service/vmm/irq.h"
#include "service/vmm/loop.h"
#include "service/vmm/machine.h"
#include "service/vmm/platform.h"

static enum machine_event told;

void machine_tell(enum machine_event event)
{
	told = event;
}

static uint64_t in(uint16_t port, unsigned len)
{
	return bus_read(BUS_PORT, port, len);
}

static void out(uint16_t port, unsigned len, uint64_t value)
{
	bus_write(BUS_PORT, port, len, value);
}

static int reset_all(void **state)
{
	fake_setup(state);
	power_reset();
	cmos_reset();
	pit_reset();
	told = MACHINE_GOES_ON;
	return 0;
}

static void only_sleep_type_5_switches_off(void **state)
{
	assert_int_equal(in(PORT_PM_CONTROL, 2) & 1, 1);
	for (unsigned type = 0; type < 8; type++) {
		told = MACHINE_GOES_ON;
		out(PORT_PM_CONTROL, 2, type << 10);
		assert_int_equal(told, MACHINE_GOES_ON);
		out(PORT_PM_CONTROL, 2, type << 10 | 1 << 13);
		assert_int_equal(told, type == 5 ? MACHINE_OFF : MACHINE_GOES_ON);
	}
	/* In two halves: the type, then the bit that does it. */
	out(PORT_PM_CONTROL, 2, 0);
	told = MACHINE_GOES_ON;
	out(PORT_PM_CONTROL + 1, 1, 5 << 2);
	assert_int_equal(told, MACHINE_GOES_ON);
	out(PORT_PM_CONTROL + 1, 1, 5 << 2 | 1 << 5);
	assert_int_equal(told, MACHINE_OFF);
}

static void the_button_is_seen_until_it_is_acknowledged(void **state)
{
	assert_false(power_press_button());
	assert_int_equal(in(PORT_PM_EVENT, 2), 0x100);
	out(PORT_PM_EVENT, 2, 0x100);
	assert_int_equal(in(PORT_PM_EVENT, 2), 0);
	out(PORT_PM_EVENT + 2, 2, 0x100);
	assert_int_equal(in(PORT_PM_EVENT, 4), 0x1000000);
	assert_true(power_press_button());
	assert_int_equal(in(PORT_PM_EVENT, 4), 0x1000100);
	/* Enabling and control are not acknowledged with it. */
	out(PORT_PM_EVENT + 1, 1, 1);
	assert_int_equal(in(PORT_PM_EVENT, 4), 0x1000000);
}

static void the_reset_ports_reset(void **state)
{
	out(PORT_RESET, 1, 2);
	assert_int_equal(told, MACHINE_GOES_ON);
	out(PORT_RESET, 1, RESET_VALUE);
	assert_int_equal(told, MACHINE_RESET);
	told = MACHINE_GOES_ON;
	out(PORT_I8042, 1, 0xd1);
	assert_int_equal(told, MACHINE_GOES_ON);
	out(PORT_I8042, 1, 0xfe);
	assert_int_equal(told, MACHINE_RESET);
	assert_int_equal(in(PORT_I8042, 1), 0);
}

static unsigned cmos(unsigned index)
{
	out(PORT_CMOS, 1, index);
	return (unsigned)in(PORT_CMOS + 1, 1);
}

static unsigned decimal(unsigned bcd)
{
	assert_true((bcd & 15) < 10 && bcd >> 4 < 10);
	return (bcd >> 4) * 10 + (bcd & 15);
}

static void the_clock_has_the_host_s_time(void **state)
{
	struct tm read;
	time_t start, end;
	do { /* until it is read within one second */
		start = time(NULL);
		read = (struct tm){.tm_sec = (int)decimal(cmos(0)),
			.tm_min = (int)decimal(cmos(2)),
			.tm_hour = (int)decimal(cmos(4)),
			.tm_mday = (int)decimal(cmos(7)),
			.tm_mon = (int)decimal(cmos(8)) - 1,
			.tm_year = (int)(decimal(cmos(9)) + 100 * decimal(cmos(0x32))) - 1900};
		end = time(NULL);
	} while (start != end);
	assert_int_equal(timegm(&read), start);
	assert_int_equal(cmos(0x0a) & 0x80, 0); /* no update under way */
	assert_int_equal(cmos(0x0d), 0x80);
	out(PORT_CMOS, 1, 0x0b);
	out(PORT_CMOS + 1, 1, 0x06);
	assert_true(cmos(0) < 60); /* binary now */
	assert_int_equal(cmos(0x0b), 6);
}

static void memory_sizes_are_beside_the_clock(void **state)
{
	assert_int_equal(cmos(0x15) | cmos(0x16) << 8, 639);
	assert_int_equal(cmos(0x17) | cmos(0x18) << 8, 65535);
	assert_int_equal(cmos(0x34) | cmos(0x35) << 8, (3072 - 16) * 16);
	assert_int_equal(cmos(0x5b) | cmos(0x5c) << 8 | cmos(0x5d) << 16, 1024 * 16);
	for (unsigned index = 0; index < 256; index++) {
		cmos(index); /* the bit above the index is none of it */
	}
}

static unsigned latched(unsigned channel)
{
	out(PORT_PIT + 3, 1, channel << 6);
	unsigned low = (unsigned)in((uint16_t)(PORT_PIT + channel), 1);
	return low | (unsigned)in((uint16_t)(PORT_PIT + channel), 1) << 8;
}

static void a_counter_counts_down_with_its_gate(void **state)
{
	out(PORT_PIT + 3, 1, 0xb0); /* channel 2, mode 0, both bytes */
	out(PORT_PIT + 2, 1, 0xff);
	out(PORT_PIT + 2, 1, 0xff);
	assert_int_equal(latched(2), 0xffff);
	assert_int_equal(latched(2), 0xffff);
	assert_int_equal(in(PORT_SYSTEM, 1) & 0x20, 0);
	out(PORT_SYSTEM, 1, 1);
	unsigned count = latched(2);
	while (latched(2) >= count) {
		/* it does, in less than a microsecond */
	}
	out(PORT_PIT + 3, 1, 0xb0);
	out(PORT_PIT + 2, 1, 0x80);
	out(PORT_PIT + 2, 1, 0x04); /* about a millisecond */
	while ((in(PORT_SYSTEM, 1) & 0x20) == 0) {
		/* its end is seen */
	}
	uint64_t refresh = in(PORT_SYSTEM, 1) & 0x10;
	while ((in(PORT_SYSTEM, 1) & 0x10) == refresh) {
		/* it toggles */
	}
}

static void a_periodic_counter_stays_within_its_period(void **state)
{
	for (unsigned mode = 2; mode <= 3; mode++) {
		out(PORT_PIT + 3, 1, 0x30 | mode << 1);
		out(PORT_PIT, 1, 0x10);
		out(PORT_PIT, 1, 0x00);
		for (unsigned i = 0; i < 1000; i++) {
			assert_in_range(latched(0), 1, 16);
		}
	}
	/* Any control word, any reload, any order. */
	for (unsigned control = 0; control < 256; control++) {
		out(PORT_PIT + 3, 1, control);
		for (uint16_t channel = 0; channel < 3; channel++) {
			out(PORT_PIT + channel, 1, control & 1);
			in(PORT_PIT + channel, 1);
			out(PORT_PIT + channel, 1, 0);
			in(PORT_PIT + channel, 1);
		}
	}
}

#define PLATFORM_TEST(f) cmocka_unit_test_setup(f, reset_all)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLATFORM_TEST(only_sleep_type_5_switches_off),
		PLATFORM_TEST(the_button_is_seen_until_it_is_acknowledged),
		PLATFORM_TEST(the_reset_ports_reset),
		PLATFORM_TEST(the_clock_has_the_host_s_time),
		PLATFORM_TEST(memory_sizes_are_beside_the_clock),
		PLATFORM_TEST(a_counter_counts_down_with_its_gate),
		PLATFORM_TEST(a_periodic_counter_stays_within_its_period),
	};
	fake_vm_reset();
	if (loop_create() != 0 || power_create() != 0 || cmos_create(3 * GIB, GIB) != 0 ||
		pit_create() != 0) {
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
