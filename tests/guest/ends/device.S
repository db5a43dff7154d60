/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/guest/ends/device.S - an instruction on a device register that is not known: the VM ends. */
#include "guest.inc"

main:
	mov	$LAPIC, %esi
	mov	$SCRATCH, %edi
	movsl
	ret
