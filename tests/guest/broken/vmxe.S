/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/guest/broken/vmxe.S - VT-x: MOV to CR4 that exits is not checked (kernel/exit.c, cr). */
#include "guest.inc"

main:
	ON	'q', 1f
	CASE "CR4.VMXE is a #GP"
	mov	%cr4, %rax
	bts	$13, %rax
	FAULTS(VECTOR_GP, mov %rax, %cr4)
	mov	%cr4, %r8
	EXPECT(0x20, %r8)
1:
	ret
