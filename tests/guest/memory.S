/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/guest/memory.S - memory that is Pintle's own, and memory that nobody has. */
#include "guest.inc"

#define E820_COUNT 0x1e8
#define E820_TABLE 0x2d0

main:
	/* R12: the first range of reserved memory above 16 MiB: the modules or Pintle's region. */
	mov	boot_params, %rbx
	movzbl	E820_COUNT(%rbx), %ecx
	add	$E820_TABLE, %rbx
1:	cmpl	$2, 16(%rbx)
	jne	2f
	cmpq	$LOAD_ADDRESS, (%rbx)
	ja	3f
2:	add	$20, %rbx
	dec	%ecx
	jnz	1b
3:	mov	(%rbx), %r12

	CASE "Pintle's own memory reads all ones"
	mov	(%r12), %al
	movzbl	%al, %r8d
	EXPECT(0xff, %r8)
	movzwl	2(%r12), %r8d
	EXPECT(0xffff, %r8)
	mov	0x1000(%r12), %r8d
	EXPECT(0xffffffff, %r8)
	mov	$0, %r8
	movsbq	5(%r12), %r8
	EXPECT(-1, %r8)
	mov	$0x1234567890, %rax
	mov	%r12, %rsi
	mov	1(%rsi), %ah
	mov	%rax, %r8
	EXPECT(0x123456ff90, %r8)

	CASE "writes to Pintle's own memory are lost"
	RUNS(movl $0, (%r12))
	RUNS(movb $0, 0x100(%r12))
	RUNS(movw $0x1234, 0x200(%r12))
	xor	%eax, %eax
	RUNS(mov %rax, 0x300(%r12))
	mov	(%r12), %r8d
	EXPECT(0xffffffff, %r8)

	CASE "8 bytes of it are all ones, and AH can be written to it"
	mov	(%r12), %r8
	EXPECT(-1, %r8)
	mov	%r12, %rsi
	RUNS(mov %ah, (%rsi))

	CASE "other instructions on it, and execution in it, are a #GP"
	FAULTS(VECTOR_GP, incl (%r12))
	FAULTS(VECTOR_GP, xchg %eax, (%r12))
	movq	$5f, exc_resume
	movq	$NONE, exc_vector
	jmp	*%r12
5:	EXPECT(VECTOR_GP, exc_vector)
	mov	exc_rip, %r8
	sub	%r12, %r8
	EXPECT(0, %r8)

	CASE "all of the first 6 MiB of it"
	mov	$6 * 256, %ecx
	mov	%r12, %rbx
4:	mov	(%rbx), %eax
	cmp	$-1, %eax
	jne	5f
	movl	$0, (%rbx)
	add	$4096, %rbx
	dec	%ecx
	jnz	4b
5:	EXPECT(0, %rcx)

	CASE "device memory that nobody has can be touched"
	mov	$0xd0000000, %eax
	RUNS(mov (%rax), %r9d)
	RUNS(movl $0, (%rax))
	RUNS(mov 0x400000(%rax), %r9)

	CASE "low memory keeps what is written"
	movq	$0x1122, 0x70000
	EXPECT(0x1122, 0x70000)

	CASE "the VGA's memory can be used, and memory beside it stays"
	movq	$0x5566, 0x9000
	movw	$0x0741, 0xb8000
	mov	0xb8000, %ax
	movzwl	%ax, %r8d
	EXPECT(0x0741, %r8)
	EXPECT(0x5566, 0x9000)
	ret
