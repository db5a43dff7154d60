/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/guest/step.S - single-stepping (TF) over instructions that do not exit. */
#include "guest.inc"
#include "step.inc"

main:
	CASE "#DB comes behind each stepped instruction"
	STEP_ON
	nop
1:	nop
2:	STEP_OFF
	EXPECT(1b, steps)
	EXPECT(2b, steps + 8)
	ON	'r', 3f				/* Bochs forgets DR6 of a #DB that is intercepted */
	mov	status, %r8
	and	$0x4000, %r8
	EXPECT(0x4000, %r8)
3:
	CASE "stepping over a passed port"
	mov	$0x80, %edx
	STEP_ON
	out	%al, %dx
1:	nop
2:	STEP_OFF
	EXPECT(1b, steps)
	EXPECT(2b, steps + 8)
	ret
