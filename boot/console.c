/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/console.c - which serial port is the console, and where its interrupt comes in.
 * Runs: on the boot CPU, once, after the ACPI tables were read (or found wanting).
 */
#include "boot/console.h"

#include "drivers/screen.h"
#include "kernel/machine.h"

uint16_t boot_console_port;
struct acpi_line boot_console_line = {.gsi = UINT32_MAX};

/* `surely`: it is a fault when no UART is there. */
static bool open_place(struct uart_place place, const char *named_by, bool surely)
{
	if (console_open(&place) != 0) {
		if (surely) {
			log_warning("console: no UART answers where %s says", named_by);
		}
		return false;
	}
	boot_console_port = place.in_memory ? 0 : (uint16_t)place.address;
	for (unsigned i = 0; i < ARRAY_COUNT(com_places); i++) {
		if (com_places[i].address == boot_console_port) {
			boot_console_line = machine.acpi.isa[i % 2 == 0 ? 4 : 3];
		}
	}
	log_info("console: UART %s 0x%lx, by %s", place.in_memory ? "in memory at" : "at port",
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
	bool opened = spcr->base.address != 0 && open_place(place, "the SPCR", true);
	if (opened && spcr->has_gsi) {
		/* One beyond the ISA interrupts is a PCI interrupt: level, active low. */
		boot_console_line = spcr->gsi < ACPI_ISA_IRQS
			? machine.acpi.isa[spcr->gsi]
			: (struct acpi_line){.gsi = spcr->gsi, .level = true, .active_low = true};
	}
	return opened;
}

void boot_console_open(const struct option_console *option, const struct boot_screen *screen)
{
	static bool looked;
	bool named = option->place.address != 0, search = !option->none;
	uint32_t baud = named ? 0 : option->place.baud;
	bool opened = looked || (named && open_place(option->place, "the option console=", true)) ||
		(search && open_spcr(baud));
	looked = true;
	for (unsigned i = 0; i < ARRAY_COUNT(com_places) && search && !opened; i++) {
		struct uart_place place = com_places[i];
		place.baud = baud != 0 ? baud : place.baud;
		opened = open_place(place, "its usual place", false);
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
