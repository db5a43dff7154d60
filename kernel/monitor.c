/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/monitor.c - the shell: lines in, commands run, the log shown around the line being typed.
 * Runs: on CPU 0, on its own stack, interrupts on; in a panic on the CPU that panicked, interrupts
 * off.
 */
#include "kernel/monitor.h"

#include "kernel/console.h"
#include "kernel/devices.h"
#include "kernel/lineedit.h"
#include "kernel/pcpu.h"
#include "kernel/string.h"
#include "kernel/x86.h"

void stack_switch(uint64_t *save, uint64_t rsp);

static atomic_bool take_focus;         /* [A] keys come back to the monitor at its next step */
static bool guest_has_focus;           /* keys go to the service VM's UART */
static int for_guest = -1;             /* a key that has no room there yet */
static bool waits_for_key;             /* the monitor has nothing else to do */
static uint64_t monitor_rsp, idle_rsp; /* [CPU 0] */

/* Only command names complete, at the start of a line or after "help ". */
static const char *complete(const char *text, size_t at, unsigned n)
{
	bool fits = at == 0 || (at == 5 && strncmp(text, "help ", 5) == 0);
	return fits && n < command_count ? commands[n].name : NULL;
}

static struct lineedit line = {.emit = console_put, .word = complete}; /* [monitor's stack] */

/* The first word is the command, the rest its argument; its row knows when it can be of no use. */
static void execute(const char *text)
{
	char words[LINE_MAX];
	char *name = memcpy(words, text, sizeof(words));

	while (*name == ' ') {
		name++;
	}
	char *argument = strchr(name, ' ');
	while (argument != NULL && *argument == ' ') {
		*argument++ = '\0';
	}
	const struct command *command = *name != '\0' ? command_find(name) : NULL;
	if (command == NULL) {
		return;
	}
	bool takes_one = *command->usage != '\0';
	bool needs_one = takes_one && *command->usage != '[';
	bool has_one = argument != NULL && *argument != '\0';
	if (has_one ? !takes_one : needs_one) {
		console_printf("Usage: %s %s\n", command->name, command->usage);
	} else if ((command->needs & NEEDS_VM) && service_vm == NULL) {
		console_printf("There is no service VM.\n");
	} else if ((command->needs & NEEDS_LIFE) && console_phase == CONSOLE_PANIC) {
		console_printf("This machine has panicked, and %s needs a live one.\n", name);
	} else {
		command->run(has_one ? argument : "");
	}
}

void monitor_focus_guest(void)
{
	guest_has_focus = true;
	console_hold_guest(false);
}

void monitor_take_focus(void)
{
	take_focus = true;
}

/* Show what the log has, and perhaps give the keys to the other side; the line that is being typed
 * goes, and comes back after it. */
static void interrupt_line(bool switches)
{
	if (!guest_has_focus) {
		lineedit_hide(&line);
	}
	if (switches) {
		guest_has_focus = !guest_has_focus;
		for_guest = -1;
		console_printf(
			"\n[%s; Ctrl-\\ switches]\n", guest_has_focus ? "service VM" : "monitor");
		console_hold_guest(!guest_has_focus);
	}
	console_show_log();
	if (!guest_has_focus) {
		lineedit_show(&line);
	}
}

/* One byte for the monitor, showing meanwhile what the log has to say. */
static char next_byte(void)
{
	for (;;) {
		if (console_log_waits()) {
			interrupt_line(false);
		}
		/* A guest that takes no keys must not keep the escape key from us. */
		if (for_guest >= 0 && devices_uart_input((uint8_t)for_guest)) {
			for_guest = -1;
		}
		int byte = console_read(for_guest >= 0);
		bool taken = atomic_exchange(&take_focus, false) && guest_has_focus;
		if (taken ||
			(byte == CONSOLE_ESCAPE && devices_there() &&
				console_phase != CONSOLE_PANIC)) {
			interrupt_line(true);
		} else if (byte >= 0 && !guest_has_focus) {
			return (char)byte;
		} else if (byte >= 0) {
			for_guest = byte;
		} else {
			waits_for_key = for_guest < 0;
			monitor_wait();
			waits_for_key = false;
		}
	}
}

NORETURN static void shell(void)
{
	line.prompt = console_phase == CONSOLE_PANIC ? "panic> " : "pintle> ";
	for (;;) {
		console_show_log();
		lineedit_begin(&line);
		while (!lineedit_feed(&line, next_byte())) {
		}
		execute(line.text);
	}
}

void monitor_wait(void)
{
	if (console_phase == CONSOLE_PANIC) {
		console_poll();
		cpu_pause();
	} else {
		stack_switch(&monitor_rsp, idle_rsp);
	}
}

static void prepare_stack(void)
{
	uint64_t *top = (uint64_t *)(uintptr_t)stack_top(STACK_SLOT_MONITOR, STACK_MAIN);
	/* As stack_switch leaves one: six registers, then where to go; the word above keeps the
	 * ABI's alignment. */
	top -= 8;
	memset(top, 0, 8 * sizeof(*top));
	top[6] = (uint64_t)(uintptr_t)shell;
	monitor_rsp = (uint64_t)(uintptr_t)top;
}

void monitor_step(void)
{
	if (monitor_rsp == 0) {
		prepare_stack();
		console_phase = CONSOLE_MONITOR;
	} else if (!console_has_work(take_focus || !waits_for_key)) {
		return;
	}
	irq_enable();
	stack_switch(&idle_rsp, monitor_rsp);
	irq_disable();
}

void monitor_after_panic(void)
{
	guest_has_focus = false;
	for_guest = -1;
	shell();
}
