/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/pci.h - PCI's bus 0: configuration by ports (PCI Local Bus 3.0, 3.2.2.3.2), one
 * function and one memory BAR a device.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "service/vmm/irq.h"

#define PCI_PORT       0xcf8u
#define PCI_DEVICES    32u
#define PCI_CONFIG     256u
#define PCI_WINDOW     UINT64_C(0xc0000000) /* memory for BARs */
#define PCI_WINDOW_END UINT64_C(0xfec00000)

/* The pin of the I/O APIC behind a device's INTA. */
#define PCI_PIN(device) (IRQ_PCI + (device) % IRQ_PCI_PINS)

/* Configuration space (6.1). */
enum pci_register {
	PCI_ID = 0x00,
	PCI_COMMAND = 0x04,
	PCI_STATUS = 0x06,
	PCI_CLASS = 0x08, /* with the revision */
	PCI_BAR0 = 0x10,
	PCI_SUBSYSTEM = 0x2c,
	PCI_CAPABILITIES = 0x34,
	PCI_LINE = 0x3c,
	PCI_PIN_REGISTER = 0x3d,
};

#define PCI_COMMAND_MEMORY  0x0002u
#define PCI_COMMAND_MASTER  0x0004u
#define PCI_COMMAND_NO_INTX 0x0400u
#define PCI_STATUS_INTX     0x0008u
#define PCI_STATUS_LIST     0x0010u

struct pci_function;

/* Each is called with the function's lock held, and may be NULL. */
struct pci_ops {
	/* The driver reads these bytes: now they must be right. */
	void (*before_read)(struct pci_function *function, unsigned offset, unsigned len);
	/* It has written these; what cannot be written has kept its value. */
	void (*written)(struct pci_function *function, unsigned offset, unsigned len);
	/* The BAR has gone from one address to another; 0 is nowhere. */
	void (*moved)(struct pci_function *function, uint64_t from, uint64_t to);
	/* An access to the BAR. NULL: it has none. Called WITHOUT the lock. */
	uint64_t (*access)(
		void *function, uint64_t offset, unsigned len, bool write, uint64_t value);
};

/* [I] constant after pci_add()  [F] *lock */
struct pci_function {
	const struct pci_ops *ops;   /* [I] */
	pthread_mutex_t *lock;       /* [I] */
	unsigned device;             /* [I] its number, by pci_add() */
	uint64_t bar_size;           /* [I] a power of two from 4 KiB on; 0: no BAR */
	uint64_t bar_at;             /* [F] 0: nowhere */
	uint8_t config[PCI_CONFIG];  /* [F] */
	uint8_t write[PCI_CONFIG];   /* [I] bits that the driver can write */
	uint8_t initial[PCI_CONFIG]; /* [I] config after a reset */
	unsigned capability_end;     /* used by pci_add_capability() */
};

/* The configuration ports, and the host bridge as device 0. 0 or a negative errno. */
int pci_create(void);

/* Fill in little-endian values, and which of their bits are the driver's. Before pci_add(). */
void pci_set(struct pci_function *function, unsigned offset, unsigned bytes, uint32_t value,
	uint32_t writable);

/* A capability of so many bytes at the list's end, four-byte aligned; its offset. */
unsigned pci_add_capability(struct pci_function *function, uint8_t id, unsigned bytes);

/* Give the function a device number, a place for its BAR and a pin. 0 or -ENOSPC. */
int pci_add(struct pci_function *function);

/* All functions as after a reset, their BARs placed. */
void pci_reset(void);

/* A bit for each device number with a pin. */
uint32_t pci_devices(void);

static inline uint32_t pci_get(const struct pci_function *function, unsigned offset, unsigned bytes)
{
	uint32_t value = 0;
	__builtin_memcpy(&value, function->config + offset, bytes);
	return value;
}
