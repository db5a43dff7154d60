/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/cpuid.c - what CPUID tells: the service VM the CPU's own answer, but for the rows here;
 * guests what their VMM says. Runs: on the exiting CPU, whose own leaves are a service vCPU's,
 * which is pinned to it.
 */
#include "kernel/exit.h"

#define LEAF_KVM     0x40000000u /* Linux, Documentation/virt/kvm/x86/cpuid.rst */
#define LEAF_PINTLE  0x40000100u
#define LEAF_XSAVE   0xdu
#define ECX7_OSPKE   BIT(4)
#define ECX1_OSXSAVE BIT(27)

/* Bits that are taken away and added, after the CPU's own answer; each leaf in its slot. */
#define SLOT(leaf) ((((leaf) ^ (leaf) >> 4) & 31) | (leaf) >> 30 << 5)
#define ALL        UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX
static const struct policy {
	uint32_t leaf;
	struct cpuid hide, show;
} policies[128] = {
	[0] = {.leaf = UINT32_MAX}, /* no row fits leaf 0 */
	/* DTES64, MONITOR, DS-CPL, VMX, SMX, PDCM, DS; x2APIC, TSC-deadline, hypervisor. */
	[SLOT(1)] = {1,
		{.ecx = BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(6) | BIT(15), .edx = BIT(21)},
		{.ecx = BIT(21) | BIT(24) | BIT(31)}},
	[SLOT(5)] = {5, {ALL}, {0}},
	/* TSC_ADJUST, SGX, processor trace; OSPKE, shadow stacks, PKS; UINTR, LBRs, IBT, AMX: what
	 * needs state that does not move. */
	[SLOT(7)] = {7,
		{.ebx = BIT(1) | BIT(2) | BIT(25),
			.ecx = BIT(7) | BIT(31),
			.edx = BIT(5) | BIT(19) | BIT(20) | BIT(22) | BIT(24) | BIT(25)},
		{0}},
	[SLOT(LEAF_XSAVE)] = {LEAF_XSAVE, {0}, {0}}, /* cut_xsave() */
	[SLOT(0xa)] = {0xa, {ALL}, {0}},             /* performance counters */
	[SLOT(0x14)] = {0x14, {ALL}, {0}},           /* processor trace */
	/* What Pintle itself says: KVMKVMKVM; the clock's MSRs, steal time, the yield, and that the
	 * clock is stable; PintlePintle. */
	[SLOT(LEAF_KVM)] = {LEAF_KVM, {ALL}, {LEAF_KVM + 1, 0x4b4d564b, 0x564b4d56, 0x4d}},
	[SLOT(LEAF_KVM + 1)] = {LEAF_KVM + 1, {ALL}, {.eax = BIT(3) | BIT(5) | BIT(13) | BIT(24)}},
	[SLOT(LEAF_PINTLE)] = {LEAF_PINTLE, {ALL},
		{LEAF_PINTLE, 0x746e6950, 0x6950656c, 0x656c746e}},
	[SLOT(0x80000001)] = {0x80000001, {.ecx = BIT(2) | BIT(12)}, {0}}, /* SVM, SKINIT */
	[SLOT(0x80000008)] = {0x80000008, {.ebx = BIT(3)}, {0}},           /* INVLPGB */
	[SLOT(0x8000000a)] = {0x8000000a, {ALL}, {0}},
};

static void set(struct vcpu *vcpu, struct cpuid r)
{
	vcpu->regs.gpr[GPR_RAX] = r.eax;
	vcpu->regs.gpr[GPR_RBX] = r.ebx;
	vcpu->regs.gpr[GPR_RCX] = r.ecx;
	vcpu->regs.gpr[GPR_RDX] = r.edx;
}

