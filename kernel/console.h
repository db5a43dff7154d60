/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/console.h - the serial line: bytes in and out through rings.
 *
 * Output is queued and leaves by interrupt; no CPU waits for the line. Who shows the log depends on
 * the phase: until the monitor runs, whoever writes to the log; then the monitor, around the line
 * that is being typed; in a panic, the panicking CPU, which moves the bytes itself.
 */
#pragma once

#include "drivers/uart.h"

enum console_phase { CONSOLE_BOOT, CONSOLE_MONITOR, CONSOLE_PANIC };
extern enum console_phase console_phase; /* written by the monitor, and by a panic */

/* The TSC when all output up to and with the monitor's first prompt had been given to the UART; 0:
 * not yet. */
extern uint64_t console_ready_tsc;

/* Use the UART at `place`, or with NULL none: output goes nowhere. Returns 0 or -ENODEV. What was
 * logged before is shown now. Once. */
int console_open(const struct uart_place *place);

/* boot/console.c's: the UART's first port (0: it has none), and where its interrupt comes in (GSI
 * UINT32_MAX: not known). [I] */
extern uint16_t console_port;
extern struct acpi_line console_line;

/* Take the UART's interrupt on this CPU. Until then, and where it fails (said in the log),
 * console_poll() has to be called. Needs the I/O APICs. */
void console_use_interrupt(void);
extern bool console_polled; /* [console.lock] to write: a UART without interrupt */

/* Move bytes between the rings and the line as far as it goes at once. Takes console.lock. */
void console_poll(void);

/*
 * The next byte that came in, or -1. With `escape_only` the next CONSOLE_ESCAPE, dropping what came
 * before it, or -1 without effect. That key is kept even when no room is left. Takes console.lock.
 */
#define CONSOLE_ESCAPE 0x1c /* Ctrl-\ */
int console_read(bool escape_only);

/* Hints, without the lock. */
bool console_has_room(void);   /* the line does not lag far behind: talk, listen, show the log */
bool console_log_waits(void);  /* console_show_log has something to look at */
bool console_is_quiet(void);   /* nor is there a key */
bool console_guest_room(void); /* console_guest_put has room */

/* Queue text; newlines become CR LF. What a command prints always fits but on the largest machines,
 * where it is cut. Any context but NMI; takes console.lock. */
void console_put(const char *text, size_t len);
void console_printf(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* A byte of the service VM, as it is. Any CPU. */
void console_guest_put(char byte);

/*
 * Who has the screen and the keys: with `guest` the service VM, whose held output is shown; else
 * the monitor, and what the service VM writes is kept for later, the last 8 KiB of it. CPU 0 only.
 */
void console_focus(bool guest);
extern bool console_guest_focus; /* written by console_focus, and by a panic */

/* Wait, moving the bytes by hand, until all that is queued is on the line, but not for ever. For
 * panics, refusals and the end. */
void console_drain(void);

/* Enter the panic's phase, with COM1 if there is no console yet. */
void console_begin_panic(void);

/* Show what the log has beyond what was shown, as far as there is room. */
void console_show_log(void);

/* Called by the log after each line. */
void console_log_grew(void);
