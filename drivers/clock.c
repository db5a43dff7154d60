/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/clock.c - the TSC's frequency, from CPUID or measured against a timer of known frequency.
 */
#include "drivers/clock.h"

#include "kernel/log.h"
#include "kernel/paging.h"
#include "kernel/time.h"
#include "kernel/x86.h"

#define MEASURE_PART 200u     /* of a second */
#define MEASURES     8u       /* until two in a row agree */
#define READS_MAX    1000000u /* no timer is read so often in so short a time */
#define SAMPLES      8u

/* A timer that counts up and wraps at `mask`. */
struct timer {
	const char *name;
	uint32_t (*read)(void);
	uint64_t hz;
	uint32_t mask;
};

struct sample {
	uint64_t tsc;
	uint32_t count;
};

/* Of some tries the one in which reading the timer took the least time: nothing came between. */
static struct sample sample_take(const struct timer *timer)
{
	struct sample best = {0};
	uint64_t best_width = UINT64_MAX;
	for (unsigned i = 0; i < SAMPLES; i++) {
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

/* TSC ticks in a second, or 0 when the timer stands still or does not count steadily. */
static uint64_t measure(const struct timer *timer)
{
	uint64_t enough = min_u64(timer->hz / MEASURE_PART, timer->mask / 2);
	struct sample start = sample_take(timer);
	for (unsigned reads = 0; ((timer->read() - start.count) & timer->mask) < enough; reads++) {
		if (reads > READS_MAX) {
			return 0;
		}
	}
	struct sample end = sample_take(timer);
	uint64_t counted = (end.count - start.count) & timer->mask;
	return counted != 0 ? (end.tsc - start.tsc) * timer->hz / counted : 0;
}

/*
 * Measure until two results in a row agree to one part in 256: a virtual machine may be paused for
 * longer than a short counter (the PIT wraps in 55 ms) can notice. 0 when they never do.
 */
static uint64_t measure_surely(const struct timer *timer)
{
	uint64_t last = measure(timer);
	for (unsigned i = 1; i < MEASURES && last != 0; i++) {
		uint64_t hz = measure(timer);
		uint64_t apart = hz > last ? hz - last : last - hz;
		if (hz != 0 && apart <= hz >> 8) {
			return hz;
		}
		last = hz;
	}
	log_warning("clock: the %s stands still or is unsteady: not used", timer->name);
	return 0;
}

/* HPET (IA-PC HPET specification 1.0a, 2.3). It is left running: who uses it sets it up. */
#define HPET_SIZE          0x400u
#define HPET_CAPABILITIES  0x00u
#define HPET_CONFIGURATION 0x10u
#define HPET_COUNTER       0xf0u
#define HPET_ENABLE        BIT(0)
#define HPET_PERIOD_MAX    100000000u /* femtoseconds, by 2.3.4 */
#define FS_PER_SECOND      1000000000000000ull
static volatile void *hpet;

static uint32_t hpet_read(void)
{
	return mmio_read32(hpet, HPET_COUNTER);
}

static uint64_t by_hpet(const struct acpi *acpi)
{
	hpet = acpi->hpet.raw != 0
		? window_map(acpi->hpet, HPET_SIZE, PAGING_WRITE | PAGING_UNCACHED)
		: NULL;
	uint64_t period = hpet != NULL ? mmio_read64(hpet, HPET_CAPABILITIES) >> 32 : 0;
	if (period == 0 || period > HPET_PERIOD_MAX) {
		return 0;
	}
	mmio_write64(hpet, HPET_CONFIGURATION, mmio_read64(hpet, HPET_CONFIGURATION) | HPET_ENABLE);
	return measure_surely(
		&(struct timer){"HPET", hpet_read, FS_PER_SECOND / period, UINT32_MAX});
}

/* The ACPI PM timer (ACPI 6.5, 4.8.3.3), as a port: no PC has it elsewhere. */
static uint16_t pm_port;

static uint32_t pm_read(void)
{
	return port_read32(pm_port);
}

static uint64_t by_pm_timer(const struct acpi *acpi)
{
	struct timer timer = {
		"PM timer", pm_read, 3579545, acpi->fadt.pm_timer_32 ? UINT32_MAX : 0xffffff};
	pm_port = acpi->fadt.pm_timer;
	return pm_port != 0 ? measure_surely(&timer) : 0;
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

static uint64_t by_pit(const struct acpi *acpi)
{
	port_write8(PIT_GATE, (uint8_t)((port_read8(PIT_GATE) & ~3u) | 1)); /* speaker off */
	port_write8(PIT_COMMAND, 0xb4); /* channel 2, both bytes, mode 2 */
	port_write8(PIT_CHANNEL2, 0);
	port_write8(PIT_CHANNEL2, 0);
	return measure_surely(&(struct timer){"PIT", pit_read, 1193182, 0xffff});
}

/*
 * SDM vol. 2, CPUID leaf 15h, exact where it names the crystal. Leaf 16h is the marketing
 * frequency, off by up to a part in 400: only where nothing can be measured.
 */
static uint64_t by_crystal(const struct acpi *acpi)
{
	struct cpuid ratio = cpuid_read(0, 0).eax >= 0x15 ? cpuid_read(0x15, 0) : (struct cpuid){0};
	return ratio.eax != 0 ? (uint64_t)ratio.ecx * ratio.ebx / ratio.eax : 0;
}

static uint64_t by_name(const struct acpi *acpi)
{
	return cpuid_read(0, 0).eax >= 0x16 ? (cpuid_read(0x16, 0).eax & 0xffff) * 1000000ull : 0;
}

/* In the order in which they are tried. */
static const struct source {
	const char *name;
	uint64_t (*hz)(const struct acpi *acpi); /* 0: not there, or no use */
} sources[] = {
	[CLOCK_CPUID] = {"CPUID", by_crystal},
	[CLOCK_HPET] = {"HPET", by_hpet},
	[CLOCK_PMTIMER] = {"PM timer", by_pm_timer},
	[CLOCK_PIT] = {"PIT", by_pit},
	{"CPUID", by_name},
};

const char *clock_calibrate(const struct acpi *acpi, enum clock_source want)
{
	const struct source *source = &sources[want];
	uint64_t hz = want != CLOCK_AUTO ? source->hz(acpi) : 0;
	if (hz == 0 && want != CLOCK_AUTO) {
		log_warning("clock: what clock= asks for is not there");
	}
	for (unsigned i = CLOCK_CPUID; i < ARRAY_COUNT(sources) && hz == 0; i++) {
		source = &sources[i];
		hz = source->hz(acpi);
	}
	if (hz == 0) {
		return NULL;
	}
	time_set_frequency(hz);
	return source->name;
}
