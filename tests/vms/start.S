/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/vms/start.S - what each guest begins with: from a boot sector's real mode to main() in
 * 64-bit mode, on every vCPU alike; interrupts and exceptions to interrupt() and fault().
 *
 * The image lies at 0x7c00. Memory is mapped at its own address: the first GiB and the fourth.
 */
#define STARTUP 0x8000 /* where a SIPI with vector 8 begins; guest.c sends it */
#define STACKS  0x80000 /* a page for each vCPU, by its APIC id; guest.h knows this too */
#define GATES   64

#define CODE64  0x08
#define CR0_ON  0x80000033 /* PG, NE, ET, MP, PE */
#define CR4_ON  0x620      /* OSXMMEXCPT, OSFXSR, PAE */
#define EFER    0xc0000080
#define EFER_LME 0x100

	.text
	.code16
	.globl	start
start:
	ljmp	$STARTUP >> 4, $0
	.org	STARTUP - 0x7c00
	cli
	xor	%eax, %eax
	mov	%ax, %ds
	lgdtl	gdt_pointer
	lidtl	idt_pointer
	mov	$CR4_ON, %eax
	mov	%eax, %cr4
	mov	$level4, %eax
	mov	%eax, %cr3
	mov	$EFER, %ecx
	rdmsr
	or	$EFER_LME, %eax
	wrmsr
	mov	$CR0_ON, %eax
	mov	%eax, %cr0
	ljmpl	$CODE64, $long_mode

	.code64
long_mode:
	xor	%eax, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %fs
	mov	%eax, %gs
	mov	%eax, %ss
	cld
	mov	$1, %eax
	cpuid
	shr	$24, %ebx		/* the APIC id */
	mov	%ebx, %edi
	shl	$12, %ebx
	lea	STACKS + 0x1000(%rbx), %rsp
	call	main
halt:	cli
	hlt
	jmp	halt

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
	lea	88(%rsp), %rsi
	mov	80(%rsp), %rdx
	mov	$interrupt, %eax
	mov	$fault, %ecx
	cmp	$32, %edi
	cmovb	%rcx, %rax
	mov	%rsp, %r8
	push	%rbx
	mov	%r8, %rbx
	and	$~15, %rsp
	call	*%rax
	lea	-8(%rbx), %rsp
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

	/* bool try_read(msr), try_write(msr, value), try_xcr0(value): no exception came */
	.globl	try_read, try_write, try_xcr0
try_read:
	mov	%edi, %ecx
	movq	$refused, resume
	rdmsr
	jmp	accepted
try_write:
	mov	%edi, %ecx
	mov	%esi, %eax
	mov	%rsi, %rdx
	shr	$32, %rdx
	movq	$refused, resume
	wrmsr
	jmp	accepted
try_xcr0:
	xor	%ecx, %ecx
	mov	%edi, %eax
	mov	%rdi, %rdx
	shr	$32, %rdx
	movq	$refused, resume
	xsetbv
accepted:
	movq	$0, resume
	mov	$1, %eax
	ret
refused:
	xor	%eax, %eax
	ret

	.data
	.globl	resume
resume:	.quad	0			/* where the next exception goes on; 0: it is reported */

/* Descriptors: SDM vol. 3, 3.4.5; gates: 6.14.1. */
	.balign	16
gdt:	.quad	0
	.quad	0x00af9b000000ffff	/* CODE64 */
gdt_end:
gdt_pointer:
	.word	gdt_end - gdt - 1
	.long	gdt
idt_pointer:
	.word	GATES * 16 - 1
	.long	idt
	.balign	16
idt:	.set	vector, 0
	.rept	GATES
	.word	stubs + 16 * vector, CODE64, 0x8e00, 0
	.quad	0
	.set	vector, vector + 1
	.endr

/* Present, writable; of 2 MiB (SDM vol. 3, 4.5). */
	.balign	4096
level4:	.quad	level3 + 3
	.fill	511, 8, 0
level3:	.quad	first + 3, 0, 0, fourth + 3
	.fill	508, 8, 0
	.macro	PAGES from
	.set	page, 0
	.rept	512
	.quad	\from + (page << 21) + 0x83
	.set	page, page + 1
	.endr
	.endm
first:	PAGES	0
fourth:	PAGES	0xc0000000
	.section .note.GNU-stack, "", @progbits
