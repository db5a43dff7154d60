/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/guest/events.S - exceptions within exceptions, and stacks whose first touch exits. */
#include "guest.inc"

#define UNMAPPED 0x123456789000		/* canonical, behind the first 4 GiB */
#define IPI      0x51
/* The VGA's memory is mapped when it is touched: a stack there makes delivery exit. */
#define STACK(n) 0xb8000 + 0x1000 * (n) + 0xff0

main:
	CASE "a #PF has its address and error code"
	movabs	$UNMAPPED, %rbx
	FAULTS(VECTOR_PF, mov (%rbx), %eax)
	EXPECT(0, exc_error)
	mov	%cr2, %r8
	EXPECT(UNMAPPED, %r8)
	FAULTS(VECTOR_PF, movb $1, 5(%rbx))
	EXPECT(2, exc_error)
	mov	%cr2, %r8
	EXPECT(UNMAPPED + 5, %r8)

	CASE "CR2 lives through exits"
	mov	$1, %eax
	push	%rbx
	cpuid
	pop	%rbx
	mov	%cr2, %r8
	EXPECT(UNMAPPED + 5, %r8)

	CASE "a #GP has the selector as error code"
	mov	$0x1230, %eax
	FAULTS(VECTOR_GP, mov %eax, %es)
	EXPECT(0x1230, exc_error)

	CASE "a #GP while a #PF is delivered is a double fault"
	movw	$0x300, idt + 16 * VECTOR_PF + 2
	movq	$1f, exc_resume
	movq	$-1, exc_error
	mov	(%rbx), %eax
1:	EXPECT(VECTOR_DF, exc_vector)
	EXPECT(0, exc_error)
	movw	$CODE64, idt + 16 * VECTOR_PF + 2

	CASE "a #GP while a #GP is delivered is a double fault"
	movw	$0x300, idt + 16 * VECTOR_GP + 2
	movq	$1f, exc_resume
	mov	$0x1230, %eax
	mov	%eax, %es
1:	EXPECT(VECTOR_DF, exc_vector)

	CASE "a #GP that is injected, and cannot be delivered, is a double fault"
	movq	$1f, exc_resume
	movq	$NONE, exc_vector
	mov	$0x480, %ecx
	rdmsr
1:	EXPECT(VECTOR_DF, exc_vector)
	movw	$CODE64, idt + 16 * VECTOR_GP + 2

	CASE "a #PF while a #PF is delivered is a double fault"
	mov	$VECTOR_PF, %eax
	push	%rbx
	lea	0x800(%rbx), %rdx
	mov	$2, %ebx
	call	use_stack
	pop	%rbx
	movq	$1f, exc_resume
	mov	(%rbx), %eax
1:	EXPECT(VECTOR_DF, exc_vector)
	mov	%cr2, %r8
	EXPECT(UNMAPPED + 0x7f8, %r8)
	movb	$0, idt + 16 * VECTOR_PF + 4

	CASE "a #UD that meets a #PF at its delivery becomes the #PF"
	mov	$VECTOR_UD, %eax
	push	%rbx
	lea	0x800(%rbx), %rdx
	mov	$2, %ebx
	call	use_stack
	pop	%rbx
	FAULTS(VECTOR_PF, ud2)
	movb	$0, idt + 16 * VECTOR_UD + 4

	CASE "an exception whose stack is touched first is delivered once"
	mov	$VECTOR_UD, %eax
	mov	$STACK(0), %edx
	mov	$3, %ebx
	call	use_stack
	FAULTS(VECTOR_UD, ud2)

	CASE "the same for one with an error code"
	mov	$VECTOR_GP, %eax
	mov	$STACK(1), %edx
	mov	$3, %ebx
	call	use_stack
	mov	$0x1230, %eax
	FAULTS(VECTOR_GP, mov %eax, %es)
	EXPECT(0x1230, exc_error)

	CASE "the same for one that is injected"
	mov	$VECTOR_GP, %eax
	mov	$STACK(2), %edx
	mov	$3, %ebx
	call	use_stack
	mov	$0x480, %ecx
	FAULTS(VECTOR_GP, rdmsr)
	movb	$0, idt + 16 * VECTOR_GP + 4
	movb	$0, idt + 16 * VECTOR_UD + 4

	ON	'r', 2f				/* broken/int_stack.S */
	CASE "the same for a software interrupt"
	mov	$0x80, %eax
	mov	$STACK(3), %edx
	mov	$3, %ebx
	call	use_stack
	RUNS(int $0x80)
	EXPECT(1, counts + 8 * 0x80)
2:
	CASE "the same for INT3"
	HOOK	VECTOR_BP, on_breakpoint
	mov	$VECTOR_BP, %eax
	mov	$STACK(4), %edx
	mov	$3, %ebx
	call	use_stack
	int3
1:	EXPECT(1, breakpoints)
	EXPECT(1b, breakpoint_rip)

	CASE "the same for an interrupt"
	mov	$LAPIC, %ebp
	movl	$0x1ff, 0xf0(%rbp)
	mov	$IPI, %eax
	mov	$STACK(5), %edx
	mov	$3, %ebx
	call	use_stack
	sti
	movl	$0x44000 | IPI, 0x300(%rbp)
1:	cli
	EXPECT(1, counts + 8 * IPI)
	EXPECT(1b, interrupted_rip)

	CASE "the same for an NMI, and the one behind it waits"
	HOOK	VECTOR_NMI, on_nmi
	mov	$VECTOR_NMI, %eax
	mov	$STACK(6), %edx
	mov	$3, %ebx
	call	use_stack
	movl	$0x4400, 0x300(%rbp)
	mov	$1, %eax
	cpuid
	nop
	EXPECT(2, nmis)
	EXPECT(1, nested)
	ret

on_breakpoint:
	incq	breakpoints
	mov	FRAME_RIP(%rdi), %rax
	mov	%rax, breakpoint_rip
	ret
on_nmi:
	incq	nmis
	incq	depth
	mov	depth, %rax
	cmp	%rax, nested
	jae	1f
	mov	%rax, nested
1:	cmpq	$1, nmis
	ja	2f
	movl	$0x4400, 0x300(%rbp)
	xor	%eax, %eax
	cpuid
2:	decq	depth
	ret
	.data
breakpoints: .quad 0
breakpoint_rip: .quad 0
nmis:	.quad	0
depth:	.quad	0
nested:	.quad	0
