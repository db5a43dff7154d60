/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/pci.c - PCI configuration space (PCI Firmware specification 3.2, 4.1; PCI 3.0, 3.2.2.3).
 */
#include "drivers/pci.h"

#include "kernel/lock.h"
#include "kernel/log.h"
#include "kernel/paging.h"
#include "kernel/x86.h"

#define PORT_ADDRESS 0xcf8u
#define PORT_DATA    0xcfcu
#define PORT_ENABLE  0x80000000u
#define BUS_COUNT    256u
#define BUS_SIZE     MIB /* of ECAM */
#define DEVICES      32u
#define FUNCTIONS    8u

/* Configuration offsets (PCI Local Bus specification 3.0, 6.1). */
#define CONFIG_ID      0x00u /* device, vendor */
#define CONFIG_COMMAND 0x04u
#define COMMAND_MASTER 0x04u
#define CLASS_BRIDGE   0x06u
#define CONFIG_CLASS   0x08u /* class code, revision */
#define CONFIG_HEADER  0x0cu
#define HEADER_MULTI   0x800000u /* more than one function */
#define NO_FUNCTION    0xffffffffu

static struct spinlock pci_lock = SPINLOCK(PCI); /* the pair of ports */
static const struct acpi_segment *segments;      /* [I] */
static unsigned segment_count;                   /* [I] */

void pci_init(const struct acpi *acpi)
{
	segments = acpi->segment;
	segment_count = acpi->segment_count;
}

/* `ecam`: a window on the bus, or NULL to go through the ports. */
static uint32_t read_config(const volatile void *ecam, struct pci_address at, unsigned offset)
{
	uint32_t function = (uint32_t)at.device * FUNCTIONS + at.function;
	if (ecam != NULL) {
		/* AMD family 10h reads configuration space only into EAX. */
		const volatile char *from =
			(const volatile char *)ecam + function * PAGE_SIZE + offset;
		uint32_t value;
		__asm__ volatile("movl (%1), %%eax" : "=a"(value) : "r"(from) : "memory");
		return value;
	}
	uint64_t flags = lock_acquire(&pci_lock);
	uint32_t before = port_read32(PORT_ADDRESS); /* the service VM may be about to use it */
	port_write32(PORT_ADDRESS, PORT_ENABLE | (uint32_t)at.bus << 16 | function << 8 | offset);
	uint32_t value = port_read32(PORT_DATA);
	port_write32(PORT_ADDRESS, before);
	lock_release(&pci_lock, flags);
	return value;
}

typedef void pci_visit(void *context, const struct pci_function *function);

/* Returns false when nothing answers there. */
static bool scan_function(
	const volatile void *ecam, struct pci_address at, pci_visit *visit, void *context)
{
	uint32_t id = read_config(ecam, at, CONFIG_ID);
	if (id == NO_FUNCTION) {
		return false;
	}
	struct pci_function function = {
		.address = at,
		.vendor = (uint16_t)id,
		.device_id = (uint16_t)(id >> 16),
		.class_code = read_config(ecam, at, CONFIG_CLASS) >> 8,
	};
	visit(context, &function);
	return true;
}

static void scan_bus(
	const volatile void *ecam, struct pci_address at, pci_visit *visit, void *context)
{
	for (at.device = 0; at.device < DEVICES; at.device++) {
		at.function = 0;
		if (!scan_function(ecam, at, visit, context) ||
			!(read_config(ecam, at, CONFIG_HEADER) & HEADER_MULTI)) {
			continue;
		}
		for (at.function = 1; at.function < FUNCTIONS; at.function++) {
			scan_function(ecam, at, visit, context);
		}
	}
}

static void scan_segment(const struct acpi_segment *segment, pci_visit *visit, void *context)
{
	for (unsigned bus = segment->bus_first; bus <= segment->bus_last; bus++) {
		struct pci_address at = {.segment = segment->segment, .bus = (uint8_t)bus};
		const volatile void *ecam = window_map(
			hpa(segment->base.raw + bus * BUS_SIZE), BUS_SIZE, PAGING_UNCACHED);
		if (ecam == NULL) {
			log_warning(
				"pci: no access to bus %u of segment %u", bus, segment->segment);
			break;
		}
		scan_bus(ecam, at, visit, context);
		window_unmap(ecam, BUS_SIZE);
	}
}

void pci_scan(pci_visit *visit, void *context)
{
	for (unsigned bus = 0; bus < BUS_COUNT && segment_count == 0; bus++) {
		scan_bus(NULL, (struct pci_address){.bus = (uint8_t)bus}, visit, context);
	}
	for (unsigned i = 0; i < segment_count; i++) {
		scan_segment(&segments[i], visit, context);
	}
}

static void stop_function(void *context, const struct pci_function *function)
{
	const struct pci_address *at = &function->address;
	uint32_t place =
		(uint32_t)at->bus << 16 | (uint32_t)at->device << 11 | (uint32_t)at->function << 8;
	if (at->segment != 0 || function->class_code >> 16 == CLASS_BRIDGE) {
		return;
	}
	uint64_t flags = lock_acquire(&pci_lock);
	port_write32(PORT_ADDRESS, PORT_ENABLE | place | CONFIG_COMMAND);
	port_write16(PORT_DATA, (uint16_t)(port_read16(PORT_DATA) & ~COMMAND_MASTER));
	lock_release(&pci_lock, flags);
}

void pci_stop_dma(void)
{
	pci_scan(stop_function, NULL);
}
