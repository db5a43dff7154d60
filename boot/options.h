/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/options.h - Pintle's own command line. The options are the rows of boot/options.def. Pure.
 */
#pragma once

#include "drivers/clock.h"
#include "drivers/lapic.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/types.h"

enum option_console_kind {
	CONSOLE_AUTO,
	CONSOLE_COM,
	CONSOLE_IO,
	CONSOLE_MMIO,
	CONSOLE_NONE
};

/* Where the console is: console=auto | none | com1..com4 | io:PORT | mmio:ADDRESS, each with an
 * optional ,BAUD. */
struct option_console {
	enum option_console_kind kind;
	uint64_t where; /* COM number 1-4, port, or host-physical address */
	uint32_t baud;  /* bit/s; 0: not given, leave the line as the firmware set it where that is
			   known */
};

struct options {
	struct option_console console;
	enum log_level loglevel;
	unsigned maxcpus; /* 1..CPUS_MAX */
	enum panic_action panic;
	enum clock_source clock;
	enum apic_mode apic;
};

/* The values that hold where the command line is silent. */
void options_default(struct options *options);

/*
 * Read `cmdline`: words split at spaces, each `name=value`. What is unknown or malformed is left at
 * its default and reported by one warning in the log that names the word and what would be right;
 * when an option is given twice the last one counts. Returns the number of words that were refused.
 */
unsigned options_parse(struct options *options, const char *cmdline);
