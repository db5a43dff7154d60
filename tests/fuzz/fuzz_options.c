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

static void check_console(const struct uart_place *place)
{
	check(place->base.width == 0);
	check(place->base.address <= (place->base.in_memory ? BIT(52) - 1 : 0xfff8));
	check(!place->base.in_memory || place->base.address != 0);
	check(place->baud == 0 || 115200 % place->baud == 0);
	check(place->baud != 1);
}

static bool same(const struct options *a, const struct options *b)
{
	const struct uart_place *one = &a->console, *other = &b->console;
	return one->base.in_memory == other->base.in_memory &&
		one->base.width == other->base.width && one->base.address == other->base.address &&
		one->baud == other->baud && a->loglevel == b->loglevel &&
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
	unsigned refused = options_parse(&options, cmdline);
	check((refused == 0) == (fake_log[0] == '\0'));
	check(refused <= (strlen(cmdline) + 1) / 2);
	check_console(&options.console);
	check(options.loglevel < LOG_LEVEL_COUNT);
	check(options.maxcpus >= 1 && options.maxcpus <= CPUS_MAX);
	check(options.panic <= PANIC_REBOOT);
	check(options.clock <= 4);
	check(options.apic <= APIC_X2APIC);
	struct options again = options;
	check(options_parse(&again, cmdline) == refused);
	check(same(&options, &again));
	free(cmdline);
	return 0;
}
