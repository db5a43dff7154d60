// SPDX-License-Identifier: GPL-2.0-only
/*
 * service/module/state.c - the ioctls that get and set a vCPU's registers. Runs: vcpu->lock held,
 * the vCPU has stopped. What they carry is copied whole, checked, and then Pintle is asked.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/apicdef.h>
#include <asm/msr.h>
#include <asm/processor-flags.h>
#include <asm/tsc.h>

#include "service/module/convert.h"
#include "service/module/shared.h"
#include "service/module/vm.h"

/* Read these values into the record page. 0 or a negative errno. */
static long get_values(struct vcpu *vcpu, unsigned int count)
{
	long got = vcpu_call(vcpu, STATE_GET, count);

	if (got < 0) {
		return got;
	}
	return got == count ? 0 : -EINVAL;
}

static long set_values(struct vcpu *vcpu, unsigned int count)
{
	long set = vcpu_call(vcpu, STATE_SET, count);

	if (set < 0) {
		return set;
	}
	return set == count ? 0 : -EINVAL;
}

static long get_one(struct vcpu *vcpu, u64 id, u64 *value)
{
	long err;

	vcpu->record->values[0].id = id;
	err = get_values(vcpu, 1);
	*value = vcpu->record->values[0].value;
	return err;
}

static long set_one(struct vcpu *vcpu, u64 id, u64 value)
{
	vcpu->record->values[0].id = id;
	vcpu->record->values[0].value = value;
	return set_values(vcpu, 1);
}

static long get_table(struct vcpu *vcpu, const struct convert_table *table, void *to)
{
	long err;

	convert_ask(table, vcpu->record->values);
	err = get_values(vcpu, table->count);
	if (err == 0) {
		convert_get(table, vcpu->record->values, to);
	}
	return err;
}

static long set_table(struct vcpu *vcpu, const struct convert_table *table, const void *from)
{
	convert_set(table, from, vcpu->record->values);
	return set_values(vcpu, table->count);
}

/* Each of these gets or sets one structure of KVM's; 0 or a negative errno. `data` is zero before a
 * get. */

static long get_regs(struct vcpu *vcpu, void *data)
{
	return get_table(vcpu, &convert_regs, data);
}

static long set_regs(struct vcpu *vcpu, void *data)
{
	((struct kvm_regs *)data)->rflags |= X86_EFLAGS_FIXED; /* VT-x refuses others */
	return set_table(vcpu, &convert_regs, data);
}

static long get_sregs(struct vcpu *vcpu, void *data)
{
	struct kvm_sregs *sregs = data;
	long err = get_table(vcpu, &convert_sregs, sregs);
	u64 event;

	if (err == 0) {
		err = get_one(vcpu, PINTLE_REG(PINTLE_EVENT), &event);
		convert_get_bitmap(event, sregs->interrupt_bitmap);
	}
	return err;
}

#define BASE_VALUE PINTLE_MSR(MSR_IA32_APICBASE)
#define BASE_MODES (MSR_IA32_APICBASE_ENABLE | X2APIC_ENABLE)

/* A local APIC goes around a ring, disabled, xAPIC, x2APIC (SDM vol. 3, 11.12.5), but a VMM resets
 * it at once: go the way up to the last step. */
static long lead_apic(struct vcpu *vcpu, u64 base)
{
	u64 now;
	long err = get_one(vcpu, BASE_VALUE, &now);

	if (err == 0 && (now & X2APIC_ENABLE) && (base & BASE_MODES) == MSR_IA32_APICBASE_ENABLE) {
		err = set_one(vcpu, BASE_VALUE, base & ~BASE_MODES);
	}
	if (err == 0 && !(now & MSR_IA32_APICBASE_ENABLE) && (base & X2APIC_ENABLE)) {
		err = set_one(vcpu, BASE_VALUE, base & ~X2APIC_ENABLE);
	}
	return err;
}

static long set_sregs(struct vcpu *vcpu, void *data)
{
	const struct kvm_sregs *sregs = data;
	long err = convert_check_sregs(sregs);
	u64 event;

	if (err == 0) {
		err = lead_apic(vcpu, sregs->apic_base);
	}
	if (err == 0) {
		err = set_table(vcpu, &convert_sregs, sregs);
	}
	if (err == 0 && convert_set_bitmap(sregs->interrupt_bitmap, &event)) {
		err = set_one(vcpu, PINTLE_REG(PINTLE_EVENT), event);
	}
	return err;
}

