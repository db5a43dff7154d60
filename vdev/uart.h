/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vdev/uart.h - a virtual 16550A (PC16550D). Pure: bytes go in and out through its small FIFOs, the
 * interrupt line is a value.
 */
#pragma once

#include "kernel/types.h"

#define VUART_FIFO 16u

struct vuart {
	uint8_t reg[10];    /* 0-7: as written, FCR at 2; 8 and 9: the divisor */
	bool room;          /* the output side takes bytes */
	bool empty_pending; /* the THR-empty interrupt waits to be read from IIR */
	uint8_t in[VUART_FIFO];
	uint8_t in_head, in_count;
};

void vuart_reset(struct vuart *v);

/* Read or write register 0-7. A byte that the guest transmits is returned by vuart_write (else -1).
 */
uint8_t vuart_read(struct vuart *v, unsigned reg);
int vuart_write(struct vuart *v, unsigned reg, uint8_t value);

/* A byte comes in on the line: false when there is no room (or loop-back is on). */
bool vuart_receive(struct vuart *v, uint8_t byte);

/* The output side has room again or not (THRE); the interrupt line. */
void vuart_set_room(struct vuart *v, bool room);
bool vuart_line(const struct vuart *v);
