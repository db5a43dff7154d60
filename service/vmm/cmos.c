/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/cmos.c - the real-time clock (MC146818A data sheet) with the host's time, read only,
 * without alarms; and the sizes of memory that PC firmware leaves beside it.
 */
#include <pthread.h>
#include <stddef.h>
#include <time.h>

#include "service/vmm/bus.h"
#include "service/vmm/memory.h"
#include "service/vmm/platform.h"

#define CMOS_SIZE 128u

enum cmos_register {
	CMOS_SECONDS = 0x00,
	CMOS_MINUTES = 0x02,
	CMOS_HOURS = 0x04,
	CMOS_WEEKDAY = 0x06,
	CMOS_DAY = 0x07,
	CMOS_MONTH = 0x08,
	CMOS_YEAR = 0x09,
	CMOS_A = 0x0a,
	CMOS_B = 0x0b,
	CMOS_C = 0x0c,
	CMOS_D = 0x0d,
	CMOS_BASE_KIB = 0x15,     /* 2 bytes: below 640 KiB */
	CMOS_EXTENDED_KIB = 0x17, /* 2 bytes: from 1 MiB to 64 MiB; also at 0x30 */
	CMOS_EXTENDED_KIB_2 = 0x30,
	CMOS_CENTURY = 0x32,
	CMOS_ABOVE_16_MIB = 0x34, /* 2 bytes, in 64 KiB */
	CMOS_ABOVE_4_GIB = 0x5b,  /* 3 bytes, in 64 KiB */
};

#define A_32768_HZ 0x26u
#define B_24_HOURS 0x02u
#define B_BINARY   0x04u
#define B_WRITABLE 0x7fu
#define D_VALID    0x80u

static pthread_mutex_t cmos_lock = PTHREAD_MUTEX_INITIALIZER;
static uint8_t selected;         /* [cmos_lock] */
static uint8_t cells[CMOS_SIZE]; /* [cmos_lock] what is no clock */

static uint8_t shown(int value)
{
	unsigned number = (unsigned)value % 100;
	bool binary = (cells[CMOS_B] & B_BINARY) != 0;
	return (uint8_t)(binary ? number : number / 10 << 4 | number % 10);
}

/* Lock held. */
static uint8_t read_cell(uint8_t index)
{
	time_t seconds = time(NULL);
	struct tm now;
	gmtime_r(&seconds, &now);
	switch (index) {
	case CMOS_SECONDS:
		return shown(now.tm_sec);
	case CMOS_MINUTES:
		return shown(now.tm_min);
	case CMOS_HOURS: /* always of 24 */
		return shown(now.tm_hour);
	case CMOS_WEEKDAY:
		return shown(now.tm_wday + 1);
	case CMOS_DAY:
		return shown(now.tm_mday);
	case CMOS_MONTH:
		return shown(now.tm_mon + 1);
	case CMOS_YEAR:
		return shown(now.tm_year % 100);
	case CMOS_CENTURY:
		return shown((now.tm_year + 1900) / 100);
	default:
		return cells[index];
	}
}

/* Lock held. */
static void write_cell(uint8_t index, uint8_t value)
{
	switch (index) {
	case CMOS_A:
	case CMOS_C:
	case CMOS_D:
		break;
	case CMOS_B:
		cells[index] = (value & B_WRITABLE) | B_24_HOURS;
		break;
	default:
		cells[index] = value; /* where the clock is, unseen: the time is the host's */
		break;
	}
}

static uint64_t access(void *argument, uint64_t offset, unsigned len, bool write, uint64_t value)
{
	(void)argument;
	(void)len;
	uint64_t result = 0xff;
	pthread_mutex_lock(&cmos_lock);
	if (offset == 0 && write) {
		selected = value % CMOS_SIZE; /* the bit above masks the NMI on a PC */
	} else if (offset == 1 && write) {
		write_cell(selected, (uint8_t)value);
	} else if (offset == 1) {
		result = read_cell(selected);
	}
	pthread_mutex_unlock(&cmos_lock);
	return result;
}

static void put(enum cmos_register index, uint64_t value, uint64_t max, unsigned bytes)
{
	value = value < max ? value : max;
	for (unsigned i = 0; i < bytes; i++) {
		cells[index + i] = (uint8_t)(value >> (8 * i));
	}
}

int cmos_create(uint64_t low, uint64_t high)
{
	put(CMOS_BASE_KIB, 639, UINT16_MAX, 2);
	put(CMOS_EXTENDED_KIB, (low - MIB) / KIB, UINT16_MAX, 2);
	put(CMOS_EXTENDED_KIB_2, (low - MIB) / KIB, UINT16_MAX, 2);
	put(CMOS_ABOVE_16_MIB, low > 16 * MIB ? (low - 16 * MIB) / (64 * KIB) : 0, UINT16_MAX, 2);
	put(CMOS_ABOVE_4_GIB, high / (64 * KIB), 0xffffff, 3);
	cmos_reset();
	return bus_add(BUS_PORT, PORT_CMOS, 2, access, NULL);
}

void cmos_reset(void)
{
	pthread_mutex_lock(&cmos_lock);
	selected = 0;
	cells[CMOS_A] = A_32768_HZ;
	cells[CMOS_B] = B_24_HOURS;
	cells[CMOS_C] = 0;
	cells[CMOS_D] = D_VALID;
	pthread_mutex_unlock(&cmos_lock);
}
