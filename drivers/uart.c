/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/uart.c - a 16550-compatible UART.
 */
#include "drivers/uart.h"

#include "kernel/errno.h"
#include "kernel/paging.h"
#include "kernel/x86.h"

/* PC16550D data sheet, table II. */
enum uart_register {
	UART_DATA = 0, /* with DLAB: divisor low */
	UART_IER = 1,  /* with DLAB: divisor high */
	UART_IIR = 2,  /* read */
	UART_FCR = 2,  /* write */
	UART_LCR = 3,
	UART_MCR = 4,
	UART_LSR = 5,
	UART_MSR = 6,
	UART_SCRATCH = 7,
};
#define REGISTERS 8u

#define IER_RECEIVED 0x01u
#define IER_EMPTY    0x02u
#define IIR_NONE     0x01u
#define IIR_FIFO     0xc0u
#define FCR_ENABLE   0x07u /* on, both cleared */
#define LCR_8N1      0x03u
#define LCR_DLAB     0x80u
#define MCR_DTR_RTS  0x03u
#define MCR_OUT2     0x08u /* lets the interrupt line through on a PC */
#define MCR_LOOP     0x10u
#define LSR_RECEIVED 0x01u
#define LSR_EMPTY    0x20u
#define LSR_IDLE     0x40u
#define LSR_ABSENT   0xffu
#define CLOCK_HZ     115200u /* the divisor's unit */
#define FIFO_DEPTH   16u

static uint8_t read_register(const struct uart *uart, enum uart_register reg)
{
	if (!uart->place.in_memory) {
		return port_read8((uint16_t)(uart->place.address + reg));
	}
	size_t offset = (size_t)reg * uart->place.stride;
	return uart->place.stride == 4 ? (uint8_t)mmio_read32(uart->registers, offset)
				       : mmio_read8(uart->registers, offset);
}

static void write_register(const struct uart *uart, enum uart_register reg, uint8_t value)
{
	size_t offset = (size_t)reg * uart->place.stride;
	if (!uart->place.in_memory) {
		port_write8((uint16_t)(uart->place.address + reg), value);
	} else if (uart->place.stride == 4) {
		mmio_write32(uart->registers, offset, value);
	} else {
		mmio_write8(uart->registers, offset, value);
	}
}

/* The scratch register keeps what it is given, and in loop-back mode the modem outputs come back as
 * inputs. */
static bool answers(const struct uart *uart)
{
	for (unsigned pattern = 0x55; pattern <= 0xaa; pattern += 0x55) {
		write_register(uart, UART_SCRATCH, (uint8_t)pattern);
		if (read_register(uart, UART_SCRATCH) != pattern) {
			return false;
		}
	}
	write_register(uart, UART_MCR, MCR_LOOP | MCR_OUT2 | 0x02);
	uint8_t inputs = read_register(uart, UART_MSR);
	write_register(uart, UART_MCR, MCR_DTR_RTS | MCR_OUT2);
	return (inputs & 0xf0) == 0x90;
}

int uart_open(struct uart *uart, const struct uart_place *place)
{
	uint32_t divisor = place->baud != 0 ? CLOCK_HZ / place->baud : 0;
	*uart = (struct uart){.place = *place};
	if (place->in_memory) {
		uart->registers = window_map(hpa(place->address), REGISTERS * place->stride,
			PAGING_WRITE | PAGING_UNCACHED);
	}
	if ((place->in_memory && uart->registers == NULL) || !answers(uart)) {
		return -ENODEV; /* its window stays: this is tried twice at most */
	}
	write_register(uart, UART_LCR, LCR_8N1);
	write_register(uart, UART_IER, 0);
	if (divisor != 0) {
		write_register(uart, UART_LCR, LCR_8N1 | LCR_DLAB);
		write_register(uart, UART_DATA, (uint8_t)divisor);
		write_register(uart, UART_IER, (uint8_t)(divisor >> 8));
		write_register(uart, UART_LCR, LCR_8N1);
	}
	write_register(uart, UART_FCR, FCR_ENABLE);
	uart->depth = (read_register(uart, UART_IIR) & IIR_FIFO) == IIR_FIFO ? FIFO_DEPTH : 1;
	return 0;
}

bool uart_can_write(struct uart *uart)
{
	uint8_t status = read_register(uart, UART_LSR);
	return status != LSR_ABSENT && (status & LSR_EMPTY);
}

bool uart_is_idle(struct uart *uart)
{
	return read_register(uart, UART_LSR) & LSR_IDLE; /* also when nothing is there any more */
}

void uart_write(struct uart *uart, char byte)
{
	write_register(uart, UART_DATA, (uint8_t)byte);
}

int uart_read(struct uart *uart)
{
	uint8_t status = read_register(uart, UART_LSR);
	if (status == LSR_ABSENT || !(status & LSR_RECEIVED)) {
		return -1;
	}
	return read_register(uart, UART_DATA);
}

void uart_interrupts(struct uart *uart, bool when_empty)
{
	uint8_t wanted = (uint8_t)(IER_RECEIVED | (when_empty ? IER_EMPTY : 0));
	if (uart->interrupts != wanted) {
		uart->interrupts = wanted;
		write_register(uart, UART_IER, wanted);
	}
}

bool uart_interrupt_pending(struct uart *uart)
{
	return !(read_register(uart, UART_IIR) & IIR_NONE);
}
