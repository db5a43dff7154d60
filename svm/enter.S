/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * svm/enter.S - the world switch. APM vol. 2, 15.5 and 15.17.
 *
 * void svm_enter(struct vcpu_regs *regs, hpa_t guest, hpa_t host): see svm.h. `regs` is indexed by enum gpr.
 *
 * The global interrupt flag is clear from before the guest's GS base is loaded until the host's is back, so that nothing, an
 * NMI neither, runs on the host with a GS base that is not its own. Meanwhile RFLAGS.IF is set: with V_INTR_MASKING it
 * says whether a host interrupt ends the guest's run (15.21.1). VMRUN and the exit switch RAX, RSP, RFLAGS and the control
 * registers by themselves.
 */
	.section .text, "ax"

	.macro each_gpr do
	\do 1, %rcx
	\do 2, %rdx
	\do 3, %rbx
	\do 5, %rbp
	\do 6, %rsi
	.irp number, 8, 9, 10, 11, 12, 13, 14, 15
	\do \number, %r\number
	.endr
	\do 7, %rdi             /* last: `load` reads through it */
	.endm
	.macro load number, reg
	mov \number * 8(%rdi), \reg
	.endm
	.macro save number, reg
	mov \reg, \number * 8(%rax)
	.endm

	.globl svm_enter
svm_enter:
	push %rbp
	push %rbx
	push %r12
	push %r13
	push %r14
	push %r15
	push %rdx
	push %rdi
	mov %rsi, %rax
	clgi
	sti
	each_gpr load
	vmload %rax
	vmrun %rax
	vmsave %rax
	pop %rax
	each_gpr save
	pop %rax
	vmload %rax
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbx
	pop %rbp
	cli
	stgi                            /* a held NMI is taken here */
	ret
	.section .note.GNU-stack, "", @progbits
