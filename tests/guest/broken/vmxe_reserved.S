/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/guest/broken/vmxe_reserved.S - mended on VT-x; kept apart as vmxe.S is. */
#include "guest.inc"

main:
	ON	'q', 1f
	CASE "CR4.VMXE together with a reserved bit is a #GP"
	mov	$0x2020, %eax
	bts	$40, %rax
	FAULTS(VECTOR_GP, mov %rax, %cr4)

	CASE "CR4.VMXE without PAE in long mode is a #GP"
	mov	$0x2000, %eax
	FAULTS(VECTOR_GP, mov %rax, %cr4)
1:
	ret
