/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/panic.h - the end: report, stop the other CPUs, leave the monitor usable or reboot.
 */
#pragma once

#include "kernel/types.h"

/*
 * Report `fmt`, this CPU's registers and a symbolised backtrace, stop all other CPUs by NMI, then
 * do what the option panic= says. Any context, any locks held. Never returns. Only for Pintle's own
 * faults: no input may lead here.
 */
NORETURN void panic(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* The same for an exception, whose frame it shows. */
struct trap_frame;
NORETURN void panic_at(const struct trap_frame *frame, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The same once more, for VECTOR_PANIC, which panic() raises. */
NORETURN void panic_report(const struct trap_frame *frame, const char *fmt, va_list args);

/* In an NMI: stop here for good if a panic is going on. */
void panic_stop_if_asked(void);

enum panic_action { PANIC_STOP, PANIC_REBOOT };
extern enum panic_action panic_action; /* [I] once the options are read */

#define ASSERT(condition)                                                                          \
	((condition) ? (void)0 : panic("%s:%u: not true: %s", __FILE__, __LINE__, #condition))

/* Checked in the debug flavour only. */
#define DEBUG_ASSERT(condition) ASSERT(!DEBUG_BUILD || (condition))
