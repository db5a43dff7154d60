/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/guest/pvclock.S - KVM's paravirtual clock: what the records say, and addresses that are not ours. */
#include "guest.inc"

#define WALL	0x4b564d00
#define TIME	0x4b564d01
#define RECORD	(SCRATCH + 0x100)

.macro WRMSR_FAULTS msr, low, high
	mov	$\msr, %ecx
	mov	$\low, %eax
	FAULTS(VECTOR_GP, mov $\high, %edx; 772: wrmsr)
.endm

main:
	CASE "CPUID offers the clock, and that it is stable"
	mov	$0x40000001, %eax
	cpuid
	EXPECT(0x01002028, %rax)

	CASE "the record of the time is filled in"
	movl	$7, RECORD
	mov	$TIME, %ecx
	mov	$RECORD + 1, %eax
	RUNS(xor %edx, %edx; wrmsr)
	mov	RECORD, %r8d
	EXPECT(8, %r8)
	movzbl	RECORD + 29, %r8d
	EXPECT(1, %r8)
	mov	RECORD + 24, %r8d		/* mul: all its bits are used */
	shr	$31, %r8d
	EXPECT(1, %r8)
	rdmsr
	EXPECT(RECORD + 1, %rax)

	CASE "Pintle is older than a millisecond and younger than an hour"
	rdtsc
	shl	$32, %rdx
	or	%rdx, %rax
	sub	RECORD + 8, %rax
	mov	RECORD + 28, %cl
	test	%cl, %cl
	js	1f
	shl	%cl, %rax
	jmp	2f
1:	neg	%cl
	shr	%cl, %rax
2:	mov	RECORD + 24, %r8d
	mul	%r8
	shrd	$32, %rdx, %rax
	add	RECORD + 16, %rax
	mov	$1000000, %r9d
	cmp	%r9, %rax
	seta	%r8b
	movabs	$3600000000000, %r9
	cmp	%r9, %rax
	setb	%r9b
	and	%r9b, %r8b
	movzbl	%r8b, %r8d
	EXPECT(1, %r8)

	CASE "the record of the date is filled in"
	movq	$0, SCRATCH
	movq	$0, SCRATCH + 8
	mov	$WALL, %ecx
	mov	$SCRATCH, %eax
	RUNS(xor %edx, %edx; wrmsr)
	mov	SCRATCH, %r8d
	EXPECT(2, %r8)
	mov	SCRATCH + 4, %r8d		/* from 2000 on, or not known */
	cmp	$946684800, %r8d
	setae	%al
	test	%r8d, %r8d
	setz	%ah
	or	%ah, %al
	movzbl	%al, %r8d
	EXPECT(1, %r8)

	CASE "addresses that are no memory of ours are a #GP"
	WRMSR_FAULTS WALL, SCRATCH + 2, 0
	WRMSR_FAULTS WALL, LAPIC, 0
	WRMSR_FAULTS WALL, 0, 0x7fff0000
	WRMSR_FAULTS WALL, 0, 0x80000000
	WRMSR_FAULTS TIME, SCRATCH + 3, 0
	WRMSR_FAULTS TIME, LAPIC + 1, 0
	WRMSR_FAULTS TIME, 1, 0x7fff0000
	mov	$TIME, %ecx
	rdmsr
	EXPECT(RECORD + 1, %rax)
	ret
