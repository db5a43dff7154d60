// SPDX-License-Identifier: GPL-2.0-only
/*
 * service/module/vcpu.c - a vCPU's life, and KVM_RUN.
 *
 * KVM_RUN lends the CPU to the vCPU until that stops: the record page says then what its VMM has to
 * do. While the vCPU sleeps the thread does, too, until an event. A signal stops the vCPU. The run
 * page is the VMM's to write at any time, so it is read once, and nothing there is believed.
 */
#include <linux/anon_inodes.h>
#include <linux/compat.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "service/module/shared.h"
#include "service/module/vm.h"

/* Where the data of KVM_EXIT_IO lie in the run page. */
#define IO_OFFSET ALIGN(sizeof(struct kvm_run), 64)

/* SDM vol. 3, 11.11: to the APIC whose id is in bits 19:12; delivery mode NMI. */
#define MSI_ADDRESS 0xfee00000u
#define MSI_NMI     0x400u

static void vcpu_stopped(struct event *event)
{
	wake_up(&container_of(event, struct vcpu, event)->wait);
}

/* The record is the VMM's: events only wake, and may be late. */
static bool has_stopped(struct vcpu *vcpu)
{
	return smp_load_acquire(&vcpu->record->exit) != PINTLE_EXIT_NONE;
}

/* For a signal. -EINTR; 0: it had stopped just before, and the record says why. */
static long stop(struct vcpu *vcpu)
{
	vcpu_call(vcpu, VCPU_STOP);
	return vcpu->record->exit == PINTLE_EXIT_STOPPED ? -EINTR : 0;
}

/*
 * Let it run in the place of this thread, until it stops, sleeps, or Linux has something to do
 * here; `begin`: it does not run yet. 1: it stops or sleeps. -EAGAIN: Linux has something to do
 * before. With interrupts off, so that none is missed: Pintle heeds them.
 */
static long lend(struct vcpu *vcpu, bool begin)
{
	u64 handle = vcpu->vm->handle;
	long result = -EAGAIN;

	local_irq_disable();
	if (!signal_pending(current) && !need_resched()) {
		if (begin) {
			WRITE_ONCE(vcpu->record->exit, PINTLE_EXIT_NONE);
		}
		result = begin ? pintle_call(VCPU_RUN, handle, vcpu->number, PINTLE_RUN_WAIT)
			       : pintle_call(VCPU_WAIT, handle, vcpu->number,
					 event_id(&vcpu->event, raw_smp_processor_id()));
	}
	local_irq_enable();
	cond_resched();
	return result;
}

/* Run until there is an exit: 0, it is in the record. -EINTR: a signal, there is none. -EAGAIN: a
 * signal before anything was begun. */
static long enter(struct vcpu *vcpu)
{
	bool runs = false;
	long result;

	while (!runs || !has_stopped(vcpu)) {
		if (signal_pending(current)) {
			return runs ? stop(vcpu) : -EAGAIN;
		}
		result = lend(vcpu, !runs);
		if (result < 0 && result != -EAGAIN) {
			return result;
		}
		runs |= result >= 0;
		if (result == 1) {
			/* It sleeps, and wakes by itself; if it stops, the event tells. */
			wait_event_interruptible(vcpu->wait, has_stopped(vcpu));
		}
	}
	return 0;
}

/* The exits that transfer data. */
static void tell_access(struct vcpu *vcpu, const struct pintle_record *record, bool is_port)
{
	unsigned int size = min_t(unsigned int, record->size, 8);
	struct kvm_run *run = vcpu->run;
	void *data;

	if (is_port) {
		run->exit_reason = KVM_EXIT_IO;
		run->io.direction = record->write ? KVM_EXIT_IO_OUT : KVM_EXIT_IO_IN;
		run->io.size = size;
		run->io.port = record->address;
		run->io.count = 1;
		run->io.data_offset = IO_OFFSET;
		data = (void *)run + IO_OFFSET;
	} else {
		run->exit_reason = KVM_EXIT_MMIO;
		run->mmio.phys_addr = record->address;
		run->mmio.len = size;
		run->mmio.is_write = record->write;
		data = run->mmio.data;
	}
	memset(data, 0, 8);
	if (record->write) {
		memcpy(data, &record->value, size);
	}
	vcpu->asks = true;
}

