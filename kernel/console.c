/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/console.c - rings between the monitor and log on one side and the UART or screen on the
 * other.
 */
#include "kernel/console.h"

#include "drivers/ioapic.h"
#include "drivers/lapic.h"
#include "drivers/screen.h"
#include "kernel/fmt.h"
#include "kernel/lock.h"
#include "kernel/log.h"
#include "kernel/monitor.h"
#include "kernel/pcpu.h"
#include "kernel/smp.h"
#include "kernel/string.h"
#include "kernel/time.h"
#include "kernel/trap.h"
#include "kernel/x86.h"

#define OUT_SIZE    8192u /* powers of two */
#define HELD_SIZE   8192u
#define IN_SIZE     1024u
#define LINE_ROOM   (LOG_LINE_MAX + 64u)
#define PRINTF_MAX  256u
#define CONSOLE_CPU 0u /* runs the monitor and takes the UART's interrupt */
#define STUCK_NS    2000000000ull
#define VECTOR_UART VECTOR_DEVICE_FIRST

static struct spinlock console_lock = SPINLOCK(CONSOLE);

static enum {
	SINK_NONE,
	SINK_UART,
	SINK_SCREEN
} sink;                          /* [I] after console_open */
static struct uart uart;         /* [console_lock] */
static bool polled = true;       /* [console_lock] to write */
static enum console_phase phase; /* changed by the CPU that owns the phase */

/* Bytes out and in: [console_lock]; counts only grow, an index is its count modulo the size. */
static char out[OUT_SIZE];
static uint32_t out_head, out_tail;
static char in[IN_SIZE];
static uint32_t in_head, in_tail;
static uint64_t in_lost;
static uint64_t moved_at;    /* [console_lock] when the UART last took something; time_ns() */
static bool holding;         /* [CPU 0] to write: the monitor has the screen */
static char held[HELD_SIZE]; /* [console_lock] the last of what the guest wrote meanwhile */
static uint64_t held_count;  /* [console_lock] */
static bool was_full;        /* [CPU 0] the monitor waits for room */
static uint64_t ready_tsc;   /* when the first prompt had left; 0: not yet */

static uint64_t log_cursor, log_lost; /* [console_lock] what of the log was shown */

static uint32_t out_room(void)
{
	return OUT_SIZE - (out_head - out_tail);
}

static void move_out(void)
{
	uint32_t before = out_tail;

	while (out_tail != out_head && uart_can_write(&uart)) {
		for (unsigned n = 0; n < uart.depth && out_tail != out_head; n++) {
			uart_write(&uart, out[out_tail++ % OUT_SIZE]);
		}
	}
	if (out_tail != before || out_tail == out_head) {
		moved_at = time_ns();
	} else if (phase != CONSOLE_MONITOR && time_ns() - moved_at > STUCK_NS) {
		out_tail = out_head; /* a dead line must not hold a panic or a refusal */
	}
	if (ready_tsc == 0 && phase == CONSOLE_MONITOR && out_tail == out_head) {
		ready_tsc = tsc_read();
	}
}

static void move_in(void)
{
	int byte;
	/* Bounded: a line that never falls silent must not hold the CPU. */
	for (unsigned n = 0; n < IN_SIZE && (byte = uart_read(&uart)) >= 0; n++) {
		if (in_head - in_tail == IN_SIZE) {
			in_lost++;
			continue;
		}
		in[in_head++ % IN_SIZE] = (char)byte;
	}
}

static void move_locked(void)
{
	if (sink != SINK_UART) {
		return;
	}
	move_in();
	move_out();
	if (!polled && phase != CONSOLE_PANIC) {
		uart_interrupts(&uart, out_tail != out_head);
	}
}

void console_poll(void)
{
	uint64_t flags = lock_acquire(&console_lock);
	move_locked();
	lock_release(&console_lock, flags);
}

static void uart_interrupt(void)
{
	uint64_t flags = lock_acquire(&console_lock);
	/* The line is edge triggered: leave only when the UART has no cause left. */
	for (unsigned tries = 0; uart_interrupt_pending(&uart) && tries < IN_SIZE; tries++) {
		move_locked();
	}
	lock_release(&console_lock, flags);
	lapic_eoi();
}

/* Queue as much as fits; returns how much that was. */
static size_t queue(const char *text, size_t len)
{
	size_t done = 0;
	if (sink == SINK_SCREEN) {
		screen_write(text, len);
	}
	if (sink != SINK_UART) {
		return len;
	}
	for (; done < len && out_room() >= 2; done++) {
		if (text[done] == '\n') {
			out[out_head++ % OUT_SIZE] = '\r';
		}
		out[out_head++ % OUT_SIZE] = text[done];
	}
	return done;
}

void console_put(const char *text, size_t len)
{
	for (;;) {
		uint64_t flags = lock_acquire(&console_lock);
		size_t done = queue(text, len);
		move_locked();
		lock_release(&console_lock, flags);
		text += done;
		len -= done;
		if (len == 0 || phase == CONSOLE_BOOT) {
			return;
		}
		if (phase == CONSOLE_MONITOR) {
			was_full = true;
			monitor_wait();
			was_full = false;
		}
	}
}

void console_printf(const char *fmt, ...)
{
	char text[PRINTF_MAX];
	va_list args;
	va_start(args, fmt);
	int len = fmt_vwrite(text, sizeof(text), fmt, args);
	va_end(args);
	console_put(text, min_u64((uint64_t)len, sizeof(text) - 1));
}

