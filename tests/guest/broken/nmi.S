/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/guest/broken/nmi.S - AMD-V: behind IRET an NMI waits for the next exit, up to 10 ms. */
#include "guest.inc"

#define NMI_TO_SELF movl $0x4400, 0x300(%rbp)

main:
	mov	$LAPIC, %ebp
	movl	$0x1ff, 0xf0(%rbp)
	CASE "an NMI that waits for an IRET comes right behind it"
	HOOK	VECTOR_NMI, on_nmi
	NMI_TO_SELF
	nop
	EXPECT(2, nmis)
	ret
on_nmi:
	incq	nmis
	cmpq	$1, nmis
	ja	1f
	NMI_TO_SELF
1:	ret
	.data
nmis:	.quad	0
