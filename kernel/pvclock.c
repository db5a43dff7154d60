/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/pvclock.c - KVM's paravirtual clock. Runs: on the CPU of the vCPU, interrupts off.
 */
#include "kernel/exit.h"

#include "kernel/gmem.h"

#define ENABLE BIT(0) /* of MSR_PVCLOCK_TIME */

/* Linux, arch/x86/include/asm/pvclock-abi.h: ns = base + ((TSC - tsc) << shift) * mul >> 32. */
struct time_record {
	uint32_t version, unused; /* odd: being written */
	uint64_t tsc, base;
	uint32_t mul;
	int8_t shift;
	uint8_t flags, unused2[2];
};
struct wall_record { /* when the other record's ns was 0 */
	uint32_t version, seconds, ns;
};
#define STEAL_VERSION 8u /* of 64 bytes, which begin with the ns that it was kept waiting */
STATIC_ASSERT(sizeof(struct time_record) == 32 && sizeof(struct wall_record) == 12, "ABI");

static uint64_t date_at_boot; /* [I] ns after 1970; 0: not known */

void pvclock_set_date(uint64_t seconds)
{
	date_at_boot = seconds != 0 ? seconds * NS_PER_SECOND - time_ns() : 0;
}

/* Write what a record says, to `gpa`, and its version, at `at`: the new one is the next even one;
 * the guest's other CPUs may read meanwhile. */
static bool publish(struct vm *vm, uint64_t at, uint64_t gpa, void *says, size_t size)
{
	uint32_t version;
	if ((at & 3) || !gmem_copy(vm, at, &version, sizeof(version), false)) {
		return false;
	}
	version |= 1;
	bool done = gmem_copy(vm, at, &version, sizeof(version), true) &&
		gmem_copy(vm, gpa, says, size, true);
	version++;
	return done && gmem_copy(vm, at, &version, sizeof(version), true);
}

static bool write_time(struct vcpu *vcpu, uint64_t gpa)
{
	struct time_record record = {
		.tsc = boot_entry_tsc, .flags = BIT(0) /* all vCPUs see one time */};
	/* As many bits of `mul` as it can have: the frequency comes to (1, 2] GHz. */
	uint64_t hz = time_frequency;
	for (; hz > 2 * NS_PER_SECOND; hz /= 2) {
		record.shift--;
	}
	for (; hz <= NS_PER_SECOND; hz *= 2) {
		record.shift++;
	}
	record.mul = (uint32_t)((NS_PER_SECOND << 32) / hz);
	return publish(vcpu->vm, gpa, gpa + 4, &record.version + 1, sizeof(record) - 4);
}

void pvclock_tell_steal(struct vcpu *vcpu)
{
	uint64_t gpa = vcpu->steal & ~ENABLE;

	vcpu->stolen = vcpu->sched.waited;
	if (vcpu->steal & ENABLE) {
		publish(vcpu->vm, gpa + STEAL_VERSION, gpa, &vcpu->stolen, sizeof(vcpu->stolen));
	}
}

/* 64 bytes, which are aligned, and RAM. */
static bool steal_write(struct vcpu *vcpu, uint64_t value)
{
	uint64_t gpa = value & ~ENABLE, steal = 0;

	if ((value & ENABLE) &&
		((gpa & 63) || !gmem_copy(vcpu->vm, gpa, &steal, sizeof(steal), true))) {
		return false;
	}
	vcpu->steal = value;
	pvclock_tell_steal(vcpu);
	return true;
}

bool pvclock_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	if (msr == MSR_STEAL_TIME) {
		return steal_write(vcpu, value);
	}
	if (msr == MSR_PVCLOCK_WALL) {
		struct wall_record record = {.seconds = (uint32_t)(date_at_boot / NS_PER_SECOND),
			.ns = (uint32_t)(date_at_boot % NS_PER_SECOND)};
		return value == 0 || publish(vcpu->vm, value, value + 4, &record.seconds, 8);
	}
	if ((value & ENABLE) && !write_time(vcpu, value & ~ENABLE)) {
		return false;
	}
	vcpu->pvclock = value;
	return true;
}
