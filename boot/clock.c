/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/clock.c - the TSC's frequency, from CPUID or measured against a timer of known frequency;
 * and the date. Runs: on the boot CPU, before guests have the ports.
 */
#include "boot/clock.h"

#include "kernel/basic.h"

/* What tells the frequency: CPUID, or a timer that counts up and wraps at `mask`. */
struct source {
	const char *name;
	uint64_t (*hz)(const struct acpi *acpi); /* of the timer, else of the TSC; 0: not there */
	uint32_t (*read)(void);                  /* the timer */
	uint32_t mask;
};

struct sample {
	uint64_t tsc;
	uint32_t count;
};

/* Of some tries the one in which reading the timer took the least time: nothing came between. */
static struct sample sample_take(const struct source *timer)
{
	struct sample best = {0};
	uint64_t best_width = UINT64_MAX;
	for (unsigned i = 0; i < 8; i++) {
		uint64_t before = tsc_read();
		uint32_t count = timer->read();
		uint64_t width = tsc_read() - before;
		if (width < best_width) {
			best_width = width;
			best = (struct sample){before + width / 2, count};
		}
	}
	return best;
}

/*
 * TSC ticks in a second, when two results in a row agree to one part in 256: a virtual machine may
 * be paused for longer than a short counter (the PIT wraps in 55 ms) can notice. 0 when they never
 * do, or the timer stands still.
 */
static uint64_t measure(const struct source *timer, uint64_t hz)
{
	uint64_t enough = min_u64(hz / 200, timer->mask / 2); /* 5 ms */
	uint64_t counted = enough, last = 0;
	for (unsigned i = 0; i < 8 && counted >= enough; i++) {
		struct sample start = sample_take(timer);
		counted = 0;
		/* No timer is read a million times in so short a time. */
		for (unsigned reads = 0; counted < enough && reads < 1000000; reads++) {
			counted = (timer->read() - start.count) & timer->mask;
		}
		struct sample end = sample_take(timer);
		counted = (end.count - start.count) & timer->mask;
		uint64_t found = counted != 0 ? (end.tsc - start.tsc) * hz / counted : 0;
		uint64_t apart = found > last ? found - last : last - found;
		if (counted >= enough && apart <= found >> 8) {
			return found;
		}
		last = found;
	}
	log_warning("clock: the %s stands still or is unsteady: not used", timer->name);
	return 0;
}

/* HPET (IA-PC HPET specification 1.0a, 2.3.4 to 2.3.7). It is left running: who uses it sets it up.
 */
static volatile void *hpet;

static uint32_t hpet_read(void)
{
	return mmio_read32(hpet, 0xf0);
}

static uint64_t hpet_hz(const struct acpi *acpi)
{
	if (acpi->hpet.raw != 0) {
		hpet = window_map(acpi->hpet, 0x400, PAGING_DEVICE);
	}
	uint64_t period = hpet != NULL ? mmio_read64(hpet, 0) >> 32 : 0; /* femtoseconds */
	if (period == 0 || period > 100000000) {
		return 0;
	}
	mmio_write64(hpet, 0x10, mmio_read64(hpet, 0x10) | 1); /* on */
	return 1000000000000000ull / period;
}

/* The ACPI PM timer (ACPI 6.5, 4.8.3.3), as a port: no PC has it elsewhere. */
static uint16_t pm_port;

static uint32_t pm_read(void)
{
	return port_read32(pm_port);
}

static uint64_t pm_hz(const struct acpi *acpi)
{
	pm_port = acpi->fadt.pm_timer;
	return pm_port != 0 ? 3579545 : 0;
}

/* The 8254's channel 2, counting down from 2^16 over and over (8254 data sheet, mode 2), its gate
 * open, silent. */
#define PIT_CHANNEL2 0x42u
#define PIT_COMMAND  0x43u
#define PIT_GATE     0x61u

