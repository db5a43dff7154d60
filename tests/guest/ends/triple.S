/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/guest/ends/triple.S - a triple fault: the VM ends, with a report. */
#include "guest.inc"

main:
	lidt	nothing
	ud2
	ret
	.data
nothing: .word	0
	.quad	0
