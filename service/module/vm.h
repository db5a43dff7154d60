/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/module/vm.h - a VM and its vCPUs.
 *
 * A VM lives as long as a descriptor of it or of one of its vCPUs is open; then all goes at once,
 * in vm_free(). Locks, outer ones first: vcpu->lock, vm->lock, vm->irq_lock.
 */
#pragma once

#include <linux/bitmap.h>
#include <linux/kref.h>
#include <linux/kvm.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/wait.h>

#include "service/module/decode.h"
#include "service/module/events.h"
#include "service/module/hypercall.h"

#define VM_VCPUS_MAX 64u

struct vcpu;

/* [I] constant after vm_create()  [L] lock  [Q] irq_lock */
struct vm {
	struct kref users;
	u64 handle;                 /* [I] */
	struct mm_struct *mm;       /* [I] the VMM's; its ioctls are refused to others */
	struct mutex lock;          /* */
	void *page;                 /* [L] shared with Pintle, for what a call is about */
	struct list_head pieces;    /* [L] struct page, by their lru */
	struct list_head slots;     /* [L] */
	struct list_head doorbells; /* [L] */
	DECLARE_BITMAP(doorbell_numbers, PINTLE_DOORBELLS); /* [L] that Pintle has */
	struct vcpu *vcpu[VM_VCPUS_MAX];                    /* [L] by number */
	unsigned int vcpu_count;                            /* [L] */
	bool split;                                         /* [L] KVM_CAP_SPLIT_IRQCHIP is on */
	struct mutex irq_lock;                              /* */
	u32 pins;                                           /* [Q] of the VMM's I/O APIC */
	struct routes __rcu *routes;                        /* [Q] to write */
	struct list_head irqfds;                            /* [Q] */
	unsigned int irqfd_count;                           /* [Q] */
};

/* [I] constant after vcpu_create()  [V] lock */
struct vcpu {
	struct vm *vm;                  /* [I] */
	u32 id, number;                 /* [I] KVM's, which is its APIC id, and Pintle's */
	struct mutex lock;              /* held all the time that it runs */
	struct kvm_run *run;            /* [I] a page that the VMM sees and writes at any time */
	struct pintle_record *record;   /* [I] */
	void *bulk;                     /* [I] pages for PINTLE_BULK_..., behind the record */
	struct event event;             /* [I] it has stopped */
	wait_queue_head_t wait;         /* for the event */
	bool asks;                      /* [V] for the VMM's answer to what the record says */
	struct kvm_cpuid_entry2 *cpuid; /* [V] as it was set */
	u32 cpuid_count;                /* [V] */
};

/* Deposit one piece more, lock held. 0 or a negative errno. */
int vm_feed(struct vm *vm);

/*
 * A hypercall about a VM, whose first argument that is: again while somebody else looks at it (the
 * monitor), and once more after a piece when the VM has no pages left. Lock held.
 */
#define vm_call(vm, name, ...)                                                                     \
	({                                                                                         \
		struct vm *vm_ = (vm);                                                             \
		bool fed_ = false;                                                                 \
		long result_;                                                                      \
		for (;;) {                                                                         \
			result_ = pintle_call(name, vm_->handle, ##__VA_ARGS__);                   \
			if (result_ == -ENOMEM && !fed_ && vm_feed(vm_) == 0) {                    \
				fed_ = true;                                                       \
			} else if (result_ != -EAGAIN) {                                           \
				break;                                                             \
			}                                                                          \
			cond_resched();                                                            \
		}                                                                                  \
		result_;                                                                           \
	})

/* And about a vCPU; its lock held where the call wants it stopped. */
#define vcpu_call(vcpu, name, ...)                                                                 \
	({                                                                                         \
		struct vcpu *vcpu_ = (vcpu);                                                       \
		long result_;                                                                      \
		while ((result_ = pintle_call(name, vcpu_->vm->handle, vcpu_->number,              \
				##__VA_ARGS__)) == -EAGAIN) {                                      \
			cond_resched();                                                            \
		}                                                                                  \
		result_;                                                                           \
	})

/* system.c. What there is at all; set when the module starts. */
struct limits {
	unsigned int xsave_size; /* bytes */
	unsigned int bulk_pages;
	unsigned int tsc_khz;
	unsigned int vcpus; /* of a VM, and above all of their ids */
};
extern struct limits limits;
long system_check_extension(unsigned long capability);
long system_ioctl(struct file *file, unsigned int command, unsigned long argument);
/* Entries of CPUID to a page of Pintle's rows; their number or a negative errno. */
int system_cpuid_rows(const struct kvm_cpuid_entry2 *entries, u32 count, struct pintle_cpuid *rows);

/* vm.c. A descriptor, or a negative errno. */
long vm_create(unsigned long type);
void vm_put(struct vm *vm);

/* memory.c. */
long memory_set_region(struct vm *vm, void __user *argument);
long memory_get_dirty_log(struct vm *vm, void __user *argument);
void memory_unmap(struct vm *vm); /* in steps; VM_DESTROY does at once what is left */
void memory_free(struct vm *vm);  /* once Pintle uses none of it */

/* irq.c. */
long irq_set_routing(struct vm *vm, void __user *argument);
long irq_signal_msi(struct vm *vm, void __user *argument);
long irq_set_irqfd(struct vm *vm, void __user *argument);
long irq_split(struct vm *vm, u64 pins);
/* The guest has ended a level-triggered interrupt; true: the VMM's I/O APIC wants to know. */
bool irq_eoi(struct vm *vm, u8 vector);
void irq_free_irqfds(struct vm *vm); /* none fires after that */
void irq_free(struct vm *vm);

/* doorbell.c. */
long doorbell_set(struct vm *vm, void __user *argument);
void doorbell_free(struct vm *vm); /* once Pintle rings none of them */

/* vcpu.c. A descriptor, or a negative errno. */
long vcpu_create(struct vm *vm, unsigned long id);
void vcpu_free(struct vcpu *vcpu);

/* state.c. Lock held. -ENOTTY: it is not about registers. */
long state_ioctl(struct vcpu *vcpu, unsigned int command, void __user *argument);
