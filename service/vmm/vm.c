/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/vm.c - the VM: linux/Documentation/virt/kvm/api.rst describes what is asked for here.
 */
#include "service/vmm/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "service/vmm/say.h"

#define API_VERSION 12

/* What there is no going on without. */
static const struct {
	long capability;
	const char *name;
} needed[] = {
	{KVM_CAP_USER_MEMORY, "memory slots"},
	{KVM_CAP_SPLIT_IRQCHIP, "a split irqchip"},
	{KVM_CAP_SIGNAL_MSI, "KVM_SIGNAL_MSI"},
	{KVM_CAP_IRQ_ROUTING, "interrupt routing"},
	{KVM_CAP_IRQFD, "irqfd"},
	{KVM_CAP_IOEVENTFD, "ioeventfd"},
	{KVM_CAP_IMMEDIATE_EXIT, "immediate_exit"},
	{KVM_CAP_EXT_CPUID, "KVM_GET_SUPPORTED_CPUID"},
	{KVM_CAP_MP_STATE, "KVM_SET_MP_STATE"},
	{KVM_CAP_VCPU_EVENTS, "KVM_SET_VCPU_EVENTS"},
};

static int open_kvm(struct vm *vm, const char *path)
{
	vm->kvm = open(path, O_RDWR | O_CLOEXEC);
	if (vm->kvm < 0) {
		int err = -errno;
		say("cannot open %s: %s; is the kernel module loaded (kvm_amd, kvm_intel or pintle), "
		    "and may you use it?",
			path, strerror(-err));
		return err;
	}
	int version = ioctl(vm->kvm, KVM_GET_API_VERSION, 0);
	if (version != API_VERSION) {
		say("%s is not KVM, or not of version %d", path, API_VERSION);
		return -ENOTTY;
	}
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (ioctl(vm->kvm, KVM_CHECK_EXTENSION, needed[i].capability) <= 0) {
			say("%s has not %s; a newer kernel is needed", path, needed[i].name);
			return -EOPNOTSUPP;
		}
	}
	vm->tsc_deadline = ioctl(vm->kvm, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0;
	int size = ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (size < (int)sizeof(struct kvm_run)) {
		say("%s gives no run page", path);
		return -ENOTTY;
	}
	vm->run_size = (size_t)size;
	return 0;
}

static int set_up(struct vm *vm, const struct memory *memory)
{
	struct kvm_enable_cap split = {.cap = KVM_CAP_SPLIT_IRQCHIP, .args = {VM_IOAPIC_PINS}};
	if (ioctl(vm->fd, KVM_ENABLE_CAP, &split) != 0) {
		int err = -errno;
		say("cannot split the interrupt controllers: %s", strerror(-err));
		return err;
	}
	for (unsigned i = 0; i < memory->slot_count; i++) {
		const struct memory_slot *slot = &memory->slot[i];
		struct kvm_userspace_memory_region region = {.slot = i,
			.guest_phys_addr = slot->gpa,
			.memory_size = slot->size,
			.userspace_addr = (uintptr_t)slot->host};
		if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region) != 0) {
			int err = -errno;
			say("cannot give the guest %lu MiB at 0x%lx: %s", slot->size / MIB,
				slot->gpa, strerror(-err));
			return err;
		}
	}
	return 0;
}

int vm_create(struct vm *vm, const char *path, const struct memory *memory)
{
	*vm = (struct vm){.kvm = -1, .fd = -1, .gsi_count = VM_IOAPIC_PINS};
	pthread_mutex_init(&vm->lock, NULL);
	int err = open_kvm(vm, path);
	if (err == 0) {
		vm->fd = ioctl(vm->kvm, KVM_CREATE_VM, 0);
		if (vm->fd < 0) {
			err = -errno;
			say("%s makes no VM: %s", path, strerror(-err));
		}
	}
	if (err == 0) {
		err = set_up(vm, memory);
	}
	if (err != 0) {
		vm_destroy(vm);
	}
	return err;
}

