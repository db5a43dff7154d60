/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/lapic.c - the local APIC, as xAPIC (registers in memory) or x2APIC (registers as MSRs).
 * SDM vol. 3, chapter 11. Every function works on the LAPIC of the CPU that runs it.
 */
#include "drivers/lapic.h"

#include "kernel/errno.h"
#include "kernel/log.h"
#include "kernel/paging.h"
#include "kernel/time.h"
#include "kernel/trap.h"
#include "kernel/x86.h"

/* SDM vol. 3, table 11-1. The MSR of a register in x2APIC mode is MSR_X2APIC + offset / 16. */
enum lapic_register {
	LAPIC_ID = 0x20,
	LAPIC_TPR = 0x80,
	LAPIC_EOI = 0xb0,
	LAPIC_SVR = 0xf0,
	LAPIC_ISR = 0x100, /* eight of them */
	LAPIC_TMR = 0x180,
	LAPIC_ESR = 0x280,
	LAPIC_ICR = 0x300,
	LAPIC_ICR_HIGH = 0x310, /* xAPIC only */
	LAPIC_LVT_TIMER = 0x320,
	LAPIC_LVT_PERF = 0x340,
	LAPIC_LVT_LINT0 = 0x350,
	LAPIC_LVT_LINT1 = 0x360,
	LAPIC_LVT_ERROR = 0x370,
	LAPIC_TIMER_COUNT = 0x380,
	LAPIC_TIMER_NOW = 0x390,
	LAPIC_TIMER_DIVIDE = 0x3e0,
};

#define TPR_EXCEPTIONS   0x10u /* a device with a vector below 32 must not look like one */
#define SVR_ENABLE       0x100u
#define LVT_MASKED       0x10000u
#define LVT_NMI          0x400u
#define LVT_TSC_DEADLINE 0x40000u
#define ICR_BUSY         0x1000u
#define ICR_ASSERT       0x4000u
#define DIVIDE_BY_16     0x3u
#define MEASURES         8u
#define MEASURE_NS       1000000ull
#define REGISTERS_SIZE   PAGE_SIZE

static enum apic_mode mode;      /* [I] after lapic_init */
static volatile void *registers; /* [I] xAPIC mode */
static bool has_deadline;        /* [I] */
static uint64_t timer_hz;        /* [I] after lapic_timer_calibrate; 0: the TSC deadline is used */

static uint32_t lapic_read(enum lapic_register reg)
{
	if (mode == APIC_X2APIC) {
		return (uint32_t)msr_read(MSR_X2APIC + reg / 16);
	}
	return mmio_read32(registers, reg);
}

static void lapic_write(enum lapic_register reg, uint32_t value)
{
	if (mode == APIC_X2APIC) {
		msr_write(MSR_X2APIC + reg / 16, value);
	} else {
		mmio_write32(registers, reg, value);
	}
}

enum apic_mode lapic_mode(void)
{
	return mode;
}

static void error_interrupt(void)
{
	lapic_write(LAPIC_ESR, 0);
	uint32_t status = lapic_read(LAPIC_ESR);
	lapic_eoi();
	log_warning("lapic: error status 0x%x", status);
}

/* SDM vol. 3, 11.9: it gets no EOI. */
static void spurious_interrupt(void)
{
}

int lapic_init(enum apic_mode want)
{
	struct cpuid features = cpuid_read(1, 0);
	if (!(features.edx & BIT(9))) {
		log_error("lapic: this CPU has none");
		return -ENODEV;
	}
	bool can_x2apic = features.ecx & BIT(21);
	uint64_t base = msr_read(MSR_APIC_BASE);
	bool is_x2apic = (base & APIC_BASE_ENABLE) && (base & APIC_BASE_X2APIC);
	mode = is_x2apic || (can_x2apic && want == APIC_X2APIC) ? APIC_X2APIC : APIC_XAPIC;
	if (want != APIC_AUTO && want != mode) {
		log_warning("lapic: %s mode is %s here", want == APIC_XAPIC ? "xAPIC" : "x2APIC",
			is_x2apic ? "not to be gone back to" : "not there");
	}
	if (mode == APIC_XAPIC) {
		registers = window_map(hpa(base & APIC_BASE_ADDRESS), REGISTERS_SIZE,
			PAGING_WRITE | PAGING_UNCACHED);
		if (registers == NULL) {
			return trace_err(-ENODEV);
		}
	}
	has_deadline = features.ecx & BIT(24);
	trap_set_handler(VECTOR_APIC_ERROR, error_interrupt, "LAPIC error");
	trap_set_handler(VECTOR_SPURIOUS, spurious_interrupt, "LAPIC spurious");
	return 0;
}

