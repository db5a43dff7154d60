/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/cpuid.c - what CPUID tells the service VM: the CPU's own answer, but for the rows here.
 * Runs: on the exiting CPU, whose own leaves are the vCPU's, which is pinned to it.
 */
#include "kernel/exit.h"
#include "kernel/machine.h"
#include "kernel/string.h"
#include "kernel/x86.h"

#define LEAF_KVM        0x40000000u /* Linux, Documentation/virt/kvm/x86/cpuid.rst */
#define LEAF_PINTLE     0x40000100u
#define ECX1_DEBUG      (BIT(2) | BIT(4) | BIT(15)) /* DTES64, DS-CPL, PDCM */
#define ECX1_MONITOR    BIT(3)
#define ECX1_VMX        BIT(5)
#define ECX1_SMX        BIT(6)
#define EDX1_DS         BIT(21)
#define EBX7_HIDDEN     (BIT(1) | BIT(2) | BIT(25)) /* TSC_ADJUST, SGX, processor trace */
#define ECX7_OSPKE      BIT(4)
#define CR4_PKE         BIT(22)
#define ECX1_X2APIC     BIT(21)
#define ECX1_DEADLINE   BIT(24)
#define ECX1_OSXSAVE    BIT(27)
#define ECX1_HYPERVISOR BIT(31)
#define ECX81_SVM       BIT(2)
#define ECX81_SKINIT    BIT(12)

/* Bits that are taken away and added, after the CPU's own answer. */
static const struct {
	uint32_t leaf;
	struct cpuid hide, show;
} policy[] = {
	{1, {.ecx = ECX1_DEBUG | ECX1_MONITOR | ECX1_VMX | ECX1_SMX | ECX1_OSXSAVE, .edx = EDX1_DS},
		{.ecx = ECX1_X2APIC | ECX1_DEADLINE | ECX1_HYPERVISOR}},
	{5, {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}, {0}},
	{7, {.ebx = EBX7_HIDDEN, .ecx = ECX7_OSPKE}, {0}},
	{0xa, {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}, {0}},  /* performance counters */
	{0x14, {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}, {0}}, /* processor trace */
	{0x80000001, {.ecx = ECX81_SVM | ECX81_SKINIT}, {0}},
	{0x8000000a, {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}, {0}},
};

static struct cpuid signature(uint32_t max, const char *name)
{
	struct cpuid r = {.eax = max};
	memcpy(&r.ebx, name, 4);
	memcpy(&r.ecx, name + 4, 4);
	memcpy(&r.edx, name + 8, 4);
	return r;
}

static struct cpuid answer(struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf)
{
	if (leaf == LEAF_KVM) {
		return signature(LEAF_KVM + 1, "KVMKVMKVM\0\0\0");
	}
	if (leaf == LEAF_PINTLE) {
		return signature(LEAF_PINTLE, "PintlePintle");
	}
	if (leaf > LEAF_KVM && leaf < LEAF_KVM + 0x10000) {
		return (struct cpuid){0};
	}
	struct cpuid r = cpuid_read(leaf, subleaf);
	for (unsigned i = 0; i < ARRAY_COUNT(policy); i++) {
		if (policy[i].leaf == leaf && (leaf != 7 || subleaf == 0)) {
			r.eax = (r.eax & ~policy[i].hide.eax) | policy[i].show.eax;
			r.ebx = (r.ebx & ~policy[i].hide.ebx) | policy[i].show.ebx;
			r.ecx = (r.ecx & ~policy[i].hide.ecx) | policy[i].show.ecx;
			r.edx = (r.edx & ~policy[i].hide.edx) | policy[i].show.edx;
		}
	}
	if (leaf == 1 && (backend->get(vcpu, VCPU_CR4) & CR4_OSXSAVE)) {
		r.ecx |= ECX1_OSXSAVE;
	} else if (leaf == 7 && subleaf == 0 && (backend->get(vcpu, VCPU_CR4) & CR4_PKE)) {
		r.ecx |= ECX7_OSPKE;
	}
	return r;
}

void cpuid_emulate(struct vcpu *vcpu)
{
	uint64_t *gpr = vcpu->regs.gpr;
	struct cpuid r = answer(vcpu, (uint32_t)gpr[GPR_RAX], (uint32_t)gpr[GPR_RCX]);
	gpr[GPR_RAX] = r.eax;
	gpr[GPR_RBX] = r.ebx;
	gpr[GPR_RCX] = r.ecx;
	gpr[GPR_RDX] = r.edx;
}
