/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/trap.S - one entry for each vector, one common path to trap_dispatch().
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
	jmp trap_common
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

	.globl trap_capture
trap_capture:
	offset = 0                      /* struct trap_frame begins with these, in this order */
	.irp reg, r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax
	mov %\reg, offset(%rdi)
	offset = offset + 8
	.endr
	pushfq
	popq TRAP_RFLAGS(%rdi)
	mov (%rsp), %rax
	mov %rax, TRAP_RIP(%rdi)
	lea 8(%rsp), %rax
	mov %rax, TRAP_RSP(%rdi)
	ret
	.section .note.GNU-stack, "", @progbits
