/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/guest/sleep.S - S3 is refused, by writes of every size, and over at once; the rest of PM1 is the machine's own. */
#include "guest.inc"

#define S3     0x2400			/* SLP_EN, and the type of S3 in both emulators */
#define STATUS -4(%rbx)			/* of PM1, from its control register on */
#define WAKE   0x8000			/* WAK_STS */

main:
	mov	$0x604, %ebx		/* QEMU's q35; Bochs's PIIX4: */
	ON	'q', 1f
	mov	$0xb004, %ebx
1:
	CASE "what is no sleep is passed on"
	mov	%ebx, %edx
	in	%dx, %ax
	mov	%eax, %r12d
	or	$0x0400, %eax		/* SLP_TYP alone */
	out	%ax, %dx
	in	%dx, %ax
	movzwl	%ax, %r8d
	and	$0x3c00, %r8d
	EXPECT(0x0400, %r8)
	mov	%ebx, %edx
	mov	%r12d, %eax
	out	%ax, %dx

	CASE "S3 by 16 bits"
	call	wake_status
	EXPECT(0, %r8)
	mov	%ebx, %edx
	mov	$S3, %eax
	RUNS(mov %ebx, %edx; out %ax, %dx)

	CASE "it is over at once, until that is acknowledged"
	call	wake_status
	EXPECT(WAKE, %r8)
	lea	STATUS, %edx
	mov	$0x0100, %eax
	out	%ax, %dx
	call	wake_status
	EXPECT(WAKE, %r8)
	lea	1 + STATUS, %edx
	in	%dx, %al
	and	$WAKE >> 8, %eax
	EXPECT(WAKE >> 8, %rax)
	lea	STATUS, %edx
	mov	$WAKE, %eax
	out	%ax, %dx
	call	wake_status
	EXPECT(0, %r8)

	CASE "S3 by the higher byte"
	mov	$S3 >> 8, %eax
	RUNS(lea 1(%rbx), %edx; out %al, %dx)

	CASE "S3 by 32 bits, and by 16 that straddle"
	mov	$S3, %eax
	RUNS(mov %ebx, %edx; out %eax, %dx)
	mov	$S3 >> 8, %eax
	RUNS(lea 1(%rbx), %edx; out %ax, %dx)

	CASE "and nothing of it was written"
	mov	%ebx, %edx
	xor	%eax, %eax
	in	%dx, %ax
	xor	%r12d, %eax
	movzwl	%ax, %r8d
	and	$0x3c00, %r8d
	EXPECT(0, %r8)
	ret

wake_status:	/* R8 */
	lea	STATUS, %edx
	in	%dx, %ax
	movzwl	%ax, %r8d
	and	$WAKE, %r8d
	ret
