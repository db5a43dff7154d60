/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/power.c - power-off and reset through the FADT (ACPI 6.5, 4.8.3), with fall-backs.
 * Runs: last; also in a panic, when locks no longer hold anyone up.
 */
#include "drivers/power.h"

#include "kernel/errno.h"
#include "kernel/paging.h"
#include "kernel/time.h"
#include "kernel/x86.h"

#define PM1_SCI_ENABLE   BIT(0)
#define PM1_SLEEP_TYPE   10u
#define PM1_SLEEP_MASK   0x3c00u
#define PM1_SLEEP_ENABLE 0x2000u
#define SLEEP_TYPE       2u /* hardware-reduced: the sleep control register's fields */
#define SLEEP_ENABLE     0x20u
#define WAIT_NS          1000000000ull
#define KEYBOARD_STATUS  0x64u
#define KEYBOARD_FULL    0x02u
#define KEYBOARD_RESET   0xfeu
#define RESET_CONTROL    0xcf9u

static const struct acpi_fadt *fadt;

void power_init(const struct acpi_fadt *from)
{
	fadt = from;
}

static void gas_write8(const struct acpi_gas *gas, uint8_t value)
{
	if (gas->space == ACPI_SPACE_PORT) {
		port_write8((uint16_t)gas->address, value);
		return;
	}
	volatile void *window =
		window_map(hpa(gas->address), sizeof(value), PAGING_WRITE | PAGING_UNCACHED);
	if (window != NULL) {
		mmio_write8(window, 0, value);
	}
}

/* The PM1 control registers are ports on every PC; 0: not there. */
static uint16_t pm1_port(const struct acpi_gas *gas)
{
	return gas->space == ACPI_SPACE_PORT ? (uint16_t)gas->address : 0;
}

/* ACPI 6.5, 4.8.2.5: until the firmware hands ACPI over, the control registers may not be listened
 * to. */
static void enable_acpi(uint16_t control)
{
	if ((port_read16(control) & PM1_SCI_ENABLE) || fadt->smi_command == 0) {
		return;
	}
	port_write8(fadt->smi_command, fadt->acpi_enable);
	uint64_t start = time_ns();
	while (!(port_read16(control) & PM1_SCI_ENABLE) && time_ns() - start < WAIT_NS) {
		cpu_pause();
	}
}

static void sleep_pm1(uint16_t port, uint8_t type, uint16_t enable)
{
	if (port != 0) {
		uint32_t kept = port_read16(port) & ~PM1_SLEEP_MASK;
		port_write16(port, (uint16_t)(kept | (uint32_t)type << PM1_SLEEP_TYPE | enable));
	}
}

int power_off(void)
{
	if (fadt == NULL || !fadt->has_s5) {
		return -ENODEV;
	}
	uint16_t a = pm1_port(&fadt->pm1a_control), b = pm1_port(&fadt->pm1b_control);
	if (fadt->hardware_reduced && fadt->sleep_control.address != 0) {
		gas_write8(&fadt->sleep_control,
			(uint8_t)((unsigned)fadt->s5_type_a << SLEEP_TYPE | SLEEP_ENABLE));
	} else if (a != 0) {
		enable_acpi(a);
		/* Both first get the type, then the word to go (ACPI 6.5, 4.8.3.2.1). */
		for (unsigned enable = 0; enable <= PM1_SLEEP_ENABLE; enable += PM1_SLEEP_ENABLE) {
			sleep_pm1(a, fadt->s5_type_a, (uint16_t)enable);
			sleep_pm1(b, fadt->s5_type_b, (uint16_t)enable);
		}
	} else {
		return -ENODEV;
	}
	time_delay(WAIT_NS);
	return -EIO;
}

void power_reset(void)
{
	static const struct PACKED {
		uint16_t limit;
		uint64_t base;
	} no_idt = {0};

	irq_disable();
	if (fadt != NULL && fadt->reset.address != 0) {
		gas_write8(&fadt->reset, fadt->reset_value);
		time_delay(WAIT_NS / 10);
	}
	if (fadt == NULL || !fadt->present || fadt->has_8042) {
		for (unsigned tries = 100000;
			(port_read8(KEYBOARD_STATUS) & KEYBOARD_FULL) && tries != 0; tries--) {
			cpu_pause();
		}
		port_write8(KEYBOARD_STATUS, KEYBOARD_RESET);
		time_delay(WAIT_NS / 10);
	}
	port_write8(RESET_CONTROL, 0x02);
	port_write8(RESET_CONTROL, 0x06);
	time_delay(WAIT_NS / 10);
	__asm__ volatile("lidt %0; int3" : : "m"(no_idt)); /* a triple fault */
	cpu_stop();
}
