/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/guest/broken/int_stack.S - Bochs, AMD-V: INT n whose delivery meets a nested page fault: Pintle or
 * Bochs? Not analysed; an exception with vector 0 comes instead. QEMU and VT-x are right. */
#include "guest.inc"

main:
	CASE "a software interrupt whose stack is touched first is delivered once"
	mov	$0x80, %eax
	mov	$0xbbff0, %edx
	mov	$3, %ebx
	call	use_stack
	movq	$2f, exc_resume
	movq	$0, exc_error
1:	int	$0x80
2:	EXPECT(1, counts + 8 * 0x80)
	mov	exc_vector, %r9
	CASE "and raises nothing"
	EXPECT(NONE, %r9)
	CASE "and leaves no error"
	EXPECT(0, exc_error)
	CASE "and goes on behind itself"
	EXPECT(2b, interrupted_rip)
	ret
