// SPDX-License-Identifier: GPL-2.0-only
/*
 * service/module/memory.c - memory slots: the VMM's pages, pinned and mapped to the guest.
 *
 * In chunks that end at multiples of 2 MiB of the guest's addresses: one page lists them, one
 * hypercall maps them, and large pages lie whole in one.
 */
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "service/module/vm.h"

#define CHUNK_PAGES (PINTLE_PIECE / PAGE_SIZE)
#define STEP        (1ull << 24)    /* for UNMAP and PROTECT at once: meanwhile nobody else runs */
#define LOG_PAGES   (PAGE_SIZE * 8) /* what DIRTY_LOG tells at once */

/* [vm->lock] all */
struct slot {
	struct list_head node;
	u32 id, flags;
	bool dead;     /* it could not be unmapped: kept until the VM ends */
	u64 gpa, size; /* bytes */
	unsigned long host;
	unsigned int chunks;
	unsigned int pinned;   /* chunks, from the first on */
	struct page **chunk[]; /* each a page of pointers */
};

/* The pages of chunk i, as the number of the first in the slot, and how many. */
static unsigned int chunk_range(const struct slot *slot, unsigned int i, u64 *first)
{
	u64 skew = (slot->gpa >> PAGE_SHIFT) % CHUNK_PAGES;
	u64 begin = i == 0 ? 0 : i * CHUNK_PAGES - skew;
	u64 end = min_t(u64, (i + 1ull) * CHUNK_PAGES - skew, slot->size >> PAGE_SHIFT);

	*first = begin;
	return end - begin;
}

static bool is_read_only(const struct slot *slot)
{
	return slot->flags & KVM_MEM_READONLY;
}

static void unpin_chunk(struct slot *slot, unsigned int i, unsigned int count)
{
	unpin_user_pages_dirty_lock(slot->chunk[i], count, !is_read_only(slot));
	free_page((unsigned long)slot->chunk[i]);
}

static int pin_chunk(struct slot *slot, unsigned int i)
{
	unsigned int flags = FOLL_LONGTERM | FOLL_WRITE;
	unsigned int done = 0, count;
	struct page **pages;
	u64 first;
	int n;

	count = chunk_range(slot, i, &first);
	pages = (struct page **)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!pages) {
		return -ENOMEM;
	}
	/* Forced: else a private page that is pinned for reading is not the one that the VMM
	 * writes later. Memory that cannot be written at all is pinned as it is. */
	if (is_read_only(slot)) {
		flags |= FOLL_FORCE;
	}
	slot->chunk[i] = pages;
	while (done < count) {
		n = pin_user_pages_fast(slot->host + ((first + done) << PAGE_SHIFT), count - done,
			flags, pages + done);
		if (n == -EFAULT && is_read_only(slot) && (flags & FOLL_WRITE)) {
			flags = FOLL_LONGTERM;
			continue;
		}
		if (n <= 0) {
			unpin_chunk(slot, i, done);
			return n ? n : -EFAULT;
		}
		done += n;
	}
	atomic64_add(count, &current->mm->pinned_vm);
	slot->pinned = i + 1;
	return 0;
}

static u64 rights_of(const struct slot *slot)
{
	return PINTLE_READ | PINTLE_EXECUTE | (is_read_only(slot) ? 0 : PINTLE_WRITE);
}

static long map_chunk(struct vm *vm, struct slot *slot, unsigned int i)
{
	u64 *list = vm->page;
	unsigned int j, count;
	u64 first;

	count = chunk_range(slot, i, &first);
	for (j = 0; j < count; j++) {
		list[j] = page_to_phys(slot->chunk[i][j]);
	}
	return vm_call(vm, MAP, slot->gpa + (first << PAGE_SHIFT), virt_to_phys(list), count,
		rights_of(slot));
}

