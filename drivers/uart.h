/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/uart.h - a 16550-compatible UART (National PC16550D data sheet, 8), at a port or in
 * memory.
 *
 * No locks: its caller, the console, holds console.lock.
 */
#pragma once

#include "drivers/acpi.h"

#define UART_BAUD_BASE 115200u /* bit/s with divisor 1 */

/* Where a UART is. */
struct uart_place {
	struct acpi_gas base; /* width 32 in memory: four bytes from register to register */
	uint32_t baud;        /* bit/s to set, or 0: leave the line as it is */
};

struct uart {
	struct acpi_gas base;
	volatile void *registers; /* when in memory */
	uint8_t depth;            /* bytes that the transmitter takes at once */
	uint8_t interrupts;       /* what is enabled in IER */
};

/*
 * Find out whether a 16550 (or a 16450, without FIFO) answers at `place`, and set it up: 8n1, FIFOs
 * on, interrupts off. Returns 0, or -ENODEV when nothing like it is there.
 */
int uart_open(struct uart *uart, const struct uart_place *place);

/* What holds, of these bits. Of a UART that is gone only that it is idle. */
unsigned uart_status(const struct uart *uart);
#define UART_RECEIVED 0x01u /* a byte may be read */
#define UART_EMPTY    0x20u /* the transmitter is empty: uart->depth bytes may be written */
#define UART_IDLE     0x40u /* all that was written is on the line */

/* The registers by number (PC16550D data sheet, table II). */
enum uart_register {
	UART_DATA = 0, /* with DLAB: divisor low */
	UART_IER = 1,  /* with DLAB: divisor high */
	UART_IIR = 2,  /* read; written FCR */
	UART_LCR = 3,
	UART_MCR = 4,
	UART_LSR = 5,
	UART_MSR = 6,
};
#define UART_IIR_NONE 0x01u /* no cause of an interrupt is left; to read IIR takes note of one */
uint8_t uart_read(const struct uart *uart, enum uart_register reg);
void uart_write(const struct uart *uart, enum uart_register reg, unsigned value);

/* Let it interrupt when a byte has come, and, if `when_empty`, when the transmitter is empty. */
void uart_interrupts(struct uart *uart, bool when_empty);
