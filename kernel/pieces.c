/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/pieces.c - the service VM's memory in pieces of 2 MiB. Runs: on exiting CPUs, interrupts
 * off.
 */
#include "kernel/pieces.h"

#include "kernel/machine.h"
#include "kernel/pcpu.h"
#include "kernel/vcpu.h"

#define PIECE_PAGES (LARGE_SIZE / PAGE_SIZE)
#define SHARED      BIT(31)
#define DEPOSITED   BIT(30)
#define USES        (DEPOSITED - 1) /* pages mapped to guests, or kept of a shared piece */

static struct spinlock pieces_lock = SPINLOCK(PIECES);
static uint32_t *uses; /* [pieces_lock] by piece: its uses and bits */
static size_t piece_count;
size_t pieces_deposited; /* [pieces_lock] to write */

int pieces_init(void)
{
	uint64_t top = 0;

	for (unsigned i = 0; i < machine.memmap.count; i++) {
		const struct mem_range *range = &machine.memmap.range[i];
		top = range->type == MEM_FREE ? range->base + range->size : top;
	}
	piece_count = ALIGN_UP(top, LARGE_SIZE) / LARGE_SIZE;
	uses = frame_alloc(PAGES_OF(piece_count * sizeof(*uses)), FRAME_VM);
	return uses != NULL ? 0 : trace_err(-ENOMEM);
}

/* RAM that the service VM was given, all of [base, base + size): the map is [I]. */
static bool is_given(uint64_t base, uint64_t size)
{
	for (unsigned i = 0; i < machine.memmap.count; i++) {
		const struct mem_range *range = &machine.memmap.range[i];
		if (range->type == MEM_FREE && base >= range->base &&
			base - range->base < range->size &&
			size <= range->size - (base - range->base)) {
			return true;
		}
	}
	return false;
}

bool pieces_hold(uint64_t page)
{
	if ((page & PAGE_MASK) != 0 || !is_given(page, PAGE_SIZE)) {
		return false;
	}
	LOCK_HOLD(&pieces_lock);
	uint32_t *use = &uses[page / LARGE_SIZE];
	bool good = !(*use & DEPOSITED);
	*use += good;
	return good;
}

void pieces_drop(uint64_t page, size_t count)
{
	LOCK_HOLD(&pieces_lock);
	for (size_t i = 0; i < count; i++) {
		uses[(page + i * PAGE_SIZE) / LARGE_SIZE]--;
	}
}

/* From `from`, the use that it has now, to `to`, with its mapping. */
static int piece_change(uint64_t piece, uint32_t from, uint32_t to)
{
	if (piece % LARGE_SIZE != 0 || !is_given(piece, LARGE_SIZE)) {
		return trace_err(-EFAULT);
	}
	LOCK_HOLD(&pieces_lock);
	uint32_t *use = &uses[piece / LARGE_SIZE];
	uint64_t va = DIRECT_VA + piece;
	int err = *use == from ? 0 : from == SHARED && !(*use & SHARED) ? -EINVAL : -EBUSY;
	if (err == 0 && from == 0) {
		err = paging_map(va, hpa(piece), LARGE_SIZE, PAGING_WRITE);
	} else if (err == 0 && to == 0) {
		paging_unmap(va);
	}
	if (err == 0) {
		*use = to;
		pieces_deposited += (to == DEPOSITED) - (size_t)(from == DEPOSITED);
	}
	return err == 0 ? 0 : trace_err(err);
}

int piece_share(uint64_t piece, bool share)
{
	/* Back: first nobody new may use it, then those who do have done so. */
	int err = piece_change(piece, share ? 0 : SHARED, share ? SHARED : DEPOSITED);

	if (err == 0 && !share) {
		vm_flush(service_vm);
		err = piece_change(piece, DEPOSITED, 0);
	}
	return err;
}

void *shared_pages(uint64_t page, size_t count)
{
	bool shared = (page & PAGE_MASK) == 0 && is_given(page, count * PAGE_SIZE);

	for (size_t i = 0; i < count && shared; i++) {
		shared = uses[(page + i * PAGE_SIZE) / LARGE_SIZE] & SHARED;
	}
	return shared ? phys_to_virt(hpa(page)) : NULL;
}

void *shared_keep(uint64_t page)
{
	LOCK_HOLD(&pieces_lock);
	void *at = shared_pages(page, 1);
	if (at != NULL) {
		uses[page / LARGE_SIZE]++;
	}
	return at;
}

void pieces_reset(void)
{
	for (size_t i = 0; i < piece_count; i++) {
		if (uses[i] & SHARED) {
			uses[i] = SHARED;
			piece_share(i * LARGE_SIZE, false);
		}
	}
}

int pool_add(struct pool *pool, uint64_t piece)
{
	if (pool->count == POOL_PIECES) {
		return trace_err(-ENOSPC);
	}
	int err = piece_change(piece, 0, DEPOSITED);
	if (err == 0 && vm_protect(service_vm, piece, LARGE_SIZE, 0) != 0) {
		piece_change(piece, DEPOSITED, 0);
		err = -ENOMEM;
	}
	if (err != 0) {
		return err;
	}
	pool->fresh[pool->count] = PIECE_PAGES;
	pool->piece[pool->count++] = piece;
	pool->free += PIECE_PAGES;
	return 0;
}

void *pool_alloc(struct pool *pool, size_t count)
{
	void **page = count == 1 ? pool->returned : NULL;

	if (pool->count == 0) {
		return frame_alloc(count, FRAME_VM);
	}
	if (page != NULL) {
		pool->returned = *page;
	}
	for (unsigned i = 0; i < pool->count && page == NULL; i++) {
		if (count <= pool->fresh[i]) {
			uint64_t end = pool->piece[i] + LARGE_SIZE;
			page = phys_to_virt(hpa(end - pool->fresh[i] * PAGE_SIZE));
			pool->fresh[i] -= (uint16_t)count;
		}
	}
	pool->free -= page != NULL ? count : 0;
	return page != NULL ? memset(page, 0, count * PAGE_SIZE) : NULL;
}

void pool_free(struct pool *pool, void *page)
{
	if (pool->count == 0) {
		frame_free(page, 1, FRAME_VM);
		return;
	}
	*(void **)page = pool->returned;
	pool->returned = page;
	pool->free++;
}

void pool_return(struct pool *pool)
{
	struct pool old = *pool; /* which may lie in one of its pieces */

	for (unsigned i = 0; i < old.count; i++) {
		memset(phys_to_virt(hpa(old.piece[i])), 0, LARGE_SIZE);
		smp_answer(); /* there may be much of it */
		if (vm_protect(service_vm, old.piece[i], LARGE_SIZE, VM_IDENTITY) == 0) {
			piece_change(old.piece[i], DEPOSITED, 0);
		} else {
			log_error("the piece at 0x%lx cannot go back", old.piece[i]);
		}
	}
}

bool piece_is_deposited(uint64_t at)
{
	return at / LARGE_SIZE < piece_count && (uses[at / LARGE_SIZE] & DEPOSITED);
}
