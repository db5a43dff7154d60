/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/guest/broken/vmxe.S - mended on VT-x; kept apart because QEMU, which
 * gives no exit for CR4, has nothing to try here. */
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
