/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/paging.c - Pintle's own page tables, and the windows.
 *
 * Table pages are reached through the direct map, which the boot page tables have for all of 0-4
 * GiB and the final ones for Pintle's memory alone; so the same code works on both.
 */
#include "kernel/paging.h"

#include "kernel/errno.h"
#include "kernel/frame.h"
#include "kernel/layout.h"
#include "kernel/lock.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/smp.h"
#include "kernel/string.h"
#include "kernel/x86.h"

/* SDM vol. 3, 4.5.4: the bits of an entry. */
#define PTE_PRESENT BIT(0)
#define PTE_WRITE   BIT(1)
#define PTE_PWT     BIT(3)
#define PTE_PCD     BIT(4)
#define PTE_LARGE   BIT(7)
#define PTE_GLOBAL  BIT(8)
#define PTE_NX      BIT(63)
#define PTE_ADDRESS 0x000ffffffffff000ull

#define ENTRIES     512u
#define LEVEL_TOP   3u /* PML4; 0: page table */
#define LEVEL_LARGE 1u

uint64_t paging_root;
static struct spinlock paging_lock = SPINLOCK(PAGING);
static uint64_t own_base, own_size; /* [I] after paging_init: Pintle's memory */
static uint64_t
	window_used[WINDOW_PAGES / 64]; /* [paging_lock] a bit for each page of the windows */

extern const char text_start[], text_end[], rodata_start[], rodata_end[], data_start[], data_end[],
	image_end[];
extern uint64_t image_base;

static bool in_image(uint64_t va)
{
	return va >= IMAGE_VA && va < (uint64_t)(uintptr_t)image_end;
}

void *phys_to_virt(hpa_t base)
{
	DEBUG_ASSERT(own_size == 0 || base.raw - own_base < own_size);
	return (void *)(uintptr_t)(DIRECT_VA + base.raw);
}

hpa_t virt_to_phys(const void *va)
{
	uint64_t address = (uint64_t)(uintptr_t)va;
	if (in_image(address)) {
		return hpa(address - IMAGE_VA + image_base);
	}
	DEBUG_ASSERT(own_size == 0 || address - DIRECT_VA - own_base < own_size);
	return hpa(address - DIRECT_VA);
}

static uint64_t *entry_of(uint64_t *table, uint64_t va, unsigned level)
{
	return &table[va >> (PAGE_SHIFT + 9 * level) & (ENTRIES - 1)];
}

static uint64_t *table_of(uint64_t entry)
{
	return phys_to_virt(hpa(entry & PTE_ADDRESS));
}

static uint64_t *root_table(void)
{
	return table_of(paging_root != 0 ? paging_root : cr3_read());
}

static uint64_t pte_flags(unsigned flags)
{
	uint64_t pte = PTE_PRESENT | PTE_GLOBAL;
	pte |= flags & PAGING_WRITE ? PTE_WRITE : 0;
	pte |= flags & PAGING_EXECUTE ? 0 : PTE_NX;
	pte |= flags & PAGING_UNCACHED ? PTE_PCD | PTE_PWT : 0;
	return pte;
}

/* The entry for `va` at `level` in the tables at `table`; makes the tables above it. NULL: no frame
 * left. */
static uint64_t *entry_make(uint64_t *table, uint64_t va, unsigned level)
{
	for (unsigned at = LEVEL_TOP; at > level; at--) {
		uint64_t *entry = entry_of(table, va, at);
		if (!(*entry & PTE_PRESENT)) {
			void *frame = frame_alloc(1, FRAME_PAGE_TABLE);
			if (frame == NULL) {
				return NULL;
			}
			*entry = virt_to_phys(frame).raw | PTE_PRESENT | PTE_WRITE;
		}
		DEBUG_ASSERT(!(*entry & PTE_LARGE));
		table = table_of(*entry);
	}
	return entry_of(table, va, level);
}

