/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmx/enter.S - into the guest and back. SDM vol. 3, 27 and 28.
 *
 * bool vmx_enter(struct vcpu_regs *regs, uint64_t *host_rsp, bool resume): see vmx.h. The VMCS holds all of the
 * guest's state but these registers and CR2. They are zero when this returns after an exit, or Pintle's own, so that
 * no speculation of Pintle's uses a value that the guest chose.
 */
#include "vmx/vmx.h"

	.section .text, "ax"
	.globl vmx_enter, vmx_exit_point, vmx_take_nmi
vmx_enter:
	.irp reg, rbp, rbx, r12, r13, r14, r15, rdi
	push %\reg
	.endr
	cmp %rsp, (%rsi)                /* deeper or shallower in the stack than last time? */
	je 1f
	mov %rsp, (%rsi)
	mov $VMX_HOST_RSP, %eax
	vmwrite %rsp, %rax
1:	test %dl, %dl                   /* for the jz below: MOV leaves the flags alone */
	offset = 0                      /* struct vcpu_regs, in the order of enum gpr; RSP is the VMCS's */
	.irp reg, rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
	.if (offset != 4 * 8) && (offset != 7 * 8)
	mov offset(%rdi), %\reg
	.endif
	offset = offset + 8
	.endr
	mov 7 * 8(%rdi), %rdi
	jz 2f
	vmresume
	jmp 3f
2:	vmlaunch
3:	xor %eax, %eax                  /* VMfail */
	pop %rdi
	jmp 4f

vmx_exit_point:                         /* on the stack: regs, and what vmx_enter pushed before */
	push %rdi
	mov 8(%rsp), %rdi
	offset = 0
	.irp reg, rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
	.if (offset != 4 * 8) && (offset != 7 * 8)
	mov %\reg, offset(%rdi)
	.endif
	offset = offset + 8
	.endr
	pop 7 * 8(%rdi)
	pop %rdi
	.irp reg, ecx, edx, esi, edi, r8d, r9d, r10d, r11d
	xor %\reg, %\reg
	.endr
	mov $1, %eax
4:	.irp reg, r15, r14, r13, r12, rbx, rbp
	pop %\reg
	.endr
	ret

	/* NMIs are blocked since the exit (SDM vol. 3, 28.5.5): the handler's IRET unblocks them. */
vmx_take_nmi:
	int $2
	ret
	.section .note.GNU-stack, "", @progbits
