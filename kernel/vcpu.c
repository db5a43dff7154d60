/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/vcpu.c - what vCPUs and VMs of both vendors have alike: the state after INIT, where
 * registers are, what runs without an exit. Runs: on the CPU of the vCPU, interrupts off.
 */
#include "kernel/vcpu.h"

#include "kernel/x86.h"

#define MSR_RANGE 0x2000u /* of an MSR bitmap; the two that both vendors have: from 0 and from: */
#define MSR_HIGH  0xc0000000u

const struct vcpu_register_place vcpu_register_places[VCPU_REGISTER_COUNT] = {
#define REGISTER_PLACE(id, vmcs, vmcb, initial) {vmcs, vmcb},
	VCPU_REGISTERS(REGISTER_PLACE)};

void vcpu_reset_registers(struct vcpu *vcpu)
{
	static const uint64_t initial[VCPU_REGISTER_COUNT] = {
#define REGISTER_INITIAL(id, vmcs, vmcb, initial) initial,
		VCPU_REGISTERS(REGISTER_INITIAL)};
	static const struct segment segments[SEG_COUNT] = {
		[SEG_ES] = {0, 0xffff, 0, 0x93},
		[SEG_CS] = {0xffff0000, 0xffff, 0xf000, 0x9b},
		[SEG_SS... SEG_GS] = {0, 0xffff, 0, 0x93},
		[SEG_LDTR] = {0, 0xffff, 0, 0x82},
		[SEG_TR] = {0, 0xffff, 0, 0x8b},
	};

	for (unsigned reg = 0; reg < VCPU_STAR; reg++) {
		backend->set(vcpu, reg, initial[reg]);
	}
	for (unsigned name = 0; name < SEG_COUNT; name++) {
		backend->set_segment(vcpu, name, &segments[name]);
	}
	vcpu->regs = (struct vcpu_regs){.gpr[GPR_RDX] = cpuid_read(1, 0).eax};
}

void vm_open_msr(struct vm *vm, uint32_t msr, bool writes)
{
	bool high = msr >= MSR_HIGH;
	uint32_t index = msr - (high ? MSR_HIGH : 0);

	for (unsigned i = 0; i < backend->msr_bits && index < MSR_RANGE; i += 2 - writes) {
		unsigned bit =
			(index + high * MSR_RANGE) * backend->msr_step + i * backend->msr_distance;
		vm->bitmaps->msr[bit / 8] &= (uint8_t) ~(1u << bit % 8);
	}
}
