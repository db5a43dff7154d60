/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/guest/ends/fetch.S - execution goes to memory that is Pintle's own: the VM ends. */
#include "guest.inc"

main:
	mov	boot_params, %rbx
	add	$0x2d0, %rbx
1:	cmpl	$2, 16(%rbx)
	jne	2f
	cmpq	$LOAD_ADDRESS, (%rbx)
	ja	3f
2:	add	$20, %rbx
	jmp	1b
3:	jmp	*(%rbx)
