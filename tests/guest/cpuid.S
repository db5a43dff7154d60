/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/guest/cpuid.S - CPUID: what is hidden and shown, and where RIP goes. */
#include "guest.inc"

main:
	CASE "cpuid shows a hypervisor"
	mov	$1, %eax
	cpuid
	mov	%ecx, %r8d
	shr	$31, %r8d
	EXPECT(1, %r8)

	CASE "cpuid hides VMX and MONITOR"
	mov	$1, %eax
	cpuid
	and	$0x28, %ecx
	EXPECT(0, %rcx)

	CASE "cpuid shows x2APIC and the TSC deadline"
	mov	$1, %eax
	cpuid
	and	$0x1200000, %ecx
	EXPECT(0x1200000, %rcx)

	CASE "cpuid hides SVM and SKINIT"
	mov	$0x80000001, %eax
	cpuid
	and	$0x1004, %ecx
	EXPECT(0, %rcx)

	CASE "cpuid has nothing in SVM's own leaf"
	mov	$0x8000000a, %eax
	cpuid
	or	%ebx, %eax
	or	%ecx, %eax
	or	%edx, %eax
	EXPECT(0, %rax)

	CASE "cpuid names KVM"
	mov	$0x40000000, %eax
	cpuid
	EXPECT(0x40000001, %rax)
	EXPECT(0x4b4d564b, %rbx)
	EXPECT(0x564b4d56, %rcx)
	mov	$0x40000000, %eax
	cpuid
	EXPECT(0x4d, %rdx)

	CASE "cpuid names Pintle"
	mov	$0x40000100, %eax
	cpuid
	mov	%edx, %r8d
	EXPECT(0x746e6950, %rbx)
	EXPECT(0x6950656c, %rcx)
	EXPECT(0x656c746e, %r8)

	CASE "cpuid clears the upper halves of its registers"
	mov	$-1, %rbx
	mov	$-1, %rcx
	mov	$-1, %rdx
	movabs	$0xffffffff00000001, %rax
	cpuid
	or	%rbx, %rax
	or	%rcx, %rax
	or	%rdx, %rax
	shr	$32, %rax
	EXPECT(0, %rax)

	CASE "cpuid mirrors CR4.OSXSAVE"
	mov	$1, %eax
	cpuid
	mov	%ecx, %r9d
	bt	$26, %ecx		/* XSAVE itself */
	jnc	1f
	mov	%ecx, %r8d
	shr	$27, %r8d
	and	$1, %r8d
	EXPECT(0, %r8)
	mov	%cr4, %rax
	bts	$18, %rax
	mov	%rax, %cr4
	mov	$1, %eax
	cpuid
	mov	%ecx, %r8d
	shr	$27, %r8d
	and	$1, %r8d
	EXPECT(1, %r8)
	mov	%cr4, %rax
	btr	$18, %rax
	mov	%rax, %cr4
1:

	CASE "rip goes on behind a cpuid with prefixes"
	RUNS(mov $0x40000100, %eax; .byte 0x48, 0x0f, 0xa2)	/* REX.W */
	mov	%rax, %r8
	EXPECT(0x40000100, %r8)
	RUNS(mov $0x40000100, %eax; .byte 0x66, 0x0f, 0xa2)
	EXPECT(0x40000100, %rax)
	RUNS(mov $0x40000100, %eax; .byte 0x2e, 0x3e, 0x67, 0xf3, 0x0f, 0xa2)
	EXPECT(0x40000100, %rax)
	/* 15 bytes, the longest that there is */
	RUNS(mov $0x40000100, %eax; .fill 13, 1, 0x2e; .byte 0x0f, 0xa2)
	EXPECT(0x40000100, %rax)

	CASE "cpuid across a page boundary"
	mov	$SCRATCH + 0xfff, %ebx
	movl	$0x00c3a20f, (%rbx)
	mov	$0x40000100, %eax
	push	%rbx
	mov	%rbx, %r8
	call	*%r8
	EXPECT(0x746e6950, %rbx)
	pop	%rbx
	ret
