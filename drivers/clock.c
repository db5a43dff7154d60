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
struct reference {
	uint64_t hz;
	uint32_t mask;
};

struct source {
	const char *name;
	bool (*open)(const struct acpi *acpi, struct reference *reference); /* false: not there */
	uint32_t (*read)(void);
	void (*close)(void);
};

/* HPET (IA-PC HPET specification 1.0a, 2.3). */
#define HPET_SIZE          0x400u
#define HPET_CAPABILITIES  0x00u
#define HPET_CONFIGURATION 0x10u
#define HPET_COUNTER       0xf0u
#define HPET_ENABLE        BIT(0)
#define HPET_PERIOD_MAX    100000000u /* femtoseconds, by 2.3.4 */
#define FS_PER_SECOND      1000000000000000ull

static volatile void *hpet;         /* while measuring */
static uint64_t hpet_configuration; /* as it was found: the timer is not ours */

static void hpet_close(void)
{
	mmio_write64(hpet, HPET_CONFIGURATION, hpet_configuration);
	window_unmap(hpet, HPET_SIZE);
}

static bool hpet_open(const struct acpi *acpi, struct reference *reference)
{
	hpet = acpi->has_hpet
		? window_map(acpi->hpet_base, HPET_SIZE, PAGING_WRITE | PAGING_UNCACHED)
		: NULL;
	if (hpet == NULL) {
		return false;
	}
	uint64_t period = mmio_read64(hpet, HPET_CAPABILITIES) >> 32;
	hpet_configuration = mmio_read64(hpet, HPET_CONFIGURATION);
	if (period == 0 || period > HPET_PERIOD_MAX) {
		window_unmap(hpet, HPET_SIZE);
		return false;
	}
	mmio_write64(hpet, HPET_CONFIGURATION, hpet_configuration | HPET_ENABLE);
	*reference = (struct reference){FS_PER_SECOND / period, UINT32_MAX};
	return true;
}

static uint32_t hpet_read(void)
{
	return mmio_read32(hpet, HPET_COUNTER);
}

/* The ACPI PM timer (ACPI 6.5, 4.8.3.3), as a port: no PC has it elsewhere. */
static uint16_t pm_port;

static bool pm_open(const struct acpi *acpi, struct reference *reference)
{
	const struct acpi_gas *timer = &acpi->fadt.pm_timer;
	if (!acpi->fadt.present || timer->address == 0 || timer->space != ACPI_SPACE_PORT) {
		return false;
	}
	pm_port = (uint16_t)timer->address;
	*reference = (struct reference){3579545, acpi->fadt.pm_timer_32 ? UINT32_MAX : 0xffffff};
	return true;
}

static uint32_t pm_read(void)
{
	return port_read32(pm_port);
}

/* The 8254's channel 2, counting down from 2^16 over and over (8254 data sheet, mode 2), its gate
 * open, silent. */
#define PIT_CHANNEL2 0x42u
#define PIT_COMMAND  0x43u
#define PIT_GATE     0x61u
static uint8_t pit_gate; /* as it was found */

static bool pit_open(const struct acpi *acpi, struct reference *reference)
{
	pit_gate = port_read8(PIT_GATE);
	port_write8(PIT_GATE, (uint8_t)((pit_gate & ~3u) | 1)); /* gate on, speaker off */
	port_write8(PIT_COMMAND, 0xb4);                         /* channel 2, both bytes, mode 2 */
	port_write8(PIT_CHANNEL2, 0);
	port_write8(PIT_CHANNEL2, 0);
	*reference = (struct reference){1193182, 0xffff};
	return true;
}

static uint32_t pit_read(void)
{
	port_write8(PIT_COMMAND, 0x80); /* latch */
	uint32_t low = port_read8(PIT_CHANNEL2);
	uint32_t high = port_read8(PIT_CHANNEL2);
	return 0x10000u - (high << 8 | low);
}

static void pit_close(void)
{
	port_write8(PIT_GATE, pit_gate);
}

/* In the order in which they are tried. */
static const struct source sources[] = {
	{"HPET", hpet_open, hpet_read, hpet_close},
	{"PM timer", pm_open, pm_read, NULL},
	{"PIT", pit_open, pit_read, pit_close},
};

