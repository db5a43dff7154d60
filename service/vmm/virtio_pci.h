/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/virtio_pci.h - the PCI transport of virtio devices (virtio 1.2, 4.1), modern only.
 */
#pragma once

#include "service/vmm/virtio.h"
#include "service/vmm/vm.h"

struct virtio_pci;

/*
 * Put a device on the bus; it is destroyed with what is returned. NULL, the device being the
 * caller's still, after a message.
 */
struct virtio_pci *virtio_pci_create(struct vm *vm, struct virtio_device *device);

/* The device forgets its driver, and so does the transport; while no vCPU runs. The function's
 * registers are pci_reset()'s. */
void virtio_pci_reset(struct virtio_pci *pci);

void virtio_pci_destroy(struct virtio_pci *pci);