static long get_debugregs(struct vcpu *vcpu, void *data)
{
	return get_table(vcpu, &convert_debugregs, data);
}

static long set_debugregs(struct vcpu *vcpu, void *data)
{
	long err = convert_check_debugregs(data);

	return err ? err : set_table(vcpu, &convert_debugregs, data);
}

static long bulk_get(struct vcpu *vcpu, enum pintle_bulk what)
{
	return vcpu_call(vcpu, BULK_GET, what, shared_address(vcpu->bulk));
}

static long bulk_set(struct vcpu *vcpu, enum pintle_bulk what)
{
	return vcpu_call(vcpu, BULK_SET, what, shared_address(vcpu->bulk));
}

static long get_fpu(struct vcpu *vcpu, void *data)
{
	long err = bulk_get(vcpu, PINTLE_BULK_XSAVE);

	if (err == 0) {
		convert_get_fpu(vcpu->bulk, data);
	}
	return err;
}

static long set_fpu(struct vcpu *vcpu, void *data)
{
	long err = bulk_get(vcpu, PINTLE_BULK_XSAVE);

	if (err == 0) {
		convert_set_fpu(data, vcpu->bulk);
		err = bulk_set(vcpu, PINTLE_BULK_XSAVE);
	}
	return err;
}

/* What of the area fits into KVM's structure. */
static size_t xsave_part(void)
{
	return min_t(size_t, limits.xsave_size, sizeof(((struct kvm_xsave *)0)->region));
}

static long get_xsave(struct vcpu *vcpu, void *data)
{
	struct kvm_xsave *xsave = data;
	long err = bulk_get(vcpu, PINTLE_BULK_XSAVE);

	if (err == 0) {
		memcpy(xsave->region, vcpu->bulk, xsave_part());
	}
	return err;
}

static long set_xsave(struct vcpu *vcpu, void *data)
{
	const struct kvm_xsave *xsave = data;

	memset(vcpu->bulk, 0, limits.bulk_pages * PAGE_SIZE);
	memcpy(vcpu->bulk, xsave->region, xsave_part());
	return bulk_set(vcpu, PINTLE_BULK_XSAVE);
}

static long get_lapic(struct vcpu *vcpu, void *data)
{
	struct kvm_lapic_state *lapic = data;
	long err = bulk_get(vcpu, PINTLE_BULK_LAPIC);

	if (err == 0) {
		memcpy(lapic->regs, vcpu->bulk, sizeof(lapic->regs));
	}
	return err;
}

static long set_lapic(struct vcpu *vcpu, void *data)
{
	const struct kvm_lapic_state *lapic = data;

	memcpy(vcpu->bulk, lapic->regs, sizeof(lapic->regs));
	return bulk_set(vcpu, PINTLE_BULK_LAPIC);
}

static long get_xcrs(struct vcpu *vcpu, void *data)
{
	struct kvm_xcrs *xcrs = data;

	xcrs->nr_xcrs = 1;
	return get_one(vcpu, PINTLE_REG(PINTLE_XCR0), &xcrs->xcrs[0].value);
}

static long set_xcrs(struct vcpu *vcpu, void *data)
{
	const struct kvm_xcrs *xcrs = data;
	unsigned int i;
	long err = 0;

	if (xcrs->nr_xcrs > KVM_MAX_XCRS || xcrs->flags) {
		return -EINVAL;
	}
	for (i = 0; i < xcrs->nr_xcrs && err == 0; i++) {
		err = xcrs->xcrs[i].xcr == 0
			? set_one(vcpu, PINTLE_REG(PINTLE_XCR0), xcrs->xcrs[i].value)
			: -EINVAL;
	}
	return err;
}

static long get_mp_state(struct vcpu *vcpu, void *data)
{
	struct kvm_mp_state *state = data;
	u64 activity;
	long err = get_one(vcpu, PINTLE_REG(PINTLE_ACTIVITY), &activity);
	int mp_state = err ? 0 : convert_get_mp_state(activity);

	if (err == 0 && mp_state < 0) {
		err = mp_state;
	}
	state->mp_state = mp_state;
	return err;
}

