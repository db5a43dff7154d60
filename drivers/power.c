/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/power.c - power-off and reset through the FADT (ACPI 6.5, 4.8.3), with fall-backs.
 * Runs: last; also in a panic, when locks no longer hold anyone up.
 */
#include "drivers/power.h"

#include "kernel/paging.h"
#include "kernel/time.h"
#include "kernel/x86.h"

#define PM1_SCI_ENABLE BIT(0)
#define WAIT_NS        1000000000ull
#define KEYBOARD       0x64u
#define RESET_CONTROL  0xcf9u

struct acpi_fadt power_fadt;

static void register_write(const struct acpi_gas *gas, uint8_t value)
{
	if (!gas->in_memory) {
		port_write8((uint16_t)gas->address, value);
		return;
	}
	volatile void *window = window_map(hpa(gas->address), 1, PAGING_DEVICE);
	if (window != NULL) {
		mmio_write8(window, 0, value);
	}
}

static void sleep_pm1(void)
{
	uint64_t start = time_ns();
	uint16_t control = power_fadt.pm1_control[0];
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
}

void power_off(void)
{
	const struct acpi_gas *reduced = &power_fadt.sleep_control;
	if (!power_fadt.has_s5) {
		return;
	}
	if (reduced->address != 0) {
		/* Type in bits 4:2, enable: ACPI 6.5, 4.8.3.7. */
		register_write(reduced, (uint8_t)(power_fadt.s5_type[0] << 2 | 0x20));
	} else if (power_fadt.pm1_control[0] != 0) {
		sleep_pm1();
	}
	time_delay(WAIT_NS);
}

void power_reset(void)
{
	static const uint8_t no_idt[10]; /* base and limit 0 */

	irq_disable();
	if (power_fadt.reset.address != 0) {
		register_write(&power_fadt.reset, power_fadt.reset_value);
		time_delay(WAIT_NS / 10);
	}
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
