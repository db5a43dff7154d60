/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/calls/start.S - a service VM in C: its entry, interrupts, other CPUs, hypercalls.
 */
#include "header.inc"

#define TRAMPOLINE 0x8000 /* where another CPU starts: SIPI vector 8 */
#define GATES      64
#define FAULTS     32
#define CODE64     0x10
#define DATA       0x18
#define CODE_USER  0x23
#define DATA_USER  0x2b
#define TASK       0x30
#define BACK       0x30 /* the vector by which user code comes back */
#define EFER       0xc0000080
#define CR0_ON     0x80050033
#define CR4_ON     0x620

payload:
	.org	0x600
	.globl	entry
entry:
	cld
	mov	$stack_top, %esp
	mov	%rsi, boot_params
	mov	%cr3, %rax
	mov	%rax, page_tables
	call	set_up_cpu
	call	begin
halt:	cli
	hlt
	jmp	halt

set_up_cpu:
	lgdt	gdt_pointer
	lidt	idt_pointer
	mov	$DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	xor	%eax, %eax
	mov	%eax, %fs
	mov	%eax, %gs
	pop	%rax
	push	$CODE64
	push	%rax
	lretq

/* Another CPU: what is between the labels lies at TRAMPOLINE. */
	.globl	trampoline, trampoline_end
	.code16
trampoline:
	cli
	xor	%eax, %eax
	mov	%ax, %ds
	lgdtl	TRAMPOLINE + gdt_pointer_32 - trampoline
	mov	$CR4_ON, %eax
	mov	%eax, %cr4
	mov	TRAMPOLINE + page_tables_32 - trampoline, %eax
	mov	%eax, %cr3
	mov	$EFER, %ecx
	rdmsr
	or	$0x100, %eax
	wrmsr
	mov	$CR0_ON, %eax
	mov	%eax, %cr0
	ljmpl	$CODE64, $other_cpu
gdt_pointer_32:
	.word	gdt_end - gdt - 1
	.long	gdt
	.globl	page_tables_32
page_tables_32:
	.long	0
trampoline_end:
	.code64
other_cpu:
	mov	$other_stack_top, %esp
	call	set_up_cpu
	mov	other_function, %rax
	call	*%rax
	jmp	halt

/* int64_t hypercall(call, a, b, c, d, e) */
	.globl	hypercall
hypercall:
	mov	%rdi, %rax
	mov	%rsi, %rdi
	mov	%rdx, %rsi
	mov	%rcx, %rdx
	mov	%r8, %r10
	mov	%r9, %r8
	cmpb	$0, is_amd
	jne	1f
	vmcall
	ret
1:	vmmcall
	ret

/* bool keeps_registers(call): none changes but RAX. */
	.globl	keeps_registers
keeps_registers:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rdi, %rax
	movabs	$0x5a5a5a5a11111111, %rbx
	mov	%rbx, %rcx
	mov	%rbx, %rdx
	mov	%rbx, %rbp
	mov	%rbx, %rsi
	mov	%rbx, %rdi
	mov	%rbx, %r8
	mov	%rbx, %r9
	mov	%rbx, %r10
	mov	%rbx, %r11
	mov	%rbx, %r12
	mov	%rbx, %r13
	mov	%rbx, %r14
	mov	%rbx, %r15
	cmpb	$0, is_amd
	jne	1f
	vmcall
	jmp	2f
1:	vmmcall
2:	xor	%eax, %eax
	xor	%rbx, %rcx
	or	%rcx, %rax
	xor	%rbx, %rdx
	or	%rdx, %rax
	xor	%rbx, %rbp
	or	%rbp, %rax
	xor	%rbx, %rsi
	or	%rsi, %rax
	xor	%rbx, %rdi
	or	%rdi, %rax
	xor	%rbx, %r8
	or	%r8, %rax
	xor	%rbx, %r9
	or	%r9, %rax
	xor	%rbx, %r10
	or	%r10, %rax
	xor	%rbx, %r11
	or	%r11, %rax
	xor	%rbx, %r12
	or	%r12, %rax
	xor	%rbx, %r13
	or	%r13, %rax
	xor	%rbx, %r14
	or	%r14, %rax
	xor	%rbx, %r15
	or	%r15, %rax
	movabs	$0x5a5a5a5a11111111, %rcx
	xor	%rcx, %rbx
	or	%rbx, %rax
	setz	%al
	movzbl	%al, %eax
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret

