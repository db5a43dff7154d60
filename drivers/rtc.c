/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/rtc.c - the MC146818's date (its data sheet; ICH9 data sheet, 13.6), read once.
 * Runs: on the boot CPU, before guests have the ports.
 */
#include "drivers/rtc.h"

#include "kernel/time.h"
#include "kernel/x86.h"

#define PORT_INDEX   0x70u
#define PORT_DATA    0x71u
#define REG_A        0x0au
#define REG_B        0x0bu
#define A_UPDATING   0x80u
#define B_24_HOURS   0x02u
#define B_BINARY     0x04u
#define HOUR_PM      0x80u
#define LOOKS        200u /* an update takes 2 ms at most */
#define LOOK_NS      100000ull
#define DAYS_TO_2000 10957u

enum {
	SECOND,
	MINUTE,
	HOUR,
	DAY,
	MONTH,
	YEAR,
	FIELDS
};
static const struct {
	uint8_t reg, first, last;
} fields[FIELDS] = {{0, 0, 59}, {2, 0, 59}, {4, 0, 23}, {7, 1, 31}, {8, 1, 12}, {9, 0, 99}};

static uint8_t read_register(uint8_t reg)
{
	port_write8(PORT_INDEX, reg);
	return port_read8(PORT_DATA);
}

/* Days from 2000 to the first of a month of 2000 to 2099. */
static unsigned days_before(unsigned year, unsigned month)
{
	static const uint16_t days[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
	unsigned leap_days = (year + 3) / 4 + (year % 4 == 0 && month > 2);
	return year * 365 + leap_days + days[month - 1];
}

uint64_t rtc_read(void)
{
	uint64_t value[FIELDS];
	uint8_t mode = read_register(REG_B);

	for (unsigned look = 0; read_register(REG_A) & A_UPDATING; look++) {
		if (look == LOOKS) {
			return 0;
		}
		time_delay(LOOK_NS);
	}
	for (unsigned i = 0; i < FIELDS; i++) { /* there are 244 us for it now */
		uint8_t raw = read_register(fields[i].reg);
		bool pm = i == HOUR && !(mode & B_24_HOURS) && (raw & HOUR_PM);
		raw &= pm ? (uint8_t)~HOUR_PM : 0xff;
		value[i] = mode & B_BINARY ? raw : (raw >> 4) * 10u + (raw & 15);
		if (i == HOUR && !(mode & B_24_HOURS)) {
			value[i] = value[i] % 12 + (pm ? 12 : 0);
		}
		if (value[i] < fields[i].first || value[i] > fields[i].last) {
			return 0;
		}
	}
	uint64_t days = DAYS_TO_2000 + days_before((unsigned)value[YEAR], (unsigned)value[MONTH]) +
		value[DAY] - 1;
	return ((days * 24 + value[HOUR]) * 60 + value[MINUTE]) * 60 + value[SECOND];
}
