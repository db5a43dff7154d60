/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/power.c - ACPI's fixed hardware, always in ACPI mode (ACPI 6.5, 4.8.3); and the ports
 * that reset a PC.
 */
#include <pthread.h>
#include <time.h>

#include "service/vmm/bus.h"
#include "service/vmm/irq.h"
#include "service/vmm/machine.h"
#include "service/vmm/platform.h"
#include "service/vmm/say.h"

#define PM_BUTTON (1u << 8) /* in status, where a one written clears it, and in enable */

#define CONTROL_SCI   (1u << 0) /* ACPI mode; not to be changed */
#define CONTROL_TYPE  10u       /* the sleep type, 3 bits */
#define CONTROL_SLEEP (1u << 13)
#define CONTROL_STAYS 0x1c02u

#define TIMER_HZ 3579545u

#define RESET_NOW   0x04u /* in PORT_RESET */
#define I8042_RESET 0xfeu /* a command of the keyboard controller: pulse the reset line */

static pthread_mutex_t power_lock = PTHREAD_MUTEX_INITIALIZER;
static struct irq_source irq = {.pin = IRQ_ACPI};
static uint16_t status, enable, control; /* [power_lock] */

/* Lock held. */
static void update_line(void)
{
	irq_set(&irq, (status & enable) != 0);
}

static void write_control(uint16_t value)
{
	control = value & CONTROL_STAYS;
	if ((value & CONTROL_SLEEP) != 0 && (value >> CONTROL_TYPE & 7) == SLEEP_TYPE_OFF) {
		say("the guest switches itself off");
		machine_tell(MACHINE_OFF);
	}
}

static uint32_t timer_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint32_t)((uint64_t)now.tv_sec * TIMER_HZ +
		(uint64_t)now.tv_nsec * TIMER_HZ / 1000000000u);
}

/* All registers as the bytes that they are, a write of some being merged into the others. */
static uint64_t access_events(
	void *argument, uint64_t offset, unsigned len, bool write, uint64_t value)
{
	(void)argument;
	pthread_mutex_lock(&power_lock);
	uint64_t all = status | (uint64_t)enable << 16 | (uint64_t)(control | CONTROL_SCI) << 32;
	uint64_t result = all >> (8 * offset);
	if (write) {
		uint64_t touched = ((UINT64_C(1) << (8 * len)) - 1) << (8 * offset);
		uint64_t written = value << (8 * offset) & touched;
		status &= (uint16_t)~written;
		enable = (uint16_t)(((all & ~touched) | written) >> 16);
		if ((touched >> 32 & 0xffff) != 0) {
			write_control((uint16_t)(((all & ~touched) | written) >> 32));
		}
		update_line();
	}
	pthread_mutex_unlock(&power_lock);
	return result;
}

static uint64_t access_timer(
	void *argument, uint64_t offset, unsigned len, bool write, uint64_t value)
{
	(void)argument;
	(void)len;
	(void)write;
	(void)value;
	return timer_now() >> (8 * offset);
}

static uint64_t access_reset(
	void *argument, uint64_t offset, unsigned len, bool write, uint64_t value)
{
	(void)argument;
	(void)offset;
	(void)len;
	if (write && (value & RESET_NOW) != 0) {
		machine_tell(MACHINE_RESET);
	}
	return 0;
}

/* There is no keyboard: nothing waits in either direction. */
static uint64_t access_i8042(
	void *argument, uint64_t offset, unsigned len, bool write, uint64_t value)
{
	(void)argument;
	(void)offset;
	(void)len;
	if (write && value == I8042_RESET) {
		machine_tell(MACHINE_RESET);
	}
	return 0;
}

int power_create(void)
{
	int err = bus_add(BUS_PORT, PORT_PM_EVENT, 6, access_events, NULL);
	err = err != 0 ? err : bus_add(BUS_PORT, PORT_PM_TIMER, 4, access_timer, NULL);
	err = err != 0 ? err : bus_add(BUS_PORT, PORT_RESET, 1, access_reset, NULL);
	return err != 0 ? err : bus_add(BUS_PORT, PORT_I8042, 1, access_i8042, NULL);
}

void power_reset(void)
{
	pthread_mutex_lock(&power_lock);
	status = enable = control = 0;
	update_line();
	pthread_mutex_unlock(&power_lock);
}

bool power_press_button(void)
{
	pthread_mutex_lock(&power_lock);
	bool heard = (enable & PM_BUTTON) != 0;
	status |= PM_BUTTON;
	update_line();
	pthread_mutex_unlock(&power_lock);
	return heard;
}
