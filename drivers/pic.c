/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/pic.c - the 8259s (8259A data sheet, initialisation command words).
 */
#include "drivers/pic.h"

#include "kernel/types.h"
#include "kernel/x86.h"

#define PIC1        0x20u /* the command port; behind it the data port */
#define PIC2        0xa0u
#define PIC_VECTORS 0x20u /* where a spurious interrupt would come */

void pic_disable(void)
{
	/* ICW1: cascade, ICW4 follows; ICW2: the vectors; ICW3: line 2; ICW4: 8086 mode; mask. */
	static const uint8_t first[] = {0x11, PIC_VECTORS, 1 << 2, 1, 0xff};
	static const uint8_t second[] = {0x11, PIC_VECTORS + 8, 2, 1, 0xff};
	for (unsigned i = 0; i < ARRAY_COUNT(first); i++) {
		port_write8((uint16_t)(PIC1 + (i != 0)), first[i]);
		port_write8((uint16_t)(PIC2 + (i != 0)), second[i]);
	}
}
