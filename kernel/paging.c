/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/paging.c - Pintle's own page tables, and the windows.
 *
 * Table pages are reached through the direct map, which the boot page tables have for all of 0-4
 * GiB and the final ones for Pintle's memory alone; so the same code works on both.
 */
#include "kernel/paging.h"

#include "kernel/pcpu.h"

/* SDM vol. 3, 4.5.4: the bits of an entry; those of enum paging_flags are among them. */
#define PTE_PRESENT BIT(0)
#define PTE_LARGE   BIT(7)
#define PTE_GLOBAL  BIT(8)
#define PTE_NX      BIT(63)
#define PTE_ADDRESS 0x000ffffffffff000ull

#define WINDOW_STALE BIT(1) /* not present: unmapped, but other CPUs may not know yet */

uint64_t paging_root;

extern uint64_t boot_pt_window[WINDOW_PAGES];
extern const char text_start[], text_end[], rodata_start[], rodata_end[], data_start[], data_end[];

/* The windows' page table. [L] window_lock to take entries that are 0, the others are their
 * window's owner's */
static uint64_t *window_table = boot_pt_window;
static struct spinlock window_lock = SPINLOCK(WINDOW);

void *phys_to_virt(hpa_t base)
{
	return (void *)(uintptr_t)(DIRECT_VA + base.raw);
}

hpa_t virt_to_phys(const void *va)
{
	uint64_t address = (uint64_t)(uintptr_t)va;
	return hpa(address - (address >= IMAGE_VA ? IMAGE_VA - image_base : DIRECT_VA));
}

/* The entry for `va` at `level`, or above where the tables end; *at: its level. */
static uint64_t *entry_find(uint64_t va, unsigned level, unsigned *at)
{
	uint64_t table = paging_root != 0 ? paging_root : cr3_read();
	for (*at = 3 /* PML4; 0: page table */;; --*at) {
		uint64_t *entry = phys_to_virt(hpa(table & PTE_ADDRESS));
		entry += va >> (PAGE_SHIFT + 9 * *at) & 511;
		if (*at == level || !(*entry & PTE_PRESENT) || *entry & PTE_LARGE) {
			return entry;
		}
		table = *entry;
	}
}

/* The same; makes the tables above it. NULL: no frame left. */
static uint64_t *entry_make(uint64_t va, unsigned level)
{
	unsigned at;
	uint64_t *entry = entry_find(va, level, &at);
	while (at != level && !(*entry & PTE_PRESENT)) {
		void *frame = frame_alloc(1, FRAME_PAGE_TABLE);
		if (frame == NULL) {
			return NULL;
		}
		*entry = virt_to_phys(frame).raw | PTE_PRESENT | PAGING_WRITE;
		entry = entry_find(va, level, &at);
	}
	return entry;
}

static uint64_t leaf(hpa_t base, unsigned flags)
{
	return base.raw | flags | PTE_PRESENT | (flags & PAGING_EXECUTE ? 0 : PTE_NX);
}

int paging_map(uint64_t va, hpa_t base, uint64_t size, unsigned flags)
{
	for (uint64_t step; size != 0; va += step, base.raw += step, size -= step) {
		bool large = ((va | base.raw) & (LARGE_SIZE - 1)) == 0 && size >= LARGE_SIZE;
		uint64_t *entry = entry_make(va, large ? 1 : 0);
		if (entry == NULL) {
			return trace_err(-ENOMEM);
		}
		ASSERT(!(*entry & PTE_PRESENT));
		*entry = leaf(base, flags) | PTE_GLOBAL | (large ? PTE_LARGE : 0);
		step = large ? LARGE_SIZE : PAGE_SIZE;
	}
	return 0;
}

