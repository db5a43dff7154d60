/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/pci.c - PCI configuration space of segment 0, through its pair of ports (PCI Local Bus
 * specification 3.0, 3.2.2.3 and 6.1).
 */
#include "drivers/pci.h"

#include "kernel/lock.h"
#include "kernel/x86.h"

#define PORT_ADDRESS 0xcf8u
#define PORT_DATA    0xcfcu
#define FUNCTIONS    8u /* of a device */

static struct spinlock pci_lock = SPINLOCK(PCI); /* the pair of ports */

/* Read a register, and clear `clear` of its low half. */
static uint32_t access(uint32_t address, unsigned offset, uint32_t clear)
{
	LOCK_HOLD(&pci_lock);
	uint32_t before = port_read32(PORT_ADDRESS); /* the service VM may be about to use it */
	port_write32(PORT_ADDRESS, (uint32_t)BIT(31) | address << 8 | offset);
	uint32_t value = port_read32(PORT_DATA);
	if (clear != 0) {
		port_write16(PORT_DATA, (uint16_t)(value & ~clear));
	}
	port_write32(PORT_ADDRESS, before);
	return value;
}

void pci_scan(pci_visit *visit)
{
	uint32_t step = 1;
	for (uint32_t address = 0; address < 256 * 32 * FUNCTIONS; address += step) {
		uint32_t id = access(address, 0x00, 0);
		bool there = id != UINT32_MAX;
		if (address % FUNCTIONS == 0) { /* header type, bit 7: it is not the only one */
			step = there && (access(address, 0x0c, 0) & BIT(23)) ? 1 : FUNCTIONS;
		}
		if (there) {
			visit(address, id, access(address, 0x08, 0) >> 8);
		}
	}
}

static void stop_function(uint32_t address, uint32_t id, uint32_t class_code)
{
	if (class_code >> 16 != 0x06) {        /* a bridge */
		access(address, 0x04, BIT(2)); /* the command register's master enable */
	}
}

void pci_stop_dma(void)
{
	pci_scan(stop_function);
}
