/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/rtc.c - the MC146818's date (its data sheet; ICH9 data sheet, 13.6), read once.
 * Runs: on the boot CPU, before guests have the ports.
 */
#include "drivers/rtc.h"

#include "kernel/time.h"
#include "kernel/x86.h"

static unsigned read_register(uint8_t reg, bool binary)
{
	port_write8(0x70, reg);
	unsigned raw = port_read8(0x71);
	return binary ? raw : (raw >> 4) * 10 + (raw & 15);
}

uint64_t rtc_read(void)
{
	unsigned looks = 200, mode = read_register(0x0b, true);
	bool binary = mode & 4, counts_24_hours = mode & 2;

	/* While it is being updated, which takes 2 ms at most. */
	for (; (read_register(0x0a, true) & 0x80) && looks != 0; looks--) {
		time_delay(100000);
	}
	/* There are 244 us for it now. A year begins in March, so that a leap day is its last. */
	unsigned second = read_register(0, binary), minute = read_register(2, binary);
	unsigned hour = read_register(4, binary), day = read_register(7, binary);
	unsigned month = read_register(8, binary), year = read_register(9, binary) + 4;
	if (looks == 0 || !counts_24_hours || month - 1 > 11) {
		return 0;
	}
	year -= month < 3;
	month = (month + 9) % 12;
	/* March 1996 began 9556 days after 1970. */
	uint64_t days = 9556 + year * 365 + year / 4 + (month * 153 + 2) / 5 + day - 1;
	return ((days * 24 + hour) * 60 + minute) * 60 + second;
}
