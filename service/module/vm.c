// SPDX-License-Identifier: GPL-2.0-only
/*
 * service/module/vm.c - a VM's life, its pieces, and its ioctls.
 */
#include <linux/anon_inodes.h>
#include <linux/compat.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "service/module/shared.h"
#include "service/module/vm.h"

#define PIECE_ORDER get_order(PINTLE_PIECE)

/* Memory may have to be moved to find one. */
static struct page *piece_alloc(void)
{
	return alloc_pages(GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN, PIECE_ORDER);
}

int vm_feed(struct vm *vm)
{
	struct page *piece = piece_alloc();
	long err;

	if (!piece) {
		return -ENOMEM;
	}
	do {
		err = pintle_call(DEPOSIT, vm->handle, page_to_phys(piece));
	} while (err == -EAGAIN);
	if (err) {
		__free_pages(piece, PIECE_ORDER);
		return err;
	}
	list_add(&piece->lru, &vm->pieces);
	return 0;
}

/* Nobody has a descriptor any more. What Pintle does not give back is lost, not given to others. */
static void vm_free(struct kref *users)
{
	struct vm *vm = container_of(users, struct vm, users);
	struct page *piece, *next;
	unsigned int i;
	long err;

	memory_unmap(vm);
	err = pintle_call_alone(VM_DESTROY, vm->handle);
	if (err) {
		pr_err("pintle: VM %llx does not end: %ld; its memory is lost\n", vm->handle, err);
		return;
	}
	doorbell_free(vm);
	for (i = 0; i < vm->vcpu_count; i++) {
		event_remove(&vm->vcpu[i]->event);
	}
	events_wait();
	for (i = 0; i < vm->vcpu_count; i++) {
		vcpu_free(vm->vcpu[i]);
	}
	irq_free(vm);
	memory_free(vm);
	list_for_each_entry_safe(piece, next, &vm->pieces, lru)
	{
		list_del(&piece->lru);
		__free_pages(piece, PIECE_ORDER);
	}
	shared_free(vm->page, 1);
	mmdrop(vm->mm);
	kfree(vm);
}

void vm_put(struct vm *vm)
{
	kref_put(&vm->users, vm_free);
}

/* vCPUs may live on; what fires from outside does not. */
static int vm_release(struct inode *inode, struct file *file)
{
	struct vm *vm = file->private_data;

	irq_free_irqfds(vm);
	vm_put(vm);
	return 0;
}

static long vm_enable_cap(struct vm *vm, void __user *argument)
{
	struct kvm_enable_cap cap;
	long err;

	if (copy_from_user(&cap, argument, sizeof(cap))) {
		return -EFAULT;
	}
	if (cap.flags || cap.cap != KVM_CAP_SPLIT_IRQCHIP) {
		return -EINVAL;
	}
	mutex_lock(&vm->lock);
	err = vm->split || vm->vcpu_count ? -EEXIST : irq_split(vm, cap.args[0]);
	vm->split |= err == 0;
	mutex_unlock(&vm->lock);
	return err;
}

static long vm_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	struct vm *vm = file->private_data;
	void __user *pointer = (void __user *)argument;
	u64 address;

	if (vm->mm != current->mm) {
		return -EIO;
	}
	switch (command) {
	case KVM_CREATE_VCPU:
		return vcpu_create(vm, argument);
	case KVM_SET_USER_MEMORY_REGION:
		return memory_set_region(vm, pointer);
	case KVM_GET_DIRTY_LOG:
		return memory_get_dirty_log(vm, pointer);
	case KVM_ENABLE_CAP:
		return vm_enable_cap(vm, pointer);
	case KVM_SET_GSI_ROUTING:
		return irq_set_routing(vm, pointer);
	case KVM_SIGNAL_MSI:
		return irq_signal_msi(vm, pointer);
	case KVM_IRQFD:
		return irq_set_irqfd(vm, pointer);
	case KVM_IOEVENTFD:
		return doorbell_set(vm, pointer);
	case KVM_CHECK_EXTENSION:
		return system_check_extension(argument);
	case KVM_SET_TSS_ADDR: /* Intel's first CPUs needed pages for real mode; nothing to do */
		return 0;
	case KVM_SET_IDENTITY_MAP_ADDR:
		return copy_from_user(&address, pointer, sizeof(address)) ? -EFAULT : 0;
	default:
		return -ENOTTY;
	}
}

static const struct file_operations vm_operations = {
	.owner = THIS_MODULE,
	.release = vm_release,
	.unlocked_ioctl = vm_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

/* With its first piece, known to Pintle. */
static struct vm *vm_alloc(void)
{
	struct vm *vm = kzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	struct page *piece = piece_alloc();
	long handle = -ENOMEM;

	if (vm) {
		vm->page = shared_alloc(1);
	}
	if (vm && vm->page && piece) {
		handle = pintle_call_alone(VM_CREATE, page_to_phys(piece));
	}
	if (handle < 0) {
		if (piece) {
			__free_pages(piece, PIECE_ORDER);
		}
		if (vm) {
			shared_free(vm->page, 1);
		}
		kfree(vm);
		return ERR_PTR(handle);
	}
	vm->handle = handle;
	kref_init(&vm->users);
	mutex_init(&vm->lock);
	mutex_init(&vm->irq_lock);
	INIT_LIST_HEAD(&vm->pieces);
	INIT_LIST_HEAD(&vm->slots);
	INIT_LIST_HEAD(&vm->doorbells);
	INIT_LIST_HEAD(&vm->irqfds);
	list_add(&piece->lru, &vm->pieces);
	return vm;
}

long vm_create(unsigned long type)
{
	struct vm *vm;
	int fd;

	if (type) {
		return -EINVAL;
	}
	vm = vm_alloc();
	if (IS_ERR(vm)) {
		return PTR_ERR(vm);
	}
	vm->mm = current->mm;
	mmgrab(vm->mm);
	fd = anon_inode_getfd("kvm-vm", &vm_operations, vm, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		vm_put(vm);
	}
	return fd;
}
