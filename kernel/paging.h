/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/paging.h - Pintle's own page tables (SDM vol. 3, 4.5; 4-level).
 *
 * Every mapping is no-execute unless asked, and never both writable and executable; all but the
 * windows are global. Only Pintle's image, its own memory and its windows are mapped.
 */
#pragma once

#include "kernel/layout.h"
#include "kernel/types.h"

/* Bits of an entry (SDM vol. 3, 4.5.4). */
enum paging_flags {
	PAGING_WRITE = 1 << 1,
	PAGING_UNCACHED = 3 << 3, /* PCD, PWT: device registers */
	PAGING_DEVICE = PAGING_WRITE | PAGING_UNCACHED,
	PAGING_EXECUTE = 1 << 9, /* one that is software's: to ask for it */
};

extern uint64_t image_base;  /* [I] host-physical, of IMAGE_VA (boot/entry.S) */
extern uint64_t paging_root; /* [I] host-physical, for CR3; 0 before paging_init */

/*
 * Build Pintle's tables over its memory [base, base + size), its image and the windows there are.
 * From then on all functions here work on them, though the CPU uses them only after paging_enter().
 * Needs frame_init(). Returns 0 or -ENOMEM.
 */
int paging_init(hpa_t base, uint64_t size);

/* Leave the boot page tables and the boot stack: call `next` on the stack that ends at `top`. */
NORETURN void paging_enter(uint64_t top, void (*next)(void));

/*
 * Map [va, va + size) to host-physical memory from `base` on; all multiples of a page; large pages
 * are used where `va`, `base` and `size` allow. Panics when a page is mapped already. Returns 0, or
 * -ENOMEM with a part mapped (callers give up). At boot, on one CPU; takes frame.lock.
 */
int paging_map(uint64_t va, hpa_t base, uint64_t size, unsigned flags);

/* Take out the page, large or not, at `va`. The same memory may be mapped there again, and nothing
 * else: no other CPU is made to forget it. */
void paging_unmap(uint64_t va);

/* One run of equally mapped pages, as paging_walk finds them. */
struct paging_run {
	uint64_t va, size;
	unsigned flags; /* enum paging_flags */
};

/* Call visit for each run, ascending, in Pintle's tables. Takes no lock: an idle machine is exact.
 */
void paging_walk(void (*visit)(void *context, const struct paging_run *run), void *context);

/* Pintle's own memory and its image between virtual and host-physical; anything else is a bug. */
void *phys_to_virt(hpa_t base);
hpa_t virt_to_phys(const void *va);

/*
 * A window on [base, base + size), any alignment, at most 2 MiB in all: device registers
 * (PAGING_DEVICE) or firmware tables (0). NULL when the range is impossible on
 * this CPU or no room is left. Works from the first instruction of boot_main() on. Takes
 * window.lock.
 */
void *window_map(hpa_t base, uint64_t size, unsigned flags);

/*
 * A look at one page through this CPU's peephole, read and write, until the next call on this CPU.
 * Interrupts off; the page must be memory that exists.
 */
void *paging_peek(hpa_t page);

/* Give a window back. No locks may be held. */
void window_unmap(const volatile void *window, uint64_t size);

/* Copy physical memory, through a window; false when it can't be mapped. */
bool window_copy(void *to, hpa_t from, size_t size);
