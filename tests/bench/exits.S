/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/bench/exits.S - what an exit costs: each instruction ROUNDS times, in ticks of the time stamp counter, which in
 * Bochs are instructions. The cost of the loop is taken off. Prints a line "bench: NAME TICKS" each.
 */
#include "guest.inc"

#define ROUNDS 20000

/* `name`: the code once; it may change all but RBX, R12 to R15 and RSP. */
.macro MEASURE name, code
	.pushsection .rodata
.Lname\@:	.asciz "bench: \name "
	.popsection
	mov	$ROUNDS, %r12d
	rdtscp
	mov	%eax, %r13d
3:	\code
	dec	%r12d
	jnz	3b
	rdtscp
	sub	%r13d, %eax
	sub	%r14d, %eax		/* what the loop and the reading cost */
	xor	%edx, %edx
	mov	$ROUNDS, %ecx
	div	%ecx
	mov	%eax, %r13d
	mov	$.Lname\@, %edi
	call	puts
	mov	%r13d, %edi
	call	put_decimal
	mov	$newline, %edi
	call	puts
.endm

main:
	mov	$0xfec00000, %r15d
	xor	%r14d, %r14d
	mov	$ROUNDS, %r12d
	rdtscp
	mov	%eax, %r13d
1:	dec	%r12d
	jnz	1b
	rdtscp
	sub	%r13d, %eax
	mov	%eax, %r14d

	MEASURE "cpuid", "xor %eax, %eax; xor %ecx, %ecx; push %rbx; cpuid; pop %rbx"
	MEASURE "cpuid_features", "mov $1, %eax; xor %ecx, %ecx; push %rbx; cpuid; pop %rbx"
	MEASURE "cpuid_hypervisor", "mov $0x40000000, %eax; xor %ecx, %ecx; push %rbx; cpuid; pop %rbx"
	MEASURE "rdmsr_efer", "mov $0xc0000080, %ecx; rdmsr"
	MEASURE "rdmsr_apic_base", "mov $0x1b, %ecx; rdmsr"
	MEASURE "port_read", "mov $0x3ff, %edx; in %dx, %al"
	MEASURE "port_write", "mov $0x3ff, %edx; out %al, %dx"
	cmpb	$'b', machine
	jne	2f
	MEASURE "hypercall", "mov $-1, %eax; vmcall"
	jmp	4f
2:	MEASURE "hypercall", "mov $-1, %eax; vmmcall"
4:	MEASURE "mmio_read", "mov (%r15), %eax"
	MEASURE "mmio_write", "movl $0, (%r15)"
	mov	$0x1b, %ecx
	rdmsr
	or	$0x400, %eax
	wrmsr
	mov	$0x80f, %ecx		/* switch it on by SVR */
	mov	$0x1ff, %eax
	xor	%edx, %edx
	wrmsr
	MEASURE "x2apic_eoi", "mov $0x80b, %ecx; xor %eax, %eax; xor %edx, %edx; wrmsr"
	MEASURE "x2apic_tpr_read", "mov $0x808, %ecx; rdmsr"
	MEASURE "tsc_deadline", "mov $0x6e0, %ecx; xor %eax, %eax; xor %edx, %edx; wrmsr"
	mov	$done, %edi
	call	puts
	ret

	.section .rodata
newline:	.asciz "\n"
done:	.asciz "bench: done\n"
