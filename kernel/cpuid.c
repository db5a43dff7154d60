/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/cpuid.c - what CPUID tells the service VM: the CPU's own answer, but for the rows here.
 * Runs: on the exiting CPU, whose own leaves are the vCPU's, which is pinned to it.
 */
#include "kernel/exit.h"
#include "kernel/x86.h"

#define LEAF_KVM        0x40000000u /* Linux, Documentation/virt/kvm/x86/cpuid.rst */
#define KVM_CLOCK2      BIT(3)
#define KVM_STABLE      BIT(24) /* as TSC_STABLE of pvclock.c */
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

/* Bits that are taken away and added, after the CPU's own answer; each leaf in its slot. */
#define SLOT(leaf) (((leaf)&31) | (leaf) >> 31 << 5)
#define ALL        UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX
static const struct policy {
	uint32_t leaf;
	struct cpuid hide, show;
} policies[64] = {
	[0] = {.leaf = UINT32_MAX}, /* no row fits leaf 0 */
	[SLOT(1)] = {1,
		{.ecx = ECX1_DEBUG | ECX1_MONITOR | ECX1_VMX | ECX1_SMX | ECX1_OSXSAVE,
			.edx = EDX1_DS},
		{.ecx = ECX1_X2APIC | ECX1_DEADLINE | ECX1_HYPERVISOR}},
	[SLOT(5)] = {5, {ALL}, {0}},
	[SLOT(7)] = {7, {.ebx = EBX7_HIDDEN, .ecx = ECX7_OSPKE}, {0}},
	[SLOT(0xa)] = {0xa, {ALL}, {0}},   /* performance counters */
	[SLOT(0x14)] = {0x14, {ALL}, {0}}, /* processor trace */
	[SLOT(0x80000001)] = {0x80000001, {.ecx = ECX81_SVM | ECX81_SKINIT}, {0}},
	[SLOT(0x8000000a)] = {0x8000000a, {ALL}, {0}},
};

/* What Pintle itself says. */
static const struct {
	uint32_t leaf;
	struct cpuid answer;
} own_leaves[] = {
	{LEAF_KVM, {LEAF_KVM + 1, 0x4b4d564b, 0x564b4d56, 0x4d}}, /* KVMKVMKVM */
	{LEAF_KVM + 1, {.eax = KVM_CLOCK2 | KVM_STABLE}},
	{LEAF_PINTLE, {LEAF_PINTLE, 0x746e6950, 0x6950656c, 0x656c746e}}, /* PintlePintle */
};

static void set(struct vcpu *vcpu, struct cpuid r)
{
	vcpu->regs.gpr[GPR_RAX] = r.eax;
	vcpu->regs.gpr[GPR_RBX] = r.ebx;
	vcpu->regs.gpr[GPR_RCX] = r.ecx;
	vcpu->regs.gpr[GPR_RDX] = r.edx;
}

NOINLINE static void own(struct vcpu *vcpu, uint32_t leaf)
{
	struct cpuid r = {0};
	for (unsigned i = 0; i < ARRAY_COUNT(own_leaves); i++) {
		r = own_leaves[i].leaf == leaf ? own_leaves[i].answer : r;
	}
	set(vcpu, r);
}

NOINLINE static void restrict_answer(struct vcpu *vcpu, const struct policy *p, struct cpuid r)
{
	r.eax = (r.eax & ~p->hide.eax) | p->show.eax;
	r.ebx = (r.ebx & ~p->hide.ebx) | p->show.ebx;
	r.ecx = (r.ecx & ~p->hide.ecx) | p->show.ecx;
	r.edx = (r.edx & ~p->hide.edx) | p->show.edx;
	if (p->leaf == 1 && (backend->get(vcpu, VCPU_CR4) & CR4_OSXSAVE)) {
		r.ecx |= ECX1_OSXSAVE;
	} else if (p->leaf == 7 && (backend->get(vcpu, VCPU_CR4) & CR4_PKE)) {
		r.ecx |= ECX7_OSPKE;
	}
	set(vcpu, r);
}

bool cpuid_emulate(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	uint32_t leaf = (uint32_t)vcpu->regs.gpr[GPR_RAX];
	uint32_t subleaf = (uint32_t)vcpu->regs.gpr[GPR_RCX];
	const struct policy *p = &policies[SLOT(leaf)];

	if (leaf - LEAF_KVM < 0x10000) {
		own(vcpu, leaf);
	} else if (p->leaf != leaf || (leaf == 7 && subleaf != 0)) {
		set(vcpu, cpuid_read(leaf, subleaf));
	} else {
		restrict_answer(vcpu, p, cpuid_read(leaf, subleaf));
	}
	return true;
}
