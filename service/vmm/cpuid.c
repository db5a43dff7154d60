/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/cpuid.c - topology in CPUID: SDM vol. 2, CPUID; APM vol. 3, appendix E.
 */
#include "service/vmm/cpuid.h"

#include <stdint.h>

#define LEAF1_ECX_TSC_DEADLINE (UINT32_C(1) << 24)
#define LEAF1_ECX_HYPERVISOR   (UINT32_C(1) << 31)
#define LEAF1_EDX_HTT          (UINT32_C(1) << 28)

/* Bits that an id of 0 to count - 1 takes. */
static uint32_t id_bits(unsigned count)
{
	uint32_t bits = 0;
	while ((UINT32_C(1) << bits) < count) {
		bits++;
	}
	return bits;
}

static void adjust_leaf1(struct kvm_cpuid_entry2 *e, unsigned id, unsigned count, bool deadline)
{
	uint32_t ids = UINT32_C(1) << id_bits(count);
	e->ebx = (e->ebx & 0xffff) | id << 24 | (ids < 255 ? ids : 255) << 16;
	e->edx = count > 1 ? e->edx | LEAF1_EDX_HTT : e->edx & ~LEAF1_EDX_HTT;
	e->ecx |= LEAF1_ECX_HYPERVISOR;
	if (deadline) {
		e->ecx |= LEAF1_ECX_TSC_DEADLINE;
	}
}

/* Intel's caches: the last level is shared by all cores, the others by none. */
static void adjust_leaf4(struct kvm_cpuid_entry2 *e, unsigned count)
{
	uint32_t cores = (UINT32_C(1) << id_bits(count)) - 1;
	uint32_t level = e->eax >> 5 & 7;
	if ((e->eax & 0x1f) != 0) {
		e->eax = (e->eax & 0x3fff) | (cores & 0x3f) << 26 |
			(level >= 3 ? cores & 0xfff : 0) << 14;
	}
}

/* Leaves 0bh and 1fh: level 0 is a core's threads (one), level 1 a package's cores. */
static void adjust_topology(struct kvm_cpuid_entry2 *e, unsigned id, unsigned count)
{
	e->eax = e->ebx = 0;
	e->ecx = e->index & 0xff;
	if (e->index == 0) {
		e->ebx = 1;
		e->ecx |= 1u << 8;
	} else if (e->index == 1) {
		e->eax = id_bits(count);
		e->ebx = count;
		e->ecx |= 2u << 8;
	}
	e->edx = id;
}

static void adjust(struct kvm_cpuid_entry2 *e, unsigned id, unsigned count, bool deadline)
{
	switch (e->function) {
	case 1:
		adjust_leaf1(e, id, count, deadline);
		break;
	case 4:
		adjust_leaf4(e, count);
		break;
	case 0xb:
	case 0x1f:
		adjust_topology(e, id, count);
		break;
	case 0x80000001: /* CmpLegacy */
		e->ecx = count > 1 ? e->ecx | 2u : e->ecx & ~2u;
		break;
	case 0x80000008: /* ApicIdSize, NC */
		e->ecx = (e->ecx & ~UINT32_C(0xf0ff)) | id_bits(count) << 12 | (count - 1);
		break;
	case 0x8000001e: /* extended APIC id; the core's, one thread each; one node */
		e->eax = id;
		e->ebx = id & 0xff;
		e->ecx = 0;
		break;
	default:
		break;
	}
}

/* The host may list only the first subleaf. */
static void complete_topology(struct kvm_cpuid2 *table, uint32_t function)
{
	bool have[2] = {false, false};
	for (uint32_t i = 0; i < table->nent; i++) {
		if (table->entries[i].function == function && table->entries[i].index < 2) {
			have[table->entries[i].index] = true;
		}
	}
	if (have[0] && !have[1] && table->nent < CPUID_MAX) {
		table->entries[table->nent++] = (struct kvm_cpuid_entry2){
			.function = function, .index = 1, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX};
	}
}

void cpuid_adjust(struct kvm_cpuid2 *table, unsigned id, unsigned count, bool tsc_deadline)
{
	complete_topology(table, 0xb);
	complete_topology(table, 0x1f);
	for (uint32_t i = 0; i < table->nent; i++) {
		adjust(&table->entries[i], id, count, tsc_deadline);
	}
}
