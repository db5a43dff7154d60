/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/guest/nmi.S - an NMI that waits for the IRET of another. */
#include "guest.inc"

#define NMI_TO_SELF movl $0x4400, 0x300(%rbp)
#define SPINS 100000			/* some hundred microseconds; a run without a look around takes 10 ms */
#define PATIENCE 1000			/* so many of them: QEMU's timers are late where the host is busy */

/* Bochs on AMD-V takes no interrupt of the host while the guest's IF is clear: there it needs an exit. */
.macro SPIN
	mov	$SPINS, %ecx
770:	dec	%ecx
	jnz	770b
	cmpb	$'r', machine
	jne	771f
	cpuid
771:
.endm

/* Until there were so many NMIs. Bochs's time is exact: there they come within one SPIN. */
.macro AWAIT count
	mov	$PATIENCE, %r8d
	ON	'q', 772f
	mov	$1, %r8d
772:	SPIN
	cmpq	$(\count), nmis
	jae	773f
	dec	%r8d
	jnz	772b
773:
.endm

main:
	mov	$LAPIC, %ebp
	movl	$0x1ff, 0xf0(%rbp)
	CASE "with interrupts on it comes right behind the IRET"
	HOOK	VECTOR_NMI, on_nmi
	sti
	nop
	NMI_TO_SELF
	nop
1:	cli
	EXPECT(2, nmis)
	EXPECT(1, depth_max)

	CASE "with interrupts off it comes soon"
	HOOK	VECTOR_NMI, on_nmi
	movq	$0, nmis
	NMI_TO_SELF
	AWAIT	2
	EXPECT(2, nmis)
	EXPECT(1, depth_max)

	CASE "a third one while two are there is lost"
	HOOK	VECTOR_NMI, on_nmi
	movq	$0, nmis
	movb	$1, twice
	NMI_TO_SELF
	AWAIT	2
	SPIN
	EXPECT(2, nmis)
	ret
on_nmi:
	incq	nmis
	incq	depth
	mov	depth, %rax
	cmp	%rax, depth_max
	jae	1f
	mov	%rax, depth_max
1:	cmpq	$1, nmis
	ja	3f
	NMI_TO_SELF
	cmpb	$0, twice
	je	2f
	NMI_TO_SELF
2:	mov	$1, %eax		/* exits in between do not let it in */
	push	%rbx
	cpuid
	pop	%rbx
3:	decq	depth
	ret
	.data
nmis:	.quad	0
depth:	.quad	0
depth_max: .quad 0
twice:	.byte	0
