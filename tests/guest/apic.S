/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/guest/apic.S - the local APIC in its page: registers, timer, IPIs, NMI; HLT. */
#include "guest.inc"

#define SELF_IPI(vector) movl $0x44000 | (vector), 0x300(%rbp)
#define NMI_TO_SELF      movl $0x4400, 0x300(%rbp)
#define TIMER            0x40
#define IPI              0x51

main:
	mov	$LAPIC, %ebp
	CASE "the version register has a version and enough LVT entries"
	mov	0x30(%rbp), %eax
	mov	%eax, %r8d
	and	$0xf0, %r8d
	EXPECT(0x10, %r8)
	shr	$16, %eax
	and	$0xff, %eax
	cmp	$4, %eax
	setae	%al
	movzbl	%al, %eax
	EXPECT(1, %rax)

	CASE "registers are written and read through all kinds of instructions"
	movl	$0x20, 0x80(%rbp)
	mov	$-1, %r8
	mov	0x80(%rbp), %r8d
	EXPECT(0x20, %r8)
	mov	$0x30, %r15d
	mov	%r15d, 0x80(%rbp)
	movabs	0xfee00080, %eax
	EXPECT(0x30, %rax)
	xor	%ecx, %ecx
	mov	0x80(%rbp, %rcx, 4), %r10d
	EXPECT(0x30, %r10)
	mov	$0, %eax
	mov	%eax, %fs:0x80(%rbp)
	mov	0x80(%rbp), %eax
	EXPECT(0, %rax)
	movl	$0x11000000, 0xd0(%rbp)		/* logical destination */
	mov	0xd0(%rbp), %r8d
	EXPECT(0x11000000, %r8)

	movl	$0x1ff, 0xf0(%rbp)		/* on */
	CASE "an IPI to self waits for IF, and comes behind the STI's shadow"
	SELF_IPI(IPI)
	EXPECT(0, counts + 8 * IPI)
	mov	0x220(%rbp), %r8d		/* IRR, bits 64 to 95 */
	EXPECT(1 << (IPI - 64), %r8)
	sti
	nop
1:	cli
	EXPECT(1, counts + 8 * IPI)
	EXPECT(1b, interrupted_rip)
	mov	0x220(%rbp), %r8d
	EXPECT(0, %r8)

	CASE "STI, an instruction that exits: the interrupt comes behind it"
	SELF_IPI(IPI)
	xor	%eax, %eax
	sti
	cpuid
1:	cli
	EXPECT(2, counts + 8 * IPI)
	EXPECT(1b, interrupted_rip)

	CASE "STI, CLI: no interrupt comes"
	SELF_IPI(IPI)
	sti
	cli
	nop
	EXPECT(2, counts + 8 * IPI)
	sti
	nop
	cli
	EXPECT(3, counts + 8 * IPI)

	CASE "an interrupt with IF set comes behind the write that sends it"
	sti
	SELF_IPI(IPI)
1:	cli
	EXPECT(4, counts + 8 * IPI)
	EXPECT(1b, interrupted_rip)

	CASE "the shadow of a MOV to SS ends with an instruction that exits"
	mov	%ss, %eax
	sti
	nop
	mov	%eax, %ss
	SELF_IPI(IPI)
1:	cli
	EXPECT(5, counts + 8 * IPI)
	EXPECT(1b, interrupted_rip)

	CASE "the task priority holds interrupts back"
	movl	$0x50, 0x80(%rbp)
	sti
	SELF_IPI(IPI)
	nop
	EXPECT(5, counts + 8 * IPI)
	SELF_IPI(0x61)
	nop
	EXPECT(1, counts + 8 * 0x61)
	movl	$0x40, 0x80(%rbp)
1:	nop
	EXPECT(6, counts + 8 * IPI)
	EXPECT(1b, interrupted_rip)
	cli
	movl	$0, 0x80(%rbp)

	CASE "MOV to CR8 lets a waiting interrupt in"
	mov	$6, %eax
	mov	%rax, %cr8
	sti
	SELF_IPI(IPI)
	xor	%eax, %eax
	mov	%rax, %cr8
1:	cli
	EXPECT(7, counts + 8 * IPI)
	EXPECT(1b, interrupted_rip)

	CASE "a higher vector comes first, a lower one after its EOI"
	HOOK	0x71, on_high
	SELF_IPI(0x61)
	SELF_IPI(0x71)
	sti
	nop
	cli
	EXPECT(1, order)
	EXPECT(2, counts + 8 * 0x61)

	CASE "the timer wakes HLT once"
	movl	$0xb, 0x3e0(%rbp)		/* undivided */
	movl	$TIMER, 0x320(%rbp)		/* one shot */
	movl	$1000000, 0x380(%rbp)
	sti
	hlt