static long set_mp_state(struct vcpu *vcpu, void *data)
{
	const struct kvm_mp_state *state = data;
	int activity = convert_set_mp_state(state->mp_state);

	return activity < 0 ? activity : set_one(vcpu, PINTLE_REG(PINTLE_ACTIVITY), activity);
}

static long get_events(struct vcpu *vcpu, void *data)
{
	u64 event, nmi;
	long err = get_one(vcpu, PINTLE_REG(PINTLE_EVENT), &event);

	if (err == 0) {
		err = get_one(vcpu, PINTLE_REG(PINTLE_NMI_PENDING), &nmi);
	}
	if (err == 0) {
		convert_get_events(event, nmi, data);
	}
	return err;
}

static long set_events(struct vcpu *vcpu, void *data)
{
	const struct kvm_vcpu_events *events = data;
	u64 event, nmi;
	long err = convert_set_events(events, &event, &nmi);

	if (err == 0) {
		err = set_one(vcpu, PINTLE_REG(PINTLE_EVENT), event);
	}
	if (err == 0 && (events->flags & KVM_VCPUEVENT_VALID_NMI_PENDING)) {
		err = set_one(vcpu, PINTLE_REG(PINTLE_NMI_PENDING), nmi);
	}
	return err;
}

/* The structures that are copied whole: in or out by the command's own direction. */
static const struct {
	unsigned int command;
	long (*run)(struct vcpu *vcpu, void *data);
} state_ioctls[] = {
	{KVM_GET_REGS, get_regs},
	{KVM_SET_REGS, set_regs},
	{KVM_GET_SREGS, get_sregs},
	{KVM_SET_SREGS, set_sregs},
	{KVM_GET_FPU, get_fpu},
	{KVM_SET_FPU, set_fpu},
	{KVM_GET_XSAVE, get_xsave},
	{KVM_SET_XSAVE, set_xsave},
	{KVM_GET_XCRS, get_xcrs},
	{KVM_SET_XCRS, set_xcrs},
	{KVM_GET_LAPIC, get_lapic},
	{KVM_SET_LAPIC, set_lapic},
	{KVM_GET_MP_STATE, get_mp_state},
	{KVM_SET_MP_STATE, set_mp_state},
	{KVM_GET_VCPU_EVENTS, get_events},
	{KVM_SET_VCPU_EVENTS, set_events},
	{KVM_GET_DEBUGREGS, get_debugregs},
	{KVM_SET_DEBUGREGS, set_debugregs},
};

static long copied_ioctl(struct vcpu *vcpu, unsigned int i, void __user *argument)
{
	unsigned int command = state_ioctls[i].command;
	void *data = kzalloc(_IOC_SIZE(command), GFP_KERNEL_ACCOUNT);
	long err = 0;

	if (!data) {
		return -ENOMEM;
	}
	if ((_IOC_DIR(command) & _IOC_WRITE) &&
		copy_from_user(data, argument, _IOC_SIZE(command))) {
		err = -EFAULT;
	}
	if (err == 0) {
		err = state_ioctls[i].run(vcpu, data);
	}
	if (err == 0 && (_IOC_DIR(command) & _IOC_READ) &&
		copy_to_user(argument, data, _IOC_SIZE(command))) {
		err = -EFAULT;
	}
	kfree(data);
	return err;
}

#define MSRS_MAX 256u
#define MSR_TSC  0x10u

/*
 * The TSC is the machine's, for all vCPUs alike. A VMM that writes 0 to each of them, one after the
 * other, means that they shall be in step, which they are.
 */
static long access_msr(struct vcpu *vcpu, struct kvm_msr_entry *entry, bool set)
{
	if (entry->index == MSR_TSC) {
		if (!set) {
			entry->data = rdtsc_ordered();
		}
		return 0;
	}
	return set ? set_one(vcpu, PINTLE_MSR(entry->index), entry->data)
		   : get_one(vcpu, PINTLE_MSR(entry->index), &entry->data);
}

