/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/guest/x2apic.S - the local APIC as MSRs. */
#include "guest.inc"

#define IPI 0x51
.macro WRITE msr, low, high=0
	mov	$\msr, %ecx
	mov	$\low, %eax
	mov	$\high, %edx
	wrmsr
.endm
.macro READ msr
	mov	$\msr, %ecx
	rdmsr
.endm

main:
	CASE "x2APIC's MSRs are a #GP in xAPIC mode"
	mov	$0x803, %ecx
	FAULTS(VECTOR_GP, rdmsr)

	CASE "APIC_BASE: an address, enabled, boot CPU"
	READ	0x1b
	EXPECT(LAPIC + 0x900, %rax)

	CASE "APIC_BASE: a reserved bit is a #GP"
	mov	$0x1b, %ecx
	mov	$LAPIC + 0x901, %eax
	FAULTS(VECTOR_GP, mov $0, %edx; 772: wrmsr)

	CASE "x2APIC mode can be switched on"
	mov	$LAPIC + 0xd00, %eax
	RUNS(mov $0, %edx; mov $0x1b, %ecx; wrmsr)
	READ	0x1b
	EXPECT(LAPIC + 0xd00, %rax)
	movb	$1, is_x2apic

	CASE "the version and the id can be read"
	READ	0x803
	mov	%eax, %r8d
	and	$0xf0, %r8d
	EXPECT(0x10, %r8)
	READ	0x802
	EXPECT(0, %rax)

	CASE "read-only and absent registers are a #GP"
	mov	$0x803, %ecx
	mov	$0, %eax
	FAULTS(VECTOR_GP, mov $0, %edx; 772: wrmsr)
	mov	$0x801, %ecx
	FAULTS(VECTOR_GP, rdmsr)
	mov	$0x8ff, %ecx
	FAULTS(VECTOR_GP, rdmsr)

	CASE "TPR is CR8, and reserved bits are a #GP"
	WRITE	0x808, 0x40
	mov	$0x808, %ecx
	mov	$0x100, %eax
	FAULTS(VECTOR_GP, mov $0, %edx; 772: wrmsr)
	READ	0x808
	EXPECT(0x40, %rax)
	WRITE	0x808, 0

	WRITE	0x80f, 0x1ff
	CASE "the self-IPI register sends"
	sti
	WRITE	0x83f, IPI
1:	cli
	EXPECT(1, counts + 8 * IPI)
	EXPECT(1b, interrupted_rip)

	CASE "the 64-bit ICR sends"
	sti
	WRITE	0x830, IPI, 0
1:	cli
	EXPECT(2, counts + 8 * IPI)
	EXPECT(1b, interrupted_rip)

	CASE "TPR holds an interrupt back until it drops"
	movq	$0, counts + 8 * IPI
	WRITE	0x808, 0x50
	sti
	WRITE	0x83f, IPI
	READ	0x822				/* IRR, bits 64 to 95 */
	EXPECT(1 << (IPI - 64), %rax)
	EXPECT(0, counts + 8 * IPI)
	WRITE	0x808, 0x4f
1:	cli
	EXPECT(1, counts + 8 * IPI)
	EXPECT(1b, interrupted_rip)
	WRITE	0x808, 0

	CASE "MOV to CR8 does, too, and is read back"
	mov	$6, %eax
	mov	%rax, %cr8
	READ	0x808
	EXPECT(0x60, %rax)
	mov	%cr8, %rax
	EXPECT(6, %rax)
	sti
	WRITE	0x83f, IPI
	EXPECT(1, counts + 8 * IPI)
	xor	%eax, %eax
	mov	%rax, %cr8
1:	cli
	EXPECT(2, counts + 8 * IPI)
	EXPECT(1b, interrupted_rip)

	CASE "TPR and EOI with IF clear let nothing in before STI"
	WRITE	0x808, 0x50
	WRITE	0x83f, IPI
	WRITE	0x808, 0
	nop
	EXPECT(2, counts + 8 * IPI)
	sti
	nop
1:	cli
	EXPECT(3, counts + 8 * IPI)
	EXPECT(1b, interrupted_rip)

	CASE "lower ones come one by one, each at the EOI of the one before"
	HOOK	IPI, on_low
	HOOK	0x61, on_middle
	HOOK	0x71, on_high
	WRITE	0x83f, IPI
	WRITE	0x83f, 0x61
	WRITE	0x83f, 0x71
	sti
	nop
	cli
	EXPECT(0x716151, order)
	READ	0x80a				/* PPR */
	EXPECT(0, %rax)

	CASE "a higher one comes into the handler of a lower one"
	HOOK	0x61, on_nesting
	HOOK	0x71, on_high
	movq	$0, order
	WRITE	0x83f, 0x61
	sti
	nop
	cli
	EXPECT(0x7161, order)

	CASE "EOI must be zero"
	mov	$0x80b, %ecx
	mov	$1, %eax
	FAULTS(VECTOR_GP, mov $0, %edx; 772: wrmsr)

	CASE "the timer wakes HLT"
	WRITE	0x83e, 0xb
	WRITE	0x832, 0x40
	WRITE	0x838, 1000000
	sti
	hlt
1:	cli
	EXPECT(1, counts + 8 * 0x40)
	EXPECT(1b, interrupted_rip)

	CASE "the old page is memory that nobody has"
	mov	$LAPIC, %ebp
	mov	$0, %r8
	mov	0x30(%rbp), %r8d
	EXPECT(0xffffffff, %r8)

	CASE "back to xAPIC is a #GP, by way of off it works"
	mov	$0x1b, %ecx
	mov	$LAPIC + 0x900, %eax
	FAULTS(VECTOR_GP, mov $0, %edx; 772: wrmsr)
	mov	$LAPIC + 0x100, %eax
	RUNS(mov $0, %edx; mov $0x1b, %ecx; wrmsr)
	mov	$LAPIC + 0x900, %eax
	RUNS(mov $0, %edx; mov $0x1b, %ecx; wrmsr)
	mov	0x30(%rbp), %r8d
	and	$0xf0, %r8d
	EXPECT(0x10, %r8)
	ret

on_high:
	mov	$0x71, %esi
	jmp	in_order
on_middle:
	mov	$0x61, %esi
	jmp	in_order
on_low:	mov	$IPI, %esi
in_order: /* note ESI, and that it is the one in service */
	mov	%esi, %eax
	and	$0xf0, %eax
	mov	%eax, %edi
	READ	0x80a
	cmp	%eax, %edi
	jne	1f
	shlq	$8, order
	add	%rsi, order
1:	call	end_of_interrupt
	nop					/* IF is clear: the next one waits */
	ret
on_nesting:
	sti
	WRITE	0x83f, 0x71
	nop
	cli
	mov	$0x61, %esi
	jmp	in_order
	.data
order:	.quad	0
