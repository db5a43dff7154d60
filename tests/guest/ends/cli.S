/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/guest/ends/cli.S - busy for ever with interrupts off: the monitor must still be reachable. */
#include "guest.inc"

main:
	mov	$message, %edi
	call	puts
	cli
	xor	%eax, %eax
1:	inc	%rax
	jmp	1b
	.section .rodata
message: .asciz	"busy with interrupts off\r\n"