void paging_unmap(uint64_t va)
{
	unsigned at;
	*entry_find(va, 0, &at) = 0;
	__asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

int paging_init(hpa_t base, uint64_t size)
{
	const struct {
		const char *start, *end;
		unsigned flags;
	} section[] = {
		{text_start, text_end, PAGING_EXECUTE},
		{rodata_start, rodata_end, 0},
		{data_start, data_end, PAGING_WRITE},
	};
	void *root = frame_alloc(1, FRAME_PAGE_TABLE);
	if (root == NULL) {
		return trace_err(-ENOMEM);
	}
	paging_root = virt_to_phys(root).raw;
	int err = paging_map(DIRECT_VA + base.raw, base, size, PAGING_WRITE);
	for (unsigned i = 0; i < ARRAY_COUNT(section) && err == 0; i++) {
		err = paging_map((uint64_t)(uintptr_t)section[i].start,
			virt_to_phys(section[i].start),
			(uint64_t)(section[i].end - section[i].start), section[i].flags);
	}
	uint64_t *windows = entry_make(WINDOW_VA, 0);
	if (err != 0 || windows == NULL) {
		return trace_err(-ENOMEM);
	}
	window_table = memcpy(windows, window_table, PAGE_SIZE);
	return 0;
}

void paging_enter(uint64_t top, void (*next)(void))
{
	__asm__ volatile("mov %0, %%cr3; mov %1, %%rsp; xor %%ebp, %%ebp; call *%2"
			 :
			 : "r"(paging_root), "r"(top), "r"(next)
			 : "memory");
	__builtin_unreachable();
}

/* Pages that [at, at + size) touches. */
static unsigned page_count(uint64_t at, uint64_t size)
{
	return (unsigned)(((at & PAGE_MASK) + size + PAGE_MASK) >> PAGE_SHIFT);
}

void *window_map(hpa_t base, uint64_t size, unsigned flags)
{
	/* Beyond what this CPU has it would be a reserved-bit fault. */
	uint64_t limit = BIT(cpuid_read(0x80000008, 0).eax & 0xff);
	if (size - 1 >= WINDOW_PAGES * PAGE_SIZE || base.raw >= limit || size > limit - base.raw) {
		return NULL;
	}
	unsigned count = page_count(base.raw, size), first = 0;
	LOCK_HOLD(&window_lock);
	for (unsigned i = 0; i < WINDOW_PAGES && i - first < count; i++) {
		first = window_table[i] == 0 ? first : i + 1;
	}
	bool found = first + count <= WINDOW_PAGES;
	for (unsigned i = 0; i < count && found; i++) {
		window_table[first + i] = leaf(hpa((base.raw & ~PAGE_MASK) + i * PAGE_SIZE), flags);
	}
	uint64_t va = WINDOW_VA + first * PAGE_SIZE + (base.raw & PAGE_MASK);
	return found ? (void *)(uintptr_t)va : NULL;
}

/* Windows are not global. */
static void flush_windows(void *argument)
{
	cr3_write(cr3_read());
}

void window_unmap(const volatile void *window, uint64_t size)
{
	uint64_t offset = (uint64_t)(uintptr_t)window - WINDOW_VA;
	uint64_t *entry = &window_table[offset >> PAGE_SHIFT];
	unsigned count = page_count(offset, size);
	for (unsigned i = 0; i < count; i++) {
		ASSERT(entry[i] & PTE_PRESENT);
		entry[i] = WINDOW_STALE;
	}
	/* No lock is held: a CPU that waits for it with interrupts off could not answer. */
	smp_call_all(flush_windows, NULL);
	for (unsigned i = 0; i < count; i++) { /* at once each: other CPUs look for free ones */
		__atomic_store_n(&entry[i], 0, __ATOMIC_RELEASE);
	}
}

bool window_copy(void *to, hpa_t from, size_t size)
{
	const void *bytes = window_map(from, size, 0);
	if (bytes == NULL) {
		return false;
	}
	memcpy(to, bytes, size);
	window_unmap(bytes, size);
	return true;
}

void *paging_peek(hpa_t page)
{
	/* No other CPU touches the entry. */
	uint64_t va = stack_top(this_cpu()->index, STACK_MAIN) - STACK_STRIDE;
	*entry_make(va, 0) = leaf(page, PAGING_WRITE);
	__asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
	return (void *)(uintptr_t)va;
}

void paging_walk(void (*visit)(void *context, const struct paging_run *run), void *context)
{
	/* The tables above the leaves allow everything. The last run ends before the last page. */
	struct paging_run run = {0};
	uint64_t va = 0;
	do {
		unsigned level;
		uint64_t entry = *entry_find(va, 0, &level);
		unsigned flags = (unsigned)entry & PAGING_DEVICE;
		flags |= entry & PTE_NX ? 0 : PAGING_EXECUTE;
		if (run.size != 0 && (!(entry & PTE_PRESENT) || flags != run.flags)) {
			visit(context, &run);
			run.size = 0;
		}
		if (entry & PTE_PRESENT) {
			run.va = run.size == 0 ? va : run.va;
			run.flags = flags;
			run.size += BIT(PAGE_SHIFT + 9 * level);
		}
		va += BIT(PAGE_SHIFT + 9 * level);
		va = va == BIT(47) ? -BIT(47) : va; /* canonical */
	} while (va != 0);
}