void vm_destroy(struct vm *vm)
{
	if (vm->fd >= 0) {
		close(vm->fd);
	}
	if (vm->kvm >= 0) {
		close(vm->kvm);
	}
	vm->fd = vm->kvm = -1;
}

int vm_create_vcpu(struct vm *vm, unsigned id)
{
	int fd = ioctl(vm->fd, KVM_CREATE_VCPU, (unsigned long)id);
	if (fd < 0) {
		int err = -errno;
		say("cannot make vCPU %u: %s", id, strerror(-err));
		return err;
	}
	return fd;
}

void vm_send(struct vm *vm, const struct msi *msi)
{
	struct kvm_msi message = {.address_lo = (uint32_t)msi->address,
		.address_hi = (uint32_t)(msi->address >> 32),
		.data = msi->data};
	/* 0 and errors: the guest's own address leads to no CPU, as on hardware. */
	ioctl(vm->fd, KVM_SIGNAL_MSI, &message);
}

int vm_new_gsi(struct vm *vm)
{
	pthread_mutex_lock(&vm->lock);
	int gsi = vm->gsi_count < VM_GSI_MAX ? (int)vm->gsi_count++ : -ENOSPC;
	pthread_mutex_unlock(&vm->lock);
	return gsi;
}

/* The kernel takes all routes at once. Lock held. */
static int tell_routes(struct vm *vm)
{
	struct kvm_irq_routing *table =
		calloc(1, sizeof(*table) + VM_GSI_MAX * sizeof(table->entries[0]));
	if (table == NULL) {
		return -ENOMEM;
	}
	for (uint32_t gsi = 0; gsi < vm->gsi_count; gsi++) {
		const struct msi *msi = &vm->gsi_route[gsi];
		if (vm->gsi_routed[gsi]) {
			table->entries[table->nr++] = (struct kvm_irq_routing_entry){.gsi = gsi,
				.type = KVM_IRQ_ROUTING_MSI,
				.u.msi = {.address_lo = (uint32_t)msi->address,
					.address_hi = (uint32_t)(msi->address >> 32),
					.data = msi->data}};
		}
	}
	int err = ioctl(vm->fd, KVM_SET_GSI_ROUTING, table) == 0 ? 0 : -errno;
	free(table);
	return err;
}

static int change_route(struct vm *vm, uint32_t gsi, bool on, const struct msi *msi)
{
	int err = 0;
	pthread_mutex_lock(&vm->lock);
	struct msi *now = &vm->gsi_route[gsi];
	if (vm->gsi_routed[gsi] != on || now->address != msi->address || now->data != msi->data) {
		vm->gsi_routed[gsi] = on;
		*now = *msi;
		err = tell_routes(vm);
	}
	if (err != 0) {
		/* A message that the kernel does not take: it would refuse all others with it. */
		vm->gsi_routed[gsi] = false;
		*now = (struct msi){0};
	}
	pthread_mutex_unlock(&vm->lock);
	return err;
}

int vm_route(struct vm *vm, uint32_t gsi, const struct msi *msi)
{
	return change_route(vm, gsi, true, msi);
}

int vm_unroute(struct vm *vm, uint32_t gsi)
{
	return change_route(vm, gsi, false, &(struct msi){0});
}

int vm_irqfd(struct vm *vm, int eventfd, uint32_t gsi, bool on)
{
	struct kvm_irqfd irqfd = {
		.fd = (uint32_t)eventfd, .gsi = gsi, .flags = on ? 0 : KVM_IRQFD_FLAG_DEASSIGN};
	return ioctl(vm->fd, KVM_IRQFD, &irqfd) == 0 ? 0 : -errno;
}

int vm_ioeventfd(struct vm *vm, int eventfd, uint64_t address, uint32_t len, bool on)
{
	struct kvm_ioeventfd notify = {.addr = address,
		.len = len,
		.fd = eventfd,
		.flags = on ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN};
	return ioctl(vm->fd, KVM_IOEVENTFD, &notify) == 0 ? 0 : -errno;
}
