/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/vms/storm.c - a hostile guest: storms of IPIs to itself, NMIs, INIT and SIPI at its other
 * vCPUs, MSRs, CPUID leaves, ports and memory that it does not have, and more to
 * say than anybody wants to hear; after ten rounds a triple fault. Where its VMM is on another CPU
 * an exit to it may take milliseconds in QEMU, which lets the CPUs take turns: so those end by
 * time, too.
 */
#include "guest.h"

#define ROUNDS    10u
#define MOST_TIME 300000u /* us of a round for ports, and for memory */

static uint64_t seed = 1;

static uint64_t any(void)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return seed >> 31;
}

static void storm_ipis(void)
{
	for (unsigned i = 0; i < 300; i++) {
		send(0, ICR_ASSERT | IPI);
		send(1, ICR_ASSERT | IPI);
		send(1, ICR_ASSERT | 0x400); /* NMI */
		if (i % 8 == 0) {
			send(1, ICR_ASSERT | ICR_INIT);
			send(1, ICR_ASSERT | ICR_STARTUP | 8);
		}
		try_write(MSR_X2APIC + 0x30, any() << 34 | (any() & 0x3f381f) | 0x20);
		__asm__ volatile("sti; nop; nop; cli");
	}
}

static void storm_registers(void)
{
	for (unsigned i = 0; i < 300; i++) {
		static const uint32_t bases[] = {0, 0x400, 0x800, 0x40000000, 0x4b564d00,
			0xc0000080, 0xc0010000, 0xc0011000};
		uint32_t msr = bases[any() % 8] + (uint32_t)any() % 0x300;
		uint32_t eax = bases[any() % 8] + (uint32_t)any() % 0x40, ecx = (uint32_t)any();
		try_read(msr);
		/* What ends this guest itself too early is left out: EFER, APIC base, KVM's clock.
		 */
		if (msr - 0x800 >= 0x400 && msr != 0xc0000080 && msr != 0x1b &&
			msr >> 16 != 0x4b56) {
			try_write(msr, any() << (any() % 32));
		}
		__asm__ volatile("cpuid" : "+a"(eax), "+c"(ecx) : : "rbx", "rdx");
	}
	try_xcr0(any());
}

static void storm_ports(void)
{
	uint64_t end = tsc() + ticks(MOST_TIME);

	for (unsigned i = 0; i < 1000 && tsc() < end; i++) {
		uint16_t port = (uint16_t)any();
		if (port != 0xe9) {
			port_write(port, (uint8_t)any());
		}
		port_read(port);
	}
	port_write(0xcf9, 6); /* a reset of the machine, if it were */
	port_write(0x64, 0xfe);
}

static void storm_memory(void)
{
	uint64_t end = tsc() + ticks(MOST_TIME);

	for (unsigned i = 0; i < 300 && tsc() < end; i++) {
		uint64_t page = any() % 0x40000 << 12;
		volatile uint32_t *at = (void *)(i % 2 ? page : 0xc0000000 | page);
		uint32_t value = *at;
		if ((uint64_t)at >= 0x200000) { /* beyond its own memory */
			*at = value;
		}
	}
}

void main(unsigned vcpu)
{
	static const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) no_idt = {0, 0};

	if (vcpu != 0) {
		for (;;) {
			__asm__ volatile("sti; nop; pause; cli");
		}
	}
	set_up();
	start_others();
	for (unsigned round = 0; round < ROUNDS; round++) {
		storm_ipis();
		storm_registers();
		storm_ports();
		storm_memory();
		for (unsigned i = 0; i < 30; i++) {
			say("a line that nobody needs");
		}
	}
	say("the end");
	__asm__ volatile("lidt %0; ud2" : : "m"(no_idt));
}
