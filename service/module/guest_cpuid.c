// SPDX-License-Identifier: GPL-2.0-only
/*
 * service/module/guest_cpuid.c - see guest_cpuid.h.
 */
#include "service/module/guest_cpuid.h"

#define ALL 0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu

struct kept {
	uint32_t first, last;
	uint32_t eax, ebx, ecx, edx;
};

/* Leaf 7 has a row for subleaf 0 alone. What says how CPUs are arranged (caches, topology,
 * frequencies) is the VMM's to say, and so is the name of the hypervisor. */
static const struct kept kept[] = {
	{0, 0, ALL},
	/* SSE3, PCLMUL, SSSE3, FMA, CX16, PCID, SSE4, x2APIC, MOVBE, POPCNT, TSC-deadline, AES,
	 * XSAVE, AVX, F16C, RDRAND, hypervisor; HTT; not MCE, MTRR, MCA and what goes with heat,
	 * power and debugging. */
	{1, 1, 0xffffffff, 0xffffffff, 0xf7fa3203, 0x1f8bab7f},
	{2, 2, ALL},
	{4, 4, ALL},
	/* Instructions, SMEP, SMAP, UMIP, PKU, and what tells of speculation; not TSX, SGX,
	 * monitoring, protection keys of the supervisor, CET, five levels. */
	{7, 7, 0, 0xfdbf27e9, 0x00405f4e, 0x8c00451c},
	{0xb, 0xb, ALL},
	{0xd, 0xd, ALL},
	{0x15, 0x16, ALL},
	{0x1f, 0x1f, ALL},
	{0x40000000, 0x40000000, ALL},
	/* The clock, which is stable, steal time, the yield. */
	{0x40000001, 0x40000001, 0x01002028, 0, 0, 0},
	{0x40000100, 0x40000100, ALL},
	{0x80000000, 0x80000000, ALL},
	/* LAHF, ABM, SSE4A, MISALIGNSSE, PREFETCHW, XOP, FMA4, TBM; those of leaf 1 again, SYSCALL,
	 * NX, FFXSR, pages of 1 GiB, RDTSCP, LM. */
	{0x80000001, 0x80000001, 0xffffffff, 0xffffffff, 0x002109e1, 0xefd3ab7f},
	{0x80000002, 0x80000006, ALL},
	{0x80000007, 0x80000007, 0, 0, 0, 0x100}, /* the TSC is invariant */
	/* Address sizes; CLZERO, XSAVEERPTR, WBNOINVD, IBPB, IBRS, STIBP, SSBD. */
	{0x80000008, 0x80000008, 0xffff, 0x0100d205, 0, 0},
	{0x8000001d, 0x8000001e, ALL},
};

void guest_cpuid_cut(struct pintle_cpuid *row)
{
	static const struct kept nothing;
	const struct kept *keep = &nothing;
	unsigned i;

	for (i = 0; i < sizeof(kept) / sizeof(*kept); i++) {
		if (row->leaf >= kept[i].first && row->leaf <= kept[i].last &&
			(row->leaf != 7 || row->subleaf == 0)) {
			keep = &kept[i];
		}
	}
	row->eax &= keep->eax;
	row->ebx &= keep->ebx;
	row->ecx &= keep->ecx;
	row->edx &= keep->edx;
}
