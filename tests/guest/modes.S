/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/guest/modes.S - through compatibility mode, 32-bit code without paging, with PAE and with
 * 32-bit paging, 16-bit protected mode and real mode, and back; exits in each of them.
 */
#include "guest.inc"

#define AT(label)   (LOW + (label) - low)
#define TABLES      0x30000		/* PAE: PDPT, and page directories; then a 32-bit one */
#define DIRECTORY   0x38000
#define REAL_STACK  0x7000
#define RESULTS     0x20000		/* 16 bytes a mode: CPUID's EBX, the UART's byte */
#define RESULT(n)   (RESULTS + 16 * (n))
#define SEEN        (RESULTS + 0x100)
#define UART_SCRATCH 0x3ff

/* In any 32-bit mode: CPUID with Pintle's leaf and bytes through the UART, also by OUTS, to slot n. */
.macro EXITS n
	mov	$0x40000100, %eax
	cpuid
	mov	%ebx, %esi
	mov	$(0x40 + \n), %al
	mov	$UART_SCRATCH, %dx
	out	%al, %dx
	xor	%eax, %eax
	in	%dx, %al
	mov	$RESULT(\n), %ebx
	mov	%esi, (%ebx)
	mov	%eax, 4(%ebx)
	movl	$(0x60 + \n), 12(%ebx)
	lea	12(%ebx), %esi
	outsb
	in	%dx, %al
	mov	%eax, 12(%ebx)
.endm

.macro CHECK_STRING n, name
	CASE "\name: OUTS exits and returns"
	mov	RESULT(\n) + 12, %r8d
	EXPECT(0x60 + \n, %r8)
.endm

.macro CHECK n, name
	CASE "\name: CPUID and port I/O exit and return"
	mov	RESULT(\n), %r8d
	EXPECT(0x746e6950, %r8)
	mov	RESULT(\n) + 4, %r8d
	EXPECT(0x40 + \n, %r8)
.endm

main:
	/* PAE: 1 GiB at 0 and again at 1 GiB; the same for 4-MiB pages: 4 MiB at 1 GiB are those at 0. */
	mov	$TABLES, %edi
	xor	%eax, %eax
	mov	$0x9000 / 8, %ecx
	rep	stosq
	movl	$TABLES + 0x1001, TABLES
	movl	$TABLES + 0x1001, TABLES + 8
	mov	$TABLES + 0x1000, %edi
	mov	$0x83, %eax
	mov	$512, %ecx
1:	mov	%rax, (%rdi)
	add	$0x200000, %eax
	add	$8, %edi
	dec	%ecx
	jnz	1b
	mov	$DIRECTORY, %edi
	mov	$0x83, %eax
	mov	$256, %ecx
2:	mov	%eax, (%rdi)
	add	$0x400000, %eax
	add	$4, %edi
	dec	%ecx
	jnz	2b
	movl	$0x83, DIRECTORY + 4 * 256

	mov	$low, %esi
	mov	$LOW, %edi
	mov	$low_end - low, %ecx
	rep	movsb
	mov	$RESULTS, %edi
	mov	$0x200 / 8, %ecx
	xor	%eax, %eax
	rep	stosq
	mov	%cr3, %rax
	mov	%eax, LOW + saved_cr3 - low
	mov	%rsp, saved_rsp
	mov	$LOW, %eax
	push	$CODE32
	push	%rax
	lretq
back:	.code64
	mov	saved_rsp, %rsp
	mov	$DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	%eax, %fs
	mov	%eax, %gs
	lidt	idt_pointer

	CHECK	0, "compatibility mode"
	CHECK	1, "32 bits without paging"
	CHECK_STRING 0, "compatibility mode"
	CHECK_STRING 1, "32 bits without paging"
#ifndef WITH_PAE
	ON	'q', 3f