static int map_in(uint64_t *root, uint64_t va, hpa_t base, uint64_t size, unsigned flags)
{
	if ((flags & PAGING_WRITE) && (flags & PAGING_EXECUTE)) {
		return trace_err(-EINVAL);
	}
	while (size != 0) {
		bool large = ((va | base.raw) & (LARGE_SIZE - 1)) == 0 && size >= LARGE_SIZE;
		uint64_t step = large ? LARGE_SIZE : PAGE_SIZE;
		uint64_t *entry = entry_make(root, va, large ? LEVEL_LARGE : 0);
		if (entry == NULL) {
			return trace_err(-ENOMEM);
		}
		if (*entry & PTE_PRESENT) {
			return trace_err(-EEXIST);
		}
		*entry = base.raw | pte_flags(flags) | (large ? PTE_LARGE : 0);
		va += step;
		base.raw += step;
		size -= step;
	}
	return 0;
}

int paging_map(uint64_t va, hpa_t base, uint64_t size, unsigned flags)
{
	uint64_t irq = lock_acquire(&paging_lock);
	int err = map_in(root_table(), va, base, size, flags);
	lock_release(&paging_lock, irq);
	return err;
}

struct flush {
	uint64_t va, size;
};

static void flush_range(void *argument)
{
	const struct flush *flush = argument;
	for (uint64_t offset = 0; offset < flush->size; offset += PAGE_SIZE) {
		tlb_flush_page(flush->va + offset);
	}
}

void paging_unmap(uint64_t va, uint64_t size)
{
	uint64_t irq = lock_acquire(&paging_lock);
	for (uint64_t offset = 0; offset < size; offset += PAGE_SIZE) {
		uint64_t *entry = entry_make(root_table(), va + offset, 0);
		ASSERT(entry != NULL && (*entry & PTE_PRESENT));
		*entry = 0;
	}
	lock_release(&paging_lock, irq);

	/* Without the lock: a CPU that waits for it with interrupts off could not answer. */
	struct flush flush = {va, size};
	smp_call_all(flush_range, &flush);
}

static int map_image(uint64_t *root)
{
	const struct {
		const char *start, *end;
		unsigned flags;
	} section[] = {
		{text_start, text_end, PAGING_EXECUTE},
		{rodata_start, rodata_end, 0},
		{data_start, data_end, PAGING_WRITE},
	};
	for (unsigned i = 0; i < ARRAY_COUNT(section); i++) {
		uint64_t va = (uint64_t)(uintptr_t)section[i].start;
		uint64_t size = (uint64_t)(uintptr_t)section[i].end - va;
		int err = map_in(root, va, virt_to_phys(section[i].start), size, section[i].flags);
		if (err != 0) {
			return err;
		}
	}
	return 0;
}

int paging_init(hpa_t base, uint64_t size)
{
	uint64_t *root = frame_alloc(1, FRAME_PAGE_TABLE);
	if (root == NULL) {
		return trace_err(-ENOMEM);
	}
	int err = map_image(root);
	if (err == 0) {
		err = map_in(root, DIRECT_VA + base.raw, base, size, PAGING_WRITE);
	}
	uint64_t *windows = entry_make(root, WINDOW_VA, 0);
	if (err != 0 || windows == NULL) {
		return trace_err(-ENOMEM);
	}
	memcpy(windows, entry_make(root_table(), WINDOW_VA, 0), WINDOW_PAGES * sizeof(*windows));

	paging_root = virt_to_phys(root).raw;
	own_base = base.raw;
	own_size = size;
	return 0;
}

static bool window_is_used(unsigned page)
{
	return window_used[page / 64] & BIT(page % 64);
}

/* The first of `count` unused pages in a row, or WINDOW_PAGES. */
static unsigned window_find(unsigned count)
{
	unsigned run = 0;
	for (unsigned page = 0; page < WINDOW_PAGES; page++) {
		run = window_is_used(page) ? 0 : run + 1;
		if (run == count) {
			return page + 1 - count;
		}
	}
	return WINDOW_PAGES;
}

static void window_mark(unsigned first, unsigned count)
{
	for (unsigned page = first; page < first + count; page++) {
		window_used[page / 64] ^= BIT(page % 64);
	}
}

/* Bits that a host-physical address can have (CPUID 80000008h); more would be a reserved-bit fault.
 */
static uint64_t address_limit(void)
{
	uint32_t max_leaf = cpuid_read(0x80000000, 0).eax;
	unsigned bits = max_leaf >= 0x80000008 ? cpuid_read(0x80000008, 0).eax & 0xff : 36;
	return BIT(bits < 52 ? bits : 52);
}

