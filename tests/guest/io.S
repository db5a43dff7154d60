/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/guest/io.S - the virtual UART in all sizes, and ports that are passed on. */
#include "guest.inc"

#define UART_SCRATCH 0x3ff

main:
	CASE "the UART's scratch register keeps a byte, and IN keeps the rest of RAX"
	mov	$UART_SCRATCH, %edx
	mov	$0x5a, %eax
	out	%al, %dx
	movabs	$0x1122334455667700, %rax
	in	%dx, %al
	EXPECT(0x112233445566775a, %rax)
	mov	$UART_SCRATCH, %edx
	mov	$0xa5, %eax
	out	%al, %dx
	mov	$0, %eax
	in	%dx, %al
	EXPECT(0xa5, %rax)

	CASE "16 bits from the UART are all ones"
	mov	$0x3f8, %edx
	movabs	$0x1122334455660000, %rax
	in	%dx, %ax
	EXPECT(0x112233445566ffff, %rax)

	CASE "32 bits from the UART are all ones, zero-extended"
	mov	$0x3f8, %edx
	mov	$0, %rax
	in	%dx, %eax
	EXPECT(0xffffffff, %rax)

	CASE "accesses that straddle the UART's ends harm nobody"
	mov	$0x3f7, %edx
	RUNS(in %dx, %ax)
	mov	$0x3f5, %edx
	RUNS(in %dx, %eax)
	mov	$0x3ff, %edx
	RUNS(in %dx, %ax)
	mov	$0x3fd, %edx
	RUNS(in %dx, %eax)
	mov	$0xffff, %eax
	mov	$0x3ff, %edx
	RUNS(out %ax, %dx; out %eax, %dx)
	mov	$UART_SCRATCH, %edx
	mov	$0, %eax
	in	%dx, %al
	EXPECT(0xa5, %rax)

	CASE "IN and OUT with prefixes are skipped whole"
	mov	$UART_SCRATCH, %edx
	mov	$0x77, %eax
	RUNS(mov $UART_SCRATCH, %edx; .byte 0x2e, 0x48, 0xee)
	mov	$UART_SCRATCH, %edx
	mov	$0, %eax
	RUNS(mov $UART_SCRATCH, %edx; .byte 0x2e, 0x3e, 0xf2, 0xec)
	EXPECT(0x77, %rax)

	CASE "passed ports: the CMOS with immediate port numbers"
	mov	$0x0f, %eax			/* the shutdown status: a byte of memory */
	out	%al, $0x70
	mov	$0x2a, %eax
	out	%al, $0x71
	mov	$0x0f, %eax
	out	%al, $0x70
	mov	$0, %eax
	in	$0x71, %al
	EXPECT(0x2a, %rax)
	mov	$0, %eax
	out	%al, $0x71

	CASE "passed ports: PCI configuration in 8, 16 and 32 bits"
	mov	$0xcf8, %edx
	mov	$0x80000000, %eax
	out	%eax, %dx
	mov	$0xcfc, %edx
	in	%dx, %eax
	mov	%eax, %r9d			/* device and vendor of 00:00.0 */
	mov	%eax, %r8d
	and	$0xffff, %r8d
	EXPECT(0x8086, %r8)
	mov	$0xcfe, %edx
	mov	$0, %eax
	in	%dx, %ax
	shl	$16, %eax
	xor	%r9d, %eax
	mov	%eax, %r8d
	and	$0xffff0000, %r8d
	EXPECT(0, %r8)

	CASE "string input from a passed port"
	mov	$SCRATCH, %edi
	movq	$0, (%rdi)
	movq	$0, 8(%rdi)
	mov	$0xcfc, %edx
	mov	$3, %ecx
	rep	insl
	mov	%rdi, %r8
	mov	%rcx, %r10
	EXPECT(SCRATCH + 12, %r8)
	EXPECT(0, %r10)
	mov	SCRATCH + 8, %r8d
	xor	%r9d, %r8d
	EXPECT(0, %r8)
	mov	SCRATCH + 12, %r8d
	EXPECT(0, %r8)

	CASE "string output to a passed port"
	mov	$SCRATCH, %esi
	movl	$0x04030201, (%rsi)
	mov	$0x80, %edx
	mov	$4, %ecx
	rep	outsb
	mov	%rsi, %r8
	EXPECT(SCRATCH + 4, %r8)

	CASE "a port that nobody has reads all ones"
	mov	$0x9998, %edx
	mov	$0, %eax
	in	%dx, %al
	EXPECT(0xff, %rax)
	ret
