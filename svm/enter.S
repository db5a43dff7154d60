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

	.globl svm_enter
svm_enter:
	.irp reg, rbp, rbx, r12, r13, r14, r15, rdx, rdi
	push %\reg
	.endr
	mov %rsi, %rax
	clgi
	sti
	offset = 0                      /* struct vcpu_regs, in the order of enum gpr; RAX and RSP are the VMCB's */
	.irp reg, rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
	.if (offset != 0) && (offset != 4 * 8) && (offset != 7 * 8)
	mov offset(%rdi), %\reg
	.endif
	offset = offset + 8
	.endr
	mov 7 * 8(%rdi), %rdi
	vmload %rax
	vmrun %rax
	vmsave %rax
	pop %rax
	offset = 0
	.irp reg, rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
	.if (offset != 0) && (offset != 4 * 8)
	mov %\reg, offset(%rax)
	.endif
	offset = offset + 8
	.endr
	pop %rax
	vmload %rax
	.irp reg, r15, r14, r13, r12, rbx, rbp
	pop %\reg
	.endr
	cli
	stgi                            /* a held NMI is taken here */
	ret
	.section .note.GNU-stack, "", @progbits
