/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/vms/guest.c - see guest.h.
 */
#include "guest.h"
#include "said.h"

#include <stdarg.h>

#define STACKS 0x80000u /* as in start.S */

#define MSR_APIC_BASE  0x1bu
#define APIC_X2APIC    0xc00u /* enabled, x2APIC */
#define REG_EOI        0x0bu
#define REG_SVR        0x0fu
#define REG_ICR        0x30u
#define REG_TIMER      0x32u
#define TIMER_DEADLINE 0x40000u
#define SVR_ON         0x1ffu

#define MSR_PVCLOCK_TIME 0x4b564d01u

volatile uint64_t interrupts[VCPUS_MAX][VECTORS];
volatile bool running[VCPUS_MAX];

static volatile int say_lock;
static struct { /* Linux, arch/x86/include/asm/pvclock-abi.h */
	uint32_t version, unused;
	uint64_t tsc, base;
	uint32_t mul;
	int8_t shift;
	uint8_t rest[3];
} __attribute__((aligned(64))) clock;
static uint64_t frequency; /* Hz */

static unsigned this_vcpu(void)
{
	uint64_t stack = (uint64_t)__builtin_frame_address(0);
	return (unsigned)(stack - STACKS) >> 12;
}

uint64_t tsc(void)
{
	uint32_t low, high;
	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

uint64_t msr_read(uint32_t msr)
{
	uint32_t low, high;
	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (uint64_t)high << 32 | low;
}

void msr_write(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr"
			 :
			 : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory");
}

void port_write(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "d"(port));
}

uint8_t port_read(uint16_t port)
{
	uint8_t value;
	__asm__ volatile("inb %1, %0" : "=a"(value) : "d"(port));
	return value;
}

static struct said *const said = (struct said *)SAID_AT; /* [say_lock] as the next two */
static char *line;
static unsigned length;

static void put(char byte)
{
	if (length < LINE_MAX - 1) {
		line[length++] = byte;
	}
}

static void put_number(uint64_t value, unsigned base)
{
	char digits[20];
	unsigned count = 0;

	do {
		digits[count++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value != 0);
	while (count != 0) {
		put(digits[--count]);
	}
}

void say(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	while (__atomic_exchange_n(&say_lock, 1, __ATOMIC_ACQUIRE)) {
		__asm__ volatile("pause");
	}
	line = said->line[said->count % SAID_MAX];
	length = 0;
	for (; *fmt != '\0'; fmt++) {
		if (*fmt != '%') {
			put(*fmt);
		} else if (*++fmt == 's') {
			for (const char *s = va_arg(args, const char *); *s != '\0'; s++) {
				put(*s);
			}
		} else {
			put_number(va_arg(args, uint64_t), *fmt == 'x' ? 16 : 10);
		}
	}
	line[length] = '\0';
	said->count++;
	/* One exit. */
	__asm__ volatile("outl %0, %1"
			 :
			 : "a"((uint32_t)(uintptr_t)line), "d"((uint16_t)SAID_PORT)
			 : "memory");
	__atomic_store_n(&say_lock, 0, __ATOMIC_RELEASE);
	va_end(args);
}

/* From start.S. `frame`: rip, cs, ... of what was interrupted. */
void interrupt(unsigned vector, uint64_t *frame, uint64_t error)
{
	(void)frame;
	(void)error;
	interrupts[this_vcpu()][vector]++;
	msr_write(MSR_X2APIC + REG_EOI, 0);
}

void fault(unsigned vector, uint64_t *frame, uint64_t error)
{
	if (vector == 2) { /* an NMI */
		return;
	}
	if (resume != 0) {
		frame[0] = resume;
		resume = 0;
		return;
	}
	say("FAULT: vCPU %u, vector %u, error %x at %x", (uint64_t)this_vcpu(), (uint64_t)vector,
		error, frame[0]);
	for (;;) {
		__asm__ volatile("cli; hlt");
	}
}

void set_up(void)
{
	if (frequency == 0) {
		msr_write(MSR_PVCLOCK_TIME, (uint64_t)&clock | 1);
		uint64_t hz = (1000000000ull << 32) / clock.mul;
		frequency = clock.shift < 0 ? hz << -clock.shift : hz >> clock.shift;
	}
	msr_write(MSR_APIC_BASE, msr_read(MSR_APIC_BASE) | APIC_X2APIC);
	msr_write(MSR_X2APIC + REG_SVR, SVR_ON);
	msr_write(MSR_X2APIC + REG_TIMER, TIMER_DEADLINE | TIMER);
	running[this_vcpu()] = true;
}

void start_others(void)
{
	send(0, ICR_OTHERS | ICR_ASSERT | ICR_INIT);
	send(0, ICR_OTHERS | ICR_ASSERT | ICR_STARTUP | 8);
}

void wait(void)
{
	__asm__ volatile("sti; hlt; cli" : : : "memory");
}

void set_timer(uint64_t at)
{
	msr_write(MSR_TSC_DEADLINE, at);
}

void send(unsigned to, uint32_t icr)
{
	msr_write(MSR_X2APIC + REG_ICR, (uint64_t)to << 32 | icr);
}

uint64_t ticks(uint64_t us)
{
	return us * frequency / 1000000;
}

uint64_t microseconds(uint64_t ticks)
{
	return ticks * 1000 / (frequency / 1000);
}