/* Put the exit in the run page. False: it is not for the VMM. */
static bool tell_exit(struct vcpu *vcpu)
{
	const struct pintle_record *record = vcpu->record;
	struct kvm_run *run = vcpu->run;

	switch (record->exit) {
	case PINTLE_EXIT_IO:
	case PINTLE_EXIT_MMIO:
		tell_access(vcpu, record, record->exit == PINTLE_EXIT_IO);
		return true;
	case PINTLE_EXIT_EOI:
		run->exit_reason = KVM_EXIT_IOAPIC_EOI;
		run->eoi.vector = record->value;
		return irq_eoi(vcpu->vm, record->value);
	case PINTLE_EXIT_SHUTDOWN:
		run->exit_reason = KVM_EXIT_SHUTDOWN;
		return true;
	case PINTLE_EXIT_FAILED:
		run->exit_reason = KVM_EXIT_FAIL_ENTRY;
		run->fail_entry.hardware_entry_failure_reason = record->value;
		run->fail_entry.cpu = raw_smp_processor_id();
		return true;
	case PINTLE_EXIT_STOPPED: /* by somebody else */
		return false;
	default:
		run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
		run->internal.suberror = KVM_INTERNAL_ERROR_EMULATION;
		run->internal.ndata = 1;
		run->internal.data[0] = record->address;
		return true;
	}
}

/* What the VMM has brought for what it was told of last; of a write that is nothing. */
static void take_answer(struct vcpu *vcpu)
{
	struct pintle_record *record = vcpu->record;
	bool is_port = record->exit == PINTLE_EXIT_IO;
	u64 value = 0;

	memcpy(&value, is_port ? (void *)vcpu->run + IO_OFFSET : vcpu->run->mmio.data,
		min_t(unsigned int, record->size, 8));
	record->value = value;
	vcpu->asks = false;
}

static long interrupted(struct vcpu *vcpu)
{
	vcpu->run->exit_reason = KVM_EXIT_INTR;
	return -EINTR;
}

/* With immediate_exit or a signal: the instruction that the VMM was told of is finished, and no
 * other begun. One that repeats itself may ask for more. */
static long run_not(struct vcpu *vcpu)
{
	long err;

	WRITE_ONCE(vcpu->record->exit, PINTLE_EXIT_NONE);
	err = vcpu_call(vcpu, VCPU_RUN, PINTLE_RUN_ANSWER);
	if (err == 0 && has_stopped(vcpu) && tell_exit(vcpu)) {
		return 0;
	}
	return err ? err : interrupted(vcpu);
}

static long run(struct vcpu *vcpu)
{
	long err;

	vcpu->run->exit_reason = KVM_EXIT_UNKNOWN;
	if (vcpu->asks) {
		take_answer(vcpu);
	}
	if (READ_ONCE(vcpu->run->immediate_exit)) {
		return run_not(vcpu);
	}
	do {
		err = enter(vcpu);
		if (err) {
			/* It may have been stopped before it came to do what was answered. */
			return err == -EAGAIN || err == -EINTR ? run_not(vcpu) : err;
		}
	} while (!tell_exit(vcpu));
	return 0;
}

static long vcpu_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	struct vcpu *vcpu = file->private_data;
	long err;

	if (vcpu->vm->mm != current->mm) {
		return -EIO;
	}
	if (command == KVM_NMI) { /* also while it runs */
		err = pintle_call(MSI, vcpu->vm->handle, MSI_ADDRESS | vcpu->id << 12, MSI_NMI);
		return err < 0 ? err : 0;
	}
	if (mutex_lock_killable(&vcpu->lock)) {
		return -EINTR;
	}
	if (command == KVM_RUN) {
		err = argument ? -EINVAL : run(vcpu);
	} else {
		err = state_ioctl(vcpu, command, (void __user *)argument);
	}
	mutex_unlock(&vcpu->lock);
	return err;
}

static vm_fault_t vcpu_fault(struct vm_fault *fault)
{
	struct vcpu *vcpu = fault->vma->vm_file->private_data;

	if (fault->pgoff != 0) {
		return VM_FAULT_SIGBUS;
	}
	fault->page = virt_to_page(vcpu->run);
	get_page(fault->page);
	return 0;
}

static const struct vm_operations_struct vcpu_mapping = {
	.fault = vcpu_fault,
};

