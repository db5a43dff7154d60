/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/monitor.c - the shell: lines in, commands run, the log shown around the line being typed.
 * Runs: on CPU 0 in its main loop, commands with interrupts on; in a panic on the CPU that
 * panicked, interrupts off.
 */
#include "kernel/monitor.h"

#include "kernel/exit.h"
#include "kernel/lineedit.h"

static atomic_bool take_focus = true; /* [A] keys come back to the monitor at its next step */
static int for_guest = -1;            /* a key that has no room there yet */

static const char *command_name(unsigned n)
{
	return commands[n].name;
}

static struct lineedit line = {.prompt = "pintle> ", .emit = console_put, .word = command_name};

/* Run a line, of which nothing is left. The first word is the command, the rest its argument; its
 * row knows when it can be of no use. */
static void execute(char *argument)
{
	const struct command *command = commands;
	const char *name = fmt_next_word(&argument);

	if (name == NULL) {
		return;
	}
	while (*argument == ' ') {
		argument++;
	}
	while (command->name != NULL && strcmp(command->name, name) != 0) {
		command++;
	}
	char usage = *command->usage; /* a bracket: may be left out */
	if (command->name == NULL) {
		console_printf("There is no command \"%s\"; help lists them.\n", name);
	} else if (*argument != '\0' ? usage == '\0' : usage != '\0' && usage != '[') {
		console_printf("Usage: %s %s\n", name, command->usage);
	} else if ((command->needs & NEEDS_SERVICE) && service_vm == NULL) {
		console_printf("There is no service VM.\n");
	} else if ((command->needs & NEEDS_LIFE) && console_phase == CONSOLE_PANIC) {
		console_printf("This machine has panicked, and %s needs a live one.\n", name);
	} else if (console_phase == CONSOLE_PANIC) {
		command->run(argument);
	} else {
		uint64_t begin = tsc_read();
		while (!take(&vms_busy)) {
			dispatch_answer();
		}
		irq_enable();
		command->run(argument);
		irq_disable();
		vms_busy = false;
		dispatch_skip(begin); /* not the cost of the vCPU that was kept waiting */
	}
}

void monitor_take_focus(void)
{
	take_focus = true;
}

/* Show what the log has, and perhaps give the keys to the other side; the line that is being typed
 * goes, and comes back after it. */
static void interrupt_line(bool switches)
{
	if (!console_guest_focus) {
		lineedit_hide(&line);
	}
	if (switches) {
		for_guest = -1;
		console_printf("\n[%s; Ctrl-\\ switches]\n",
			console_guest_focus ? "monitor" : "service VM");
		console_focus(!console_guest_focus);
	}
	console_show_log();
	if (!console_guest_focus) {
		lineedit_show(&line);
	}
}

NOINLINE static void step(void)
{
	if (console_phase == CONSOLE_BOOT) {
		console_phase = CONSOLE_MONITOR;
		take_focus = false;
		lineedit_begin(&line);
	}
	while (console_has_room()) {
		if (console_log_waits()) {
			interrupt_line(false);
		}
		/* A guest that takes no keys must not keep the escape key from us. */
		if (for_guest >= 0 && devices_uart_input((uint8_t)for_guest)) {
			for_guest = -1;
		}
		int byte = console_read(for_guest >= 0);
		bool taken = atomic_exchange(&take_focus, false) && console_guest_focus;
		bool may_switch = service_vm != NULL && console_phase != CONSOLE_PANIC;
		if (taken || (byte == CONSOLE_ESCAPE && may_switch)) {
			interrupt_line(true);
		} else if (byte < 0) {
			return;
		} else if (console_guest_focus) {
			for_guest = byte;
		} else if (lineedit_feed(&line, (char)byte)) {
			execute(line.text);
			console_show_log();
			lineedit_begin(&line);
			return; /* what was asked of this CPU's vCPU comes before the next command
				 */
		}
	}
}

/* CPU 0 comes by each time round its loop. */
void monitor_step(void)
{
	if (!console_is_quiet() || for_guest >= 0 || take_focus) {
		step();
	}
}

void monitor_after_panic(void)
{
	console_guest_focus = false;
	for_guest = -1;
	line.prompt = "panic> ";
	lineedit_begin(&line);
	for (;;) {
		console_poll();
		monitor_step();
		cpu_pause();
	}
}
