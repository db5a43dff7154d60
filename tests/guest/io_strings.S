/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/guest/io_strings.S - INS and OUTS on the UART's scratch register, which keeps the last byte. */
#include "guest.inc"

#define UART_SCRATCH 0x3ff
#define EDGE 0x100000000		/* where the loader's page tables end */

main:
	CASE "OUTS to the UART"
	mov	$UART_SCRATCH, %edx
	mov	$text, %esi
	outsb
	mov	%rsi, %r10
	EXPECT(text + 1, %r10)
	mov	$UART_SCRATCH, %edx
	mov	$0, %eax
	in	%dx, %al
	EXPECT('x', %rax)

	CASE "REP INS from the UART, more than one exit does"
	mov	$SCRATCH, %edi
	mov	$UART_SCRATCH, %edx
	mov	$100, %ecx
	movb	$0, SCRATCH + 100
	rep	insb
	mov	%rdi, %r10
	mov	%rcx, %r11
	EXPECT(SCRATCH + 100, %r10)
	EXPECT(0, %r11)
	mov	SCRATCH + 96, %r10
	shl	$24, %r10
	movabs	$0x0078787878000000, %rax
	xor	%rax, %r10
	EXPECT(0, %r10)

	CASE "REP OUTS downwards, by 32-bit addresses and through FS"
	mov	$text + 3, %esi
	mov	$UART_SCRATCH, %edx
	movabs	$0xffffffff00000003, %rcx
	std
	.byte	0x67, 0xf3, 0x64, 0x6e
	cld
	mov	%rsi, %r10
	mov	%rcx, %r11
	EXPECT(text, %r10)
	EXPECT(0, %r11)
	mov	$UART_SCRATCH, %edx
	mov	$0, %eax
	in	%dx, %al
	EXPECT('y', %rax)

	CASE "REP OUTS of no bytes"
	mov	$UART_SCRATCH, %edx
	xor	%ecx, %ecx
	mov	$1, %esi
	rep	outsb
	mov	%rsi, %r10
	EXPECT(1, %r10)

	CASE "a #PF in the middle of REP OUTS"
	mov	$UART_SCRATCH, %edx
	mov	$10, %ecx
	movabs	$EDGE - 3, %rbx
	FAULTS(VECTOR_PF, mov $UART_SCRATCH, %edx; mov %rbx, %rsi; 772: rep outsb)
	EXPECT(7, %rcx)
	EXPECT(0, exc_error)
	movabs	$EDGE, %rbx
	ON	'r', 1f				/* Bochs's VMRUN does not load CR2 */
	mov	%cr2, %r10
	xor	%rbx, %r10
	EXPECT(0, %r10)
1:

	CASE "a #PF of REP INS"
	mov	$10, %ecx
	FAULTS(VECTOR_PF, mov $UART_SCRATCH, %edx; mov %rbx, %rdi; 772: rep insb)
	EXPECT(10, %rcx)
	EXPECT(2, exc_error)

	CASE "a #GP of INS at an address that is not canonical"
	FAULTS(VECTOR_GP, mov $UART_SCRATCH, %edx; movabs $0x8000000000000000, %rdi; 772: insb)

	CASE "a #PF of OUTS for a physical address that the CPU does not have"
	mov	%cr3, %rax
	movabs	$1 << 50 | 0x83, %rbx
	mov	%rbx, SCRATCH + 0x1000		/* a page of 1 GiB */
	movq	$SCRATCH + 0x1003, 8(%rax)
	FAULTS(VECTOR_PF, mov $UART_SCRATCH, %edx; movabs $1 << 39, %rsi; 772: outsb)
	EXPECT(9, exc_error)			/* present, reserved bits */

	CASE "16 and 32 bits are all ones"
	mov	$SCRATCH, %edi
	movq	$0, SCRATCH
	mov	$0x3f8, %edx
	insw
	insl
	mov	SCRATCH, %r10
	movabs	$0xffffffffffff, %rbx
	xor	%rbx, %r10
	EXPECT(0, %r10)
	ret
	.data
text:	.ascii	"xyyz"
