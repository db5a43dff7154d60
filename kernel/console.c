/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/console.c - rings between the monitor and log on one side and the UART on the other.
 */
#include "kernel/console.h"

#include "drivers/ioapic.h"
#include "drivers/lapic.h"
#include "kernel/pcpu.h"

#define OUT_SIZE    (128 * KIB) /* powers of two; for the longest output of a command */
#define HELD_SIZE   8192u
#define IN_SIZE     16384u /* what is pasted waits for a guest that is slower than the line */
#define IN_BURST    1024u
#define OUT_FLOW    8192u /* bytes that may wait before all but a running command hold back */
#define VECTOR_UART VECTOR_DEVICE_FIRST

enum console_phase console_phase;
uint64_t console_ready_tsc;

static struct spinlock console_lock = SPINLOCK(CONSOLE);
bool console_polled, console_guest_focus;
static bool opened, has_uart; /* [I] after console_open; without a UART all output goes nowhere */
static struct uart uart;      /* [console_lock] */

/* Bytes out, in, and what the guest wrote while the monitor had the screen, the last of it.
 * [console_lock]; counts only grow, an index is its count modulo the size. */
static char out[OUT_SIZE], in[IN_SIZE], held[HELD_SIZE];
static uint32_t out_head, out_tail, in_head, in_tail;
static uint64_t held_count;
static uint64_t log_cursor; /* [console_lock] what of the log was shown */

static void move_locked(void)
{
	out_tail = has_uart ? out_tail : out_head;
	/* Bounded: a line that never falls silent must not hold the CPU. */
	for (unsigned n = 0; has_uart && n < IN_BURST && (uart_status(&uart) & UART_RECEIVED);
		n++) {
		char byte = (char)uart_read(&uart, UART_DATA);
		bool room = in_head - in_tail < IN_SIZE;
		if (room || byte == CONSOLE_ESCAPE) {
			in_head += room;
			in[(in_head - 1) % IN_SIZE] = byte;
		}
	}
	/* Only a UART leaves something waiting. */
	while (out_tail != out_head && (uart_status(&uart) & UART_EMPTY)) {
		for (unsigned n = 0; n < uart.depth && out_tail != out_head; n++) {
			uart_write(&uart, UART_DATA, (uint8_t)out[out_tail++ % OUT_SIZE]);
		}
	}
	if (has_uart && !console_polled && console_phase != CONSOLE_PANIC) {
		uart_interrupts(&uart, out_tail != out_head);
	}
	if (console_ready_tsc == 0 && console_phase == CONSOLE_MONITOR && out_tail == out_head) {
		console_ready_tsc = tsc_read();
	}
}

void console_poll(void)
{
	unsigned tries = IN_BURST;
	LOCK_HOLD(&console_lock);
	/* Its interrupt is edge triggered: leave only when the UART has no cause left. */
	do {
		move_locked();
	} while (has_uart && !(uart_read(&uart, UART_IIR) & UART_IIR_NONE) && --tries > 0);
}

static void uart_interrupt(void)
{
	console_poll();
	lapic_eoi();
}

static void queue(const char *text, size_t len)
{
	for (size_t i = 0; i < len && out_head - out_tail < OUT_SIZE - 1; i++) {
		if (text[i] == '\n') {
			out[out_head++ % OUT_SIZE] = '\r';
		}
		out[out_head++ % OUT_SIZE] = text[i];
	}
}

void console_put(const char *text, size_t len)
{
	LOCK_HOLD(&console_lock);
	queue(text, len);
	move_locked();
}

void console_printf(const char *fmt, ...)
{
	char text[256];
	va_list args;
	va_start(args, fmt);
	int len = fmt_vwrite(text, sizeof(text), fmt, args);
	va_end(args);
	console_put(text, min_u64((uint64_t)len, sizeof(text) - 1));
}

void console_guest_put(char byte)
{
	LOCK_HOLD(&console_lock);
	if (!console_guest_focus) {
		held[held_count++ % HELD_SIZE] = byte;
	} else if (console_has_room()) {
		out[out_head++ % OUT_SIZE] = byte;
	}
	move_locked();
}

bool console_guest_room(void)
{
	return !console_guest_focus || out_head - out_tail < OUT_FLOW / 2;
}

void console_focus(bool guest)
{
	LOCK_HOLD(&console_lock);
	uint64_t at = held_count - min_u64(held_count, HELD_SIZE);
	for (; guest && at < held_count; at++) {
		queue(&held[at % HELD_SIZE], 1);
	}
	held_count = 0;
	console_guest_focus = guest;
	move_locked();
}

void console_show_log(void)
{
	char line[LOG_LINE_MAX];
	size_t len;
	LOCK_HOLD(&console_lock);
	do {
		move_locked();
		len = opened && console_has_room() ? log_next(&log_cursor, log_level, line) : 0;
		queue(line, len);
	} while (len != 0);
}

void console_log_grew(void)
{
	if (console_phase != CONSOLE_MONITOR) {
		console_show_log();
	} else if (this_cpu()->index != 0) {
		smp_wake(0); /* which runs the monitor */
	}
}

int console_read(bool escape_only)
{
	int byte = -1;
	LOCK_HOLD(&console_lock);
	for (uint32_t at = in_tail; byte < 0 && at != in_head; at++) {
		if (!escape_only || in[at % IN_SIZE] == CONSOLE_ESCAPE) {
			byte = (uint8_t)in[at % IN_SIZE];
			in_tail = at + 1;
		}
	}
	return byte;
}

bool console_has_room(void)
{
	return out_head - out_tail < OUT_FLOW;
}

bool console_log_waits(void)
{
	return log_cursor < log_count;
}

/* Without the lock: what comes just now is for the next look. */
bool console_is_quiet(void)
{
	return in_head == in_tail && log_cursor >= log_count;
}

void console_drain(void)
{
	bool waits;
	uint32_t tail = out_tail;
	uint64_t since = time_ns();
	/* The UART's own FIFO too: a machine that goes off at once would lose the last words. */
	do {
		console_show_log();
		since = out_tail != tail ? time_ns() : since;
		tail = out_tail;
		cpu_pause();
		waits = out_tail != out_head || (has_uart && !(uart_status(&uart) & UART_IDLE));
	} while ((waits || console_log_waits()) && time_ns() - since < 2000000000);
}

void console_begin_panic(void)
{
	console_phase = CONSOLE_PANIC;
	/* Too early for the options to be known: the port that nearly every machine has. */
	struct uart_place com1 = {{.address = 0x3f8}, .baud = 115200};
	if (!opened && console_open(&com1) != 0) {
		console_open(NULL);
	}
}

int console_open(const struct uart_place *place)
{
	has_uart = place != NULL && uart_open(&uart, place) == 0;
	opened = has_uart || place == NULL;
	console_polled = has_uart;
	console_show_log();
	return opened ? 0 : -ENODEV;
}

void console_use_interrupt(void)
{
	trap_set_handler(VECTOR_UART, uart_interrupt, "console UART");
	console_polled = ioapic_route(&console_line, VECTOR_UART, this_cpu()->apic_id) != 0;
	if (console_polled) {
		log_warning("console: its interrupt, GSI %u, cannot be used: it is polled",
			console_line.gsi);
	}
	console_poll();
}
