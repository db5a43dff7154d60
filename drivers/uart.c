/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/uart.c - a 16550-compatible UART.
 */
#include "drivers/uart.h"

#include "kernel/basic.h"

uint8_t uart_read(const struct uart *uart, enum uart_register reg)
{
	if (!uart->base.in_memory) {
		return port_read8((uint16_t)(uart->base.address + reg));
	}
	return uart->base.width == 32 ? (uint8_t)mmio_read32(uart->registers, 4ul * reg)
				      : mmio_read8(uart->registers, reg);
}

void uart_write(const struct uart *uart, enum uart_register reg, unsigned value)
{
	if (!uart->base.in_memory) {
		port_write8((uint16_t)(uart->base.address + reg), (uint8_t)value);
	} else if (uart->base.width == 32) {
		mmio_write32(uart->registers, 4ul * reg, value);
	} else {
		mmio_write8(uart->registers, reg, (uint8_t)value);
	}
}

/* In loop-back mode the modem outputs come back as inputs. */
static bool answers(const struct uart *uart)
{
	uart_write(uart, UART_MCR, 0x1a); /* loop-back, OUT2, RTS */
	uint8_t inputs = uart_read(uart, UART_MSR);
	/* OUT2, which on a PC lets the interrupt line through, RTS, DTR. */
	uart_write(uart, UART_MCR, 0x0b);
	return (inputs & 0xf0) == 0x90;
}

int uart_open(struct uart *uart, const struct uart_place *place)
{
	*uart = (struct uart){.base = place->base};
	if (uart->base.in_memory) {
		uart->registers = window_map(hpa(uart->base.address), 8 * 4, PAGING_DEVICE);
	}
	if ((uart->base.in_memory && uart->registers == NULL) || !answers(uart)) {
		return -ENODEV; /* its window stays: this is tried twice at most */
	}
	if (place->baud != 0) {
		uart_write(uart, UART_LCR, 0x80); /* DLAB */
		uart_write(uart, UART_DATA, UART_BAUD_BASE / place->baud);
		uart_write(uart, UART_IER, UART_BAUD_BASE / place->baud >> 8);
	}
	uart_write(uart, UART_LCR, 0x03); /* 8n1 */
	uart_write(uart, UART_IER, 0);
	uart_write(uart, UART_IIR, 0x07); /* FIFOs on and cleared */
	uart->depth = uart_read(uart, UART_IIR) >= 0xc0 ? 16 : 1;
	return 0;
}

unsigned uart_status(const struct uart *uart)
{
	uint8_t status = uart_read(uart, UART_LSR);
	return status == 0xff ? UART_IDLE : status;
}

void uart_interrupts(struct uart *uart, bool when_empty)
{
	uint8_t wanted = when_empty ? 3 : 1; /* received; transmitter empty */
	if (uart->interrupts != wanted) {
		uart->interrupts = wanted;
		uart_write(uart, UART_IER, wanted);
	}
}