/* int64_t hypercall_user(call, a, b, c, d, e): the same at CPL 3. */
	.globl	hypercall_user
hypercall_user:
	push	%rbx
	mov	%rsp, kernel_stack
	mov	%rsp, task + 4
	push	$DATA_USER
	push	$user_stack_top
	push	$2
	push	$CODE_USER
	push	$1f
	iretq
1:	call	hypercall
	int	$BACK
back:	/* from the gate of BACK */
	mov	kernel_stack, %rsp
	pop	%rbx
	ret

	.balign	16
stubs:
	.set	vector, 0
	.rept	GATES
	.balign	16
	.if	vector != 8 && vector != 17 && vector != 21 && (vector < 10 || vector > 14)
	push	$0
	.endif
	push	$vector
	jmp	any
	.set	vector, vector + 1
	.endr

any:	/* Behind the registers: vector, error, rip, cs, rflags, rsp, ss */
	cmpq	$BACK, (%rsp)
	je	back
	push	%rax
	push	%rcx
	push	%rdx
	push	%rsi
	push	%rdi
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	cld
	mov	72(%rsp), %edi
	mov	80(%rsp), %rdx
	lea	88(%rsp), %rsi
	mov	$interrupt, %eax
	mov	$fault, %ecx
	cmp	$FAULTS, %edi
	cmovb	%rcx, %rax
	push	%rbx
	mov	%rsp, %rbx
	and	$~15, %rsp
	call	*%rax
	mov	%rbx, %rsp
	pop	%rbx
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rdi
	pop	%rsi
	pop	%rdx
	pop	%rcx
	pop	%rax
	add	$16, %rsp
	iretq

/* Before any C is called: gates and the task's descriptor (SDM vol. 3, 6.14.1, 7.2.3). */
	.globl	set_up_gates
set_up_gates:
	mov	$stubs, %eax
	mov	$idt, %edi
	mov	$GATES, %ecx
1:	mov	%ax, (%rdi)
	movl	$CODE64, 2(%rdi)
	movb	$0xee, 5(%rdi)		/* user code may use BACK */
	mov	%eax, %edx
	shr	$16, %edx
	mov	%dx, 6(%rdi)
	add	$16, %eax
	add	$16, %edi
	dec	%ecx
	jnz	1b
	mov	$task, %eax
	mov	%ax, gdt + TASK + 2
	shr	$16, %eax
	mov	%al, gdt + TASK + 4
	mov	%ah, gdt + TASK + 7
	mov	$TASK, %eax
	ltr	%ax
	ret

	.data
	.balign	16
/* Descriptors: SDM vol. 3, 3.4.5. */
gdt:	.quad	0
	.quad	0
	.quad	0x00af9b000000ffff	/* CODE64 */
	.quad	0x00cf93000000ffff	/* DATA */
	.quad	0x00affb000000ffff	/* CODE_USER */
	.quad	0x00cff3000000ffff	/* DATA_USER */
	.quad	0x0000890000000067, 0	/* TASK */
gdt_end:
gdt_pointer:	.word	gdt_end - gdt - 1
		.quad	gdt
idt_pointer:	.word	GATES * 16 - 1
		.quad	idt
	.globl	boot_params, page_tables, is_amd, other_function
boot_params:	.quad	0		/* Linux's zero page */
page_tables:	.quad	0
other_function:	.quad	0
kernel_stack:	.quad	0
is_amd:		.byte	0
	.bss
	.balign	16
idt:		.skip	GATES * 16
task:		.skip	104
	.balign	16
		.skip	16384
stack_top:	.skip	16384
other_stack_top: .skip	4096
user_stack_top:
	.section .note.GNU-stack, "", @progbits
