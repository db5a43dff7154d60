/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/lapic.c - the local APIC, as xAPIC (registers in memory) or x2APIC (registers as MSRs).
 * SDM vol. 3, chapter 11. Every function works on the LAPIC of the CPU that runs it.
 */
#include "drivers/lapic.h"

#include "kernel/apic.h"
#include "kernel/basic.h"

#define MEASURE_NS 1000000ull

enum apic_mode lapic_mode;
uint64_t lapic_timer_hz;
static volatile void *registers; /* [I] xAPIC mode */
static uint32_t timer_mode;      /* [I] LVT_DEADLINE, or 0: one-shot */
static uint64_t timer_scale;     /* [I] one-shot: counts in 2^32 ticks of the TSC */

static uint32_t lapic_read(enum lapic_register reg)
{
	return lapic_mode == APIC_X2APIC ? (uint32_t)msr_read(MSR_X2APIC + reg)
					 : mmio_read32(registers, 16ul * reg);
}

static void lapic_write(enum lapic_register reg, uint32_t value)
{
	if (lapic_mode == APIC_X2APIC) {
		msr_write(MSR_X2APIC + reg, value);
	} else {
		mmio_write32(registers, 16ul * reg, value);
	}
}

void lapic_enable(void)
{
	static const uint32_t set_up[][2] = {
		{LAPIC_SVR, 0x100 | VECTOR_SPURIOUS}, /* on */
		{LAPIC_TPR, 0x10}, /* a device's vector below 32 must not look like an exception */
		{LAPIC_LVT_THERMAL + 1, LVT_MASKED}, /* performance counters */
		{LAPIC_LVT_LINT0, LVT_MASKED},       /* LINT0 */
		{LAPIC_LVT_LINT0 + 1, 0x400},        /* LINT1: NMI */
		{LAPIC_LVT_ERROR, LVT_MASKED},
		{LAPIC_TIMER_DIVIDE, 3}, /* the timer counts every 16th tick of its clock */
	};
	uint64_t base = msr_read(MSR_APIC_BASE) | APIC_BASE_ENABLE;
	/* SDM vol. 3, 11.12.5: x2APIC is entered from the enabled xAPIC mode only. */
	msr_write(MSR_APIC_BASE, base);
	if (lapic_mode == APIC_X2APIC) {
		msr_write(MSR_APIC_BASE, base | APIC_BASE_X2APIC);
	}
	for (unsigned i = 0; i < ARRAY_COUNT(set_up); i++) {
		lapic_write(set_up[i][0], set_up[i][1]);
	}
	lapic_write(LAPIC_LVT_TIMER, VECTOR_TIMER | timer_mode);
}

/* A bit of the registers, eight of a kind, that have one for each vector. */
static bool vector_bit(enum lapic_register first, uint8_t vector)
{
	return lapic_read(first + vector / 32u) & 1u << (vector % 32);
}

/*
 * What comes between the readings (an SMI, a paused virtual CPU) makes a measure too low, never too
 * high: of some short ones the highest is right.
 */
static void calibrate(void)
{
	for (unsigned i = 0; i < 8; i++) {
		uint64_t start = time_ns();
		lapic_write(LAPIC_TIMER_COUNT, UINT32_MAX);
		time_delay(MEASURE_NS);
		uint32_t run = UINT32_MAX - lapic_read(LAPIC_TIMER_NOW);
		lapic_timer_hz = max_u64(lapic_timer_hz, run * NS_PER_SECOND / (time_ns() - start));
	}
	timer_scale = (lapic_timer_hz << 32) / time_frequency;
}

int lapic_init(enum apic_mode want)
{
	struct cpuid features = cpuid_read(1, 0);
	uint64_t base = msr_read(MSR_APIC_BASE);
	bool is_x2apic = (base & APIC_BASE_ENABLE) && (base & APIC_BASE_X2APIC);
	bool can_x2apic = features.ecx & BIT(21);

	lapic_mode = is_x2apic || (can_x2apic && want == APIC_X2APIC) ? APIC_X2APIC : APIC_XAPIC;
	if (want != APIC_AUTO && want != lapic_mode) {
		log_warning("lapic: %s mode is not there", want == APIC_XAPIC ? "xAPIC" : "x2APIC");
	}
	if (lapic_mode == APIC_XAPIC) {
		registers = window_map(hpa(base & APIC_BASE_ADDRESS), PAGE_SIZE, PAGING_DEVICE);
	}
	if (!(features.edx & BIT(9)) || (lapic_mode == APIC_XAPIC && registers == NULL)) {
		return trace_err(-ENODEV);
	}
	timer_mode = features.ecx & BIT(24) ? LVT_DEADLINE : 0;
	lapic_enable();
	if (timer_mode == LVT_DEADLINE) {
		/* Bochs 2.7 counts a deadline from power-on, but sets the TSC to 0 at a reset:
		 * after one, deadlines are over at once. */
		lapic_timer_arm(time_to_tsc(MEASURE_NS * 100));
		time_delay(MEASURE_NS);
		timer_mode = vector_bit(LAPIC_IRR, VECTOR_TIMER) ? 0 : LVT_DEADLINE;
	}
	if (timer_mode == 0) {
		lapic_enable();
		calibrate();
	}
	return 0;
}

uint32_t lapic_id(void)
{
	uint32_t id = lapic_read(LAPIC_ID);
	return lapic_mode == APIC_X2APIC ? id : id >> 24;
}

void lapic_eoi(void)
{
	lapic_write(LAPIC_EOI, 0);
}

bool lapic_is_level(uint8_t vector)
{
	return vector_bit(LAPIC_TMR, vector);
}

int lapic_highest_in_service(void)
{
	for (unsigned word = 8; word-- > 0;) {
		uint32_t bits = lapic_read(LAPIC_ISR + word);
		if (bits != 0) {
			return (int)(word * 32 + 31) - __builtin_clz(bits);
		}
	}
	return -1;
}

/* In xAPIC mode two writes, which an interrupt handler's own IPI must not come between. */
void lapic_send(uint32_t apic_id, uint32_t command)
{
	command |= 0x4000; /* "assert", as all but an INIT's withdrawal */
	if (lapic_mode == APIC_X2APIC) {
		/* 11.12.3: the MSR write does not wait for stores. */
		__asm__ volatile("mfence; lfence" : : : "memory");
		msr_write(MSR_X2APIC + LAPIC_ICR, (uint64_t)apic_id << 32 | command);
		return;
	}
	uint64_t flags = irq_save();
	/* Bit 12: the last one is still being sent. */
	for (unsigned tries = 100000; (lapic_read(LAPIC_ICR) & BIT(12)) && tries != 0; tries--) {
		cpu_pause();
	}
	lapic_write(LAPIC_ICR_HIGH, apic_id << 24);
	lapic_write(LAPIC_ICR, command);
	irq_restore(flags);
}

void lapic_timer_arm(uint64_t ticks)
{
	if (timer_mode == LVT_DEADLINE) {
		/* SDM vol. 3, 11.5.4.1: a store to the LVT must not be overtaken. */
		__asm__ volatile("mfence" : : : "memory");
		msr_write(MSR_TSC_DEADLINE, tsc_read() + ticks);
		return;
	}
	lapic_write(LAPIC_TIMER_COUNT, (uint32_t)max_u64(ticks * timer_scale >> 32, 1));
}
