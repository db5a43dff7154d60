/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/guest/control.S - CR0, CR2, CR3, CR4, CR8 and XCR0: good values, and bad ones. */
#include "guest.inc"

main:
	CASE "CR0 keeps what is written"
	mov	%cr0, %rbx
	mov	%rbx, %rax
	or	$0x1000a, %rax			/* WP, TS, MP */
	RUNS(mov %rax, %cr0)
	mov	%cr0, %r8
	xor	%rax, %r8
	EXPECT(0, %r8)
	RUNS(clts)
	mov	%cr0, %r8
	and	$8, %r8
	EXPECT(0, %r8)
	mov	%rbx, %cr0

	CASE "CR0.NE is what the guest says"
	mov	%rbx, %rax
	and	$~0x20, %rax
	RUNS(mov %rax, %cr0)
	mov	%cr0, %r8
	and	$0x20, %r8
	EXPECT(0, %r8)
	mov	%rbx, %rax
	or	$0x20, %rax
	RUNS(mov %rax, %cr0)
	mov	%cr0, %r8
	and	$0x20, %r8
	EXPECT(0x20, %r8)
	mov	%rbx, %cr0

	CASE "CR0.CD and NW are what the guest says"
	mov	%rbx, %rax
	or	$0x60000000, %rax
	RUNS(mov %rax, %cr0)
	mov	%cr0, %r8
	xor	%rbx, %r8
	EXPECT(0x60000000, %r8)
	RUNS(mov %rbx, %cr0)
	mov	%cr0, %r8
	xor	%rbx, %r8
	EXPECT(0, %r8)

	CASE "SMSW and LMSW work"
	smsw	%eax
	mov	%eax, %r9d
	or	$8, %eax
	RUNS(lmsw %ax)
	mov	%cr0, %r8
	and	$8, %r8
	EXPECT(8, %r8)
	clts

	/* QEMU's VMRUN then fails as "invalid"; Bochs panics at the first one on AMD-V. */
	ON	'q', 2f
	CASE "bad CR0 values are a #GP"
	ON	'r', 1f
	mov	%rbx, %rax
	btr	$0, %rax			/* PG without PE */
	FAULTS(VECTOR_GP, mov %rax, %cr0)
1:
	mov	%rbx, %rax
	bts	$29, %rax			/* NW without CD */
	FAULTS(VECTOR_GP, mov %rax, %cr0)
	mov	%rbx, %rax
	bts	$32, %rax
	FAULTS(VECTOR_GP, mov %rax, %cr0)
	mov	%cr0, %r8
	xor	%rbx, %r8
	EXPECT(0, %r8)
2:
	CASE "CR2 and CR3 are the guest's"
	mov	$0x123456789, %rax
	mov	%rax, %cr2
	mov	$1, %eax
	cpuid
	mov	%cr2, %r8
	EXPECT(0x123456789, %r8)
	mov	%cr3, %rax
	RUNS(mov %rax, %cr3)

	CASE "CR4 keeps what is written, and VMXE is not shown"
	mov	%cr4, %r9
	mov	%r9, %rax
	or	$0x680, %rax			/* PGE, OSFXSR, OSXMMEXCPT */
	RUNS(mov %rax, %cr4)
	mov	%cr4, %r8
	EXPECT(0x6a0, %r8)
	mov	%r9, %cr4
	mov	%cr4, %r8
	EXPECT(0x20, %r8)

	CASE "CR4.MCE is what the guest says"
	mov	%r9, %rax
	or	$0x40, %rax
	RUNS(mov %rax, %cr4)
	mov	%cr4, %r8
	EXPECT(0x60, %r8)
	RUNS(mov %r9, %cr4)
	mov	%cr4, %r8
	EXPECT(0x20, %r8)

	ON	'q', 1f				/* not checked there */
	CASE "PAE cannot be cleared in long mode"
	mov	%r9, %rax
	and	$~0x20, %rax
	FAULTS(VECTOR_GP, mov %rax, %cr4)
1:
	ON	'r', 3f				/* cr8.S */
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
3:
	CASE "xsetbv without OSXSAVE is undefined"
	mov	$1, %eax
	xor	%ecx, %ecx
	FAULTS(VECTOR_UD, xor %edx, %edx; 772: xsetbv)

	mov	$1, %eax
	cpuid
	bt	$26, %ecx
	jnc	no_xsave
	mov	%cr4, %rax
	bts	$18, %rax
	mov	%rax, %cr4

	CASE "XCR0 keeps what is written"
	mov	$1, %eax
	xor	%ecx, %ecx
	RUNS(xor %edx, %edx; xsetbv)
	xgetbv
	EXPECT(1, %rax)
	mov	$3, %eax
	RUNS(xor %ecx, %ecx; xor %edx, %edx; xsetbv)
	mov	$1, %eax
	cpuid
	xor	%ecx, %ecx
	xgetbv
	EXPECT(3, %rax)

	CASE "bad XCR0 values are a #GP"
	xor	%ecx, %ecx
	xor	%eax, %eax			/* without x87 */
	FAULTS(VECTOR_GP, xor %edx, %edx; 772: xsetbv)
	mov	$5, %eax			/* AVX without SSE */
	FAULTS(VECTOR_GP, xor %edx, %edx; 772: xsetbv)
	mov	$3, %eax
	FAULTS(VECTOR_GP, mov $0x40000000, %edx; 772: xsetbv)
	mov	$1, %ecx			/* XCR1 */
	mov	$3, %eax
	FAULTS(VECTOR_GP, xor %edx, %edx; 772: xsetbv)
	xor	%ecx, %ecx
	xgetbv
	EXPECT(3, %rax)
no_xsave:

	/* QEMU ends VMRUN with "invalid" instead. */
	ON	'q', 1f
	CASE "bad CR3 and CR4 values are a #GP"
	mov	%cr4, %rax
	bts	$15, %rax
	FAULTS(VECTOR_GP, mov %rax, %cr4)
	mov	%cr4, %rax
	bts	$40, %rax
	FAULTS(VECTOR_GP, mov %rax, %cr4)
	mov	%cr3, %rax
	bts	$60, %rax
	FAULTS(VECTOR_GP, mov %rax, %cr3)

	CASE "CR4.VMXE is a #GP, whatever else is wrong"
	mov	%cr4, %r9
	mov	%r9, %rax
	bts	$13, %rax
	FAULTS(VECTOR_GP, mov %rax, %cr4)
	bts	$40, %rax
	FAULTS(VECTOR_GP, mov %rax, %cr4)
	mov	$0x2000, %eax			/* without PAE in long mode */
	FAULTS(VECTOR_GP, mov %rax, %cr4)
	mov	%cr4, %r8
	xor	%r9, %r8
	EXPECT(0, %r8)
1:
	ret
