// SPDX-License-Identifier: GPL-2.0-only
/*
 * service/module/irq.c - interrupts for guests: messages, routes, and eventfds that stand for a
 * GSI.
 *
 * A trigger fires in whatever context its eventfd is written, under that eventfd's lock; it looks
 * its route up by RCU and asks Pintle at once, which takes no longer than it would take to defer.
 */
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "service/module/vm.h"

#define IRQFDS_MAX 4096u

/* [Q] irq_lock, but for what the trigger reads, which stays */
struct irqfd {
	struct list_head node; /* [Q] */
	struct vm *vm;
	u32 gsi;
	struct eventfd_ctx *trigger;
	struct eventfd_ctx *resample; /* told when the interrupt has ended; or NULL */
	wait_queue_entry_t wait;      /* among the trigger's waiters */
	poll_table table;
};

static void send(struct vm *vm, u32 gsi)
{
	const struct routes *routes;

	rcu_read_lock();
	routes = rcu_dereference(vm->routes);
	if (routes && gsi < routes->count && routes->route[gsi].valid) {
		/* To nobody: as on hardware. The call only looks, so there is nothing to wait for.
		 */
		while (pintle_call(MSI, vm->handle, routes->route[gsi].address,
			       routes->route[gsi].data) == -EAGAIN) {
			cpu_relax();
		}
	}
	rcu_read_unlock();
}

/* The eventfd was written: its lock is held, interrupts may be off. Takes the count away, so that
 * nobody else sees it. */
static int irqfd_wake(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct irqfd *irqfd = container_of(wait, struct irqfd, wait);
	u64 count;

	if (!(key_to_poll(key) & EPOLLIN)) {
		return 0; /* closed by its last user: it stays, deaf, until it is taken off */
	}
	eventfd_ctx_do_read(irqfd->trigger, &count);
	send(irqfd->vm, irqfd->gsi);
	return 1;
}

static void irqfd_queue(struct file *file, wait_queue_head_t *head, poll_table *table)
{
	struct irqfd *irqfd = container_of(table, struct irqfd, table);

	add_wait_queue_priority(head, &irqfd->wait);
}

/* Irq_lock held. No trigger of it is running any more when it returns. */
static void irqfd_remove(struct irqfd *irqfd)
{
	u64 count;

	eventfd_ctx_remove_wait_queue(irqfd->trigger, &irqfd->wait, &count);
	list_del(&irqfd->node);
	irqfd->vm->irqfd_count--;
	eventfd_ctx_put(irqfd->trigger);
	if (irqfd->resample) {
		eventfd_ctx_put(irqfd->resample);
	}
	kfree(irqfd);
}

static long irqfd_take_off(struct vm *vm, const struct kvm_irqfd *request)
{
	struct eventfd_ctx *trigger = eventfd_ctx_fdget(request->fd);
	struct irqfd *irqfd, *next;

	if (IS_ERR(trigger)) {
		return PTR_ERR(trigger);
	}
	mutex_lock(&vm->irq_lock);
	list_for_each_entry_safe(irqfd, next, &vm->irqfds, node)
	{
		if (irqfd->trigger == trigger && irqfd->gsi == request->gsi) {
			irqfd_remove(irqfd);
		}
	}
	mutex_unlock(&vm->irq_lock);
	eventfd_ctx_put(trigger);
	return 0;
}

/* Its eventfds; 0 or a negative errno, with nothing kept. */
static long irqfd_open(struct irqfd *irqfd, struct file *file, const struct kvm_irqfd *request)
{
	irqfd->trigger = eventfd_ctx_fileget(file);
	if (IS_ERR(irqfd->trigger)) {
		return PTR_ERR(irqfd->trigger);
	}
	if (request->flags & KVM_IRQFD_FLAG_RESAMPLE) {
		irqfd->resample = eventfd_ctx_fdget(request->resamplefd);
		if (IS_ERR(irqfd->resample)) {
			eventfd_ctx_put(irqfd->trigger);
			return PTR_ERR(irqfd->resample);
		}
	}
	return 0;
}

/* An eventfd stands for one GSI of a VM. Irq_lock held. */
static long irqfd_check(struct vm *vm, const struct irqfd *wanted)
{
	struct irqfd *irqfd;

	if (vm->irqfd_count >= IRQFDS_MAX) {
		return -ENOSPC;
	}
	list_for_each_entry(irqfd, &vm->irqfds, node)
	{
		if (irqfd->trigger == wanted->trigger) {
			return -EBUSY;
		}
	}
	return 0;
}

static long irqfd_put_on(struct vm *vm, struct file *file, const struct kvm_irqfd *request)
{
	struct irqfd *irqfd = kzalloc(sizeof(*irqfd), GFP_KERNEL_ACCOUNT);
	long err;

	if (!irqfd) {
		return -ENOMEM;
	}
	irqfd->vm = vm;
	irqfd->gsi = request->gsi;
	init_waitqueue_func_entry(&irqfd->wait, irqfd_wake);
	init_poll_funcptr(&irqfd->table, irqfd_queue);
	err = irqfd_open(irqfd, file, request);
	if (err) {
		kfree(irqfd);
		return err;
	}
	mutex_lock(&vm->irq_lock);
	err = irqfd_check(vm, irqfd);
	if (err == 0) {
		list_add(&irqfd->node, &vm->irqfds);
		vm->irqfd_count++;
		if (vfs_poll(file, &irqfd->table) & EPOLLIN) {
			send(vm, irqfd->gsi); /* it was written before */
		}
	}
	mutex_unlock(&vm->irq_lock);
	if (err) {
		eventfd_ctx_put(irqfd->trigger);
		if (irqfd->resample) {
			eventfd_ctx_put(irqfd->resample);
		}
		kfree(irqfd);
	}
	return err;
}

