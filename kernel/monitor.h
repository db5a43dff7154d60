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

/* A command's arguments; argument[0] is its name. */
#define ARGUMENTS_MAX 8u
struct arguments {
	unsigned count;
	const char *argument[ARGUMENTS_MAX];
};

struct command {
	const char *name;
	const char *usage; /* its arguments, as the help shows them */
	const char *help;  /* one sentence */
	void (*run)(const struct arguments *arguments);
};

/* The functions of kernel/commands.def. */
#define COMMAND(name, usage, help, more) void command_##name(const struct arguments *arguments);
#include "kernel/commands.def"
#undef COMMAND

extern const struct command commands[]; /* by name */
extern const unsigned command_count;
