/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/bench/leave.c - a guest of pintle-vmm, by the Multiboot specification: what it takes to
 * leave for the VMM and to come back, in ticks of the time stamp counter, said over COM1.
 *
 * Freestanding, 32 bits. The port is the index of the CMOS clock, which pintle-vmm serves and which
 * does nothing when it is written. The lowest and the middle of many: interrupts of the host fall
 * into some.
 */
#include <stdint.h>

#define ROUNDS   501u
#define CLOCK    0x70u
#define COM1     0x3f8u
#define POWER    0x604u /* ACPI's PM1 control of pintle-vmm */
#define POWEROFF 0x3400u

__asm__(".section .text.head\n"
	".align 4\n"
	".long 0x1badb002, 3, -(0x1badb002 + 3)\n"
	".globl _start\n"
	"_start: mov $stack, %esp\n"
	"call measure\n"
	".bss\n"
	".skip 4096\n"
	"stack:\n"
	".text\n");

static void port_write(uint16_t port, uint16_t value, int size)
{
	if (size == 1) {
		__asm__ volatile("outb %b0, %1" : : "a"(value), "d"(port));
	} else {
		__asm__ volatile("outw %w0, %1" : : "a"(value), "d"(port));
	}
}

static void port_read(void)
{
	uint8_t value;
	__asm__ volatile("inb %1, %0" : "=a"(value) : "d"((uint16_t)CLOCK));
}

static void cpuid(void)
{
	uint32_t a = 0, b, c = 0, d;
	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
}

static void port_out(void)
{
	port_write(CLOCK, 0, 1);
}

static void nothing(void)
{
}

static uint32_t ticks(void)
{
	uint32_t low;
	__asm__ volatile("rdtsc" : "=a"(low) : : "edx", "memory");
	return low;
}

static void say(const char *text)
{
	for (; *text != '\0'; text++) {
		port_write(COM1, (uint8_t)*text, 1);
	}
}

static void say_number(uint32_t value)
{
	char text[11], *at = &text[10];

	*at = '\0';
	do {
		*--at = (char)('0' + value % 10);
		value /= 10;
	} while (value != 0);
	say(at);
}

static void sort(uint32_t *list)
{
	for (unsigned i = 1; i < ROUNDS; i++) {
		uint32_t value = list[i];
		unsigned at = i;
		for (; at != 0 && list[at - 1] > value; at--) {
			list[at] = list[at - 1];
		}
		list[at] = value;
	}
}

static void round(const char *name, void (*act)(void))
{
	static uint32_t took[ROUNDS];

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint32_t before = ticks();
		act();
		took[i] = ticks() - before;
	}
	sort(took);
	say("bench: ");
	say(name);
	say(" ");
	say_number(took[0]);
	say(" ");
	say_number(took[ROUNDS / 2]);
	say("\n");
}

void measure(void);
void measure(void)
{
	round("nothing", nothing);
	round("cpuid", cpuid);
	round("port_write", port_out);
	round("port_read", port_read);
	port_write(POWER, POWEROFF, 2);
	for (;;) {
		__asm__ volatile("hlt");
	}
}
