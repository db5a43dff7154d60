/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/pci.c - PCI configuration space of segment 0, through its pair of ports (PCI Local Bus
 * specification 3.0, 3.2.2.3 and 6.1).
 */
#include "drivers/pci.h"

#include "kernel/lock.h"
#include "kernel/x86.h"

#define PORT_ADDRESS   0xcf8u
#define PORT_DATA      0xcfcu
#define PORT_ENABLE    0x80000000u
#define CONFIG_ID      0x00u /* device, vendor */
#define CONFIG_COMMAND 0x04u
#define COMMAND_MASTER 0x04u
#define CLASS_BRIDGE   0x06u
#define CONFIG_CLASS   0x08u /* class code, revision */
#define CONFIG_HEADER  0x0cu
#define HEADER_MULTI   0x800000u /* more than one function */
#define FUNCTIONS      8u        /* of a device */
#define ADDRESSES      0x10000u  /* 256 buses, 32 devices, 8 functions */
#define NO_FUNCTION    0xffffffffu

static struct spinlock pci_lock = SPINLOCK(PCI); /* the pair of ports */

/* Read a register, and clear `clear` of its low half. */
static uint32_t access(uint32_t address, unsigned offset, uint16_t clear)
{
	uint64_t flags = lock_acquire(&pci_lock);
	uint32_t before = port_read32(PORT_ADDRESS); /* the service VM may be about to use it */
	port_write32(PORT_ADDRESS, PORT_ENABLE | address << 8 | offset);
	uint32_t value = port_read32(PORT_DATA);
	if (clear != 0) {
		port_write16(PORT_DATA, (uint16_t)(value & ~(uint32_t)clear));
	}
	port_write32(PORT_ADDRESS, before);
	lock_release(&pci_lock, flags);
	return value;
}

void pci_scan(void (*visit)(void *context, const struct pci_function *function), void *context)
{
	uint32_t step = 1;
	for (uint32_t address = 0; address < ADDRESSES; address += step) {
		uint32_t id = access(address, CONFIG_ID, 0);
		bool first = address % FUNCTIONS == 0;
		if (first) {
			bool multi = id != NO_FUNCTION &&
				(access(address, CONFIG_HEADER, 0) & HEADER_MULTI);
			step = multi ? 1 : FUNCTIONS;
		}
		if (id != NO_FUNCTION) {
			visit(context,
				&(struct pci_function){.address = (uint16_t)address,
					.vendor = (uint16_t)id,
					.device_id = (uint16_t)(id >> 16),
					.class_code = access(address, CONFIG_CLASS, 0) >> 8});
		}
	}
}

static void stop_function(void *context, const struct pci_function *function)
{
	if (function->class_code >> 16 != CLASS_BRIDGE) {
		access(function->address, CONFIG_COMMAND, COMMAND_MASTER);
	}
}

void pci_stop_dma(void)
{
	pci_scan(stop_function, NULL);
}
