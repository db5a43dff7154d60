/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/guest/ends/task.S - a task switch through a TSS, in 32 bits: AMD's CPUs do it, on VT-x the VM ends. */
#include "guest.inc"

#define AT(label) (LOW + (label) - low)
#define TASK_A 0x20
#define TASK_B 0x28

main:
	mov	$low, %esi
	mov	$LOW, %edi
	mov	$low_end - low, %ecx
	rep	movsb
	lgdt	LOW + gdt32_pointer - low
	mov	$LOW, %eax
	push	$CODE32
	push	%rax
	lretq

	.data
	.balign	16
low:	.code32
	mov	$DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	$0x7000, %esp
	mov	%cr0, %eax
	and	$0x7fffffff, %eax
	mov	%eax, %cr0
	mov	$0xc0000080, %ecx
	rdmsr
	and	$~0x100, %eax
	wrmsr
	mov	$TASK_A, %eax
	ltr	%ax
	ljmp	$TASK_B, $0
	hlt
task_code:
	mov	$AT(text), %esi
	cmp	$0x12345678, %ebx	/* from the TSS */
	je	1f
	mov	$AT(text_bad), %esi
1:	mov	$0x3f8, %edx
2:	lodsb
	test	%al, %al
	jz	3f
	out	%al, %dx
	jmp	2b
3:	cli
	hlt
	jmp	3b
text:	.asciz	"guest: 1 passed, 0 failed\r\n"
text_bad: .asciz "guest: 0 passed, 1 failed\r\n"
	.balign	8
gdt32:	.quad	0
	.quad	0x00cf9b000000ffff	/* CODE32 */
	.quad	0
	.quad	0x00cf93000000ffff	/* DATA */
	.word	103, AT(tss_a), 0x8900, 0
	.word	103, AT(tss_b), 0x8900, 0
gdt32_pointer:
	.word	47
	.quad	AT(gdt32)
	.balign	16
tss_a:	.skip	104
tss_b:	.skip	32			/* SDM vol. 3, figure 8-2 */
	.long	AT(task_code)		/* EIP */
	.long	2			/* EFLAGS */
	.long	0, 0, 0, 0x12345678	/* EAX, ECX, EDX, EBX */
	.long	0x7000, 0, 0, 0		/* ESP, EBP, ESI, EDI */
	.long	DATA, CODE32, DATA, DATA, DATA, DATA, 0	/* ES, CS, SS, DS, FS, GS, LDT */
	.long	104 << 16
low_end:
	.text
	.code64
