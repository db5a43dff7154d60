/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/guest/ends/touch.S - touch an address in each GiB that 40 bits reach, each of which takes a
 * table of Pintle's frames. It lives; how many frames are left is for the monitor to tell.
 */
#include "guest.inc"

#define FIRST 4				/* GiB: what lies below is the machine's */
#define END   1024
#define PDPT  (SCRATCH + 0x1000)	/* two in a row: pages of 1 GiB from 512 GiB of linear memory on */

main:
	CASE "every GiB can be touched"
	mov	%cr3, %rax
	movq	$PDPT + 3, 8(%rax)
	movq	$PDPT + 0x1003, 16(%rax)
	mov	$FIRST, %ecx
1:	mov	%rcx, %rax
	shl	$30, %rax
	lea	0x83(%rax), %rdx
	mov	%rdx, PDPT(, %rcx, 8)
	movabs	$1 << 39, %rdx
	add	%rdx, %rax
	mov	(%rax), %edx
	inc	%ecx
	cmp	$END, %ecx
	jb	1b
	EXPECT(END, %rcx)
	ret
