// SPDX-License-Identifier: GPL-2.0-only
/*
 * service/module/system.c - what /dev/kvm itself answers: what there is, CPUID, MSRs; and a new VM.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/processor.h>

#include "service/module/guest_cpuid.h"
#include "service/module/vm.h"

struct limits limits;

static const struct {
	long capability;
	long value;
} capabilities[] = {
	{KVM_CAP_USER_MEMORY, 1},
	{KVM_CAP_DESTROY_MEMORY_REGION_WORKS, 1},
	{KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, 1},
	{KVM_CAP_NR_MEMSLOTS, DECODE_SLOTS_MAX},
	{KVM_CAP_READONLY_MEM, 1},
	{KVM_CAP_SPLIT_IRQCHIP, 1},
	{KVM_CAP_IRQ_ROUTING, DECODE_ROUTES_MAX},
	{KVM_CAP_SIGNAL_MSI, 1},
	{KVM_CAP_IRQFD, 1},
	{KVM_CAP_IRQFD_RESAMPLE, 1},
	{KVM_CAP_IOEVENTFD, 1},
	{KVM_CAP_IOEVENTFD_NO_LENGTH, 1},
	{KVM_CAP_IOEVENTFD_ANY_LENGTH, 1},
	{KVM_CAP_IMMEDIATE_EXIT, 1},
	{KVM_CAP_ENABLE_CAP_VM, 1},
	{KVM_CAP_CHECK_EXTENSION_VM, 1},
	{KVM_CAP_EXT_CPUID, 1},
	{KVM_CAP_MP_STATE, 1},
	{KVM_CAP_VCPU_EVENTS, 1},
	{KVM_CAP_DEBUGREGS, 1},
	{KVM_CAP_XSAVE, 1},
	{KVM_CAP_XCRS, 1},
	{KVM_CAP_USER_NMI, 1},
	{KVM_CAP_GET_TSC_KHZ, 1},
	{KVM_CAP_TSC_DEADLINE_TIMER, 1},
	{KVM_CAP_SET_TSS_ADDR, 1},
	{KVM_CAP_SET_IDENTITY_MAP_ADDR, 1},
	{KVM_CAP_INTERNAL_ERROR_DATA, 1},
};

long system_check_extension(unsigned long capability)
{
	unsigned int i;

	if (capability == KVM_CAP_NR_VCPUS) {
		return min_t(unsigned int, num_online_cpus(), limits.vcpus); /* advice */
	}
	if (capability == KVM_CAP_MAX_VCPUS || capability == KVM_CAP_MAX_VCPU_ID) {
		return limits.vcpus;
	}
	for (i = 0; i < ARRAY_SIZE(capabilities); i++) {
		if (capabilities[i].capability == capability) {
			return capabilities[i].value;
		}
	}
	return 0;
}

/* What a guest has to be given back after a reset or a move, besides registers. Pintle knows all of
 * these, whatever the CPU. */
static const u32 saved_msrs[] = {
	0x10,                               /* TSC */
	0x1b,                               /* APIC_BASE */
	0x174, 0x175, 0x176,                /* SYSENTER: CS, ESP, EIP */
	0x277,                              /* PAT */
	0x6e0,                              /* TSC_DEADLINE */
	0x4b564d01, 0x4b564d03,             /* KVM's clock, stolen time */
	0xc0000081, 0xc0000082, 0xc0000083, /* STAR, LSTAR, CSTAR */
	0xc0000084, 0xc0000102,             /* FMASK, KERNEL_GS_BASE */
};

static long get_msr_list(struct kvm_msr_list __user *argument)
{
	struct kvm_msr_list head;
	u32 room;

	if (copy_from_user(&head, argument, sizeof(head))) {
		return -EFAULT;
	}
	room = head.nmsrs;
	head.nmsrs = ARRAY_SIZE(saved_msrs);
	if (copy_to_user(argument, &head, sizeof(head))) {
		return -EFAULT;
	}
	if (room < head.nmsrs) {
		return -E2BIG;
	}
	return copy_to_user(argument->indices, saved_msrs, sizeof(saved_msrs)) ? -EFAULT : 0;
}

/* Leaves whose subleaves count, and how many of them there can be. */
static u32 subleaves(u32 leaf)
{
	switch (leaf) {
	case 0x4:
	case 0x8000001d:
		return 5; /* caches */
	case 0x7:
	case 0xb:
	case 0x1f:
		return 2;
	case 0xd:
		return 20; /* components of XSAVE */
	default:
		return 1;
	}
}

