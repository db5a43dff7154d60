/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/monitor.h - the shell on the console.
 *
 * It runs on a stack of its own on CPU 0 and goes back to that CPU's idle loop whenever it has to
 * wait for a key or for room in the console's ring, so that nothing ever waits for the serial line.
 */
#pragma once

#include "kernel/types.h"

/* Keys go to the service VM from now on, until Ctrl-\ is typed. */
void monitor_focus_guest(void);

/* Keys come to the monitor again. Any CPU, any context. */
void monitor_take_focus(void);

/* Let the monitor go on if it has something to do. CPU 0, in its main loop; interrupts off, on
 * inside. */
void monitor_step(void);

/* In a panic: the monitor on this CPU's present stack, the console moved by hand, interrupts off.
 */
NORETURN void monitor_after_panic(void);

/* Wait until there may be room or input. Called on the monitor's stack, or in a panic. */
void monitor_wait(void);

/* What a command needs to be of use. */
enum command_needs {
	NEEDS_NOTHING,
	NEEDS_VM,   /* a service VM */
	NEEDS_LIFE, /* a machine that has not panicked */
	NEEDS_LIVE_VM = NEEDS_VM | NEEDS_LIFE
};

struct command {
	const char *name;
	enum command_needs needs;
	const char *usage; /* its argument, in brackets when it may be left out; "" when there is
			      none */
	const char *help;  /* one sentence */
	void (*run)(const char *argument); /* "" without one */
};

/* The functions of kernel/commands.def. */
#define COMMAND(name, needs, usage, help, more) void command_##name(const char *argument);
#include "kernel/commands.def"
#undef COMMAND

extern const struct command commands[]; /* by name */
extern const unsigned command_count;

/* The command of that name; NULL after a complaint. */
const struct command *command_find(const char *name);

/* Read an argument as a number below `limit`. False after the complaint that it is no `what`. */
bool command_number(const char *argument, const char *what, uint64_t limit, uint64_t *number);
