/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/console.c - which serial port is the console, and where its interrupt comes in.
 * Runs: on the boot CPU, once, after the ACPI tables were read (or found wanting).
 */
#include "boot/console.h"

#include "drivers/screen.h"
#include "kernel/log.h"
#include "kernel/machine.h"

#define BAUD_DEFAULT 115200u

static const struct com {
	uint16_t port;
	uint8_t irq; /* ISA */
} coms[] = {{0x3f8, 4}, {0x2f8, 3}, {0x3e8, 4}, {0x2e8, 3}};

static bool line_known; /* where its interrupt comes in */
static struct acpi_line line;
static uint16_t port; /* 0: the console is in memory, or there is none */

static bool open_place(struct uart_place place, const char *named_by)
{
	if (console_open(&place) != 0) {
		return false;
	}
	port = place.in_memory ? 0 : (uint16_t)place.address;
	for (unsigned i = 0; i < ARRAY_COUNT(coms); i++) {
		if (coms[i].port == port) {
			line_known = true;
			line = machine.acpi.isa[coms[i].irq];
		}
	}
	log_info("console: %s 0x%lx, by %s", place.in_memory ? "UART in memory at" : "UART at port",
		place.address, named_by);
	return true;
}

static bool open_spcr(uint32_t baud)
{
	const struct acpi_spcr *spcr = &machine.acpi.spcr;
	struct uart_place place = {
		.in_memory = spcr->base.in_memory,
		.stride = spcr->base.width == 32 ? 4 : 1,
		.address = spcr->base.address,
		.baud = baud != 0 ? baud : spcr->baud,
	};
	if (spcr->base.address == 0) {
		return false;
	}
	if (!open_place(place, "the SPCR")) {
		log_warning("console: no UART answers where the SPCR says");
		return false;
	}
	if (spcr->has_gsi) {
		/* One beyond the ISA interrupts is a PCI interrupt: level, active low. */
		line_known = true;
		line = spcr->gsi < ACPI_ISA_IRQS
			? machine.acpi.isa[spcr->gsi]
			: (struct acpi_line){.gsi = spcr->gsi, .level = true, .active_low = true};
	}
	return true;
}

static bool open_wanted(const struct option_console *option)
{
	bool com = option->kind == CONSOLE_COM;
	struct uart_place place = {.in_memory = option->kind == CONSOLE_MMIO,
		.stride = 1,
		.address = com ? coms[option->where - 1].port : option->where,
		.baud = com && option->baud == 0 ? BAUD_DEFAULT : option->baud};
	bool opened = open_place(place, "the option console=");
	if (!opened) {
		log_warning("console: no UART answers where console= says");
	}
	return opened;
}

void boot_console_open(const struct option_console *option, const struct boot_screen *screen)
{
	static bool looked;
	uint32_t baud = option->kind == CONSOLE_AUTO ? option->baud : 0;
	bool opened = looked || (option->where != 0 && open_wanted(option));
	bool search = !opened && option->kind != CONSOLE_NONE;
	looked = true;
	opened = opened || (search && open_spcr(baud));
	for (unsigned i = 0; i < ARRAY_COUNT(coms) && search && !opened; i++) {
		struct uart_place place = {.stride = 1,
			.address = coms[i].port,
			.baud = baud != 0 ? baud : BAUD_DEFAULT};
		opened = open_place(place, "its usual place");
	}
	if (opened) {
		return;
	}
	if (screen->type == BOOT_SCREEN_TEXT) {
		screen_open(hpa(screen->base), screen->width, screen->height);
	}
	console_open(NULL);
	log_warning("console: there is no serial port: Pintle shows its log here and takes no "
		    "commands");
}

void boot_console_interrupt(void)
{
	if (line_known && machine.acpi.ioapic_count != 0 &&
		console_use_interrupt(line.gsi, line.level, line.active_low) != 0) {
		log_warning(
			"console: its interrupt, GSI %u, cannot be used: it is polled", line.gsi);
	}
}

uint16_t boot_console_port(void)
{
	return port;
}

uint32_t boot_console_gsi(void)
{
	return line_known ? line.gsi : UINT32_MAX;
}
