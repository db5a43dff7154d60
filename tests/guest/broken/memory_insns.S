/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/guest/broken/memory_insns.S - instructions on registers in memory beyond loads and stores. */
#include "guest.inc"

main:
	mov	$LAPIC, %ebp
	CASE "a load of 8 bytes from Pintle's memory is all ones"
	mov	boot_params, %rbx
	add	$0x2d0, %rbx
1:	cmpl	$2, 16(%rbx)
	jne	2f
	cmpq	$LOAD_ADDRESS, (%rbx)
	ja	3f
2:	add	$20, %rbx
	jmp	1b
3:	mov	(%rbx), %r12
	mov	(%r12), %r8
	EXPECT(-1, %r8)

	CASE "TEST and CMP on the APIC page"
	testl	$0x10, 0x30(%rbp)
	setnz	%al
	movzbl	%al, %r8d
	EXPECT(1, %r8)

	CASE "OR and AND on the APIC page"
	movl	$0x20, 0x80(%rbp)
	orl	$0x10, 0x80(%rbp)
	mov	0x80(%rbp), %r8d
	EXPECT(0x30, %r8)

	CASE "XCHG on the APIC page"
	xor	%eax, %eax
	xchg	%eax, 0x80(%rbp)
	EXPECT(0x30, %rax)

	CASE "MOVS from the APIC page"
	mov	%ebp, %esi
	mov	$SCRATCH, %edi
	movsl
	ret
