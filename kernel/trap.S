/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/trap.S - one entry for each vector, one common path for exceptions and a shorter one for interrupts.
 */
#include "offsets.h"

	.section .text, "ax"
	.balign 16
	.globl trap_entries
trap_entries:                           /* 256 entries of 16 bytes */
	vector = 0
	.rept 256
	.balign 16
	/* SDM vol. 3, 6.13: these push an error code themselves. */
	.if (vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17) || (vector == 21) || (vector == 29) || (vector == 30)
	nop
	.else
	pushq $0
	.endif
	pushq $vector
	.if vector < 32
	jmp trap_common
	.else
	jmp interrupt_common
	.endif
	vector = vector + 1
	.endr

	.balign 16
trap_common:
	.irp reg, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
	push %\reg
	.endr
	cld
	mov %rsp, %rdi
	pushq TRAP_RIP(%rsp)            /* as if the interrupted code had called us: backtraces go through */
	push %rbp
	mov %rsp, %rbp
	call trap_dispatch
	add $16, %rsp
	.irp reg, r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax
	pop %\reg
	.endr
	add $16, %rsp
	iretq

	/* What a C function keeps need not be saved: nobody looks at the registers of what was interrupted. */
	.balign 16
interrupt_common:
	.irp reg, rax, rcx, rdx, rsi, rdi, r8, r9, r10, r11
	push %\reg
	.endr
	cld
	mov 9 * 8(%rsp), %edi
	pushq 11 * 8(%rsp)              /* rip, for backtraces as above */
	push %rbp
	mov %rsp, %rbp
	call trap_interrupt
	pop %rbp
	add $8, %rsp
	.irp reg, r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax
	pop %\reg
	.endr
	add $16, %rsp
	iretq

	/*
	 * Instructions that may raise #GP, which then is their answer: bool f(...), false after a #GP. trap.c knows
	 * the range and where to go on.
	 */
	.globl try_first, try_last, msr_try_read, msr_try_write, xcr0_try_write
msr_try_read:                           /* uint32_t msr, uint64_t *value */
	mov %edi, %ecx
try_first:
	rdmsr
	mov %eax, (%rsi)
	mov %edx, 4(%rsi)
	mov $1, %eax
	ret
msr_try_write:                          /* uint32_t msr, uint64_t value */
	mov %edi, %ecx
	mov %rsi, %rax
	mov %rsi, %rdx
	shr $32, %rdx
	wrmsr
	mov $1, %eax
	ret
xcr0_try_write:                         /* uint64_t value */
	xor %ecx, %ecx
	mov %rdi, %rax
	mov %rdi, %rdx
	shr $32, %rdx
	xsetbv
	mov $1, %eax
	ret
try_last:
	xor %eax, %eax
	ret
	.section .note.GNU-stack, "", @progbits