void lapic_enable(void)
{
	uint64_t base = msr_read(MSR_APIC_BASE) | APIC_BASE_ENABLE;
	/* SDM vol. 3, 11.12.5: x2APIC is entered from the enabled xAPIC mode only. */
	msr_write(MSR_APIC_BASE, base);
	if (mode == APIC_X2APIC) {
		msr_write(MSR_APIC_BASE, base | APIC_BASE_X2APIC);
	}
	lapic_write(LAPIC_SVR, SVR_ENABLE | VECTOR_SPURIOUS);
	lapic_write(LAPIC_TPR, TPR_EXCEPTIONS);
	lapic_write(LAPIC_LVT_PERF, LVT_MASKED);
	lapic_write(LAPIC_LVT_LINT0, LVT_MASKED);
	lapic_write(LAPIC_LVT_LINT1, LVT_NMI);
	lapic_write(LAPIC_ESR, 0);
	lapic_write(LAPIC_LVT_ERROR, VECTOR_APIC_ERROR);
	lapic_write(LAPIC_LVT_TIMER, VECTOR_TIMER | (has_deadline ? LVT_TSC_DEADLINE : 0));
	lapic_write(LAPIC_TIMER_DIVIDE, DIVIDE_BY_16);
}

uint32_t lapic_id(void)
{
	uint32_t id = lapic_read(LAPIC_ID);
	return mode == APIC_X2APIC ? id : id >> 24;
}

void lapic_eoi(void)
{
	lapic_write(LAPIC_EOI, 0);
}

/* A bit of the registers, eight of a kind, that have one for each vector. */
static bool vector_bit(enum lapic_register first, uint8_t vector)
{
	return lapic_read(first + vector / 32u * 0x10u) & 1u << (vector % 32);
}

bool lapic_is_level(uint8_t vector)
{
	return vector_bit(LAPIC_TMR, vector);
}

bool lapic_in_service(uint8_t vector)
{
	return vector_bit(LAPIC_ISR, vector);
}

int lapic_highest_in_service(void)
{
	for (unsigned word = 8; word-- > 0;) {
		uint32_t bits = lapic_read(LAPIC_ISR + word * 0x10u);
		if (bits != 0) {
			return (int)(word * 32 + 31) - __builtin_clz(bits);
		}
	}
	return -1;
}

/* In xAPIC mode two writes, which an interrupt handler's own IPI must not come
 * between. */
void lapic_send(uint32_t apic_id, uint32_t command)
{
	command |= ICR_ASSERT;
	if (mode == APIC_X2APIC) {
		/* 11.12.3: the MSR write does not wait for stores. */
		__asm__ volatile("mfence; lfence" : : : "memory");
		msr_write(MSR_X2APIC + LAPIC_ICR / 16, (uint64_t)apic_id << 32 | command);
		return;
	}
	uint64_t flags = irq_save();
	for (unsigned tries = 100000; (lapic_read(LAPIC_ICR) & ICR_BUSY) && tries != 0; tries--) {
		cpu_pause();
	}
	lapic_write(LAPIC_ICR_HIGH, apic_id << 24);
	lapic_write(LAPIC_ICR, command);
	irq_restore(flags);
}

/*
 * What comes between the readings (an SMI, a paused virtual CPU) makes a measure too low, never too
 * high: of some short ones the highest is right.
 */
void lapic_timer_calibrate(void)
{
	if (has_deadline) {
		return;
	}
	lapic_write(LAPIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
	for (unsigned i = 0; i < MEASURES; i++) {
		uint64_t start = time_ns();
		lapic_write(LAPIC_TIMER_COUNT, UINT32_MAX);
		time_delay(MEASURE_NS);
		uint32_t ticks = UINT32_MAX - lapic_read(LAPIC_TIMER_NOW);
		timer_hz = max_u64(timer_hz, ticks * NS_PER_SECOND / (time_ns() - start));
	}
	lapic_write(LAPIC_TIMER_COUNT, 0);
	lapic_write(LAPIC_LVT_TIMER, VECTOR_TIMER);
}

uint64_t lapic_timer_hz(void)
{
	return timer_hz;
}

void lapic_timer_arm(uint64_t ns)
{
	if (has_deadline) {
		/* SDM vol. 3, 11.5.4.1: 0 disarms, and a store to the LVT must not be overtaken. */
		__asm__ volatile("mfence" : : : "memory");
		msr_write(MSR_TSC_DEADLINE, ns == 0 ? 0 : tsc_read() + time_to_tsc(ns));
		return;
	}
	uint64_t longest = timer_hz != 0 ? UINT32_MAX * NS_PER_SECOND / timer_hz : 0;
	uint64_t count = min_u64(ns, longest) * timer_hz / NS_PER_SECOND;
	lapic_write(LAPIC_TIMER_COUNT, ns == 0 ? 0 : (uint32_t)max_u64(count, 1));
}
