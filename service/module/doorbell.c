// SPDX-License-Identifier: GPL-2.0-only
/*
 * service/module/doorbell.c - writes of the guest that add to an eventfd and stop nobody.
 */
#include <linux/eventfd.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "service/module/vm.h"

/* [L] vm->lock; what the event's handler reads stays */
struct doorbell {
	struct list_head node;
	struct event event;
	struct eventfd_ctx *eventfd;
	struct pintle_doorbell as;
	unsigned int number;
};

static void doorbell_rung(struct event *event)
{
	struct doorbell *doorbell = container_of(event, struct doorbell, event);

	eventfd_signal(doorbell->eventfd, 1);
}

/* Events on their way may still ring it until events_wait(); then doorbell_put(). */
static void doorbell_unhang(struct vm *vm, struct doorbell *doorbell)
{
	event_remove(&doorbell->event);
	list_del(&doorbell->node);
	__clear_bit(doorbell->number, vm->doorbell_numbers);
}

static void doorbell_put(struct doorbell *doorbell)
{
	eventfd_ctx_put(doorbell->eventfd);
	kfree(doorbell);
}

static long tell_pintle(struct vm *vm, unsigned int number, const struct pintle_doorbell *as)
{
	memcpy(vm->page, as, sizeof(*as));
	return vm_call(vm, DOORBELL, virt_to_phys(vm->page), number);
}

static bool is_like(const struct doorbell *doorbell, const struct pintle_doorbell *wanted)
{
	const struct pintle_doorbell *as = &doorbell->as;

	return as->address == wanted->address && as->size == wanted->size &&
		as->place == wanted->place && as->match == wanted->match &&
		as->data == wanted->data;
}

/* Lock held. The eventfd is the doorbell's when it succeeds. */
static long doorbell_add(
	struct vm *vm, const struct pintle_doorbell *wanted, struct eventfd_ctx *eventfd)
{
	unsigned int number = find_first_zero_bit(vm->doorbell_numbers, PINTLE_DOORBELLS);
	struct doorbell *doorbell;
	long err;

	list_for_each_entry(doorbell, &vm->doorbells, node)
	{
		if (is_like(doorbell, wanted)) {
			return -EEXIST;
		}
	}
	if (number >= PINTLE_DOORBELLS) {
		return -ENOSPC;
	}
	doorbell = kzalloc(sizeof(*doorbell), GFP_KERNEL_ACCOUNT);
	if (!doorbell) {
		return -ENOMEM;
	}
	doorbell->as = *wanted;
	doorbell->number = number;
	doorbell->eventfd = eventfd;
	doorbell->event.happened = doorbell_rung;
	err = event_add(&doorbell->event);
	if (err) {
		kfree(doorbell);
		return err;
	}
	list_add(&doorbell->node, &vm->doorbells);
	__set_bit(number, vm->doorbell_numbers);
	doorbell->as.event = event_id(&doorbell->event, raw_smp_processor_id());
	err = tell_pintle(vm, number, &doorbell->as);
	if (err) {
		doorbell_unhang(vm, doorbell);
		events_wait();
		kfree(doorbell);
	}
	return err;
}

/* Lock held. */
static long doorbell_remove(
	struct vm *vm, const struct pintle_doorbell *wanted, struct eventfd_ctx *eventfd)
{
	static const struct pintle_doorbell none;
	struct doorbell *doorbell;
	long err;

	list_for_each_entry(doorbell, &vm->doorbells, node)
	{
		if (doorbell->eventfd == eventfd && is_like(doorbell, wanted)) {
			err = tell_pintle(vm, doorbell->number, &none);
			if (err == 0) {
				doorbell_unhang(vm, doorbell);
				events_wait();
				doorbell_put(doorbell);
			}
			return err;
		}
	}
	return -ENOENT;
}

long doorbell_set(struct vm *vm, void __user *argument)
{
	struct pintle_doorbell wanted;
	struct kvm_ioeventfd request;
	struct eventfd_ctx *eventfd;
	bool add;
	long err;

	if (copy_from_user(&request, argument, sizeof(request))) {
		return -EFAULT;
	}
	err = decode_doorbell(&request, &wanted);
	if (err) {
		return err;
	}
	eventfd = eventfd_ctx_fdget(request.fd);
	if (IS_ERR(eventfd)) {
		return PTR_ERR(eventfd);
	}
	add = !(request.flags & KVM_IOEVENTFD_FLAG_DEASSIGN);
	mutex_lock(&vm->lock);
	err = add ? doorbell_add(vm, &wanted, eventfd) : doorbell_remove(vm, &wanted, eventfd);
	mutex_unlock(&vm->lock);
	if (!add || err) {
		eventfd_ctx_put(eventfd);
	}
	return err;
}

void doorbell_free(struct vm *vm)
{
	struct doorbell *doorbell, *next;

	list_for_each_entry(doorbell, &vm->doorbells, node)
	{
		event_remove(&doorbell->event);
	}
	events_wait();
	list_for_each_entry_safe(doorbell, next, &vm->doorbells, node)
	{
		list_del(&doorbell->node);
		doorbell_put(doorbell);
	}
}
