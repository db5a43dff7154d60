/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/monitor.c - the shell: lines in, commands run, the log shown around the line being typed.
 * Runs: on CPU 0, on its own stack, interrupts on; in a panic on the CPU that panicked, interrupts
 * off.
 */
#include "kernel/monitor.h"

#include "drivers/lapic.h"
#include "kernel/console.h"
#include "kernel/devices.h"
#include "kernel/lineedit.h"
#include "kernel/panic.h"
#include "kernel/pcpu.h"
#include "kernel/string.h"
#include "kernel/trap.h"
#include "kernel/x86.h"

void stack_switch(uint64_t *save, uint64_t rsp);

#define ESCAPE_KEY 0x1c /* Ctrl-\ */

static atomic_bool take_focus;         /* [A] keys come back to the monitor at its next step */
static bool guest_is_slow;             /* a key waits for room in its UART */
static bool guest_has_focus;           /* keys go to the service VM's UART */
static uint64_t monitor_rsp, idle_rsp; /* [CPU 0] */

/* Only command names complete, at the start of a line or after "help ". */
static const char *complete(const char *text, size_t at, unsigned n)
{
	bool fits = at == 0 || (at == 5 && strncmp(text, "help ", 5) == 0);
	return fits && n < command_count ? commands[n].name : NULL;
}

static struct lineedit line = {.emit = console_put, .word = complete}; /* [monitor's stack] */

static bool split(char *text, struct arguments *arguments)
{
	arguments->count = 0;
	for (char *at = text;;) {
		while (*at == ' ') {
			*at++ = '\0';
		}
		if (*at == '\0') {
			return true;
		}
		if (arguments->count == ARGUMENTS_MAX) {
			return false;
		}
		arguments->argument[arguments->count++] = at;
		while (*at != ' ' && *at != '\0') {
			at++;
		}
	}
}

static void execute(const char *text)
{
	char words[LINE_MAX];
	struct arguments arguments;

	memcpy(words, text, sizeof(words));
	if (!split(words, &arguments)) {
		console_printf("Too many words: at most %u.\n", ARGUMENTS_MAX);
		return;
	}
	if (arguments.count == 0) {
		return;
	}
	for (unsigned i = 0; i < command_count; i++) {
		if (strcmp(commands[i].name, arguments.argument[0]) == 0) {
			commands[i].run(&arguments);
			return;
		}
	}
	console_printf("There is no command \"%s\"; help lists them.\n", arguments.argument[0]);
}

static void hide_line(void)
{
	if (!guest_has_focus) {
		lineedit_hide(&line);
	}
}

static void show_line(void)
{
	if (!guest_has_focus) {
		lineedit_show(&line);
	}
}

/* Wait until the guest's UART takes the byte; a guest that never does must not keep the escape key
 * from us. */
static void give_guest(uint8_t byte)
{
	while (!devices_uart_input(byte) && !take_focus && !console_skip_to(ESCAPE_KEY)) {
		guest_is_slow = true;
		monitor_wait();
	}
	guest_is_slow = false;
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

/* One byte for the monitor, showing meanwhile what the log has to say. */
static char next_byte(void)
{
	for (;;) {
		if (console_log_waits() && console_can_write()) {
			hide_line();
			console_show_log();
			show_line();
		}
		if (atomic_exchange(&take_focus, false) && guest_has_focus) {
			guest_has_focus = false;
			console_hold_guest(true);
			console_put("\n", 1);
			show_line();
		}
		int byte = console_read();
		if (byte == ESCAPE_KEY && devices_there() && console_phase() != CONSOLE_PANIC) {
			hide_line();
			guest_has_focus = !guest_has_focus;
			console_printf("\n[%s; Ctrl-\\ switches]\n",
				guest_has_focus ? "service VM" : "monitor");
			console_hold_guest(!guest_has_focus);
			show_line();
		} else if (byte >= 0 && !guest_has_focus) {
			return (char)byte;
		} else if (byte >= 0) {
			give_guest((uint8_t)byte);
		} else {
			monitor_wait();
		}
	}
}

NORETURN static void shell(const char *prompt)
{
	line.prompt = prompt;
	for (;;) {
		console_show_log();
		lineedit_begin(&line);
		while (!lineedit_feed(&line, next_byte())) {
		}
		execute(line.text);
	}
}

NORETURN static void monitor_main(void)
{
	shell("pintle> ");
}

void monitor_wait(void)
{
	if (console_phase() == CONSOLE_PANIC) {
		console_poll();
		cpu_pause();
	} else {
		stack_switch(&monitor_rsp, idle_rsp);
	}
}

/* Whatever the monitor waits for, it looks again when there is room and either a key or a line of
 * the log. */
static bool has_work(void)
{
	return console_can_write() &&
		(console_can_read() || console_log_waits() || console_was_full() || take_focus ||
			guest_is_slow);
}

static void prepare_stack(void)
{
	uint64_t *top = (uint64_t *)(uintptr_t)stack_top(STACK_SLOT_MONITOR, STACK_MAIN);
	/* As stack_switch leaves one: six registers, then where to go; the word above keeps the
	 * ABI's alignment. */
	top -= 8;
	memset(top, 0, 8 * sizeof(*top));
	top[6] = (uint64_t)(uintptr_t)monitor_main;
	monitor_rsp = (uint64_t)(uintptr_t)top;
}

void monitor_step(void)
{
	if (monitor_rsp == 0) {
		prepare_stack();
		console_begin_monitor();
	} else if (!has_work()) {
		return;
	}
	irq_enable();
	stack_switch(&idle_rsp, monitor_rsp);
	irq_disable();
}

void monitor_after_panic(void)
{
	guest_has_focus = false;
	shell("panic> ");
}