#endif
	CHECK	2, "PAE paging"
	CHECK_STRING 2, "PAE paging"
	CASE "PAE paging maps"
	mov	RESULT(2) + 8, %r8d
	EXPECT(0x600df00d, %r8)
	CASE "an APIC read and an RDMSR under PAE paging"
	mov	SEEN + 8, %r8d
	and	$0xf0, %r8d
	EXPECT(0x10, %r8)
	mov	SEEN + 12, %r8d
	EXPECT(0, %r8)
3:	CHECK	3, "32-bit paging"
	CHECK_STRING 3, "32-bit paging"
	CASE "32-bit paging maps"
	mov	RESULT(3) + 8, %r8d
	EXPECT(0x600df00d, %r8)
	CHECK	4, "16-bit protected mode"
	CHECK	5, "real mode"
	CASE "real mode: REP OUTS by DS and REP INS by ES"
	mov	SEEN + 24, %r8d
	EXPECT(0x66656565, %r8)
	CASE "real mode: INT n goes through the vector table"
	mov	SEEN, %r8d
	EXPECT(1, %r8)
	CASE "real mode: an injected #GP has no error code"
	mov	SEEN + 4, %r8d
	EXPECT(6, %r8)
	CASE "real mode with a segment that is not at zero"
	mov	SEEN + 16, %r8d
	EXPECT(0x746e6950, %r8)
	CHECK	6, "back in 32 bits"
	CHECK	7, "64 bits"
	CASE "back in 64 bits, EFER and CR0 are as before"
	mov	$0xc0000080, %ecx
	rdmsr
	EXPECT(0x500, %rax)
	mov	$0x40000100, %eax
	cpuid
	EXPECT(0x40000100, %rax)
	ret

	.data
saved_rsp: .quad 0

	.balign	16
low:	.code32				/* compatibility mode */
	mov	$DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	$REAL_STACK, %esp
	EXITS	0

	mov	%cr0, %eax		/* paging off; the code lies at its own address */
	and	$0x7fffffff, %eax
	mov	%eax, %cr0
	mov	$0xc0000080, %ecx
	rdmsr
	and	$~0x100, %eax
	wrmsr
	EXITS	1

#ifndef WITH_PAE			/* pae.S */
	cmpb	$'q', machine
	je	no_pae
#endif
	mov	$TABLES, %eax		/* PAE is on in CR4 */
	mov	%eax, %cr3
	mov	%cr0, %eax
	or	$0x80000000, %eax
	mov	%eax, %cr0
	EXITS	2
	movl	$0x600df00d, RESULT(2) + 8 + 0x40000000
	/* The APIC's page, over the last 2 MiB of the first GiB. */
	movl	$0xfee00083, TABLES + 0x1000 + 8 * 511
	invlpg	0x3fe00000
	mov	0x3fe00030, %eax
	mov	%eax, SEEN + 8
	mov	$0xc0000080, %ecx
	rdmsr
	and	$0x500, %eax		/* neither LMA nor LME */
	mov	%eax, SEEN + 12

no_pae:	mov	%cr0, %eax
	and	$0x7fffffff, %eax
	mov	%eax, %cr0
	mov	%cr4, %eax
	and	$~0x20, %eax
	or	$0x10, %eax		/* PSE */
	mov	%eax, %cr4
	mov	$DIRECTORY, %eax
	mov	%eax, %cr3
	mov	%cr0, %eax
	or	$0x80000000, %eax
	mov	%eax, %cr0
	EXITS	3
	movl	$0x600df00d, RESULT(3) + 8 + 0x40000000

	mov	%cr0, %eax
	and	$0x7fffffff, %eax
	mov	%eax, %cr0
	ljmp	$CODE16, $AT(protected16)
