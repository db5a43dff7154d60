/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/monitor.c - the shell: lines in, commands run, the log shown around the line being typed.
 * Runs: on CPU 0, on its own stack, interrupts on; in a panic on the CPU that panicked, interrupts
 * off.
 */
#include "kernel/monitor.h"

#include "drivers/lapic.h"
#include "kernel/console.h"
#include "kernel/lineedit.h"
#include "kernel/panic.h"
#include "kernel/pcpu.h"
#include "kernel/string.h"
#include "kernel/trap.h"
#include "kernel/x86.h"

/* How often the UART is looked at, without and with an interrupt. */
#define POLL_NS 10000000ull
#define LOOK_NS 250000000ull

void stack_switch(uint64_t *save, uint64_t rsp);

static struct lineedit line;           /* [monitor's stack] */
static uint64_t monitor_rsp, idle_rsp; /* [CPU 0] */

/* Only command names complete, at the start of a line or after "help ". */
static const char *complete(const char *text, size_t at, unsigned n)
{
	bool fits = at == 0 || (at == 5 && strncmp(text, "help ", 5) == 0);
	return fits && n < command_count ? commands[n].name : NULL;
}

static const struct lineedit_ops line_ops = {console_put, complete};

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

/* One byte, showing meanwhile what the log has to say. */
static char next_byte(void)
{
	for (;;) {
		if (console_log_waits() && console_can_write()) {
			lineedit_hide(&line);
			console_show_log();
			lineedit_show(&line);
		}
		int byte = console_read();
		if (byte >= 0) {
			return (char)byte;
		}
		monitor_wait();
	}
}

NORETURN static void shell(const char *prompt)
{
	lineedit_init(&line, prompt, &line_ops);
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
		(console_can_read() || console_log_waits() || console_was_full());
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

void monitor_loop(void)
{
	prepare_stack();
	console_begin_monitor();
	stack_switch(&idle_rsp, monitor_rsp);
	for (;;) {
		irq_disable();
		trap_report_nmis();
		if (has_work()) {
			irq_enable();
			stack_switch(&idle_rsp, monitor_rsp);
			continue;
		}
		/* Looked at without an interrupt too: it may be wired elsewhere than we believe. */
		lapic_timer_arm(console_is_polled() ? POLL_NS : LOOK_NS);
		irq_wait();
		console_poll();
	}
}

void monitor_after_panic(void)
{
	shell("panic> ");
}
