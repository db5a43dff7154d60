/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/bench/init.S - Linux's first process for measurements: says when it began, in ticks of the time stamp counter since
 * power-on, and what a CPUID costs a process. Prints "bench: NAME TICKS" lines, and sleeps; with ENDS it switches off.
 */
#define SYS_WRITE 1
#define SYS_PAUSE 34
#define SYS_REBOOT 169
#define ROUNDS    20000

	.globl _start
_start:
	rdtsc
	shl	$32, %rdx
	or	%rdx, %rax
	mov	$text_init, %esi
	call	print

	rdtsc
	mov	%eax, %r13d
	mov	$ROUNDS, %r12d
1:	xor	%eax, %eax
	xor	%ecx, %ecx
	cpuid
	dec	%r12d
	jnz	1b
	rdtsc
	sub	%r13d, %eax
	xor	%edx, %edx
	mov	$ROUNDS, %ecx
	div	%ecx
	mov	$text_cpuid, %esi
	call	print
#ifdef ENDS
	mov	$SYS_REBOOT, %eax
	mov	$0xfee1dead, %edi
	mov	$672274793, %esi
	mov	$0x4321fedc, %edx /* power off */
	syscall
#endif
2:	mov	$SYS_PAUSE, %eax
	syscall
	jmp	2b

print:	/* RSI: a name of 18 bytes; RAX: the number, which goes behind it */
	mov	$line + 60, %edi
	movb	$'\n', (%rdi)
	mov	$10, %ecx
3:	xor	%edx, %edx
	div	%rcx
	add	$'0', %dl
	dec	%rdi
	mov	%dl, (%rdi)
	test	%rax, %rax
	jnz	3b
	mov	$18, %ecx
	add	%rcx, %rsi
4:	dec	%rsi
	dec	%rdi
	mov	(%rsi), %al
	mov	%al, (%rdi)
	loop	4b
	mov	%rdi, %rsi
	mov	$line + 61, %edx
	sub	%esi, %edx
	mov	$1, %edi
	mov	$SYS_WRITE, %eax
	syscall
	ret

	.section .rodata
text_init:	.ascii "bench: linux_init "
text_cpuid:	.ascii "bench: user_cpuid "
	.bss
line:	.space 64
	.section .note.GNU-stack, "", @progbits
