/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/uart.c - a 16550-compatible UART.
 */
#include "drivers/uart.h"

#include "kernel/paging.h"
#include "kernel/x86.h"

/* PC16550D data sheet, table II. */
enum uart_register {
	UART_DATA = 0, /* with DLAB: divisor low */
	UART_IER = 1,  /* with DLAB: divisor high */
	UART_IIR = 2,  /* read; written FCR */
	UART_LCR = 3,
	UART_MCR = 4,
	UART_LSR = 5,
	UART_MSR = 6,
};

static uint8_t read_register(const struct uart *uart, enum uart_register reg)
{
	if (!uart->place.in_memory) {
		return port_read8((uint16_t)(uart->place.address + reg));
	}
	size_t offset = (size_t)reg * uart->place.stride;
	return uart->place.stride == 4 ? (uint8_t)mmio_read32(uart->registers, offset)
				       : mmio_read8(uart->registers, offset);
}

static void write_register(const struct uart *uart, enum uart_register reg, unsigned value)
{
	size_t offset = (size_t)reg * uart->place.stride;
	if (!uart->place.in_memory) {
		port_write8((uint16_t)(uart->place.address + reg), (uint8_t)value);
	} else if (uart->place.stride == 4) {
		mmio_write32(uart->registers, offset, value);
	} else {
		mmio_write8(uart->registers, offset, (uint8_t)value);
	}
}

/* In loop-back mode the modem outputs come back as inputs. */
static bool answers(const struct uart *uart)
{
	write_register(uart, UART_MCR, 0x1a); /* loop-back, OUT2, RTS */
	uint8_t inputs = read_register(uart, UART_MSR);
	/* OUT2, which on a PC lets the interrupt line through, RTS, DTR. */
	write_register(uart, UART_MCR, 0x0b);
	return (inputs & 0xf0) == 0x90;
}

int uart_open(struct uart *uart, const struct uart_place *place)
{
	*uart = (struct uart){.place = *place};
	if (place->in_memory) {
		uart->registers =
			window_map(hpa(place->address), 8ull * place->stride, PAGING_DEVICE);
	}
	if ((place->in_memory && uart->registers == NULL) || !answers(uart)) {
		return -ENODEV; /* its window stays: this is tried twice at most */
	}
	if (place->baud != 0) {
		write_register(uart, UART_LCR, 0x80); /* DLAB */
		write_register(uart, UART_DATA, UART_BAUD_BASE / place->baud);
		write_register(uart, UART_IER, UART_BAUD_BASE / place->baud >> 8);
	}
	write_register(uart, UART_LCR, 0x03); /* 8n1 */
	write_register(uart, UART_IER, 0);
	write_register(uart, UART_IIR, 0x07); /* FIFOs on and cleared */
	uart->depth = read_register(uart, UART_IIR) >= 0xc0 ? 16 : 1;
	return 0;
}

unsigned uart_status(const struct uart *uart)
{
	uint8_t status = read_register(uart, UART_LSR);
	return status == 0xff ? UART_IDLE : status;
}

void uart_write(const struct uart *uart, char byte)
{
	write_register(uart, UART_DATA, (uint8_t)byte);
}

uint8_t uart_read(const struct uart *uart)
{
	return read_register(uart, UART_DATA);
}

void uart_interrupts(struct uart *uart, bool when_empty)
{
	uint8_t wanted = when_empty ? 3 : 1; /* received; transmitter empty */
	if (uart->interrupts != wanted) {
		uart->interrupts = wanted;
		write_register(uart, UART_IER, wanted);
	}
}

bool uart_interrupt_pending(const struct uart *uart)
{
	return !(read_register(uart, UART_IIR) & 1);
}