protected16:
	.code16
	mov	$DATA16, %ax
	mov	%ax, %ds
	mov	%ax, %es
	mov	%ax, %ss
	mov	%ax, %fs
	mov	%ax, %gs
	mov	$0x40000100, %eax
	cpuid
	mov	%ebx, %esi
	mov	$0x44, %al
	mov	$UART_SCRATCH, %dx
	out	%al, %dx
	xor	%eax, %eax
	in	%dx, %al
	mov	$DATA, %bx		/* for a limit of 4 GiB: RESULTS is above 64 KiB */
	mov	%bx, %ds
	addr32	mov	%esi, RESULT(4)
	addr32	mov	%eax, RESULT(4) + 4
	mov	$DATA16, %bx
	mov	%bx, %ds

	mov	%cr0, %eax
	and	$~1, %al
	mov	%eax, %cr0
	ljmp	$0, $AT(real)
real:	xor	%ax, %ax
	mov	%ax, %ss
	mov	$RESULTS >> 4, %ax
	mov	%ax, %ds
	mov	$REAL_STACK, %sp
	xor	%ax, %ax
	mov	%ax, %es
	addr32	data32 lidtw %cs:AT(real_idt)
	movw	$AT(real_int), %es:(4 * 0x21)
	movw	$0, %es:(4 * 0x21 + 2)
	movw	$AT(real_gp), %es:(4 * 13)
	movw	$0, %es:(4 * 13 + 2)
	mov	$0x40000100, %eax
	cpuid
	mov	%ebx, 16 * 5
	mov	$0x45, %al
	mov	$UART_SCRATCH, %dx
	out	%al, %dx
	xor	%eax, %eax
	in	%dx, %al
	mov	%eax, 16 * 5 + 4
	movl	$0x65666666, 0x100 + 28
	movl	$0x66666666, 0x100 + 24
	mov	$0x100 + 28, %si
	mov	$4, %cx
	rep	outsb			/* the last is 65h */
	mov	%ds, %ax
	mov	%ax, %es
	mov	$0x100 + 24, %di
	mov	$3, %cx
	rep	insb
	xor	%ax, %ax
	mov	%ax, %es
	int	$0x21
	mov	$0x480, %ecx
	rdmsr				/* a #GP that Pintle makes */
real_after:
	/* CS with a base */
	ljmp	$LOW >> 4, $high_cs - low
high_cs:
	mov	$0x40000100, %eax
	cpuid
	mov	%ebx, 0x100 + 16
	ljmp	$0, $AT(leave)
real_int:
	movl	$1, 0x100
	iret
real_gp:
	mov	$REAL_STACK, %ax
	sub	%sp, %ax
	movzwl	%ax, %eax
	mov	%eax, 0x104
	mov	$REAL_STACK, %sp
	jmp	real_after

leave:	addr32	data32 lgdt %cs:AT(low_gdt)
	mov	%cr0, %eax
	or	$1, %al
	mov	%eax, %cr0
	data32	ljmp $CODE32, $AT(again32)
again32:
	.code32
	mov	$DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	movl	$0x40000100, %eax
	cpuid
	mov	%ebx, RESULT(6)
	mov	$0x46, %al
	mov	$UART_SCRATCH, %dx
	out	%al, %dx
	xor	%eax, %eax
	in	%dx, %al
	mov	%eax, RESULT(6) + 4
	mov	%cr4, %eax
	and	$~0x10, %eax
	or	$0x20, %eax
	mov	%eax, %cr4
	mov	AT(saved_cr3), %eax
	mov	%eax, %cr3
	mov	$0xc0000080, %ecx
	rdmsr
	or	$0x100, %eax
	wrmsr
	mov	%cr0, %eax
	or	$0x80000000, %eax
	mov	%eax, %cr0
	ljmp	$CODE64, $AT(again64)
again64:
	.code64
	movl	$0x40000100, %eax
	cpuid
	mov	%ebx, RESULT(7)
	mov	$0x47, %al
	mov	$UART_SCRATCH, %dx
	out	%al, %dx
	xor	%eax, %eax
	in	%dx, %al
	mov	%eax, RESULT(7) + 4
	mov	$back, %eax
	jmp	*%rax
saved_cr3: .long 0
real_idt:  .word 0x3ff
	.long	0
low_gdt:   .word 63
	.long	gdt
low_end:
	.text
