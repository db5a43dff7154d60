/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/guest/cr8.S - MOV CR8; on AMD-V without decode assists its register is in the instruction's
 * bytes alone, whether the CPU tells the length or not. */
#include "guest.inc"

main:
	CASE "CR8 is the task priority"
	mov	$5, %eax
	RUNS(mov %rax, %cr8)
	mov	%cr8, %r8
	EXPECT(5, %r8)
	movabs	$LAPIC + 0x80, %rax
	mov	(%rax), %r8d
	EXPECT(0x50, %r8)
	movl	$0x30, (%rax)
	mov	%cr8, %r8
	EXPECT(3, %r8)
	mov	$7, %r11d
	RUNS(mov %r11, %cr8)
	mov	%cr8, %r14
	EXPECT(7, %r14)
	xor	%eax, %eax
	RUNS(mov %rax, %cr8)

	CASE "a bad CR8 is a #GP"
	mov	$16, %eax
	FAULTS(VECTOR_GP, mov %rax, %cr8)
	movabs	$0x100000001, %rax
	FAULTS(VECTOR_GP, mov %rax, %cr8)
	mov	%cr8, %r8
	EXPECT(0, %r8)
	ret