static uint32_t pit_read(void)
{
	port_write8(PIT_COMMAND, 0x80); /* latch */
	uint32_t low = port_read8(PIT_CHANNEL2);
	return 0x10000u - (low | (uint32_t)port_read8(PIT_CHANNEL2) << 8);
}

static uint64_t pit_hz(const struct acpi *acpi)
{
	port_write8(PIT_GATE, (uint8_t)((port_read8(PIT_GATE) & ~3u) | 1)); /* speaker off */
	port_write8(PIT_COMMAND, 0xb4); /* channel 2, both bytes, mode 2 */
	port_write8(PIT_CHANNEL2, 0);
	port_write8(PIT_CHANNEL2, 0);
	return 1193182;
}

/*
 * SDM vol. 2, CPUID leaf 15h, exact where it names the crystal. Leaf 16h is the marketing
 * frequency, off by up to a part in 400: only where nothing can be measured.
 */
static uint64_t crystal_hz(const struct acpi *acpi)
{
	struct cpuid ratio = cpuid_read(0, 0).eax >= 0x15 ? cpuid_read(0x15, 0) : (struct cpuid){0};
	return ratio.eax != 0 ? (uint64_t)ratio.ecx * ratio.ebx / ratio.eax : 0;
}

static uint64_t nominal_hz(const struct acpi *acpi)
{
	return cpuid_read(0, 0).eax >= 0x16 ? (cpuid_read(0x16, 0).eax & 0xffff) * 1000000ull : 0;
}

/* In the order in which they are tried; the first four also in that of the option's values. */
static const struct source sources[] = {
	{.name = "CPUID", .hz = crystal_hz},
	{"HPET", hpet_hz, hpet_read, UINT32_MAX},
	{"PM timer", pm_hz, pm_read, 0xffffff}, /* or 32 bits wide, of which these will do */
	{"PIT", pit_hz, pit_read, 0xffff},
	{.name = "CPUID", .hz = nominal_hz},
};

const char *clock_calibrate(const struct acpi *acpi, unsigned want)
{
	for (unsigned i = want != 0 ? 0 : 1; i <= ARRAY_COUNT(sources); i++) {
		const struct source *source = &sources[(i != 0 ? i : want) - 1];
		uint64_t hz = source->hz(acpi);
		if (hz != 0 && source->read != NULL) {
			hz = measure(source, hz);
		}
		if (hz != 0) {
			time_set_frequency(hz);
			return source->name;
		}
		if (i == 0) {
			log_warning("clock: what clock= asks for is not there");
		}
	}
	return NULL;
}

/* The MC146818 (its data sheet; ICH9 data sheet, 13.6). */
static unsigned cmos_read(uint8_t reg, bool binary)
{
	port_write8(0x70, reg);
	unsigned raw = port_read8(0x71);
	return binary ? raw : (raw >> 4) * 10 + (raw & 15);
}

uint64_t clock_date(void)
{
	unsigned looks = 200, mode = cmos_read(0x0b, true);
	bool binary = mode & 4, counts_24_hours = mode & 2;

	/* While it is being updated, which takes 2 ms at most. */
	for (; (cmos_read(0x0a, true) & 0x80) && looks != 0; looks--) {
		time_delay(100000);
	}
	/* There are 244 us for it now. A year begins in March, so that a leap day is its last. */
	unsigned second = cmos_read(0, binary), minute = cmos_read(2, binary);
	unsigned hour = cmos_read(4, binary), day = cmos_read(7, binary);
	unsigned month = cmos_read(8, binary), year = cmos_read(9, binary) + 4;
	if (looks == 0 || !counts_24_hours || month - 1 > 11) {
		return 0;
	}
	year -= month < 3;
	month = (month + 9) % 12;
	/* March 1996 began 9556 days after 1970. */
	uint64_t days = 9556 + year * 365 + year / 4 + (month * 153 + 2) / 5 + day - 1;
	return ((days * 24 + hour) * 60 + minute) * 60 + second;
}