/* Rows from this CPU's own answers, to be cut to what guests get. */
struct rows {
	struct pintle_cpuid *row;
	u32 count;
};

static void add_leaf(struct rows *rows, u32 leaf)
{
	u32 subleaf, count = subleaves(leaf);

	for (subleaf = 0; subleaf < count && rows->count < PINTLE_CPUID_MAX; subleaf++) {
		struct pintle_cpuid *row = &rows->row[rows->count];

		row->leaf = leaf;
		row->subleaf = subleaf;
		row->any_subleaf = count == 1;
		cpuid_count(leaf, subleaf, &row->eax, &row->ebx, &row->ecx, &row->edx);
		/* Empty ones behind the first say nothing. */
		if (subleaf == 0 || row->eax || row->ebx) {
			rows->count++;
		}
	}
}

static void add_leaves(struct rows *rows, u32 first, u32 most)
{
	u32 leaf, last = cpuid_eax(first);

	last = min(last, first + most);
	for (leaf = first; leaf <= last && leaf >= first; leaf++) {
		add_leaf(rows, leaf);
	}
}

/* What guests can be told, as rows in a page; how many. */
static u32 cut_rows(struct pintle_cpuid *page)
{
	struct rows rows = {.row = page};
	u32 i;

	add_leaves(&rows, 0, 0x1f);
	add_leaf(&rows, 0x40000000);
	add_leaf(&rows, 0x40000001);
	add_leaves(&rows, 0x80000000, 0x21);
	for (i = 0; i < rows.count; i++) {
		guest_cpuid_cut(&page[i]);
	}
	return rows.count;
}

static void to_entry(const struct pintle_cpuid *row, struct kvm_cpuid_entry2 *entry)
{
	*entry = (struct kvm_cpuid_entry2){
		.function = row->leaf,
		.index = row->subleaf,
		.flags = row->any_subleaf ? 0 : KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
		.eax = row->eax,
		.ebx = row->ebx,
		.ecx = row->ecx,
		.edx = row->edx,
	};
}

int system_cpuid_rows(const struct kvm_cpuid_entry2 *entries, u32 count, struct pintle_cpuid *rows)
{
	u32 i;

	BUILD_BUG_ON(PINTLE_CPUID_MAX * sizeof(*rows) > PAGE_SIZE);
	if (count > PINTLE_CPUID_MAX) {
		return -E2BIG;
	}
	for (i = 0; i < count; i++) {
		rows[i] = (struct pintle_cpuid){
			.leaf = entries[i].function,
			.subleaf = entries[i].index,
			.any_subleaf = !(entries[i].flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX),
			.eax = entries[i].eax,
			.ebx = entries[i].ebx,
			.ecx = entries[i].ecx,
			.edx = entries[i].edx,
		};
		guest_cpuid_cut(&rows[i]);
	}
	return count;
}

static long copy_rows(
	struct kvm_cpuid2 __user *argument, const struct pintle_cpuid *rows, u32 count)
{
	struct kvm_cpuid_entry2 entry;
	struct kvm_cpuid2 head;
	u32 i;

	if (copy_from_user(&head, argument, sizeof(head))) {
		return -EFAULT;
	}
	if (head.nent < count) {
		return -E2BIG;
	}
	head.nent = count;
	for (i = 0; i < count; i++) {
		to_entry(&rows[i], &entry);
		if (copy_to_user(&argument->entries[i], &entry, sizeof(entry))) {
			return -EFAULT;
		}
	}
	return copy_to_user(argument, &head, sizeof(head)) ? -EFAULT : 0;
}

static long get_supported_cpuid(struct kvm_cpuid2 __user *argument)
{
	struct pintle_cpuid *page = (struct pintle_cpuid *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	long result;

	if (!page) {
		return -ENOMEM;
	}
	result = copy_rows(argument, page, cut_rows(page));
	free_page((unsigned long)page);
	return result;
}

long system_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	void __user *pointer = (void __user *)argument;

	switch (command) {
	case KVM_GET_API_VERSION:
		return argument ? -EINVAL : KVM_API_VERSION;
	case KVM_CREATE_VM:
		return vm_create(argument);
	case KVM_CHECK_EXTENSION:
		return system_check_extension(argument);
	case KVM_GET_VCPU_MMAP_SIZE:
		return argument ? -EINVAL : PAGE_SIZE;
	case KVM_GET_SUPPORTED_CPUID:
		return get_supported_cpuid(pointer);
	case KVM_GET_MSR_INDEX_LIST:
		return get_msr_list(pointer);
	default:
		return -ENOTTY;
	}
}
