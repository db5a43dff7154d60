/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/layout.h - Pintle's virtual address space. Also read by assembly.
 *
 *   0                     empty (the boot page tables have 0-4 GiB here)
 *   DIRECT_VA + hpa       Pintle's own memory and nothing else
 *   IMAGE_VA              the image
 *   WINDOW_VA             windows on device registers and firmware tables, made by window_map()
 *   STACK_VA              one slot of stacks with guard pages for each CPU
 */
#pragma once

#define DIRECT_VA 0xffff800000000000
#define IMAGE_VA  0xffffffff80000000 /* linker.ld has it too */
#define WINDOW_VA 0xffffffffc0000000
#define STACK_VA  0xffffffffe0000000

#define WINDOW_PAGES 512 /* one page table's worth */

#define PML4_INDEX(va) (((va) >> 39) & 511)
#define PDPT_INDEX(va) (((va) >> 30) & 511)
