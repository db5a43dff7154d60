/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/console.h - the serial line (or, without one, the text screen): bytes in and out through
 * rings.
 *
 * Output is queued and leaves by interrupt; no CPU waits for the line. Who shows the log depends on
 * the phase: until the monitor runs, whoever writes to the log; then the monitor, around the line
 * that is being typed; in a panic, the panicking CPU, which moves the bytes itself.
 */
#pragma once

#include "drivers/uart.h"
#include "kernel/types.h"

enum console_phase {
	CONSOLE_BOOT,
	CONSOLE_MONITOR,
	CONSOLE_PANIC
};

/* Use the UART at `place`. Returns 0 or -ENODEV. What was logged before is shown now. Once. */
int console_open(const struct uart_place *place);

/* Make do without a serial port: from now on what is shown goes to the text screen, if
 * screen_open() found one. */
void console_open_screen(void);

/* True when a UART was opened. */
bool console_has_uart(void);

/*
 * Take the UART's interrupt: GSI `gsi`, edge and polarity as `level` and `active_low` say, on this
 * CPU. Until then, and where it fails, console_poll() has to be called. Returns 0 or what
 * ioapic_route says.
 */
int console_use_interrupt(uint32_t gsi, bool level, bool active_low);
bool console_is_polled(void);

/* Move bytes between the rings and the UART as far as it goes at once. Takes console.lock. */
void console_poll(void);

/* The next byte that came in, or -1. Takes console.lock. */
int console_read(void);
/* Drop what came in before the first `byte` there is, but not that; false: there is none. */
bool console_skip_to(uint8_t byte);
bool console_can_read(void);  /* a hint, without the lock */
bool console_can_write(void); /* there is room for at least a line; a hint */
bool console_was_full(void);  /* the monitor waits for room in console_put */

/*
 * Queue text; newlines become CR LF. In the monitor's phase the monitor waits (sleeping) for room,
 * in a panic this CPU moves the bytes until all fit, in the boot phase what does not fit is cut.
 * Only the CPU that owns the phase calls it.
 */
void console_put(const char *text, size_t len);
/* A byte of the service VM, as it is; true while there is room for more. Any CPU. */
bool console_guest_put(char byte);
bool console_guest_room(void); /* a hint */

/* Keep what the service VM writes for later, the last 8 KiB of it; or show that, and all from now
 * on. Monitor only. */
void console_hold_guest(bool hold);

void console_printf(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Wait, moving the bytes by hand, until all that is queued is on the line, but not for ever. For
 * panics, refusals and the end. */
void console_drain(void);

/* Enter the next phase. In a panic COM1 is taken if there is no console yet. */
void console_begin_monitor(void);
void console_begin_panic(void);
enum console_phase console_phase(void);

/* Show what the log has beyond what was shown, as far as there is room. True when something was
 * shown. */
bool console_show_log(void);
bool console_log_waits(void); /* there is something to show */

/* Called by the log after each line. */
void console_log_grew(void);

/* Bytes that came in and found the ring full. */
uint64_t console_lost(void);

/* The TSC when all output up to and with the monitor's first prompt had been given to the UART; 0:
 * not yet. */
uint64_t console_ready_tsc(void);
