/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/monitor.h - the shell on the console.
 *
 * It runs from CPU 0's main loop when a key or a line of the log has come; what it prints is
 * queued, so that nothing ever waits for the serial line.
 */
#pragma once

#include "kernel/console.h"
#include "kernel/pcpu.h"

/* Keys come to the monitor again. Any CPU, any context. */
void monitor_take_focus(void);

/* Take the keys and lines of the log that have come, and run what was asked for. CPU 0, in its main
 * loop; interrupts off, on while a command runs. */
void monitor_step(void);

/* In a panic: the monitor on this CPU's present stack, the console moved by hand, interrupts off.
 */
NORETURN void monitor_after_panic(void);

/* What a command needs to be of use. */
enum command_needs {
	NEEDS_NOTHING,
	NEEDS_LIFE = 1,    /* a machine that has not panicked */
	NEEDS_SERVICE = 2, /* the service VM */
	NEEDS_LIVE_SERVICE = NEEDS_SERVICE | NEEDS_LIFE
};

struct command {
	const char *name;
	enum command_needs needs;
	const char *usage; /* its argument, in brackets when it may be left out; "" when there is
			      none */
	const char *help;  /* one sentence */
	void (*run)(char *argument); /* "" without one */
};

/* The functions of kernel/commands.def. */
#define COMMAND(name, needs, usage, help, more) void command_##name(char *argument);
#include "kernel/commands.def"
#undef COMMAND

extern const struct command commands[]; /* by name; the last has none */

/* Read an argument as a number below `limit`. False after the complaint that it is no `what`. */
bool command_number(const char *argument, const char *what, uint64_t limit, uint64_t *number);

/* vCPUs `first` to `end` - 1 of `vm`. */
struct vm_range {
	struct vm *vm;
	unsigned first, end;
};

/* Read "VM", all of its vCPUs, "VM.VCPU", or "", the service VM's. Empty, and of NULL, after a
 * complaint. */
struct vm_range vm_range_read(const char *text);