bool console_guest_put(char byte)
{
	uint64_t flags = lock_acquire(&console_lock);
	if (holding) {
		held[held_count++ % HELD_SIZE] = byte;
	} else if (sink == SINK_UART &&
		out_room() > OUT_SIZE / 4) { /* the rest is for the monitor and the log */
		out[out_head++ % OUT_SIZE] = byte;
	}
	move_locked();
	bool room = holding || console_guest_room();
	lock_release(&console_lock, flags);
	return room;
}

void console_hold_guest(bool hold)
{
	uint64_t kept = min_u64(held_count, HELD_SIZE);
	if (hold == holding) {
		return;
	}
	if (kept < held_count) {
		console_printf("[... %lu bytes]\n", held_count - kept);
	}
	for (uint64_t at = held_count - kept; at < held_count; at++) {
		console_put(&held[at % HELD_SIZE], 1);
	}
	held_count = 0;
	holding = hold;
}

bool console_guest_room(void)
{
	return out_room() >= OUT_SIZE / 2;
}

bool console_log_waits(void)
{
	return log_has(log_cursor);
}

/* The next line of the log at the console's level, formatted into `line`. */
static size_t next_line(char *line, size_t size)
{
	struct log_record record;
	uint64_t lost = 0;
	while (log_read(&log_cursor, &record, &lost)) {
		log_lost += lost;
		if (record.level <= (uint8_t)log_level()) {
			return log_format(&record, line, size);
		}
	}
	return 0;
}

bool console_show_log(void)
{
	char line[LOG_LINE_MAX];
	bool shown = false;
	uint64_t flags = lock_acquire(&console_lock);
	while (sink != SINK_NONE && (sink == SINK_SCREEN || out_room() >= LINE_ROOM)) {
		size_t len = next_line(line, sizeof(line));
		if (len == 0) {
			break;
		}
		if (log_lost != 0) {
			char note[64];
			int n = fmt_write(note, sizeof(note), "[... %lu lines lost]\n", log_lost);
			queue(note, (size_t)n);
			log_lost = 0;
		}
		queue(line, len);
		shown = true;
	}
	move_locked();
	lock_release(&console_lock, flags);
	return shown;
}

void console_log_grew(void)
{
	if (phase == CONSOLE_MONITOR) {
		if (this_cpu()->index != CONSOLE_CPU) {
			smp_wake(CONSOLE_CPU);
		}
	} else {
		console_show_log();
	}
}

int console_read(void)
{
	uint64_t flags = lock_acquire(&console_lock);
	int byte = -1;
	if (phase == CONSOLE_PANIC || polled) {
		move_locked();
	}
	if (in_tail != in_head) {
		byte = (uint8_t)in[in_tail++ % IN_SIZE];
	}
	lock_release(&console_lock, flags);
	return byte;
}

bool console_skip_to(uint8_t byte)
{
	bool found = false;
	uint64_t flags = lock_acquire(&console_lock);
	for (uint32_t at = in_tail; at != in_head && !found; at++) {
		if ((uint8_t)in[at % IN_SIZE] == byte) {
			in_tail = at;
			found = true;
		}
	}
	lock_release(&console_lock, flags);
	return found;
}

bool console_can_read(void)
{
	return in_tail != in_head;
}

bool console_was_full(void)
{
	return was_full;
}

bool console_can_write(void)
{
	return out_room() >= LINE_ROOM;
}

void console_drain(void)
{
	uint32_t tail = out_tail;
	uint64_t since = time_ns();

	/* The UART's own FIFO too: a machine that goes off at once would lose the last words. */
	while (console_show_log() ||
		(sink == SINK_UART && (out_tail != out_head || !uart_is_idle(&uart)))) {
		if (out_tail != tail) {
			tail = out_tail;
			since = time_ns();
		} else if (time_ns() - since > STUCK_NS) {
			break;
		}
		cpu_pause();
	}
}

void console_begin_monitor(void)
{
	phase = CONSOLE_MONITOR;
}

void console_begin_panic(void)
{
	phase = CONSOLE_PANIC;
	moved_at = time_ns(); /* by this CPU's time stamp counter */
	if (sink == SINK_NONE) {
		/* Too early for the options to be known: the port that nearly every machine has. */
		console_open(&(struct uart_place){.address = 0x3f8, .stride = 1, .baud = 115200});
	}
}

enum console_phase console_phase(void)
{
	return phase;
}

int console_open(const struct uart_place *place)
{
	int err = uart_open(&uart, place);
	if (err == 0) {
		sink = SINK_UART;
		moved_at = time_ns();
		console_show_log();
	}
	return err;
}

void console_open_screen(void)
{
	sink = SINK_SCREEN;
	console_show_log();
}

bool console_has_uart(void)
{
	return sink == SINK_UART;
}

int console_use_interrupt(uint32_t gsi, bool level, bool active_low)
{
	trap_set_handler(VECTOR_UART, uart_interrupt, "console UART");
	int err = ioapic_route(gsi, VECTOR_UART, this_cpu()->apic_id, level, active_low);
	if (err == 0) {
		polled = false;
		console_poll();
	}
	return err;
}

bool console_is_polled(void)
{
	return sink == SINK_UART && polled;
}

uint64_t console_ready_tsc(void)
{
	return ready_tsc;
}

uint64_t console_lost(void)
{
	return in_lost;
}
