/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/power.c - power-off and reset through the FADT (ACPI 6.5, 4.8.3), with fall-backs.
 * Runs: last; also in a panic, when locks no longer hold anyone up.
 */
#include "drivers/power.h"

#include "kernel/basic.h"

#define PM1_SCI_ENABLE BIT(0)
#define WAIT_NS        1000000000ull
#define KEYBOARD       0x64u
#define RESET_CONTROL  0xcf9u

struct acpi_fadt power_fadt;

void power_off(void)
{
	uint64_t start = time_ns();
	uint16_t control = power_fadt.pm1_control[0];
	if (!power_fadt.has_s5 || control == 0) {
		return;
	}
	/* Until the firmware hands ACPI over, they may not be listened to: ACPI 6.5, 4.8.2.5. */
	if (!(port_read16(control) & PM1_SCI_ENABLE) && power_fadt.smi_command != 0) {
		port_write8(power_fadt.smi_command, power_fadt.acpi_enable);
		while (!(port_read16(control) & PM1_SCI_ENABLE) && time_ns() - start < WAIT_NS) {
			cpu_pause();
		}
	}
	/* Both first get the type, bits 12:10, then the word to go, bit 13: 4.8.3.2.1. */
	for (unsigned step = 0; step < 4; step++) {
		uint16_t port = power_fadt.pm1_control[step % 2];
		uint32_t sleep = (uint32_t)power_fadt.s5_type[step % 2] << 10 | step / 2 << 13;
		if (port != 0) {
			port_write16(port, (uint16_t)((port_read16(port) & ~0x3c00u) | sleep));
		}
	}
	time_delay(WAIT_NS);
}

void power_reset(void)
{
	static const uint8_t no_idt[10]; /* base and limit 0 */
	const struct acpi_gas *reset = &power_fadt.reset;
	volatile void *window = NULL;

	irq_disable();
	if (reset->address != 0 && reset->in_memory) {
		window = window_map(hpa(reset->address), 1, PAGING_DEVICE);
	} else if (reset->address != 0) {
		port_write8((uint16_t)reset->address, power_fadt.reset_value);
	}
	if (window != NULL) {
		mmio_write8(window, 0, power_fadt.reset_value);
	}
	time_delay(WAIT_NS / 10);
	if (!power_fadt.no_8042) {
		for (unsigned tries = 100000; (port_read8(KEYBOARD) & 0x02) && tries != 0;
			tries--) {
			cpu_pause(); /* it has not read its input yet */
		}
		port_write8(KEYBOARD, 0xfe); /* pulse the reset line */
		time_delay(WAIT_NS / 10);
	}
	port_write8(RESET_CONTROL, 0x02);
	port_write8(RESET_CONTROL, 0x06);
	time_delay(WAIT_NS / 10);
	__asm__ volatile("lidt %0; int3" : : "m"(no_idt)); /* a triple fault */
	cpu_stop();
}
