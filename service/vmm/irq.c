/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/irq.c - the I/O APIC's effects: messages to local APICs, and routes, from which the
 * kernel learns which ends of interrupts it must report.
 */
#include "service/vmm/irq.h"

#include "service/vmm/bus.h"
#include "service/vmm/ioapic.h"

static pthread_mutex_t irq_lock = PTHREAD_MUTEX_INITIALIZER;
static struct ioapic ioapic;                    /* [irq_lock] */
static unsigned asserted_count[VM_IOAPIC_PINS]; /* [irq_lock] sources of each pin */
static struct vm *irq_vm;                       /* constant after irq_create() */

/* Lock held. */
static void send(uint32_t pins)
{
	for (unsigned pin = 0; pin < VM_IOAPIC_PINS; pin++) {
		if ((pins >> pin & 1) != 0) {
			struct msi msi = ioapic_message(&ioapic, pin);
			vm_send(irq_vm, &msi);
		}
	}
}

/* Lock held. A masked pin keeps its route: it may be being served. */
static void update_routes(void)
{
	for (unsigned pin = 0; pin < VM_IOAPIC_PINS; pin++) {
		if (ioapic_wants_eoi(&ioapic, pin)) {
			struct msi msi = ioapic_message(&ioapic, pin);
			vm_route(irq_vm, pin, &msi);
		} else {
			vm_unroute(irq_vm, pin);
		}
	}
}

static uint64_t access(void *argument, uint64_t offset, unsigned len, bool write, uint64_t value)
{
	(void)argument;
	(void)len;
	uint64_t result = 0;
	pthread_mutex_lock(&irq_lock);
	if (write) {
		uint32_t pins = ioapic_write(&ioapic, offset, (uint32_t)value);
		update_routes();
		send(pins);
	} else {
		result = ioapic_read(&ioapic, offset);
	}
	pthread_mutex_unlock(&irq_lock);
	return result;
}

int irq_create(struct vm *vm)
{
	irq_vm = vm;
	ioapic_reset(&ioapic);
	return bus_add(BUS_MMIO, IOAPIC_BASE, IOAPIC_SIZE, access, NULL);
}

void irq_reset(void)
{
	pthread_mutex_lock(&irq_lock);
	ioapic_reset(&ioapic);
	update_routes();
	pthread_mutex_unlock(&irq_lock);
}

void irq_set(struct irq_source *source, bool asserted)
{
	pthread_mutex_lock(&irq_lock);
	if (source->asserted != asserted) {
		unsigned *count = &asserted_count[source->pin];
		source->asserted = asserted;
		*count += asserted ? 1u : -1u;
		send(ioapic_set_line(&ioapic, source->pin, *count != 0));
	}
	pthread_mutex_unlock(&irq_lock);
}

void irq_eoi(uint8_t vector)
{
	pthread_mutex_lock(&irq_lock);
	send(ioapic_eoi(&ioapic, vector));
	pthread_mutex_unlock(&irq_lock);
}
