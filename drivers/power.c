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

/* The PM1 control registers are ports on every PC. */
static bool is_pm1(const struct acpi_gas *gas)
{
	return gas->address != 0 && gas->space == ACPI_SPACE_PORT;
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

/* Both registers first get the type, then the word to go (ACPI 6.5, 4.8.3.2.1). */
static void sleep_pm1(uint16_t enable)
{
	const struct acpi_gas *control[] = {&fadt->pm1a_control, &fadt->pm1b_control};
	const uint8_t type[] = {fadt->s5_type_a, fadt->s5_type_b};
	for (unsigned i = 0; i < ARRAY_COUNT(control); i++) {
		if (is_pm1(control[i])) {
			uint16_t port = (uint16_t)control[i]->address;
			uint32_t kept = port_read16(port) & ~PM1_SLEEP_MASK;
			port_write16(port,
				(uint16_t)(kept | (uint32_t)type[i] << PM1_SLEEP_TYPE | enable));
		}
	}
}

int power_off(void)
{
	if (fadt == NULL || !fadt->has_s5) {
		return -ENODEV;
	}
	if (fadt->hardware_reduced && fadt->sleep_control.address != 0) {
		gas_write8(&fadt->sleep_control,
			(uint8_t)((unsigned)fadt->s5_type_a << SLEEP_TYPE | SLEEP_ENABLE));
	} else if (is_pm1(&fadt->pm1a_control)) {
		enable_acpi((uint16_t)fadt->pm1a_control.address);
		sleep_pm1(0);
		sleep_pm1(PM1_SLEEP_ENABLE);
	} else {
		return -ENODEV;
	}
	time_delay(WAIT_NS);
	return -EIO;
}

static void reset_keyboard(void)
{
	for (unsigned tries = 100000; (port_read8(KEYBOARD_STATUS) & KEYBOARD_FULL) && tries != 0;
		tries--) {
		cpu_pause();
	}
	port_write8(KEYBOARD_STATUS, KEYBOARD_RESET);
}

static void reset_by_fault(void)
{
	static const struct PACKED {
		uint16_t limit;
		uint64_t base;
	} no_idt = {0};
	__asm__ volatile("lidt %0; int3" : : "m"(no_idt));
}

void power_reset(void)
{
	const uint64_t pause_ns = WAIT_NS / 10;

	irq_disable();
	if (fadt != NULL && fadt->reset.address != 0) {
		gas_write8(&fadt->reset, fadt->reset_value);
		time_delay(pause_ns);
	}
	if (fadt == NULL || !fadt->present || fadt->has_8042) {
		reset_keyboard();
		time_delay(pause_ns);
	}
	port_write8(RESET_CONTROL, 0x02);
	port_write8(RESET_CONTROL, 0x06);
	time_delay(pause_ns);
	reset_by_fault();
	cpu_stop();
}
