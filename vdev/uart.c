/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vdev/uart.c - the virtual 16550A (PC16550D data sheet, 8). A byte is transmitted at once while
 * the output side has room; the receive FIFO interrupts from its first byte on, whatever its
 * trigger.
 */
#include "vdev/uart.h"

/* PC16550D data sheet, table II; the divisor hides DATA and IER while DLAB is set. */
#define REG_DATA    0u
#define REG_IER     1u
#define REG_IIR_FCR 2u /* read; written */
#define REG_MCR     4u
#define REG_DIVISOR 8u /* behind the register numbers: where it is kept */

#define IER_EMPTY  0x02u
#define IIR_NONE   0x01u
#define IIR_EMPTY  0x02u
#define FCR_ENABLE 0x01u
#define MCR_OUT2   0x08u
#define MCR_LOOP   0x10u

/* What is kept of a write: all of the scratch register, nothing of the status registers. */
static const uint8_t writable[] = {0, 0x0f, FCR_ENABLE, 0xff, 0x1f, 0, 0, 0xff, 0xff, 0xff};

void vuart_reset(struct vuart *v)
{
	/* Undefined at power-up, but firmware sets the divisor, and Linux divides by it. */
	*v = (struct vuart){.reg[REG_DIVISOR] = 1, .room = true};
}

void vuart_set_room(struct vuart *v, bool room)
{
	v->empty_pending = room && (v->empty_pending || !v->room);
	v->room = room;
}

/* Nobody sends a byte too many, but for a guest to itself: that one is lost without an overrun. */
static bool fifo_put(struct vuart *v, uint8_t byte)
{
	if (v->in_count >= (v->reg[REG_IIR_FCR] & FCR_ENABLE ? VUART_FIFO : 1)) {
		return false;
	}
	v->in[(v->in_head + v->in_count++) % VUART_FIFO] = byte;
	return true;
}

bool vuart_receive(struct vuart *v, uint8_t byte)
{
	return !(v->reg[REG_MCR] & MCR_LOOP) && fifo_put(v, byte);
}

/* What interrupts, by priority (table IV). */
static unsigned cause(const struct vuart *v)
{
	unsigned ier = v->reg[REG_IER];
	return v->in_count != 0 && ier & 1            ? 4
		: v->empty_pending && ier & IER_EMPTY ? IIR_EMPTY
						      : IIR_NONE;
}

/* A PC gates the line by OUT2, which is inactive in loop-back (8.7). */
bool vuart_line(const struct vuart *v)
{
	return (v->reg[REG_MCR] & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2 && cause(v) != IIR_NONE;
}

static unsigned place(const struct vuart *v, unsigned reg)
{
	reg %= REG_DIVISOR;
	return v->reg[3] & 0x80 /* LCR: DLAB */ && reg <= REG_IER ? REG_DIVISOR + reg : reg;
}

uint8_t vuart_read(struct vuart *v, unsigned reg)
{
	unsigned at = place(v, reg), value = v->reg[at], mcr = v->reg[REG_MCR];
	if (at == REG_DATA) {
		uint8_t taken = v->in_count != 0;
		value = v->in[v->in_head];
		v->in_head = (v->in_head + taken) & (VUART_FIFO - 1);
		v->in_count = (uint8_t)(v->in_count - taken);
	} else if (at == REG_IIR_FCR) {
		value = cause(v) | (value & FCR_ENABLE ? 0xc0 : 0);
		v->empty_pending = v->empty_pending && cause(v) != IIR_EMPTY;
	} else if (at == 5) { /* LSR: data ready; THRE and TEMT */
		value = (v->in_count != 0) | (v->room ? 0x60 : 0);
	} else if (at == 6) {
		/* MSR: DCD, DSR and CTS of a line that is always up. In loop-back (8.7) DTR is
		 * DSR, RTS is CTS, OUT1 is RI, and OUT2 is DCD. */
		value = mcr & MCR_LOOP ? (mcr & 1) << 5 | (mcr & 2) << 3 | (mcr & 0xc) << 4 : 0xb0;
	}
	return (uint8_t)value;
}

int vuart_write(struct vuart *v, unsigned reg, uint8_t value)
{
	unsigned at = place(v, reg), changed = v->reg[at] ^ value;
	v->reg[at] = value & writable[at];
	if (at == REG_DATA) {
		v->empty_pending = v->room;
		return v->reg[REG_MCR] & MCR_LOOP ? (fifo_put(v, value), -1) : value;
	}
	if (at == REG_IER && value & changed & IER_EMPTY) {
		v->empty_pending = v->room;
	}
	/* 8.5: to switch the FIFOs clears them; to clear them counts only while they are on. */
	if (at == REG_IIR_FCR && (changed & FCR_ENABLE || (value & FCR_ENABLE && value & 2))) {
		v->in_count = 0;
	}
	return -1;
}