/* How many, up to one that is refused. */
static long msrs_ioctl(struct vcpu *vcpu, bool set, struct kvm_msrs __user *argument)
{
	struct kvm_msr_entry *entries;
	struct kvm_msrs head;
	u32 done;

	if (copy_from_user(&head, argument, sizeof(head))) {
		return -EFAULT;
	}
	if (head.nmsrs > MSRS_MAX) {
		return -E2BIG;
	}
	if (head.nmsrs == 0) {
		return 0;
	}
	entries = memdup_user(argument->entries, head.nmsrs * sizeof(*entries));
	if (IS_ERR(entries)) {
		return PTR_ERR(entries);
	}
	for (done = 0; done < head.nmsrs; done++) {
		if (access_msr(vcpu, &entries[done], set) != 0) {
			break;
		}
	}
	if (!set && copy_to_user(argument->entries, entries, head.nmsrs * sizeof(*entries))) {
		kfree(entries);
		return -EFAULT;
	}
	kfree(entries);
	return done;
}

static long set_cpuid(struct vcpu *vcpu, const struct kvm_cpuid_entry2 *entries, u32 count)
{
	struct vm *vm = vcpu->vm;
	long rows, err;

	mutex_lock(&vm->lock);
	rows = system_cpuid_rows(entries, count, vm->page);
	err = rows < 0 ? rows : vm_call(vm, CPUID_SET, shared_address(vm->page), rows);
	mutex_unlock(&vm->lock);
	return err;
}

/* Pintle has one table for a VM, and knows by itself where vCPUs differ: in their APIC ids. */
static long set_cpuid_ioctl(struct vcpu *vcpu, struct kvm_cpuid2 __user *argument)
{
	struct kvm_cpuid_entry2 *entries;
	struct kvm_cpuid2 head;
	long err;

	if (copy_from_user(&head, argument, sizeof(head))) {
		return -EFAULT;
	}
	if (head.nent > PINTLE_CPUID_MAX) {
		return -E2BIG;
	}
	entries = kvcalloc(max(head.nent, 1u), sizeof(*entries), GFP_KERNEL_ACCOUNT);
	if (!entries) {
		return -ENOMEM;
	}
	err = copy_from_user(entries, argument->entries, head.nent * sizeof(*entries)) ? -EFAULT
										       : 0;
	if (err == 0) {
		err = set_cpuid(vcpu, entries, head.nent);
	}
	if (err) {
		kvfree(entries);
		return err;
	}
	kvfree(vcpu->cpuid);
	vcpu->cpuid = entries;
	vcpu->cpuid_count = head.nent;
	return 0;
}

static long get_cpuid_ioctl(struct vcpu *vcpu, struct kvm_cpuid2 __user *argument)
{
	struct kvm_cpuid2 head;
	bool fits;

	if (copy_from_user(&head, argument, sizeof(head))) {
		return -EFAULT;
	}
	fits = head.nent >= vcpu->cpuid_count;
	if (fits &&
		copy_to_user(
			argument->entries, vcpu->cpuid, vcpu->cpuid_count * sizeof(*vcpu->cpuid))) {
		return -EFAULT;
	}
	head.nent = vcpu->cpuid_count;
	if (copy_to_user(argument, &head, sizeof(head))) {
		return -EFAULT;
	}
	return fits ? 0 : -E2BIG;
}

/* There is one frequency; what a clock would not notice (250 ppm) is it. */
static long set_tsc_khz(unsigned long khz)
{
	unsigned long slack = limits.tsc_khz / 4000;

	return khz == 0 || abs((long)khz - (long)limits.tsc_khz) <= slack ? 0 : -EINVAL;
}

long state_ioctl(struct vcpu *vcpu, unsigned int command, void __user *argument)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(state_ioctls); i++) {
		if (state_ioctls[i].command == command) {
			return copied_ioctl(vcpu, i, argument);
		}
	}
	switch (command) {
	case KVM_GET_MSRS:
		return msrs_ioctl(vcpu, false, argument);
	case KVM_SET_MSRS:
		return msrs_ioctl(vcpu, true, argument);
	case KVM_SET_CPUID2:
		return set_cpuid_ioctl(vcpu, argument);
	case KVM_GET_CPUID2:
		return get_cpuid_ioctl(vcpu, argument);
	case KVM_GET_TSC_KHZ:
		return limits.tsc_khz;
	case KVM_SET_TSC_KHZ:
		return set_tsc_khz((unsigned long)argument);
	default:
		return -ENOTTY;
	}
}