struct sample {
	uint64_t tsc;
	uint32_t count;
};

/* Of some tries the one in which reading the timer took the least time: nothing came between. */
static struct sample sample_take(const struct source *source)
{
	struct sample best = {0};
	uint64_t best_width = UINT64_MAX;
	for (unsigned i = 0; i < SAMPLES; i++) {
		uint64_t before = tsc_read();
		uint32_t count = source->read();
		uint64_t width = tsc_read() - before;
		if (width < best_width) {
			best_width = width;
			best = (struct sample){before + width / 2, count};
		}
	}
	return best;
}

/* TSC ticks in a second, or 0 when the timer stands still or does not count steadily. */
static uint64_t measure(const struct source *source, const struct reference *reference)
{
	uint64_t enough = min_u64(reference->hz / MEASURE_PART, reference->mask / 2);
	struct sample start = sample_take(source);
	for (unsigned reads = 0; ((source->read() - start.count) & reference->mask) < enough;
		reads++) {
		if (reads > READS_MAX) {
			return 0;
		}
	}
	struct sample end = sample_take(source);
	uint64_t counted = (end.count - start.count) & reference->mask;
	return counted != 0 ? (end.tsc - start.tsc) * reference->hz / counted : 0;
}

/*
 * Measure until two results in a row agree to one part in 256: a virtual machine may be paused for
 * longer than a short counter (the PIT wraps in 55 ms) can notice. 0 when they never do.
 */
static uint64_t measure_surely(const struct source *source, const struct reference *reference)
{
	uint64_t last = measure(source, reference);
	for (unsigned i = 1; i < MEASURES && last != 0; i++) {
		uint64_t hz = measure(source, reference);
		uint64_t apart = hz > last ? hz - last : last - hz;
		if (hz != 0 && apart <= hz >> 8) {
			return hz;
		}
		last = hz;
	}
	return 0;
}

/*
 * SDM vol. 2, CPUID leaf 15h, exact where it names the crystal. Leaf 16h is the marketing
 * frequency, off by up to a part in 400: only where nothing can be measured.
 */
static uint64_t cpuid_exact(void)
{
	struct cpuid ratio = cpuid_read(0, 0).eax >= 0x15 ? cpuid_read(0x15, 0) : (struct cpuid){0};
	return ratio.eax != 0 ? (uint64_t)ratio.ecx * ratio.ebx / ratio.eax : 0;
}

static uint64_t cpuid_nominal(void)
{
	return cpuid_read(0, 0).eax >= 0x16 ? (cpuid_read(0x16, 0).eax & 0xffff) * 1000000ull : 0;
}

static const char *try_cpuid(uint64_t hz)
{
	if (hz == 0) {
		return NULL;
	}
	time_set_frequency(hz);
	return "CPUID";
}

static const char *try_source(const struct source *source, const struct acpi *acpi)
{
	struct reference reference;
	if (!source->open(acpi, &reference)) {
		return NULL;
	}
	uint64_t hz = measure_surely(source, &reference);
	if (source->close != NULL) {
		source->close();
	}
	if (hz == 0) {
		log_warning("clock: the %s stands still or is unsteady: not used", source->name);
		return NULL;
	}
	time_set_frequency(hz);
	return source->name;
}

const char *clock_calibrate(const struct acpi *acpi, enum clock_source want)
{
	const char *name = NULL;
	if (want >= CLOCK_HPET) {
		name = try_source(&sources[want - CLOCK_HPET], acpi);
	} else if (want == CLOCK_CPUID) {
		name = try_cpuid(cpuid_exact());
	}
	if (name == NULL && want != CLOCK_AUTO) {
		log_warning("clock: what clock= asks for is not there");
	}
	if (name == NULL) {
		name = try_cpuid(cpuid_exact());
	}
	for (unsigned i = 0; i < ARRAY_COUNT(sources) && name == NULL; i++) {
		name = try_source(&sources[i], acpi);
	}
	return name != NULL ? name : try_cpuid(cpuid_nominal());
}