1:	cli
	EXPECT(1, counts + 8 * TIMER)
	EXPECT(1b, interrupted_rip)
	mov	0x390(%rbp), %r8d
	EXPECT(0, %r8)

	CASE "the timer counts down and ends a loop"
	movl	$0xfffffff0, 0x380(%rbp)	/* longer than the host takes its CPU away */
	mov	0x390(%rbp), %eax
	pause
	mov	0x390(%rbp), %ecx
	cmp	%eax, %ecx
	setb	%al
	movzbl	%al, %eax
	EXPECT(1, %rax)
	movl	$1000000, 0x380(%rbp)
	sti
2:	cmpq	$2, counts + 8 * TIMER
	jb	2b
	cli
	EXPECT(2, counts + 8 * TIMER)

	CASE "a periodic timer comes again"
	movl	$0x20000 | TIMER, 0x320(%rbp)
	movl	$1000000, 0x380(%rbp)
3:	sti
	hlt
	cli
	cmpq	$5, counts + 8 * TIMER
	jb	3b
	movl	$0x10000, 0x320(%rbp)
	movl	$0, 0x380(%rbp)
	mov	0x390(%rbp), %r8d
	EXPECT(0, %r8)

	CASE "an NMI to self comes at once, also with IF clear"
	HOOK	VECTOR_NMI, on_nmi
	NMI_TO_SELF
1:	nop
	EXPECT(1, nmis)
	EXPECT(1b, nmi_rip)

	CASE "an NMI that an interrupt handler sends comes"
	HOOK	VECTOR_NMI, on_nmi
	HOOK	IPI, on_ipi_nmi	
	SELF_IPI(IPI)
	sti
	nop
	cli
	EXPECT(2, nmis)

	CASE "NMIs wait until the IRET of the one before"
	HOOK	VECTOR_NMI, on_nmi_again
	NMI_TO_SELF
	call	look
	EXPECT(2, seen_inside)
	EXPECT(4, nmis)

	CASE "the IRET of an exception inside lets the next NMI in"
	HOOK	VECTOR_NMI, on_nmi_breakpoint
	HOOK	VECTOR_BP, on_breakpoint
	movq	$0, nmis
	NMI_TO_SELF
	call	look
	EXPECT(2, seen_inside)
	EXPECT(2, nmis)

	CASE "an NMI in the shadow of STI is not lost"
	HOOK	VECTOR_NMI, on_nmi
	movq	$0, nmis
	sti
	NMI_TO_SELF
	nop
	cli
	EXPECT(1, nmis)

	CASE "the TSC deadline fires once and then reads zero"
	movl	$0x40000 | TIMER, 0x320(%rbp)
	movq	$0, counts + 8 * TIMER
	rdtsc
	add	$1000000, %eax
	adc	$0, %edx
	mov	$0x6e0, %ecx
	wrmsr
	sti
	hlt
	cli
	EXPECT(1, counts + 8 * TIMER)
	mov	$0x6e0, %ecx
	rdmsr
	EXPECT(0, %rax)
	ret

/* On AMD-V an NMI that had to wait for an IRET comes with the next exit behind it (backend.h,
 * EXIT_NMI_WINDOW); nmi.S wants it soon. */
look:	xor	%eax, %eax
	cpuid
	nop
	ret
on_high: /* the lower one is still waiting when this comes */
	mov	counts + 8 * 0x61, %rax
	mov	%rax, order
	jmp	end_of_interrupt
on_ipi_nmi:
	NMI_TO_SELF
	jmp	end_of_interrupt
on_nmi:
	incq	nmis
	mov	FRAME_RIP(%rdi), %rax
	mov	%rax, nmi_rip
	ret
on_nmi_again: /* count, send one more the first time, and see that it does not come in here */
	incq	nmis
	cmpq	$3, nmis
	ja	1f
	movq	$2, seen_inside
	NMI_TO_SELF
	nop
	xor	%eax, %eax
	cpuid
	nop
	cmpq	$3, nmis
	je	1f
	incq	seen_inside
1:	ret
on_nmi_breakpoint:
	incq	nmis
	cmpq	$1, nmis
	ja	1f
	NMI_TO_SELF
	int3
	call	look
	mov	nmis, %rax
	mov	%rax, seen_inside
1:	ret
on_breakpoint:
	ret
	.data
order:	.quad	0
nmis:	.quad	0
nmi_rip: .quad	0
seen_inside: .quad 0
