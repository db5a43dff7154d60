/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/fuzz/fuzz_options.c - any text as Pintle's command line.
 * Links: boot/options.c kernel/fmt.c
 */
#include "tests/unit/fake.h"

#include "boot/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds) {
		abort();
	}
}

static void check_console(const struct option_console *console)
{
	switch (console->kind) {
	case CONSOLE_AUTO:
	case CONSOLE_NONE:
		check(console->where == 0);
		break;
	case CONSOLE_COM:
		check(console->where >= 1 && console->where <= 4);
		break;
	case CONSOLE_IO:
		check(console->where >= 1 && console->where <= 0xfff8);
		break;
	case CONSOLE_MMIO:
		check(console->where >= 1 && console->where < BIT(52));
		break;
	default:
		abort();
	}
	check(console->baud == 0 || 115200 % console->baud == 0);
	check(console->baud != 1);
}

static bool same(const struct options *a, const struct options *b)
{
	return a->console.kind == b->console.kind && a->console.where == b->console.where &&
		a->console.baud == b->console.baud && a->loglevel == b->loglevel &&
		a->maxcpus == b->maxcpus && a->panic == b->panic && a->clock == b->clock &&
		a->apic == b->apic;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct options options;
	char *cmdline = malloc(size + 1);
	if (size != 0) {
		memcpy(cmdline, data, size);
	}
	cmdline[size] = '\0';
	fake_log_clear();
	options_default(&options);
	unsigned refused = options_parse(&options, cmdline);
	check((refused == 0) == (fake_log[0] == '\0'));
	check(refused <= (strlen(cmdline) + 1) / 2);
	check_console(&options.console);
	check(options.loglevel < LOG_LEVEL_COUNT);
	check(options.maxcpus >= 1 && options.maxcpus <= CPUS_MAX);
	check(options.panic <= PANIC_REBOOT);
	check(options.clock <= CLOCK_PIT);
	check(options.apic <= APIC_X2APIC);
	struct options again = options;
	check(options_parse(&again, cmdline) == refused);
	check(same(&options, &again));
	free(cmdline);
	return 0;
}