static void unpin_slot(struct vm *vm, struct slot *slot)
{
	unsigned int i, count;
	u64 first;

	for (i = 0; i < slot->pinned; i++) {
		count = chunk_range(slot, i, &first);
		unpin_chunk(slot, i, count);
		atomic64_sub(count, &vm->mm->pinned_vm);
		cond_resched();
	}
	slot->pinned = 0;
}

/* How much of the slot one call takes from here: to a multiple of STEP, so that no page of 2 MiB is
 * cut. */
static u64 step_from(const struct slot *slot, u64 at)
{
	return min(slot->size - at, STEP - (slot->gpa + at) % STEP);
}

static long unmap_slot(struct vm *vm, const struct slot *slot)
{
	u64 at, length;
	long err;

	for (at = 0; at < slot->size; at += length) {
		length = step_from(slot, at);
		err = vm_call(vm, UNMAP, slot->gpa + at, length);
		if (err) {
			return err;
		}
		cond_resched();
	}
	return 0;
}

/* Pages that Pintle does not let go stay pinned until the VM ends. */
static long drop_slot(struct vm *vm, struct slot *slot)
{
	long err = unmap_slot(vm, slot);

	if (err) {
		slot->dead = true;
		return err;
	}
	unpin_slot(vm, slot);
	list_del(&slot->node);
	kvfree(slot);
	return 0;
}

static long fill_slot(struct vm *vm, struct slot *slot)
{
	unsigned int i;
	long err = 0;

	for (i = 0; i < slot->chunks && err == 0; i++) {
		err = fatal_signal_pending(current) ? -EINTR : pin_chunk(slot, i);
		if (err == 0) {
			err = map_chunk(vm, slot, i);
		}
		cond_resched();
	}
	return err;
}

/* What was written since the last look, a bit for each page; to nowhere when `to` is NULL. */
static long harvest(struct vm *vm, const struct slot *slot, u8 __user *to)
{
	u64 pages = slot->size >> PAGE_SHIFT;
	u64 at, count;
	long err;

	for (at = 0; at < pages; at += LOG_PAGES) {
		count = min_t(u64, pages - at, LOG_PAGES);
		/* A table for each large page; one without counts as written for ever. */
		while (vm_call(vm, PAGES_FREE) < (long)(count / CHUNK_PAGES) + 3 &&
			vm_feed(vm) == 0) {
			cond_resched();
		}
		err = vm_call(vm, DIRTY_LOG, slot->gpa + (at << PAGE_SHIFT), count,
			virt_to_phys(vm->page));
		if (err) {
			return err;
		}
		if (to && copy_to_user(to + at / 8, vm->page, ALIGN(count, 64) / 8)) {
			return -EFAULT;
		}
		cond_resched();
	}
	return 0;
}

static long set_logging(struct vm *vm, const struct slot *slot, bool on)
{
	u64 at, length;
	long err;

	if (is_read_only(slot)) {
		return 0;
	}
	if (on) {
		return harvest(vm, slot, NULL);
	}
	for (at = 0; at < slot->size; at += length) {
		length = step_from(slot, at);
		err = vm_call(vm, PROTECT, slot->gpa + at, length, rights_of(slot));
		if (err) {
			return err;
		}
		cond_resched();
	}
	return 0;
}

static long add_slot(struct vm *vm, const struct kvm_userspace_memory_region *region)
{
	u64 skew = region->guest_phys_addr % PINTLE_PIECE;
	unsigned int chunks = DIV_ROUND_UP_ULL(skew + region->memory_size, PINTLE_PIECE);
	struct slot *slot;
	long err;

	if (!access_ok((void __user *)region->userspace_addr, region->memory_size)) {
		return -EINVAL;
	}
	slot = kvzalloc(struct_size(slot, chunk, chunks), GFP_KERNEL_ACCOUNT);
	if (!slot) {
		return -ENOMEM;
	}
	slot->id = region->slot;
	slot->flags = region->flags;
	slot->gpa = region->guest_phys_addr;
	slot->size = region->memory_size;
	slot->host = region->userspace_addr;
	slot->chunks = chunks;
	list_add(&slot->node, &vm->slots);
	err = fill_slot(vm, slot);
	if (err == 0 && (slot->flags & KVM_MEM_LOG_DIRTY_PAGES)) {
		err = set_logging(vm, slot, true);
	}
	if (err) {
		drop_slot(vm, slot);
	}
	return err;
}

