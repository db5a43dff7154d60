/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/guest/step.S - single-stepping (TF) over instructions that exit and that do not. */
#include "guest.inc"
#include "step.inc"

main:
	CASE "#DB comes behind each stepped instruction"
	STEP_ON
	nop
1:	nop
2:	STEP_OFF
	EXPECT(1b, steps)
	EXPECT(2b, steps + 8)
	ON	'r', 3f				/* Bochs forgets DR6 of a #DB that is intercepted */
	mov	status, %r8
	and	$0x4000, %r8
	EXPECT(0x4000, %r8)
3:
	CASE "stepping over a passed port"
	mov	$0x80, %edx
	STEP_ON
	out	%al, %dx
1:	nop
2:	STEP_OFF
	EXPECT(1b, steps)
	EXPECT(2b, steps + 8)

	ON	'r', 9f				/* a #DB that Pintle injects there comes to Pintle too */
	CASE "#DB comes behind a CPUID"
	STEP_ON
	cpuid
1:	nop
2:	STEP_OFF
	EXPECT(1b, steps)
	EXPECT(2b, steps + 8)
	mov	status, %r8
	and	$0x4000, %r8
	EXPECT(0x4000, %r8)

	CASE "#DB comes behind an RDMSR"
	mov	$0xc0000080, %ecx
	STEP_ON
	rdmsr
1:	nop
2:	STEP_OFF
	EXPECT(1b, steps)

	CASE "#DB comes behind an IN from the UART"
	mov	$0x3fd, %edx
	STEP_ON
	in	%dx, %al
1:	nop
2:	STEP_OFF
	EXPECT(1b, steps)

	CASE "#DB comes behind an access to the APIC page"
	mov	$LAPIC, %ebp
	STEP_ON
	mov	0x30(%rbp), %eax
1:	nop
2:	STEP_OFF
	EXPECT(1b, steps)

	CASE "a stepped HLT does not wait"
	STEP_ON
	hlt
1:	nop
2:	STEP_OFF
	EXPECT(1b, steps)
	EXPECT(2b, steps + 8)

	cmpb	$'b', machine			/* QEMU steps behind no STI, natively too */
	jne	4f
	CASE "#DB comes behind an STI, whose shadow does not hold it back"
	STEP_ON
	sti
1:	nop
2:	cli
	STEP_OFF
	EXPECT(1b, steps)
	EXPECT(2b, steps + 8)

	CASE "#DB of an INT1 in the shadow of a MOV to SS"
	mov	%ss, %ebp
	STEP_ON
	mov	%ebp, %ss
	.byte	0xf1
1:	nop
2:	STEP_OFF
	EXPECT(1b, steps)
4:
	CASE "a #GP of a stepped RDMSR comes without a #DB before it"
	movq	$1f, exc_resume
	mov	$0x480, %ecx
	STEP_ON
3:	rdmsr
1:	STEP_OFF
	EXPECT(3b, exc_rip)
	EXPECT(VECTOR_GP, exc_vector)

	CASE "#DB comes behind each iteration of string I/O on the UART"
	mov	$0x3ff, %edx
	mov	$SCRATCH, %esi
	mov	$2, %ecx
	STEP_ON
3:	rep	outsb
1:	nop
2:	STEP_OFF
	EXPECT(3b, steps)
	EXPECT(1b, steps + 8)
	EXPECT(2b, steps + 16)
9:	ret
