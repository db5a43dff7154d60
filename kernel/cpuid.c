/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/cpuid.c - what CPUID tells: the service VM the CPU's own answer, but for the rows here;
 * guests only what is named here. Runs: on the exiting CPU, whose own leaves are a service vCPU's,
 * which is pinned to it.
 */
#include "kernel/exit.h"
#include "kernel/x86.h"

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
		{.ecx = BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(6) | BIT(15) | ECX1_OSXSAVE,
			.edx = BIT(21)},
		{.ecx = BIT(21) | BIT(24) | BIT(31)}},
	[SLOT(5)] = {5, {ALL}, {0}},
	/* TSC_ADJUST, SGX, processor trace; OSPKE, shadow stacks, PKS; UINTR, LBRs, IBT, AMX: what
	 * needs state that does not move. */
	[SLOT(7)] = {7,
		{.ebx = BIT(1) | BIT(2) | BIT(25),
			.ecx = ECX7_OSPKE | BIT(7) | BIT(31),
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

/* What guests get of the CPU's own answer: what needs nothing of the host. Leaf 7 has a row for
 * subleaf 0 alone. */
static const struct {
	uint32_t first, last;
	struct cpuid keep;
} guest_leaves[] = {
	{0, 0, {ALL}},
	/* SSE3, PCLMUL, SSSE3, FMA, CX16, PCID, SSE4, MOVBE, POPCNT, AES, XSAVE, AVX, F16C, RDRAND;
	 * not MCE, MTRR, MCA and what goes with heat, power and debugging. */
	{1, 1, {UINT32_MAX, 0xff00, 0x76da3203, 0x0f8bab7f}},
	/* Instructions, SMEP, SMAP, UMIP, PKU, and what tells of speculation; not TSX, SGX,
	 * monitoring, protection keys of the supervisor, CET, five levels. */
	{7, 7, {0, 0xfdbf27e9, 0x00405f4e, 0x8c00451c}},
	{0xd, 0xd, {ALL}},
	{0x80000000, 0x80000000, {ALL}},
	/* LAHF, ABM, SSE4A, MISALIGNSSE, PREFETCHW, XOP, FMA4, TBM; those of leaf 1 again, SYSCALL,
	 * NX, FFXSR, pages of 1 GiB, RDTSCP, LM. */
	{0x80000001, 0x80000001, {UINT32_MAX, UINT32_MAX, 0x002109e1, 0xefd3ab7f}},
	{0x80000002, 0x80000006, {ALL}},
	{0x80000007, 0x80000007, {.edx = BIT(8)}}, /* the TSC is invariant */
	/* Address sizes; CLZERO, XSAVEERPTR, WBNOINVD, IBPB, IBRS, STIBP, SSBD. */
	{0x80000008, 0x80000008, {.eax = 0xffff, .ebx = 0x0100d205}},
};

static void set(struct vcpu *vcpu, struct cpuid r)
{
	vcpu->regs.gpr[GPR_RAX] = r.eax;
	vcpu->regs.gpr[GPR_RBX] = r.ebx;
	vcpu->regs.gpr[GPR_RCX] = r.ecx;
	vcpu->regs.gpr[GPR_RDX] = r.edx;
}

/* Bits that tell what the guest has switched on. */
static void set_by_cr4(struct vcpu *vcpu, uint32_t leaf, struct cpuid r)
{
	if (leaf == 1 && (backend->get(vcpu, VCPU_CR4) & CR4_OSXSAVE)) {
		r.ecx |= ECX1_OSXSAVE;
	} else if (leaf == 7 && (backend->get(vcpu, VCPU_CR4) & BIT(22) /* PKE */)) {
		r.ecx |= ECX7_OSPKE;
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
	set_by_cr4(vcpu, p->leaf, r);
}

/* The CPU's answer, as far as guests may know it. */
static bool guest_answer(uint32_t leaf, uint32_t subleaf, struct cpuid *r)
{
	for (unsigned i = 0; i < ARRAY_COUNT(guest_leaves); i++) {
		const struct cpuid *keep = &guest_leaves[i].keep;
		if (leaf >= guest_leaves[i].first && leaf <= guest_leaves[i].last &&
			(leaf != 7 || subleaf == 0)) {
			*r = cpuid_read(leaf, subleaf);
			r->eax &= keep->eax;
			r->ebx &= keep->ebx;
			r->ecx &= keep->ecx;
			r->edx &= keep->edx;
			*r = leaf == LEAF_XSAVE ? cut_xsave(subleaf, *r) : *r;
			return true;
		}
	}
	return false;
}

/* What Pintle itself says of a leaf. */
static void add_shown(uint32_t leaf, struct cpuid *r)
{
	const struct policy *p = &policies[SLOT(leaf)];

	if (p->leaf == leaf) {
		r->eax |= p->show.eax;
		r->ebx |= p->show.ebx;
		r->ecx |= p->show.ecx;
		r->edx |= p->show.edx;
	}
}

/* Leaves that say how CPUs are arranged, which is the VMM's to say: caches, topology, frequencies.
 */
static bool is_free(uint32_t leaf)
{
	static const uint32_t leaves[] = {
		2, 4, 0xb, 0x15, 0x16, 0x1f, 0x8000001d, 0x8000001e, 0x40000000, 0x40000100};
	bool free = false;

	for (unsigned i = 0; i < ARRAY_COUNT(leaves); i++) {
		free |= leaves[i] == leaf;
	}
	return free;
}

struct pintle_cpuid cpuid_cut(const struct pintle_cpuid *row)
{
	struct pintle_cpuid cut;
	struct cpuid may = {0}, all = {ALL};

	memcpy(&cut, row, sizeof(cut));
	bool named = guest_answer(cut.leaf, cut.subleaf, &may);
	if (is_free(cut.leaf) ||
		(named && (cut.leaf == 0 || cut.leaf - 0x80000000 < 7) && cut.leaf != 0x80000001)) {
		may = all;
	}
	add_shown(cut.leaf, &may);
	if (cut.leaf == 1) { /* family, id and count; HTT is topology */
		may.eax = may.ebx = UINT32_MAX;
		may.edx |= BIT(28);
	}
	cut.eax &= may.eax;
	cut.ebx &= may.ebx;
	cut.ecx &= may.ecx;
	cut.edx &= may.edx;
	return cut;
}

/* From the table that its VMM has given, with each vCPU's own id. Leaf 0dh follows XCR0, as on the
 * CPU. */
static struct cpuid from_table(const struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf)
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
	if (leaf == 0xd) {
		guest_answer(leaf, subleaf, &r);
	} else if (leaf == 1) {
		r.ebx = (r.ebx & 0xffffff) | vcpu->lapic.id << 24;
	} else if (leaf == 0xb || leaf == 0x1f) {
		r.edx = vcpu->lapic.id;
	} else if (leaf == 0x8000001e) {
		r.eax = vcpu->lapic.id;
	}
	return r;
}

/* Of guests without a VMM each vCPU is a package of its own: they move, and are near to nothing. */
static struct cpuid from_cpu(const struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf)
{
	struct cpuid r = {0};
	uint32_t id = vcpu->lapic.id;

	guest_answer(leaf, subleaf, &r);
	if (leaf == 0xb && subleaf < 2) { /* threads, cores: one */
		r = (struct cpuid){0, 1, subleaf | (subleaf + 1) << 8, id};
	} else if (leaf == 0 || leaf == 0x80000000) {
		r.eax = (uint32_t)min_u64(r.eax, leaf + (leaf == 0 ? 0xd : 8));
	} else if (leaf == 1) {
		r.ebx |= 1 << 16 | id << 24;
	}
	add_shown(leaf, &r); /* of leaf 7 nothing */
	return r;
}

NOINLINE static void answer_guest(struct vcpu *vcpu)
{
	uint32_t leaf = (uint32_t)vcpu->regs.gpr[GPR_RAX];
	uint32_t subleaf = (uint32_t)vcpu->regs.gpr[GPR_RCX];
	struct cpuid r = vcpu->record != NULL ? from_table(vcpu, leaf, subleaf)
					      : from_cpu(vcpu, leaf, subleaf);
	set_by_cr4(vcpu, leaf == 7 && subleaf != 0 ? 0 : leaf, r);
}

bool cpuid_emulate(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	if (vcpu->closed) {
		answer_guest(vcpu);
		return true;
	}
	uint32_t leaf = (uint32_t)vcpu->regs.gpr[GPR_RAX];
	uint32_t subleaf = (uint32_t)vcpu->regs.gpr[GPR_RCX];
	const struct policy *p = &policies[SLOT(leaf)];
	struct cpuid none = {0}; /* of the other leaves for hypervisors */
	bool ruled = p->leaf == leaf && (leaf != 7 || subleaf == 0);

	if (leaf - LEAF_KVM < 0x10000) {
		restrict_answer(vcpu, ruled ? p : &policies[0], none);
	} else if (ruled) {
		restrict_answer(vcpu, p, cpuid_read(leaf, subleaf));
	} else {
		set(vcpu, cpuid_read(leaf, subleaf));
	}
	return true;
}