long irq_set_irqfd(struct vm *vm, void __user *argument)
{
	struct kvm_irqfd request;
	struct fd fd;
	long err;

	if (copy_from_user(&request, argument, sizeof(request))) {
		return -EFAULT;
	}
	if (request.flags & ~(KVM_IRQFD_FLAG_DEASSIGN | KVM_IRQFD_FLAG_RESAMPLE) ||
		request.gsi >= DECODE_ROUTES_MAX) {
		return -EINVAL;
	}
	if (request.flags & KVM_IRQFD_FLAG_DEASSIGN) {
		return irqfd_take_off(vm, &request);
	}
	fd = fdget(request.fd);
	if (!fd.file) {
		return -EBADF;
	}
	err = irqfd_put_on(vm, fd.file, &request);
	fdput(fd);
	return err;
}

void irq_free_irqfds(struct vm *vm)
{
	struct irqfd *irqfd, *next;

	mutex_lock(&vm->irq_lock);
	list_for_each_entry_safe(irqfd, next, &vm->irqfds, node)
	{
		irqfd_remove(irqfd);
	}
	mutex_unlock(&vm->irq_lock);
}

bool irq_eoi(struct vm *vm, u8 vector)
{
	const struct routes *routes;
	struct irqfd *irqfd;
	bool wanted = false;

	mutex_lock(&vm->irq_lock);
	routes = rcu_dereference_protected(vm->routes, lockdep_is_held(&vm->irq_lock));
	if (routes) {
		wanted = routes->eoi[vector / 64] >> (vector % 64) & 1;
		list_for_each_entry(irqfd, &vm->irqfds, node)
		{
			if (irqfd->resample && irqfd->gsi < routes->count &&
				route_is_level(&routes->route[irqfd->gsi], vector)) {
				eventfd_signal(irqfd->resample, 1);
			}
		}
	}
	mutex_unlock(&vm->irq_lock);
	return wanted;
}

/* No trigger uses the old table when it returns. Irq_lock held. */
static void replace_routes(struct vm *vm, struct routes *routes)
{
	struct routes *old =
		rcu_replace_pointer(vm->routes, routes, lockdep_is_held(&vm->irq_lock));

	if (old) {
		synchronize_rcu_expedited();
		kvfree(old);
	}
}

static long set_routes(struct vm *vm, const struct kvm_irq_routing_entry *entries, u32 count)
{
	u32 length = decode_routes_count(entries, count);
	struct routes *routes;
	long err;

	routes = kvzalloc(struct_size(routes, route, length), GFP_KERNEL_ACCOUNT);
	if (!routes) {
		return -ENOMEM;
	}
	routes->count = length;
	mutex_lock(&vm->irq_lock);
	err = decode_routes(routes, entries, count, vm->pins);
	if (err == 0) {
		replace_routes(vm, routes);
	}
	mutex_unlock(&vm->irq_lock);
	if (err) {
		kvfree(routes);
	}
	return err;
}

long irq_set_routing(struct vm *vm, void __user *argument)
{
	struct kvm_irq_routing __user *from = argument;
	struct kvm_irq_routing_entry *entries;
	struct kvm_irq_routing head;
	long err;

	if (copy_from_user(&head, from, sizeof(head))) {
		return -EFAULT;
	}
	if (head.nr > DECODE_ROUTES_MAX || head.flags) {
		return -EINVAL;
	}
	entries = head.nr ? vmemdup_user(from->entries, head.nr * sizeof(*entries)) : NULL;
	if (IS_ERR(entries)) {
		return PTR_ERR(entries);
	}
	err = set_routes(vm, entries, head.nr);
	kvfree(entries);
	return err;
}

long irq_signal_msi(struct vm *vm, void __user *argument)
{
	struct kvm_msi msi;
	long result;

	if (copy_from_user(&msi, argument, sizeof(msi))) {
		return -EFAULT;
	}
	if (msi.flags) {
		return -EINVAL;
	}
	while ((result = pintle_call(MSI, vm->handle, (u64)msi.address_hi << 32 | msi.address_lo,
			msi.data)) == -EAGAIN) {
		cond_resched();
	}
	return result;
}

long irq_split(struct vm *vm, u64 pins)
{
	if (pins > DECODE_ROUTES_MAX) {
		return -EINVAL;
	}
	mutex_lock(&vm->irq_lock);
	vm->pins = pins;
	mutex_unlock(&vm->irq_lock);
	return 0;
}

void irq_free(struct vm *vm)
{
	kvfree(rcu_dereference_protected(vm->routes, true));
}