/* Flags, or another place; the memory stays what it is. */
static long change_slot(
	struct vm *vm, struct slot *slot, const struct kvm_userspace_memory_region *region)
{
	u32 changed = slot->flags ^ region->flags;
	long err;

	if (slot->size != region->memory_size || slot->host != region->userspace_addr ||
		(changed & KVM_MEM_READONLY)) {
		return -EINVAL;
	}
	if (slot->gpa != region->guest_phys_addr) {
		err = drop_slot(vm, slot);
		return err ? err : add_slot(vm, region);
	}
	if (changed & KVM_MEM_LOG_DIRTY_PAGES) {
		slot->flags = region->flags;
		return set_logging(vm, slot, region->flags & KVM_MEM_LOG_DIRTY_PAGES);
	}
	return 0;
}

static struct slot *find_slot(struct vm *vm, u32 id)
{
	struct slot *slot;

	list_for_each_entry(slot, &vm->slots, node)
	{
		if (slot->id == id && !slot->dead) {
			return slot;
		}
	}
	return NULL;
}

/* Another slot than `id` has a part of this. */
static bool overlaps(struct vm *vm, const struct kvm_userspace_memory_region *region)
{
	struct slot *slot;

	list_for_each_entry(slot, &vm->slots, node)
	{
		if ((slot->id != region->slot || slot->dead) &&
			region->guest_phys_addr < slot->gpa + slot->size &&
			slot->gpa < region->guest_phys_addr + region->memory_size) {
			return true;
		}
	}
	return false;
}

static long set_region(struct vm *vm, const struct kvm_userspace_memory_region *region)
{
	struct slot *slot = find_slot(vm, region->slot);

	if (region->memory_size == 0) {
		return slot ? drop_slot(vm, slot) : -EINVAL;
	}
	if (overlaps(vm, region)) {
		return -EEXIST;
	}
	return slot ? change_slot(vm, slot, region) : add_slot(vm, region);
}

long memory_set_region(struct vm *vm, void __user *argument)
{
	struct kvm_userspace_memory_region region;
	long err;

	if (copy_from_user(&region, argument, sizeof(region))) {
		return -EFAULT;
	}
	err = decode_region(&region);
	if (err) {
		return err;
	}
	if (mutex_lock_killable(&vm->lock)) {
		return -EINTR;
	}
	err = set_region(vm, &region);
	mutex_unlock(&vm->lock);
	return err;
}

long memory_get_dirty_log(struct vm *vm, void __user *argument)
{
	struct kvm_dirty_log log;
	struct slot *slot;
	long err = -ENOENT;

	if (copy_from_user(&log, argument, sizeof(log))) {
		return -EFAULT;
	}
	mutex_lock(&vm->lock);
	slot = find_slot(vm, log.slot);
	if (slot && (slot->flags & KVM_MEM_LOG_DIRTY_PAGES)) {
		err = harvest(vm, slot, log.dirty_bitmap);
	}
	mutex_unlock(&vm->lock);
	return err;
}

void memory_unmap(struct vm *vm)
{
	struct slot *slot;

	list_for_each_entry(slot, &vm->slots, node)
	{
		unmap_slot(vm, slot);
	}
}

void memory_free(struct vm *vm)
{
	struct slot *slot, *next;

	list_for_each_entry_safe(slot, next, &vm->slots, node)
	{
		unpin_slot(vm, slot);
		list_del(&slot->node);
		kvfree(slot);
	}
}
