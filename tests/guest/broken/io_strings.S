/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/guest/broken/io_strings.S - INS and OUTS on the UART end the VM (kernel/exit.c, io). */
#include "guest.inc"

main:
	CASE "OUTS to the UART"
	mov	$0x3ff, %edx
	mov	$text, %esi
	outsb
	mov	$0, %eax
	in	%dx, %al
	EXPECT('x', %rax)

	CASE "REP INS from the UART"
	mov	$SCRATCH, %edi
	mov	$0x3ff, %edx
	mov	$3, %ecx
	rep	insb
	mov	SCRATCH, %r8d
	and	$0xffffff, %r8d
	EXPECT(0x787878, %r8)
	ret
	.data
text:	.ascii	"x"