/* Bits that tell what the guest has switched on; and of guests each vCPU's own id. */
static void set_own(struct vcpu *vcpu, uint32_t leaf, struct cpuid r)
{
	uint32_t id = vcpu->lapic.id;

	if (leaf == 1) {
		bool on = backend->get(vcpu, VCPU_CR4) & CR4_OSXSAVE;
		r.ecx = (r.ecx & ~(uint32_t)ECX1_OSXSAVE) | (on ? ECX1_OSXSAVE : 0);
	} else if (leaf == 7) {
		bool on = backend->get(vcpu, VCPU_CR4) & BIT(22); /* PKE */
		r.ecx = (r.ecx & ~(uint32_t)ECX7_OSPKE) | (on ? ECX7_OSPKE : 0);
	}
	if (leaf == 1 && vcpu->closed) {
		r.ebx = (r.ebx & 0xffffff) | id << 24;
	} else if ((leaf == 0xb || leaf == 0x1f) && vcpu->closed) {
		r.edx = id;
	} else if (leaf == 0x8000001e && vcpu->closed) {
		r.eax = id;
	}
	set(vcpu, r);
}

/* Nothing that XSS or AMX would switch on. */
static struct cpuid cut_xsave(uint32_t subleaf, struct cpuid r)
{
	struct cpuid none = {0};

	if (subleaf == 0) {
		r.eax &= ~(uint32_t)XCR0_TILES;
	} else if (subleaf == 1) {
		r.ecx = r.edx = 0;
	} else if ((r.ecx & BIT(0)) || (subleaf < 32 && XCR0_TILES >> subleaf & 1)) {
		r = none;
	}
	return r;
}

NOINLINE static void restrict_answer(struct vcpu *vcpu, const struct policy *p, struct cpuid r)
{
	r.eax = (r.eax & ~p->hide.eax) | p->show.eax;
	r.ebx = (r.ebx & ~p->hide.ebx) | p->show.ebx;
	r.ecx = (r.ecx & ~p->hide.ecx) | p->show.ecx;
	r.edx = (r.edx & ~p->hide.edx) | p->show.edx;
	if (p->leaf == LEAF_XSAVE) {
		r = cut_xsave((uint32_t)vcpu->regs.gpr[GPR_RCX], r);
	}
	set_own(vcpu, p->leaf, r);
}

/* From the table that the guest's VMM has given. Leaf 0dh follows XCR0, as on the CPU. */
NOINLINE static void answer_guest(struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf)
{
	const struct vm *vm = vcpu->vm;
	struct cpuid r = {0};

	for (unsigned i = 0; i < vm->cpuid_count; i++) {
		const struct pintle_cpuid *row = &vm->cpuid[i];
		if (row->leaf == leaf && (row->any_subleaf || row->subleaf == subleaf)) {
			r = (struct cpuid){row->eax, row->ebx, row->ecx, row->edx};
			break;
		}
	}
	if (leaf == LEAF_XSAVE) {
		r = cut_xsave(subleaf, cpuid_read(leaf, subleaf));
	}
	set_own(vcpu, leaf == 7 && subleaf != 0 ? 0 : leaf, r);
}

bool cpuid_emulate(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	uint32_t leaf = (uint32_t)vcpu->regs.gpr[GPR_RAX];
	uint32_t subleaf = (uint32_t)vcpu->regs.gpr[GPR_RCX];
	const struct policy *p = &policies[SLOT(leaf)];
	struct cpuid none = {0}; /* of the other leaves for hypervisors */
	bool ruled = p->leaf == leaf && (leaf != 7 || subleaf == 0);

	if (vcpu->record != NULL) {
		answer_guest(vcpu, leaf, subleaf);
	} else if (leaf - LEAF_KVM < 0x10000) {
		restrict_answer(vcpu, ruled ? p : &policies[0], none);
	} else if (ruled) {
		restrict_answer(vcpu, p, cpuid_read(leaf, subleaf));
	} else {
		set(vcpu, cpuid_read(leaf, subleaf));
	}
	return true;
}
