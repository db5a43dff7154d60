/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/serial.c - a 16550A UART. Sending takes no time, so that the transmitter is empty but
 * when the other side takes nothing. Pure.
 */
#include "service/vmm/serial.h"

/* PC16550D, table II: registers by offset, some shared. */
enum serial_reg {
	SERIAL_DATA,    /* or the divisor's low byte */
	SERIAL_IER,     /* or its high byte */
	SERIAL_IIR_FCR, /* read, written */
	SERIAL_LCR,
	SERIAL_MCR,
	SERIAL_LSR,
	SERIAL_MSR,
	SERIAL_SCRATCH,
};

#define IER_RECEIVED 0x01u
#define IER_EMPTY    0x02u
#define IER_LINE     0x04u

#define IIR_NONE     0x01u
#define IIR_EMPTY    0x02u
#define IIR_RECEIVED 0x04u
#define IIR_LINE     0x06u
#define IIR_TIMEOUT  0x0cu /* bytes below the trigger level wait */
#define IIR_FIFOS    0xc0u

#define FCR_ENABLE        0x01u
#define FCR_CLEAR_RECEIVE 0x02u
#define FCR_STAYS         0xc9u

#define LCR_DIVISOR 0x80u

#define MCR_DTR  0x01u
#define MCR_RTS  0x02u
#define MCR_OUT1 0x04u
#define MCR_OUT2 0x08u /* on a PC the gate of the interrupt line */
#define MCR_LOOP 0x10u

#define LSR_RECEIVED 0x01u
#define LSR_OVERRUN  0x02u
#define LSR_EMPTY    0x60u /* holding register and shifter */

#define MSR_CTS 0x10u
#define MSR_DSR 0x20u
#define MSR_RI  0x40u
#define MSR_DCD 0x80u

void serial_reset(struct serial *s)
{
	*s = (struct serial){.blocked = s->blocked, .divisor = {12, 0}}; /* 9600 baud */
}

unsigned serial_room(const struct serial *s)
{
	unsigned depth = (s->fcr & FCR_ENABLE) != 0 ? SERIAL_FIFO : 1;
	return s->count < depth ? depth - s->count : 0;
}

void serial_receive(struct serial *s, uint8_t byte)
{
	if (serial_room(s) == 0) {
		s->overrun = true;
		return;
	}
	s->fifo[(s->first + s->count++) % SERIAL_FIFO] = byte;
}

void serial_set_blocked(struct serial *s, bool blocked)
{
	if (s->blocked && !blocked) {
		s->empty_pending = true;
	}
	s->blocked = blocked;
}

static uint8_t take(struct serial *s)
{
	if (s->count == 0) {
		return 0;
	}
	uint8_t byte = s->fifo[s->first];
	s->first = (s->first + 1) % SERIAL_FIFO;
	s->count--;
	return byte;
}

static unsigned trigger(const struct serial *s)
{
	static const uint8_t levels[] = {1, 4, 8, 14};
	return (s->fcr & FCR_ENABLE) != 0 ? levels[s->fcr >> 6] : 1;
}

/* The most urgent cause; table III. */
static uint8_t cause(const struct serial *s)
{
	if (s->overrun && (s->ier & IER_LINE) != 0) {
		return IIR_LINE;
	}
	if (s->count != 0 && (s->ier & IER_RECEIVED) != 0) {
		return s->count >= trigger(s) ? IIR_RECEIVED : IIR_TIMEOUT;
	}
	if (s->empty_pending && !s->blocked && (s->ier & IER_EMPTY) != 0) {
		return IIR_EMPTY;
	}
	return IIR_NONE;
}

bool serial_irq(const struct serial *s)
{
	return (s->mcr & MCR_OUT2) != 0 && cause(s) != IIR_NONE;
}

static uint8_t read_iir(struct serial *s)
{
	uint8_t iir = cause(s);
	if (iir == IIR_EMPTY) {
		s->empty_pending = false;
	}
	return (uint8_t)(iir | ((s->fcr & FCR_ENABLE) != 0 ? IIR_FIFOS : 0));
}

static uint8_t read_lsr(struct serial *s)
{
	unsigned lsr = (s->count != 0 ? LSR_RECEIVED : 0) | (s->overrun ? LSR_OVERRUN : 0) |
		(s->blocked ? 0 : LSR_EMPTY);
	s->overrun = false;
	return (uint8_t)lsr;
}

/* The other side is always there; in a loop, our own lines come back (data sheet, 8.6). */
static uint8_t read_msr(const struct serial *s)
{
	if ((s->mcr & MCR_LOOP) == 0) {
		return MSR_DCD | MSR_DSR | MSR_CTS;
	}
	return (uint8_t)(((s->mcr & MCR_RTS) != 0 ? MSR_CTS : 0) |
		((s->mcr & MCR_DTR) != 0 ? MSR_DSR : 0) | ((s->mcr & MCR_OUT1) != 0 ? MSR_RI : 0) |
		((s->mcr & MCR_OUT2) != 0 ? MSR_DCD : 0));
}

uint8_t serial_read(struct serial *s, unsigned reg)
{
	bool divisor = (s->lcr & LCR_DIVISOR) != 0;
	switch (reg) {
	case SERIAL_DATA:
		return divisor ? s->divisor[0] : take(s);
	case SERIAL_IER:
		return divisor ? s->divisor[1] : s->ier;
	case SERIAL_IIR_FCR:
		return read_iir(s);
	case SERIAL_LCR:
		return s->lcr;
	case SERIAL_MCR:
		return s->mcr;
	case SERIAL_LSR:
		return read_lsr(s);
	case SERIAL_MSR:
		return read_msr(s);
	case SERIAL_SCRATCH:
		return s->scratch;
	default:
		return 0xff;
	}
}

static int transmit(struct serial *s, uint8_t byte)
{
	s->empty_pending = true;
	if ((s->mcr & MCR_LOOP) == 0) {
		return byte;
	}
	serial_receive(s, byte);
	return SERIAL_NOTHING;
}

static void write_fcr(struct serial *s, uint8_t value)
{
	if (((s->fcr ^ value) & FCR_ENABLE) != 0 || (value & FCR_CLEAR_RECEIVE) != 0) {
		s->first = s->count = 0;
	}
	s->fcr = value & FCR_STAYS;
}

int serial_write(struct serial *s, unsigned reg, uint8_t value)
{
	if ((s->lcr & LCR_DIVISOR) != 0 && reg <= SERIAL_IER) {
		s->divisor[reg] = value;
		return SERIAL_NOTHING;
	}
	switch (reg) {
	case SERIAL_DATA:
		return transmit(s, value);
	case SERIAL_IER:
		/* Allowed anew while empty, the interrupt comes at once: drivers test that. */
		s->empty_pending |= (value & ~s->ier & IER_EMPTY) != 0;
		s->ier = value & 0xf;
		break;
	case SERIAL_IIR_FCR:
		write_fcr(s, value);
		break;
	case SERIAL_LCR:
		s->lcr = value;
		break;
	case SERIAL_MCR:
		s->mcr = value & 0x1f;
		break;
	case SERIAL_SCRATCH:
		s->scratch = value;
		break;
	default:
		break; /* LSR and MSR are read only */
	}
	return SERIAL_NOTHING;
}
