/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/console.c - which serial port is the console, and where its interrupt comes in.
 * Runs: on the boot CPU, once.
 */
#include "boot/console.h"

#include "drivers/screen.h"
#include "kernel/log.h"
#include "kernel/string.h"

#define BAUD_DEFAULT 115200u

static const struct com {
	uint16_t port;
	uint8_t irq; /* ISA */
} coms[] = {{0x3f8, 4}, {0x2f8, 3}, {0x3e8, 4}, {0x2e8, 3}};

static struct {
	bool opened;
	bool has_irq, has_gsi; /* at most one */
	uint8_t irq;
	uint32_t gsi;
} console;

static bool open_place(const struct uart_place *place, const char *named_by)
{
	if (console_open(place) != 0) {
		return false;
	}
	for (unsigned i = 0; i < ARRAY_COUNT(coms) && !place->in_memory; i++) {
		if (coms[i].port == place->address) {
			console.has_irq = !console.has_gsi;
			console.irq = coms[i].irq;
		}
	}
	log_info("console: %s 0x%lx, by %s",
		place->in_memory ? "UART in memory at" : "UART at port", place->address, named_by);
	return true;
}

static bool open_com(unsigned number, uint32_t baud)
{
	struct uart_place place = {.address = coms[number - 1].port,
		.stride = 1,
		.baud = baud != 0 ? baud : BAUD_DEFAULT};
	return open_place(&place, "its usual place");
}

static bool open_spcr(const struct acpi_spcr *spcr, uint32_t baud)
{
	if (!spcr->present) {
		return false;
	}
	struct uart_place place = {
		.in_memory = spcr->base.space == ACPI_SPACE_MEMORY,
		.stride = spcr->base.width == 32 ? 4 : 1,
		.address = spcr->base.address,
		.baud = baud != 0 ? baud : spcr->baud,
	};
	console.has_gsi = spcr->has_gsi;
	console.gsi = spcr->gsi;
	if (open_place(&place, "the SPCR")) {
		return true;
	}
	console.has_gsi = false;
	log_warning("console: no UART answers where the SPCR says");
	return false;
}

static bool open_auto(const struct acpi_spcr *spcr, uint32_t baud)
{
	bool opened = open_spcr(spcr, baud);
	for (unsigned number = 1; number <= ARRAY_COUNT(coms) && !opened; number++) {
		opened = open_com(number, baud);
	}
	return opened;
}

static bool open_wanted(const struct option_console *option, const struct acpi_spcr *spcr)
{
	struct uart_place place = {.in_memory = option->kind == CONSOLE_MMIO,
		.stride = 1,
		.address = option->where,
		.baud = option->baud};
	switch (option->kind) {
	case CONSOLE_COM:
		return open_com((unsigned)option->where, option->baud);
	case CONSOLE_IO:
	case CONSOLE_MMIO:
		return open_place(&place, "the option console=");
	case CONSOLE_NONE:
		return false;
	default:
		return open_auto(spcr, option->baud);
	}
}

void boot_console_open(const struct option_console *option, const struct acpi *acpi,
	const struct boot_screen *screen)
{
	if (console.opened) {
		return;
	}
	console.opened = true;
	bool opened = open_wanted(option, &acpi->spcr);
	if (!opened && option->kind != CONSOLE_NONE && option->kind != CONSOLE_AUTO) {
		opened = open_auto(&acpi->spcr, 0);
		if (opened) {
			log_warning("console: no UART answers where console= says");
		}
	}
	if (!opened) {
		if (screen->type == BOOT_SCREEN_TEXT) {
			screen_open(hpa(screen->base), screen->width, screen->height);
		}
		console_open_screen();
		log_warning(
			"console: there is no serial port: Pintle shows its log here and takes no commands");
	}
}

void boot_console_interrupt(const struct acpi *acpi)
{
	struct acpi_override line = {.gsi = console.gsi};
	if (console.has_irq) {
		line = acpi_isa_interrupt(acpi, console.irq);
	} else if (!console.has_gsi) {
		return;
	}
	if (!console_has_uart() || acpi->ioapic_count == 0) {
		return;
	}
	if (console_use_interrupt(line.gsi, line.level, line.active_low) != 0) {
		log_warning(
			"console: its interrupt, GSI %u, cannot be used: it is polled", line.gsi);
	}
}