void *window_map(hpa_t base, uint64_t size, unsigned flags)
{
	uint64_t offset = base.raw & PAGE_MASK;
	uint64_t limit = address_limit();
	if (size == 0 || size > WINDOW_PAGES * PAGE_SIZE || base.raw >= limit ||
		size > limit - base.raw) {
		return NULL;
	}
	unsigned count = (unsigned)((offset + size + PAGE_MASK) >> PAGE_SHIFT);
	uint64_t irq = lock_acquire(&paging_lock);
	unsigned first = window_find(count);
	void *window = NULL;
	uint64_t va = WINDOW_VA + first * PAGE_SIZE;
	if (first < WINDOW_PAGES &&
		map_in(root_table(), va, hpa(base.raw - offset), count * PAGE_SIZE, flags) == 0) {
		window_mark(first, count);
		window = (void *)(uintptr_t)(va + offset);
	}
	lock_release(&paging_lock, irq);
	return window;
}

void window_unmap(const volatile void *window, uint64_t size)
{
	uint64_t offset = (uint64_t)(uintptr_t)window & PAGE_MASK;
	uint64_t va = (uint64_t)(uintptr_t)window - offset;
	unsigned count = (unsigned)((offset + size + PAGE_MASK) >> PAGE_SHIFT);
	paging_unmap(va, count * PAGE_SIZE);
	/* Only now, when no CPU remembers the old mapping, may the pages be used again. */
	uint64_t irq = lock_acquire(&paging_lock);
	window_mark((unsigned)((va - WINDOW_VA) >> PAGE_SHIFT), count);
	lock_release(&paging_lock, irq);
}

void *paging_peek(hpa_t page)
{
	/* The last page of the stack slot: its table is there, and no other CPU touches the entry.
	 */
	uint64_t va =
		STACK_VA + ((uint64_t)(this_cpu()->index + 1) * STACK_SLOT_PAGES - 1) * PAGE_SIZE;
	*entry_make(root_table(), va, 0) = page.raw | PTE_PRESENT | PTE_WRITE | PTE_NX;
	tlb_flush_page(va);
	return (void *)(uintptr_t)va;
}

struct walk {
	void (*visit)(void *context, const struct paging_run *run);
	void *context;
	struct paging_run run; /* being grown; size 0: none */
};

static void walk_leaf(struct walk *walk, uint64_t va, uint64_t size, unsigned flags)
{
	struct paging_run *run = &walk->run;
	if (run->size != 0 && run->va + run->size == va && run->flags == flags) {
		run->size += size;
		return;
	}
	if (run->size != 0) {
		walk->visit(walk->context, run);
	}
	*run = (struct paging_run){va, size, flags};
}

/* `allowed`: the write and execute rights that the tables above leave. */
static void walk_table(
	struct walk *walk, const uint64_t *table, uint64_t va, unsigned level, unsigned allowed)
{
	uint64_t span = BIT(PAGE_SHIFT + 9 * level);
	for (unsigned i = 0; i < ENTRIES; i++) {
		uint64_t entry = table[i];
		if (!(entry & PTE_PRESENT)) {
			continue;
		}
		uint64_t at = va + i * span;
		if (level == LEVEL_TOP && i >= ENTRIES / 2) {
			at |= 0xffff000000000000; /* canonical */
		}
		unsigned flags = allowed;
		flags &= entry & PTE_WRITE ? ~0u : ~(unsigned)PAGING_WRITE;
		flags &= entry & PTE_NX ? ~(unsigned)PAGING_EXECUTE : ~0u;
		if (level != 0 && !(entry & PTE_LARGE)) {
			walk_table(walk, table_of(entry), at, level - 1, flags);
		} else {
			walk_leaf(walk, at, span, flags | (entry & PTE_PCD ? PAGING_UNCACHED : 0));
		}
	}
}

void paging_walk(void (*visit)(void *context, const struct paging_run *run), void *context)
{
	struct walk walk = {.visit = visit, .context = context};
	walk_table(&walk, root_table(), 0, LEVEL_TOP, PAGING_WRITE | PAGING_EXECUTE);
	if (walk.run.size != 0) {
		visit(context, &walk.run);
	}
}
