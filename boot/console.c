/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/console.c - which serial port is the console, and where its interrupt comes in.
 * Runs: on the boot CPU, once, after the ACPI tables were read (or found wanting).
 */
#include "boot/console.h"

#include "kernel/machine.h"

uint16_t console_port;
struct acpi_line console_line = {.gsi = UINT32_MAX};

/* `surely`: it is a fault when no UART is there. */
static bool open_place(struct uart_place place, const char *named_by, bool surely)
{
	if (console_open(&place) != 0) {
		if (surely) {
			log_warning("console: no UART answers where %s says", named_by);
		}
		return false;
	}
	console_port = place.base.in_memory ? 0 : (uint16_t)place.base.address;
	for (unsigned i = 0; i < ARRAY_COUNT(com_ports); i++) {
		if (com_ports[i] == console_port) {
			console_line = machine.acpi.isa[i % 2 == 0 ? 4 : 3];
		}
	}
	log_info("console: UART %s 0x%lx, by %s", place.base.in_memory ? "in memory at" : "at port",
		place.base.address, named_by);
	return true;
}

static bool open_spcr(uint32_t baud)
{
	const struct acpi_spcr *spcr = &machine.acpi.spcr;
	bool opened = spcr->base.address != 0 &&
		open_place((struct uart_place){spcr->base, baud != 0 ? baud : spcr->baud},
			"the SPCR", true);
	if (opened && spcr->gsi != UINT32_MAX) {
		/* One beyond the ISA interrupts is a PCI interrupt: level, active low. */
		console_line = spcr->gsi < ACPI_ISA_IRQS
			? machine.acpi.isa[spcr->gsi]
			: (struct acpi_line){.gsi = spcr->gsi, .level = true, .active_low = true};
	}
	return opened;
}

/* On the first line of a text screen: cells of a character and its colour, grey on black. */
static void say_on_screen(const struct boot_screen *screen, const char *text)
{
	volatile uint16_t *cells = NULL;
	if (screen->type == BOOT_SCREEN_TEXT && screen->width >= strlen(text)) {
		cells = window_map(hpa(screen->base), sizeof(*cells) * strlen(text), PAGING_DEVICE);
	}
	for (size_t i = 0; cells != NULL && text[i] != '\0'; i++) {
		cells[i] = (uint16_t)(0x0700 | text[i]);
	}
}

void boot_console_open(const struct uart_place *option, const struct boot_screen *screen)
{
	static bool looked;
	bool named = option->base.address != 0;
	uint32_t baud = named ? 0 : option->baud;
	bool opened = looked || (named && open_place(*option, "the option console=", true)) ||
		open_spcr(baud);
	looked = true;
	for (unsigned i = 0; i < ARRAY_COUNT(com_ports) && !opened; i++) {
		struct uart_place place = {
			{.address = com_ports[i]}, baud != 0 ? baud : UART_BAUD_BASE};
		opened = open_place(place, "its usual place", false);
	}
	if (opened) {
		return;
	}
	console_open(NULL);
	say_on_screen(screen,
		"Pintle: there is no serial port: the log and the monitor are not to be had");
}
