/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/switch.S - change from one stack to another.
 *
 * void stack_switch(uint64_t *save, uint64_t rsp): keep the callee-saved registers on this stack and its pointer in
 * *save, then go on where `rsp` was saved. A new stack holds six words for the registers and then its first rip.
 */
	.section .text, "ax"
	.globl stack_switch
stack_switch:
	.irp reg, rbp, rbx, r12, r13, r14, r15
	push %\reg
	.endr
	mov %rsp, (%rdi)
	mov %rsi, %rsp
	.irp reg, r15, r14, r13, r12, rbx, rbp
	pop %\reg
	.endr
	ret
	.section .note.GNU-stack, "", @progbits
