/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/options.h - Pintle's own command line. The options are the rows of boot/options.def. Pure.
 */
#pragma once

#include "drivers/lapic.h"
#include "drivers/uart.h"
#include "kernel/basic.h"

extern const uint16_t com_ports[4]; /* COM1 to COM4 */

struct options {
	struct uart_place console; /* address 0: none is named, only perhaps the baud */
	enum log_level loglevel;
	unsigned maxcpus; /* 1..CPUS_MAX */
	enum panic_action panic;
	unsigned clock; /* which source (boot/clock.h); 0: any */
	enum apic_mode apic;
};

/*
 * Set all of `options` by `cmdline`: words split at spaces, each `name=value`. What is unknown or
 * malformed is left at its default, as what is not named, and reported by one warning in the log
 * that names the word and what would be right; when an option is given twice the last one counts.
 * Returns the number of words that were refused.
 */
unsigned options_parse(struct options *options, const char *cmdline);
