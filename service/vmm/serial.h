/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/serial.h - a 16550A UART (PC16550D data sheet). Pure: bytes and interrupts come out
 * as values; whatever may have changed the interrupt, ask serial_irq() after each call.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define SERIAL_PORT    0x3f8u
#define SERIAL_PORTS   8u
#define SERIAL_FIFO    16u
#define SERIAL_NOTHING (-1)

struct serial {
	uint8_t ier, fcr, lcr, mcr, scratch;
	uint8_t divisor[2];
	bool empty_pending; /* the transmitter's interrupt, until it is seen in IIR */
	bool overrun;
	bool blocked; /* what is transmitted cannot be taken: the transmitter is not empty */
	uint8_t fifo[SERIAL_FIFO];
	unsigned first, count;
};

void serial_reset(struct serial *s);

/* Registers 0 to 7. A write returns the byte that it transmits, or SERIAL_NOTHING. */
uint8_t serial_read(struct serial *s, unsigned reg);
int serial_write(struct serial *s, unsigned reg, uint8_t value);

/* How many bytes can be received before the driver reads. */
unsigned serial_room(const struct serial *s);

/* A byte has come. */
void serial_receive(struct serial *s, uint8_t byte);

/* Whether the other side can take bytes; at first it can. */
void serial_set_blocked(struct serial *s, bool blocked);

/* The state of the interrupt line. */
bool serial_irq(const struct serial *s);
