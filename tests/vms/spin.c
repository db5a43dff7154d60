/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/vms/spin.c - vCPUs that never sleep. Each counts its turns, and looks again and again
 * whether the registers that a hypervisor moves on a switch still hold what it put there. Every
 * second: the turns of all vCPUs and of the slowest, and how often a register was wrong.
 */
#include "guest.h"

#define CHECK_EVERY 2000u /* turns */
#define NUMBERS     16u

static const uint32_t msrs[] = {0x174, 0x175, 0x176, 0xc0000081, 0xc0000082, 0xc0000102};
static volatile uint64_t turns[VCPUS_MAX], wrong;

static uint64_t value_of(uint64_t seed, unsigned i)
{
	return (seed + i) * 0x9e3779b97f4a7c15u >> 20; /* canonical, whatever the seed */
}

/* XMM registers, by way of memory: the compiler uses none. */
static void xmm_load(const uint64_t *from)
{
	__asm__ volatile("movups (%0), %%xmm0; movups 16(%0), %%xmm3; movups 32(%0), %%xmm7;"
			 "movups 48(%0), %%xmm15"
			 :
			 : "r"(from)
			 : "memory");
}

static void xmm_store(uint64_t *to)
{
	__asm__ volatile("movups %%xmm0, (%0); movups %%xmm3, 16(%0); movups %%xmm7, 32(%0);"
			 "movups %%xmm15, 48(%0)"
			 :
			 : "r"(to)
			 : "memory");
}

static void put(uint64_t seed)
{
	uint64_t xmm[8];

	for (unsigned i = 0; i < 8; i++) {
		xmm[i] = value_of(seed, i);
	}
	xmm_load(xmm);
	for (unsigned i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++) {
		msr_write(msrs[i], value_of(seed, 8 + i));
	}
	__asm__ volatile(
		"mov %0, %%cr2; mov %1, %%dr0; mov %2, %%dr3"
		:
		: "r"(value_of(seed, 20)), "r"(value_of(seed, 21)), "r"(value_of(seed, 22)));
}

static unsigned count_wrong(uint64_t seed)
{
	uint64_t xmm[8], cr2, dr0, dr3;
	unsigned count = 0;

	xmm_store(xmm);
	for (unsigned i = 0; i < 8; i++) {
		count += xmm[i] != value_of(seed, i);
	}
	for (unsigned i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++) {
		uint64_t mask = msrs[i] == 0x174 ? 0xffff : UINT64_MAX; /* AMD keeps a selector */
		count += ((msr_read(msrs[i]) ^ value_of(seed, 8 + i)) & mask) != 0;
	}
	__asm__ volatile("mov %%cr2, %0; mov %%dr0, %1; mov %%dr3, %2"
			 : "=r"(cr2), "=r"(dr0), "=r"(dr3));
	return count + (cr2 != value_of(seed, 20)) + (dr0 != value_of(seed, 21)) +
		(dr3 != value_of(seed, 22));
}

static void tell(void)
{
	uint64_t least = UINT64_MAX, sum = 0, vcpus = 0;

	for (unsigned i = 0; i < VCPUS_MAX; i++) {
		if (running[i]) {
			vcpus++;
			sum += turns[i];
			least = turns[i] < least ? turns[i] : least;
		}
	}
	say("%u vCPUs, million turns %u, the least %u, wrong %u", vcpus, sum / 1000000,
		least / 1000000, wrong);
}

void main(unsigned vcpu)
{
	uint64_t seed = tsc() * (vcpu + 1);

	set_up();
	if (vcpu == 0) {
		start_others();
	}
	put(seed);
	__asm__ volatile("sti"); /* with interrupts off, Bochs would not let the host interrupt */
	for (uint64_t next = tsc() + ticks(1000000);;) {
		for (unsigned i = 0; i < CHECK_EVERY; i++) {
			turns[vcpu]++;
		}
		unsigned bad = count_wrong(seed);
		if (bad != 0) {
			__atomic_fetch_add(&wrong, bad, __ATOMIC_RELAXED);
		}
		if (vcpu == 0 && tsc() >= next) {
			next = tsc() + ticks(1000000);
			tell();
		}
	}
}