static int vcpu_mmap(struct file *file, struct vm_area_struct *vma)
{
	if (vma->vm_flags & VM_EXEC || vma_pages(vma) != 1 || vma->vm_pgoff != 0) {
		return -EINVAL;
	}
	vma->vm_ops = &vcpu_mapping;
	return 0;
}

static int vcpu_release(struct inode *inode, struct file *file)
{
	struct vcpu *vcpu = file->private_data;

	if (vcpu) {
		vm_put(vcpu->vm);
	}
	return 0;
}

static const struct file_operations vcpu_operations = {
	.owner = THIS_MODULE,
	.release = vcpu_release,
	.unlocked_ioctl = vcpu_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = vcpu_mmap,
	.llseek = noop_llseek,
};

/* Pintle does not know it, or no longer. */
void vcpu_free(struct vcpu *vcpu)
{
	shared_free(vcpu->record, 1 + limits.bulk_pages);
	free_page((unsigned long)vcpu->run);
	kvfree(vcpu->cpuid);
	kfree(vcpu);
}

static struct vcpu *vcpu_alloc(struct vm *vm, u32 id)
{
	struct vcpu *vcpu = kzalloc(sizeof(*vcpu), GFP_KERNEL_ACCOUNT);

	BUILD_BUG_ON(IO_OFFSET + 8 > PAGE_SIZE);
	BUILD_BUG_ON(sizeof(struct pintle_record) > PAGE_SIZE);
	if (!vcpu) {
		return ERR_PTR(-ENOMEM);
	}
	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->run = (struct kvm_run *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	vcpu->record = shared_alloc(1 + limits.bulk_pages);
	if (!vcpu->run || !vcpu->record) {
		vcpu_free(vcpu);
		return ERR_PTR(-ENOMEM);
	}
	vcpu->bulk = (void *)vcpu->record + PAGE_SIZE;
	mutex_init(&vcpu->lock);
	init_waitqueue_head(&vcpu->wait);
	vcpu->event.happened = vcpu_stopped;
	return vcpu;
}

/* Lock held. Make it known to Pintle, which cannot be undone: the last step. */
static long vcpu_attach(struct vm *vm, struct vcpu *vcpu)
{
	unsigned int i;
	long number;

	if (!vm->split) {
		return -ENXIO; /* without a local APIC in Pintle there is no vCPU */
	}
	for (i = 0; i < vm->vcpu_count; i++) {
		if (vm->vcpu[i]->id == vcpu->id) {
			return -EEXIST;
		}
	}
	number = vm->vcpu_count >= limits.vcpus
		? -EINVAL
		: vm_call(vm, VCPU_CREATE, vcpu->id, shared_address(vcpu->record),
			  event_id(&vcpu->event, raw_smp_processor_id()));
	if (number < 0) {
		return number;
	}
	vcpu->number = number;
	vm->vcpu[vm->vcpu_count++] = vcpu;
	return 0;
}

/* With a file, not yet in the table of descriptors. */
static long vcpu_make(struct vm *vm, u32 id, struct file **file)
{
	struct vcpu *vcpu = vcpu_alloc(vm, id);
	long err;

	if (IS_ERR(vcpu)) {
		return PTR_ERR(vcpu);
	}
	err = event_add(&vcpu->event);
	if (err) {
		vcpu_free(vcpu);
		return err;
	}
	*file = anon_inode_getfile("kvm-vcpu", &vcpu_operations, NULL, O_RDWR);
	if (IS_ERR(*file)) {
		err = PTR_ERR(*file);
	} else {
		mutex_lock(&vm->lock);
		err = vcpu_attach(vm, vcpu);
		mutex_unlock(&vm->lock);
		if (err == 0) {
			kref_get(&vm->users);
			(*file)->private_data = vcpu;
			return 0;
		}
		fput(*file);
	}
	event_remove(&vcpu->event);
	events_wait();
	vcpu_free(vcpu);
	return err;
}

long vcpu_create(struct vm *vm, unsigned long id)
{
	int fd = get_unused_fd_flags(O_CLOEXEC);
	struct file *file;
	long err;

	if (fd < 0) {
		return fd;
	}
	err = id < limits.vcpus ? vcpu_make(vm, id, &file) : -EINVAL;
	if (err) {
		put_unused_fd(fd);
		return err;
	}
	fd_install(fd, file);
	return fd;
}
