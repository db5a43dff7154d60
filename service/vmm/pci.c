/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/pci.c - PCI's bus 0.
 */
#include "service/vmm/pci.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "service/vmm/bus.h"

#define ADDRESS_ENABLE    UINT32_C(0x80000000)
#define ADDRESS_WRITABLE  UINT32_C(0x80fffffc)
#define BAR_STEP          UINT64_C(0x100000)
#define FIRST_CAPABILITY  0x40u
#define HOST_BRIDGE       0x00081b36u /* Red Hat's "PCIe Host bridge" of QEMU */
#define CLASS_HOST_BRIDGE 0x06000000u

static struct pci_function *functions[PCI_DEVICES]; /* constant when the guest runs */
static _Atomic uint32_t address;                    /* of the configuration register chosen */

void pci_set(struct pci_function *function, unsigned offset, unsigned bytes, uint32_t value,
	uint32_t writable)
{
	memcpy(function->config + offset, &value, bytes);
	memcpy(function->write + offset, &writable, bytes);
}

unsigned pci_add_capability(struct pci_function *function, uint8_t id, unsigned bytes)
{
	unsigned at = function->capability_end != 0 ? function->capability_end : FIRST_CAPABILITY;
	/* The newest is the first of the list. */
	function->config[at] = id;
	function->config[at + 1] = function->config[PCI_CAPABILITIES];
	function->config[PCI_CAPABILITIES] = (uint8_t)at;
	function->config[PCI_STATUS] |= PCI_STATUS_LIST;
	function->capability_end = (at + bytes + 3) & ~3u;
	return at;
}

/* Where the registers say that the BAR answers. */
static uint64_t bar_of(const struct pci_function *function)
{
	uint64_t at = pci_get(function, PCI_BAR0, 4) & ~UINT64_C(0xf);
	bool on = (pci_get(function, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY) != 0 &&
		function->bar_size != 0 && at >= PCI_WINDOW &&
		at <= PCI_WINDOW_END - function->bar_size;
	return on ? at : 0;
}

/* Lock held. */
static void place_bar(struct pci_function *function)
{
	uint64_t from = function->bar_at, to = bar_of(function);
	if (from == to) {
		return;
	}
	if (from != 0) {
		bus_remove(BUS_MMIO, from, function->ops->access, function);
	}
	if (to != 0 &&
		bus_add(BUS_MMIO, to, function->bar_size, function->ops->access, function) != 0) {
		to = 0;
	}
	function->bar_at = to;
	if (function->ops->moved != NULL) {
		function->ops->moved(function, from, to);
	}
}

static void config_write(
	struct pci_function *function, unsigned offset, unsigned len, uint32_t value)
{
	for (unsigned i = 0; i < len; i++, value >>= 8) {
		uint8_t mask = function->write[offset + i];
		uint8_t *byte = &function->config[offset + i];
		*byte = (uint8_t)((*byte & ~mask) | (value & mask));
	}
	place_bar(function);
	if (function->ops->written != NULL) {
		function->ops->written(function, offset, len);
	}
}

/* The function that the address register names, if it is there. */
static struct pci_function *chosen(uint32_t which)
{
	bool there =
		(which & ADDRESS_ENABLE) != 0 && (which >> 16 & 0xff) == 0 && (which >> 8 & 7) == 0;
	return there ? functions[which >> 11 & 0x1f] : NULL;
}

static uint64_t access_data(unsigned offset, unsigned len, bool write, uint64_t value)
{
	uint32_t which = atomic_load(&address);
	struct pci_function *function = chosen(which);
	if (function == NULL || offset + len > 4) {
		return UINT64_MAX;
	}
	uint64_t result = 0;
	offset += which & 0xfc;
	pthread_mutex_lock(function->lock);
	if (write) {
		config_write(function, offset, len, (uint32_t)value);
	} else {
		if (function->ops->before_read != NULL) {
			function->ops->before_read(function, offset, len);
		}
		result = pci_get(function, offset, len);
	}
	pthread_mutex_unlock(function->lock);
	return result;
}

static uint64_t access(void *argument, uint64_t offset, unsigned len, bool write, uint64_t value)
{
	(void)argument;
	if (offset >= 4) {
		return access_data((unsigned)offset - 4, len, write, value);
	}
	if (offset != 0 || len != 4) {
		return UINT64_MAX; /* only as a whole */
	}
	if (write) {
		atomic_store(&address, (uint32_t)value & ADDRESS_WRITABLE);
	}
	return atomic_load(&address);
}

/* What is in every header, and the initial values. */
static void add(struct pci_function *function, unsigned device)
{
	function->device = device;
	if (function->bar_size != 0) {
		uint32_t mask = (uint32_t)-function->bar_size;
		uint32_t at = (uint32_t)(PCI_WINDOW + device * BAR_STEP);
		pci_set(function, PCI_BAR0, 4, at, mask);
		pci_set(function, PCI_COMMAND, 2, PCI_COMMAND_MEMORY,
			PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_NO_INTX);
		pci_set(function, PCI_LINE, 1, PCI_PIN(device), 0xff);
		pci_set(function, PCI_PIN_REGISTER, 1, 1, 0);
	}
	memcpy(function->initial, function->config, PCI_CONFIG);
	functions[device] = function;
	pthread_mutex_lock(function->lock);
	place_bar(function);
	pthread_mutex_unlock(function->lock);
}

int pci_add(struct pci_function *function)
{
	for (unsigned device = 1; device < PCI_DEVICES; device++) {
		if (functions[device] == NULL) {
			add(function, device);
			return 0;
		}
	}
	return -ENOSPC;
}

int pci_create(void)
{
	static const struct pci_ops none;
	static pthread_mutex_t bridge_lock = PTHREAD_MUTEX_INITIALIZER;
	static struct pci_function bridge;
	bridge.ops = &none;
	bridge.lock = &bridge_lock;
	pci_set(&bridge, PCI_ID, 4, HOST_BRIDGE, 0);
	pci_set(&bridge, PCI_CLASS, 4, CLASS_HOST_BRIDGE, 0);
	add(&bridge, 0);
	return bus_add(BUS_PORT, PCI_PORT, 8, access, NULL);
}

void pci_reset(void)
{
	atomic_store(&address, 0);
	for (unsigned device = 0; device < PCI_DEVICES; device++) {
		struct pci_function *function = functions[device];
		if (function != NULL) {
			pthread_mutex_lock(function->lock);
			memcpy(function->config, function->initial, PCI_CONFIG);
			place_bar(function);
			if (function->ops->written != NULL) {
				function->ops->written(function, 0, PCI_CONFIG);
			}
			pthread_mutex_unlock(function->lock);
		}
	}
}

uint32_t pci_devices(void)
{
	uint32_t devices = 0;
	for (unsigned device = 0; device < PCI_DEVICES; device++) {
		if (functions[device] != NULL && functions[device]->bar_size != 0) {
			devices |= UINT32_C(1) << device;
		}
	}
	return devices;
}
