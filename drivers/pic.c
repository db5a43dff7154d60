/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/pic.c - the 8259s (8259A data sheet, initialisation command words).
 */
#include "drivers/pic.h"

#include "kernel/types.h"
#include "kernel/x86.h"

#define PIC1_COMMAND 0x20u
#define PIC1_DATA    0x21u
#define PIC2_COMMAND 0xa0u
#define PIC2_DATA    0xa1u
#define PIC_VECTORS  0x20u /* where a spurious interrupt would come */

void pic_disable(void)
{
	static const struct {
		uint16_t port;
		uint8_t value;
	} steps[] = {
		{PIC1_COMMAND, 0x11}, /* ICW1: cascade, ICW4 follows */
		{PIC2_COMMAND, 0x11},
		{PIC1_DATA, PIC_VECTORS},
		{PIC2_DATA, PIC_VECTORS + 8},
		{PIC1_DATA, 1 << 2}, /* the second one is on line 2 */
		{PIC2_DATA, 2},
		{PIC1_DATA, 1}, /* ICW4: 8086 mode */
		{PIC2_DATA, 1},
		{PIC1_DATA, 0xff},
		{PIC2_DATA, 0xff},
	};
	for (unsigned i = 0; i < ARRAY_COUNT(steps); i++) {
		port_write8(steps[i].port, steps[i].value);
	}
}
